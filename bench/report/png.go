package report

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// pngScale is how many pixels a unit of a chart has each way.
const pngScale = 2

// raster is a canvas of pixels.
type raster struct {
	img           *image.RGBA
	regular, bold *opentype.Font
	shape         vector.Rasterizer
	err           error // the first; nothing is drawn after it
}

// writePNG renders a chart as a bitmap.
func writePNG(w io.Writer, ch chart) error {
	width, height := ch.size()
	r := &raster{img: image.NewRGBA(image.Rect(0, 0, int(width*pngScale), int(height*pngScale)))}
	if r.regular, r.err = opentype.Parse(goregular.TTF); r.err == nil {
		r.bold, r.err = opentype.Parse(gobold.TTF)
	}
	r.rect(0, 0, width, height, 0, inkPaper)
	ch.draw(r)
	if r.err != nil {
		return fmt.Errorf("report: %s: %w", ch.title(), r.err)
	}
	return png.Encode(w, r.img)
}

func (r *raster) colour(c ink) color.RGBA {
	n, err := strconv.ParseUint(colours[c].light[1:], 16, 32)
	if err != nil && r.err == nil {
		r.err = err
	}
	return color.RGBA{uint8(n >> 16), uint8(n >> 8), uint8(n), 255}
}

// fill fills a closed shape.
func (r *raster) fill(points []point, c ink) {
	if r.err != nil || len(points) < 3 {
		return
	}
	// Only the shape's own box is worked on: a chart has thousands of shapes.
	box := image.Rectangle{Min: image.Pt(math.MaxInt32, math.MaxInt32), Max: image.Pt(math.MinInt32, math.MinInt32)}
	for _, p := range points {
		x, y := p.x*pngScale, p.y*pngScale
		box.Min = image.Pt(min(box.Min.X, int(math.Floor(x))), min(box.Min.Y, int(math.Floor(y))))
		box.Max = image.Pt(max(box.Max.X, int(math.Ceil(x))), max(box.Max.Y, int(math.Ceil(y))))
	}
	r.shape.Reset(box.Dx(), box.Dy())
	at := func(p point) (x, y float32) {
		return float32(p.x*pngScale - float64(box.Min.X)), float32(p.y*pngScale - float64(box.Min.Y))
	}
	r.shape.MoveTo(at(points[0]))
	for _, p := range points[1:] {
		r.shape.LineTo(at(p))
	}
	r.shape.ClosePath()
	r.shape.Draw(r.img, box, image.NewUniform(r.colour(c)), image.Point{})
}

func (r *raster) rect(x, y, w, h, _ float64, c ink) {
	r.fill([]point{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, c)
}

func (r *raster) line(points []point, width float64, c ink) {
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.x-a.x, b.y-a.y)
		if length == 0 {
			continue
		}
		dx, dy := (b.y-a.y)/length*width/2, (a.x-b.x)/length*width/2
		r.fill([]point{{a.x + dx, a.y + dy}, {b.x + dx, b.y + dy}, {b.x - dx, b.y - dy}, {a.x - dx, a.y - dy}}, c)
		if i > 1 {
			r.dot(a, width/2, c) // a round joint
		}
	}
}

func (r *raster) dot(at point, radius float64, c ink) {
	const corners = 24
	var circle []point
	for i := range corners {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / corners)
		circle = append(circle, point{at.x + radius*cos, at.y + radius*sin})
	}
	r.fill(circle, c)
}

func (r *raster) text(at point, a anchor, size float64, bold bool, c ink, s string) {
	if r.err != nil {
		return
	}
	f := r.regular
	if bold {
		f = r.bold
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size * pngScale, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		r.err = err
		return
	}
	defer face.Close()
	d := font.Drawer{Dst: r.img, Src: image.NewUniform(r.colour(c)), Face: face}
	x := fixed.Int26_6(at.x * pngScale * 64)
	switch wide := d.MeasureString(s); a {
	case middle:
		x -= wide / 2
	case right:
		x -= wide
	}
	d.Dot = fixed.Point26_6{X: x, Y: fixed.Int26_6(at.y * pngScale * 64)}
	d.DrawString(s)
}
