package soak

import (
	"fmt"
	"slices"
	"time"

	"github.com/roost-ws/roost/bench/report"
)

// SVG draws every figure of a soak over time, with the lines that were fitted.
func (r *Record) SVG() string {
	p := r.Header.Plan
	var panels []report.Panel
	for _, f := range figures {
		title := f.name
		if f.unit != "" {
			title += ", " + f.unit
		}
		panel := report.Panel{Title: title}
		for _, t := range r.Verdict.Trends {
			if t.Figure != f.name {
				continue
			}
			l := report.Line{Name: "roost " + t.Server, Note: fmt.Sprintf("%.4g, %+.2g ± %.2g an hour", t.Level*f.scale, t.Slope*f.scale, t.Error*f.scale)}
			for span := range slices.Chunk(r.of(t.Server), r.span()) {
				var y []float64
				for _, s := range span {
					y = append(y, f.of(s)*f.scale)
				}
				l.X, l.Y = append(l.X, span[len(span)/2].At), append(l.Y, median(y))
			}
			half := t.Slope / 3600 * (t.End - t.Begin) / 2
			l.Begin = [2]float64{t.Begin, (t.Level - half) * f.scale}
			l.End = [2]float64{t.End, (t.Level + half) * f.scale}
			panel.Lines = append(panel.Lines, l)
		}
		panels = append(panels, panel)
	}
	c := p.Crowd
	return report.TrendSVG(fmt.Sprintf("roost %s under %v of churn, slow, rude and honest clients", r.Header.Version, p.For),
		fmt.Sprintf("at each: %d stay, %g/s come and go, %g/s are rude, %d never read; a dot is the median of %v, lines are fitted after %v",
			c.Honest, c.Churn, c.Rude, c.Slow, p.Every*time.Duration(r.span()), p.Warmup), panels)
}

// dots is how many a line has at most.
const dots = 150

// span is how many samples make a dot.
func (r *Record) span() int { return int(r.Header.Plan.For/r.Header.Plan.Every)/dots + 1 }

// of are the samples of one server.
func (r *Record) of(server string) (all []Sample) {
	for _, s := range r.Samples {
		if s.Server == server {
			all = append(all, s)
		}
	}
	return all
}
