package soak

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// an hour of samples, ten seconds apart.
func hour(at func(t float64, r *rand.Rand) float64, seed uint64) (times, values []float64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for t := 600.0; t < 4200; t += 10 {
		times, values = append(times, t), append(values, at(t, r))
	}
	return times, values
}

// sawtooth is a heap that is collected every few minutes.
func sawtooth(t float64, r *rand.Rand) float64 {
	const period = 170
	return 20e6 + 6e6*(t/period-float64(int(t/period))) + r.NormFloat64()*1e6
}

// A figure that only swings does not rise; one that leaks does, well before the
// leak is as large as the swings.
func TestFitTellsALeakFromNoise(t *testing.T) {
	most := tolerance{0.05, 1 << 20}
	for seed := range uint64(200) {
		times, flat := hour(sawtooth, seed)
		trend, err := fit(times, flat, most)
		if err != nil || trend.Rises {
			t.Fatalf("seed %d: a heap that swings is taken for a leak: %+v, %v", seed, trend, err)
		}
		times, leak := hour(func(t float64, r *rand.Rand) float64 { return sawtooth(t, r) + 4e6*t/3600 }, seed)
		if trend, err = fit(times, leak, most); err != nil || !trend.Rises {
			t.Fatalf("seed %d: a leak of 4 MB an hour is not found: %+v, %v", seed, trend, err)
		}
		if trend.Slope < 2e6 || trend.Slope > 6e6 {
			t.Errorf("seed %d: 4 MB an hour are fitted as %+v", seed, trend)
		}
	}
}

// A single connection a minute that is never closed shows.
func TestFitFindsALostDescriptorAMinute(t *testing.T) {
	times, files := hour(func(t float64, r *rand.Rand) float64 { return 220 + float64(int(t/60)) + float64(r.IntN(12)) }, 1)
	trend, err := fit(times, files, tolerance{0.02, 3})
	if err != nil || !trend.Rises {
		t.Errorf("%+v, %v", trend, err)
	}
}

func TestFitWantsEnoughSamples(t *testing.T) {
	if _, err := fit(make([]float64, 10), make([]float64, 10), tolerance{}); err == nil {
		t.Error("ten samples make a trend")
	}
}

// Every rule of the verdict can fail.
func TestJudge(t *testing.T) {
	good := func() *Verdict {
		before := Sample{Files: 16, Goroutines: 14}
		return &Verdict{
			Outcomes: []Outcome{{Server: "echo", Asked: 1, Visits: 1, Before: before, After: before, Counted: map[string]float64{}}},
			Trends:   []Trend{{Server: "echo", Figure: "RSS"}},
		}
	}
	v := good()
	if v.judge(); len(v.Faults) != 0 {
		t.Fatalf("a good run has faults: %q", v.Faults)
	}
	for what, spoil := range map[string]func(v *Verdict){
		"failures of honest clients": func(v *Verdict) { v.Outcomes[0].Failed, v.Outcomes[0].Errors = 1, []string{"an echo is wrong"} },
		"nobody was served":          func(v *Verdict) { v.Outcomes[0].Asked = 0 },
		"panicked":                   func(v *Verdict) { v.Outcomes[0].Counted["roost_panics_total"] = 1 },
		"1 connections after":        func(v *Verdict) { v.Outcomes[0].After.Conns = 1 },
		"17 descriptors after":       func(v *Verdict) { v.Outcomes[0].After.Files = 17 },
		"15 goroutines after":        func(v *Verdict) { v.Outcomes[0].After.Goroutines = 15 },
		"RSS rises":                  func(v *Verdict) { v.Trends[0].Rises = true },
	} {
		v := good()
		spoil(v)
		if v.judge(); len(v.Faults) != 1 || !strings.Contains(v.Faults[0], what) {
			t.Errorf("%s: %q", what, v.Faults)
		}
	}
}
