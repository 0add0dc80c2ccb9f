package report

import (
	"fmt"
	"html"
	"strings"
)

// ink is a colour by its role; how it looks is the canvas's matter.
type ink uint8

const (
	inkText   ink = iota // figures and names
	inkMuted             // axes and what explains
	inkGrid              // lines behind
	inkPaper             // behind everything
	inkRoost             // roost itself
	inkRoost2            // roost in its other mode
	inkGo                // peers in Go
	inkOther             // other peers
	inkSeries            // and above: lines of a chart, told apart
)

// colours are the light ones; a page may set the custom property --<name> to
// show others, a picture on its own falls back to these.
var colours = []struct{ name, light string }{
	{"text", "#1f2430"}, {"muted", "#6b7280"}, {"grid", "#e3e6ea"}, {"paper", "#ffffff"},
	{"roost", "#d9480f"}, {"roost2", "#f08c4a"}, {"go", "#4c78a8"}, {"other", "#8f84b0"},
	{"s0", "#2f6fab"}, {"s1", "#2b8a5a"}, {"s2", "#8250c4"}, {"s3", "#a8742b"}, {"s4", "#1c8a99"},
	{"s5", "#b0457b"}, {"s6", "#667085"}, {"s7", "#6a8f1f"}, {"s8", "#3f51b5"}, {"s9", "#94594a"},
}

// series is the ink of line number i.
func series(i int) ink { return inkSeries + ink(i%(len(colours)-int(inkSeries))) }

// anchor says which point of a text its place is.
type anchor uint8

const (
	left anchor = iota
	middle
	right
)

// point is a place on a canvas; y grows downwards.
type point struct{ x, y float64 }

// canvas is what charts are drawn on.
type canvas interface {
	rect(x, y, w, h, radius float64, c ink)
	line(points []point, width float64, c ink)
	dot(at point, radius float64, c ink)
	// text writes s with its baseline at the place; bold is for what matters.
	text(at point, a anchor, size float64, bold bool, c ink, s string)
}

// chart draws itself and says how large it is.
type chart interface {
	title() string
	size() (w, h float64)
	draw(c canvas)
}

// svg is a canvas that writes Scalable Vector Graphics.
type svg struct{ b strings.Builder }

// svgOf renders a chart as a picture of its own, or as part of a page.
func svgOf(ch chart) string {
	w, h := ch.size()
	s := &svg{}
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="%s" font-family="system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif">`,
		w, h, w, h, html.EscapeString(ch.title()))
	s.rect(0, 0, w, h, 0, inkPaper)
	ch.draw(s)
	s.b.WriteString("</svg>\n")
	return s.b.String()
}

func paint(c ink) string { return fmt.Sprintf("var(--%s, %s)", colours[c].name, colours[c].light) }

func (s *svg) rect(x, y, w, h, radius float64, c ink) {
	fmt.Fprintf(&s.b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%g" style="fill:%s"/>`, x, y, w, h, radius, paint(c))
}

func (s *svg) line(points []point, width float64, c ink) {
	s.b.WriteString(`<polyline points="`)
	for _, p := range points {
		fmt.Fprintf(&s.b, "%.1f,%.1f ", p.x, p.y)
	}
	fmt.Fprintf(&s.b, `" style="fill:none;stroke:%s" stroke-width="%g" stroke-linejoin="round"/>`, paint(c), width)
}

func (s *svg) dot(at point, radius float64, c ink) {
	fmt.Fprintf(&s.b, `<circle cx="%.1f" cy="%.1f" r="%g" style="fill:%s"/>`, at.x, at.y, radius, paint(c))
}

func (s *svg) text(at point, a anchor, size float64, bold bool, c ink, text string) {
	weight := 400
	if bold {
		weight = 600
	}
	fmt.Fprintf(&s.b, `<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%g" font-weight="%d" style="fill:%s">%s</text>`,
		at.x, at.y, [...]string{"start", "middle", "end"}[a], size, weight, paint(c), html.EscapeString(text))
}
