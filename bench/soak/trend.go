package soak

import (
	"fmt"
	"math"
	"slices"
)

// Trend is a line fitted to a figure over time.
type Trend struct {
	Figure string  `json:"figure"`
	Server string  `json:"server"`
	Blocks int     `json:"blocks"` // the medians of so many spans of time were fitted
	Level  float64 `json:"level"`  // the figure's mean
	Slope  float64 `json:"slope"`  // its rise in an hour
	Error  float64 `json:"error"`  // the standard error of Slope
	Most   float64 `json:"most"`   // the rise that is tolerated
	Rises  bool    `json:"rises"`  // for certain, and by more
	// Begin and End are the line's ends, in seconds since the start of the run.
	Begin float64 `json:"begin"`
	End   float64 `json:"end"`
}

// tolerance says how much of a rise in an hour is none.
type tolerance struct {
	part  float64 // of the level
	floor float64 // in the figure's own unit, for levels near zero
}

const (
	// blocks is into how many spans the time after the warm-up is cut. Samples
	// next to each other are alike (the collector runs every few minutes);
	// the medians of spans are as good as independent.
	blocks    = 20
	blocksMin = 6

	// certain is how many standard errors a slope must be from zero. With twenty
	// blocks a line that is flat is thought to rise once in a thousand fits.
	certain = 3.5
)

// fit fits a line to the values taken at times, in seconds, and judges it.
func fit(times, values []float64, most tolerance) (Trend, error) {
	n := min(blocks, len(times)/3)
	if n < blocksMin {
		return Trend{}, fmt.Errorf("soak: %d samples are too few for a trend", len(times))
	}
	var x, y []float64
	for i := range n {
		from, to := len(times)*i/n, len(times)*(i+1)/n
		x = append(x, (times[from]+times[to-1])/2)
		y = append(y, median(values[from:to]))
	}
	t := Trend{Blocks: n, Begin: times[0], End: times[len(times)-1]}
	slope, level, sigma := regress(x, y)
	t.Level, t.Slope, t.Error = level, slope*3600, sigma*3600
	t.Most = max(most.part*math.Abs(level), most.floor)
	t.Rises = t.Slope-certain*t.Error > 0 && t.Slope > t.Most
	return t, nil
}

// regress is the least-squares line through points: its slope, its value in the
// middle, and the standard error of the slope.
func regress(x, y []float64) (slope, level, sigma float64) {
	mx, my := mean(x), mean(y)
	var sxx, sxy float64
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	slope = sxy / sxx
	var left float64
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
		left += d * d
	}
	return slope, my, math.Sqrt(left / float64(len(x)-2) / sxx)
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
