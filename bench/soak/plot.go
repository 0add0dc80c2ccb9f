package soak

import (
	"fmt"

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
			for _, s := range r.Samples {
				if s.Server == t.Server {
					l.X, l.Y = append(l.X, s.At), append(l.Y, f.of(s)*f.scale)
				}
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
		fmt.Sprintf("at each server %d residents, %g visitors and %g rude ones a second, %d that never read; a dot is %v, lines are fitted after %v",
			c.Honest, c.Churn, c.Rude, c.Slow, p.Every, p.Warmup), panels)
}
