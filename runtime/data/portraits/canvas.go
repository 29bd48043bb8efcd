package portraits

import (
	"image"
	"image/draw"
	"math"
	"slices"

	"golang.org/x/image/vector"
)

// A point is a place in a frame of 64 by 64 units, x to the right and y down; or, in a path that is still to be placed, one relative
// to the middle of the head.
type point struct{ x, y float64 }

// A path is a closed polygon: curves are cut into short lines.
type path []point

// A colour is red, green and blue in [0, 1], as a screen has them.
type colour [3]float64

// A shade is the colour and the opacity of a place of the frame.
type shade func(p point) (c colour, opacity float64)

func (c colour) times(f float64) colour { return colour{c[0] * f, c[1] * f, c[2] * f} }

// mix is c, and o by the share t.
func (c colour) mix(o colour, t float64) colour {
	for i := range c {
		c[i] += t * (o[i] - c[i])
	}
	return c
}

// flat is the shade that is the same everywhere.
func flat(c colour, opacity float64) shade {
	return func(point) (colour, float64) { return c, opacity }
}

// spot is a colour that fades from the middle of an ellipse to nothing at its edge.
func spot(c colour, opacity float64, at point, rx, ry float64) shade {
	return func(p point) (colour, float64) {
		dx, dy := (p.x-at.x)/rx, (p.y-at.y)/ry
		f := max(0, 1-dx*dx-dy*dy)
		return c, opacity * f * f
	}
}

// A canvas is a square picture that is being painted.
type canvas struct {
	size int               // pixels on a side
	pix  []float64         // red, green, blue of each pixel
	turn func(point) point // where the frame being drawn in lies in that of the picture
	mask *image.Alpha
	rast *vector.Rasterizer
}

func newCanvas(size int) *canvas {
	return &canvas{size: size, pix: make([]float64, 3*size*size), turn: still, mask: &image.Alpha{}, rast: vector.NewRasterizer(1, 1)}
}

func still(p point) point { return p }

// wash paints the whole picture.
func (c *canvas) wash(s shade) {
	for y := range c.size {
		for x := range c.size {
			c.blend(x, y, 1, s)
		}
	}
}

// fill paints a path; its edges are smooth, since a pixel is covered as far as the path covers it. blur softens them, by so many
// units on each side.
func (c *canvas) fill(p path, s shade, blur float64) {
	scale := float64(c.size) / 64
	lo, hi := point{math.Inf(1), math.Inf(1)}, point{math.Inf(-1), math.Inf(-1)}
	placed := make(path, len(p))
	for i, q := range p {
		q = c.turn(q)
		// In steps of 1/64 pixel, so that CPUs whose sines differ in the last bit draw the same.
		q = point{math.Round(q.x*scale*64) / 64, math.Round(q.y*scale*64) / 64}
		placed[i] = q
		lo = point{min(lo.x, q.x), min(lo.y, q.y)}
		hi = point{max(hi.x, q.x), max(hi.y, q.y)}
	}
	soft := int(math.Round(blur * scale * 2))
	left, top := int(math.Floor(lo.x))-1-soft, int(math.Floor(lo.y))-1-soft
	w, h := int(math.Ceil(hi.x))+1+soft-left, int(math.Ceil(hi.y))+1+soft-top

	c.rast.Reset(w, h)
	c.rast.DrawOp = draw.Src
	for i, q := range placed {
		x, y := float32(q.x-float64(left)), float32(q.y-float64(top)) // exact
		if i == 0 {
			c.rast.MoveTo(x, y)
		} else {
			c.rast.LineTo(x, y)
		}
	}
	c.rast.ClosePath()
	c.mask.Rect, c.mask.Stride = image.Rect(0, 0, w, h), w
	c.mask.Pix = slices.Grow(c.mask.Pix[:0], w*h)[:w*h]
	c.rast.Draw(c.mask, c.mask.Rect, image.Opaque, image.Point{})
	cover := c.mask.Pix
	for range soft {
		blurRows(cover, w, h, 1, w)
		blurRows(cover, h, w, w, 1)
	}
	for y := max(0, -top); y < min(h, c.size-top); y++ {
		for x := max(0, -left); x < min(w, c.size-left); x++ {
			if a := cover[y*w+x]; a > 0 {
				c.blend(left+x, top+y, float64(a)/255, s)
			}
		}
	}
}

