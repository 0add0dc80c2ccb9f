package report

import (
	"fmt"
	"math"
	"time"
)

// Panel is a figure of several servers over time, as points and as a line
// fitted to them.
type Panel struct {
	Title string // with the unit
	Lines []Line
}

// Line is one server's figure.
type Line struct {
	Name       string
	X, Y       []float64 // seconds since the start; the figure
	Begin, End [2]float64
	Note       string // about the fitted line, whose ends Begin and End are
}

// trendPlot shows panels one below the other.
type trendPlot struct {
	name, caption string
	panels        []Panel
}

// TrendSVG draws panels below one another as a picture of its own.
func TrendSVG(title, caption string, panels []Panel) string {
	return svgOf(trendPlot{title, caption, panels})
}

const panelHeight = 150

func (p trendPlot) title() string { return p.name }

func (p trendPlot) size() (w, h float64) {
	return chartWidth, headHeight + float64(len(p.panels))*panelHeight + 20
}

func (p trendPlot) draw(c canvas) {
	c.text(point{12, 22}, left, 14, true, inkText, p.name)
	c.text(point{12, 40}, left, 11, false, inkMuted, p.caption)
	for i, panel := range p.panels {
		panel.draw(c, headHeight+float64(i)*panelHeight, i == len(p.panels)-1)
	}
}

// draw draws one panel below y; the last has the axis of time.
func (p Panel) draw(c canvas, y float64, last bool) {
	const x0, x1, top, bottom = 62.0, chartWidth - 16.0, 24.0, panelHeight - 22.0
	var most, until float64
	for _, l := range p.Lines {
		for i := range l.X {
			most, until = max(most, l.Y[i]), max(until, l.X[i])
		}
	}
	step := roundStep(most / 3)
	most = max(step, math.Ceil(most/step)*step)
	at := func(x, v float64) point {
		return point{x0 + (x1-x0)*x/max(until, 1), y + bottom - (bottom-top)*v/most}
	}
	c.text(point{12, y + 14}, left, 12, true, inkText, p.Title)
	for v := 0.0; v <= most+step/2; v += step {
		c.line([]point{at(0, v), at(until, v)}, 1, inkGrid)
		c.text(point{x0 - 8, at(0, v).y + 4}, right, 10, false, inkMuted, fmt.Sprintf("%.4g", v))
	}
	for t, every := 0.0, roundStep(until/360)*60; last && t <= until; t += every {
		c.text(point{at(t, 0).x, y + bottom + 16}, middle, 10, false, inkMuted, (time.Duration(t) * time.Second).String())
	}
	x := x1
	for i := len(p.Lines) - 1; i >= 0; i-- {
		l := p.Lines[i]
		for k := range l.X {
			c.dot(at(l.X[k], l.Y[k]), 0.9, series(i))
		}
		c.line([]point{at(l.Begin[0], l.Begin[1]), at(l.End[0], l.End[1])}, 1.8, series(i))
		text := l.Name + ": " + l.Note
		c.text(point{x, y + 14}, right, 11, false, inkText, text)
		x -= 6.1*float64(len([]rune(text))) + 8
		c.rect(x, y+8, 9, 4, 1, series(i))
		x -= 14
	}
}

// roundStep is the smallest of 1, 2, 5 times a power of ten that is not below v.
func roundStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= v {
			return m * p
		}
	}
	return 10 * p
}
