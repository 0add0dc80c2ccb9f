package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/roost-ws/roost/bench/load"
	"github.com/roost-ws/roost/bench/run"
	"github.com/roost-ws/roost/bench/scenario"
)

// The measures of charts, in units of a pixel.
const (
	chartWidth = 720
	nameWidth  = 150
	rowHeight  = 26
	headHeight = 54
)

// inkOf is the colour of a server's bar.
func inkOf(s *run.Server) ink {
	switch {
	case s.Name == "roost-inline":
		return inkRoost
	case s.Family == run.Roost:
		return inkRoost2
	case s.Family == run.GoPeer:
		return inkGo
	}
	return inkOther
}

// bars shows the deciding figure of a case: the median as a bar, the lowest
// and the highest round as a line across its end.
type bars struct {
	c    Case
	rows []Row // those that have figures, the best first
}

func barsOf(c Case) (bars, bool) {
	b := bars{c: c}
	for _, row := range c.Rows {
		if row.Failed == "" && len(c.Columns) > 0 {
			b.rows = append(b.rows, row)
		}
	}
	if len(b.rows) == 0 {
		return b, false
	}
	key := c.Columns[0].Key
	slices.SortStableFunc(b.rows, func(x, y Row) int {
		if c.better(x.Values[key].Median, y.Values[key].Median) {
			return -1
		}
		return 1
	})
	return b, true
}

func (b bars) title() string { return fmt.Sprintf("%s: %s", b.c.Scenario, b.c.Name) }

func (b bars) size() (w, h float64) {
	return chartWidth, headHeight + float64(len(b.rows))*rowHeight + 14
}

func (b bars) draw(c canvas) {
	col := b.c.Columns[0]
	c.text(point{12, 22}, left, 14, true, inkText, b.title())
	c.text(point{12, 40}, left, 11, false, inkMuted, caption(col, b.c))
	most := 0.0
	for _, row := range b.rows {
		most = max(most, row.Values[col.Key].Max)
	}
	const valueWidth = 150
	scale := (chartWidth - nameWidth - valueWidth) / max(most, math.SmallestNonzeroFloat64)
	for i, row := range b.rows {
		v, y := row.Values[col.Key], headHeight+float64(i)*rowHeight
		own := row.Server.Family == run.Roost
		c.text(point{nameWidth - 8, y + 15}, right, 12, own, inkText, row.Server.Name)
		c.rect(nameWidth, y+3, max(1, v.Median*scale), rowHeight-9, 2, inkOf(row.Server))
		if v.N > 1 {
			mid := y + 3 + (rowHeight-9)/2.0
			low, high := nameWidth+v.Min*scale, nameWidth+v.Max*scale
			c.line([]point{{low, mid}, {high, mid}}, 1.5, inkText)
			c.line([]point{{low, mid - 4}, {low, mid + 4}}, 1.5, inkText)
			c.line([]point{{high, mid - 4}, {high, mid + 4}}, 1.5, inkText)
		}
		text := number(v.Median, col)
		if col.Unit != "" {
			text += " " + col.Unit
		}
		if row.Ratio.N > 0 {
			text += fmt.Sprintf("   × %.2f", row.Ratio.Median)
		}
		c.text(point{nameWidth + max(v.Max, v.Median)*scale + 8, y + 15}, left, 12, own, inkText, text)
	}
}

func caption(m scenario.Metric, c Case) string {
	word := "less is better"
	if m.More {
		word = "more is better"
	}
	s := m.Title
	if m.Unit != "" {
		s += " in " + m.Unit
	}
	s += ", " + word + "; " + rounds(c.Rounds)
	if c.Baseline != "" {
		s += "; × " + c.Baseline + " of the same round"
	}
	return s
}

// curves shows the latencies of a case by percentile, all rounds together.
type curves struct {
	c     Case
	names []string
	inks  []ink
	hists []*load.Histogram
}

// tailNines are the percentiles of the axis: each step leaves out ten times less.
var tailNines = []float64{0, 0.5, 0.9, 0.99, 0.999, 0.9999}

func (r *Results) curvesOf(c Case) (curves, bool) {
	out := curves{c: c}
	peers := 0
	for _, row := range c.Rows {
		colour := inkOf(row.Server)
		if row.Server.Family != run.Roost {
			colour = series(peers)
			peers++
		}
		if row.Failed != "" {
			continue
		}
		h := load.NewHistogram()
		for _, s := range r.Samples {
			if s.Scenario == c.Scenario && s.Case == c.Name && s.Server == row.Server.Name {
				h.Merge(s.Latency)
			}
		}
		if h.Count() > 0 {
			out.names, out.inks, out.hists = append(out.names, row.Server.Name), append(out.inks, colour), append(out.hists, h)
		}
	}
	return out, len(out.names) > 0
}

func (v curves) title() string {
	return fmt.Sprintf("%s: %s, latency by percentile", v.c.Scenario, v.c.Name)
}

func (v curves) size() (w, h float64) { return chartWidth, 340 }

func (v curves) draw(c canvas) {
	const x0, x1, y0, y1 = 70.0, chartWidth - 130.0, 300.0, 60.0
	c.text(point{12, 22}, left, 14, true, inkText, v.title())
	c.text(point{12, 40}, left, 11, false, inkMuted, "less is better; both axes logarithmic, to the right each step is a tenth of the messages")
	low, high := time.Duration(math.MaxInt64), time.Duration(1)
	for _, h := range v.hists {
		low, high = min(low, max(h.Min(), time.Microsecond)), max(high, h.Quantile(tailNines[len(tailNines)-1]))
	}
	bottom, top := math.Floor(math.Log10(float64(low))), math.Ceil(math.Log10(float64(high)))
	x := func(q float64) float64 {
		const last = 4 // nines of the last percentile
		return x0 + (x1-x0)*min(-math.Log10(1-q), last)/last
	}
	y := func(d time.Duration) float64 {
		return y0 + (y1-y0)*(math.Log10(max(1, float64(d)))-bottom)/max(1, top-bottom)
	}
	for e := bottom; e <= top; e++ {
		d := time.Duration(math.Pow(10, e))
		c.line([]point{{x0, y(d)}, {x1, y(d)}}, 1, inkGrid)
		c.text(point{x0 - 8, y(d) + 4}, right, 11, false, inkMuted, d.String())
	}
	for _, q := range tailNines {
		c.line([]point{{x(q), y0}, {x(q), y1}}, 1, inkGrid)
		c.text(point{x(q), y0 + 18}, middle, 11, false, inkMuted, strings.TrimSuffix(fmt.Sprintf("p%g", 100*q), "."))
	}
	for i, h := range v.hists {
		var points []point
		const steps = 160
		for k := range steps + 1 {
			q := 1 - math.Pow(10, -4*float64(k)/steps)
			d := h.Quantile(q)
			if k == 0 {
				d = h.Min()
			}
			points = append(points, point{x(q), y(max(d, time.Duration(math.Pow(10, bottom))))})
		}
		width := 1.5
		if v.inks[i] < inkSeries {
			width = 2.5
		}
		c.line(points, width, v.inks[i])
		ly := y1 + 6 + float64(i)*18
		c.line([]point{{x1 + 14, ly - 4}, {x1 + 32, ly - 4}}, width+0.5, v.inks[i])
		c.text(point{x1 + 38, ly}, left, 11, v.inks[i] < inkSeries, inkText, v.names[i])
	}
}