// blurRows replaces every element of m rows of n by the weighted mean (1, 2, 1) of it and its neighbours in the row.
func blurRows(pix []uint8, n, m, step, stride int) {
	for r := range m {
		before := 0
		for i := range n {
			at := r*stride + i*step
			here, after := int(pix[at]), 0
			if i+1 < n {
				after = int(pix[at+step])
			}
			pix[at] = uint8((before + 2*here + after + 2) / 4)
			before = here
		}
	}
}

func (c *canvas) blend(x, y int, cover float64, s shade) {
	unit := 64 / float64(c.size)
	col, opacity := s(point{(float64(x) + .5) * unit, (float64(y) + .5) * unit})
	to := c.pix[3*(y*c.size+x):][:3]
	for k := range to {
		to[k] += cover * opacity * (col[k] - to[k])
	}
}

// planes is the picture as 8-bit planes of red, green and blue. It is rounded a little beside one half, where colours like 0.1 would
// lie, so that CPUs whose sums differ in the last bit round alike.
func (c *canvas) planes(dst []uint8) {
	n := c.size * c.size
	for i := range n {
		for k := range 3 {
			dst[k*n+i] = uint8(255*min(max(c.pix[3*i+k], 0), 1) + .50001)
		}
	}
}

// ellipse is the ellipse of radii rx and ry.
func ellipse(x, y, rx, ry float64) path {
	const n = 32
	p := make(path, n)
	for i := range p {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / n)
		p[i] = point{x + rx*cos, y + ry*sin}
	}
	return p
}

// curve is the Catmull-Rom spline through the points, closed or not, cut into lines.
func curve(closed bool, at ...point) path {
	const n = 6 // lines between two points
	var p path
	k := len(at)
	get := func(i int) point {
		if closed {
			return at[(i+k)%k]
		}
		return at[min(max(i, 0), k-1)]
	}
	last := k
	if !closed {
		last = k - 1
	}
	for i := range last {
		a, b, c, d := get(i-1), get(i), get(i+1), get(i+2)
		for j := range n {
			t := float64(j) / n
			p = append(p, point{spline(a.x, b.x, c.x, d.x, t), spline(a.y, b.y, c.y, d.y, t)})
		}
	}
	if !closed {
		p = append(p, at[k-1])
	}
	return p
}

func spline(a, b, c, d, t float64) float64 {
	return b + t/2*(c-a+t*(2*a-5*b+4*c-d+t*(3*(b-c)+d-a)))
}

// blob is a closed curve through the points.
func blob(at ...point) path { return curve(true, at...) }

// stroke is a line along the curve through the points, width units wide in its middle and, if it tapers, fine at its ends.
func stroke(width float64, taper bool, at ...point) path {
	mid := curve(false, at...)
	n := len(mid)
	out := make(path, 2*n)
	for i, p := range mid {
		a, b := mid[max(i-1, 0)], mid[min(i+1, n-1)]
		dx, dy := b.x-a.x, b.y-a.y
		l := max(math.Hypot(dx, dy), 1e-9)
		w := width / 2
		if taper {
			w *= .3 + .7*math.Sin(math.Pi*float64(i)/float64(n-1))
		}
		out[i] = point{p.x - dy/l*w, p.y + dx/l*w}
		out[2*n-1-i] = point{p.x + dy/l*w, p.y - dx/l*w}
	}
	return out
}

// ring is an ellipse's outline, width units wide, as a path that goes around outside and back inside.
func ring(x, y, rx, ry, power, width float64) path {
	out := round(x, y, rx, ry, power)
	in := round(x, y, rx-width, ry-width, power)
	out = append(out, out[0], in[0])
	for i := len(in) - 1; i >= 0; i-- {
		out = append(out, in[i])
	}
	return out
}

// round is the superellipse |x/rx|^power + |y/ry|^power = 1: 2 is an ellipse, more is nearer to a rectangle.
func round(x, y, rx, ry, power float64) path {
	p := ellipse(0, 0, 1, 1)
	for i, q := range p {
		p[i] = point{x + rx*root(q.x, power), y + ry*root(q.y, power)}
	}
	return p
}

func root(v, power float64) float64 {
	return math.Copysign(math.Pow(math.Abs(v), 2/power), v)
}
