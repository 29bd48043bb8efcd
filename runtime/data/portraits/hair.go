package portraits

import "math"

// Indices into Styles.
const (
	bald = iota
	short
	curly
	bob
	long
	ponytail
	bun
)

// gloss is the shade of hair: in the light, with a bright band around the head.
func (d *drawing) gloss(c colour, depth float64) shade {
	l := d.look
	base := d.lit(c, 0, -2, l.width+5, l.height+7, depth)
	at := d.placed(point{4 * d.Light, -1})
	return func(p point) (colour, float64) {
		col, a := base(p)
		dx, dy := (p.x-at.x)/l.width, (p.y-at.y)/l.height
		r := math.Sqrt(dx*dx+dy*dy) - .86
		if f := 1 - 40*r*r; f > 0 && dy < 0 {
			col = col.mix(colour{1, .95, .88}, .2*f*-dy)
		}
		return col, a
	}
}

// hairBehind paints the hair behind head and shoulders.
func (d *drawing) hairBehind() {
	l, c := d.look, d.c
	w, h := l.width, l.height
	back := d.gloss(d.hair.times(.78), .3)
	side := math.Copysign(1, l.part)
	switch d.Style {
	case curly:
		for i := range 15 {
			t := math.Pi * (.93 + 1.14*float64(i)/14)
			j := l.curl[i]
			sin, cos := math.Sincos(t)
			if d.Hat && sin < -.45 {
				continue
			}
			c.fill(ellipse((w+2.2)*cos, (h+.5)*sin-1, 5+.7*j, 5-.6*j), back, 0)
		}
		c.fill(ellipse(0, -3, w+3, h), back, 0)
	case bob:
		c.fill(blob(point{0, -h - 2.5}, point{w*.8 + 2, -h * .72}, point{w + 4.2, 0}, point{w + 4.8, 11}, point{w + 1.5, 15 + l.curl[0]}, point{0, 13},
			point{-w - 1.5, 15 + l.curl[1]}, point{-w - 4.8, 11}, point{-w - 4.2, 0}, point{-w*.8 - 2, -h * .72}), back, 0)
	case long:
		c.fill(blob(point{0, -h - 2.5}, point{w*.8 + 2, -h * .72}, point{w + 3.6, 0}, point{w + 4.6, 14}, point{w + 5 + l.curl[0], 30}, point{w - 1, 33}, point{0, 28},
			point{-w + 1, 33}, point{-w - 5 + l.curl[1], 30}, point{-w - 4.6, 14}, point{-w - 3.6, 0}, point{-w*.8 - 2, -h * .72}), back, 0)
	case bun:
		at := point{side * (2 + 3*math.Abs(l.part)), -h - 2.6}
		if d.Hat { // beside it
			at = point{side * (w + 2.5), -h*.62 - 2}
		}
		c.fill(ellipse(at.x, at.y, 5.8, 5.2), d.lit(d.hair, at.x, at.y, 6.5, 6, .4), 0)
		c.fill(stroke(.8, true, point{at.x - 4, at.y + 1.5}, point{at.x, at.y - 2}, point{at.x + 4, at.y + .5}), flat(d.hair.mix(colour{1, .95, .88}, .3), .5), .2)
		c.fill(stroke(.8, true, point{at.x - 3, at.y + 3}, point{at.x + .5, at.y + .5}, point{at.x + 4.2, at.y + 2}), flat(d.hair.times(.6), .5), .2)
	}
}

// tail paints a ponytail, over the shoulder.
func (d *drawing) tail() {
	l, c := d.look, d.c
	s := math.Copysign(1, l.part)
	w := l.width
	at := func(x, y float64) point { return point{s * x, y} }
	c.fill(blob(at(w-.5, 1), at(w+4.8, 4), at(w+6.6+.6*l.curl[0], 13), at(w+5, 23), at(w+1+l.curl[1], 29), at(w-.5, 21), at(w+1.4, 12)), d.gloss(d.hair.times(.95), .3), 0)
	for i := range 3 {
		x := w + 2 + 1.5*float64(i)
		c.fill(stroke(.7, true, at(x-.8, 6), at(x+.6, 14), at(x-1, 24)), flat(d.hair.mix(colour{1, .95, .88}, .35), .35), .2)
	}
	c.fill(stroke(2, false, at(w-.4, 3.6), at(w+3.4, 2.2)), flat(l.hat, 1), 0)
}

// hairInFront paints the hair on the head.
func (d *drawing) hairInFront() {
	l, c := d.look, d.c
	w, h := l.width, l.height
	s := math.Copysign(1, l.part)
	part := l.part*w + d.cx*.6
	at := func(x, y float64) point { return point{x, y} }
	grow := 1.8
	if d.Hat {
		grow = .6
	}
	// The cap that all share, from the right temple over the top to the left one; then a hairline that differs.
	top := []point{at(w+.4, 1.5), at(w+grow, -5), at(w*.82+grow, -h*.62), at(w*.42, -h-grow+.9), at(0, -h-grow), at(-w*.42, -h-grow+.9), at(-w*.82-grow, -h*.62), at(-w-grow, -5), at(-w-.4, 1.5)}
	front := d.gloss(d.hair, .3)
	strand := func(light float64, pts ...point) {
		col := d.hair.times(.6)
		if light > 0 {
			col = d.hair.mix(colour{1, .95, .88}, .4)
		}
		c.fill(stroke(.75, true, pts...), flat(col, .38), .2)
	}
	switch d.Style {
	case bald:
		on := c.turn(at(4*d.Light, -h*.72))
		c.fill(ellipse(4*d.Light, -h*.72, 6, 3), spot(colour{1, .98, .95}, .35, on, 6, 3), 0)
		return
	case short:
		c.fill(curve(true, append(top, at(-w+1.2, -3.5), at(-w*.72, -h*.52), at(-s*.1*w+part*.3, -h*.66), at(part, -h*.58), at(w*.72, -h*.52), at(w-1.2, -3.5))...), front, 0)
		for i, j := range l.curl[:7] {
			x := (float64(i) - 3) * w * .24
			strand(j, at(x*.6+part*.4, -h-.6), at(x*.9, -h*.86), at(x+1.5*j, -h*.64))
		}
	case curly:
		c.fill(curve(true, append(top, at(-w+1.5, -4), at(-w*.6, -h*.58), at(0, -h*.66), at(w*.6, -h*.58), at(w-1.5, -4))...), front, 0)
		for i := range 11 {
			f := float64(i)/10*2 - 1
			j := l.curl[12+i]
			x, y := f*w*.98, -h*.8+h*.52*f*f*f*f+.8*j
			if f < -.75 || f > .75 {
				y = -7 + 5*math.Abs(j)
			}
			r := 3.3 + .6*j
			c.fill(ellipse(x, y, r, r), d.lit(d.hair.times(1+.1*j), x, y, 4, 4, .3), 0)
			strand(j, at(x-1.6, y+.6), at(x, y-1.2), at(x+1.6, y+.4))
		}
	case bob: // a fringe, and sides to the chin
		c.fill(curve(true, append(top, at(-w+1, -4), at(-w*.7, -h*.37), at(-w*.2, -h*.42+.5*l.curl[2]), at(w*.25, -h*.4+.5*l.curl[3]), at(w*.7, -h*.37), at(w-1, -4))...), front, 0)
		for _, side := range []float64{-1, 1} {
			c.fill(blob(at(side*(w-2), -7), at(side*(w+3), -4), at(side*(w+4.2), 7), at(side*(w+1), 14.5), at(side*(w-1.6), 8), at(side*(w-.4), 0)), front, 0)
		}
		for i, j := range l.curl[:8] {
			x := (float64(i) - 3.5) * w * .22
			strand(j, at(x*.7, -h*.95), at(x*.95, -h*.7), at(x, -h*.46))
		}
	case long: // parted, along the cheeks
		c.fill(curve(true, append(top, at(-w+.6, -1), at(-w*.86, -h*.34), at((part-w)*.5, -h*.62), at(part, -h*.84), at((part+w)*.5, -h*.62), at(w*.86, -h*.34), at(w-.6, -1))...), front, 0)
		for _, side := range []float64{-1, 1} {
			c.fill(blob(at(side*(w-1.4), -8), at(side*(w+2.6), -5), at(side*(w+3.8), 10), at(side*(w+4), 26), at(side*(w-1), 31+l.curl[4]), at(side*(w-1.6), 18), at(side*(w-.6), 6)), front, 0)
			for i := range 2 {
				x := side * (w + .8 + 1.6*float64(i))
				strand(l.curl[5+i], at(x-.5*side, -2), at(x+.5*side, 12), at(x-.4*side, 26))
			}
		}
		strand(1, at(part*.8, -h-1), at((part+w)*.5, -h*.76), at(w*.9, -h*.3))
		strand(1, at(part*.8, -h-1), at((part-w)*.5, -h*.76), at(-w*.9, -h*.3))
	default: // combed back
		c.fill(curve(true, append(top, at(-w+.8, -2.5), at(-w*.8, -h*.5), at(-w*.35, -h*.72), at(w*.35, -h*.72), at(w*.8, -h*.5), at(w-.8, -2.5))...), front, 0)
		for i := range 5 {
			x := (float64(i) - 2) * w * .34
			strand(l.curl[i], at(x, -h*.7), at(x*.8+s, -h*.86), at(s*2+x*.4, -h-1))
		}
		if d.Style == ponytail {
			d.tail()
		}
	}
}

// hat paints one of three: knitted, with a brim, or a cap.
func (d *drawing) hat() {
	l, c := d.look, d.c
	w, h := l.width, l.height
	low := -h * .5
	cloth := d.lit(l.hat, 0, -h*.7, w+4, h*.8, .35)
	band := l.hat.times(.7)
	at := func(x, y float64) point { return point{x, y} }
	c.fill(stroke(2.4, true, at(-w, low+1.5), at(0, low+1.2), at(w, low+1.5)), flat(colour{.1, .05, .05}, .3), .6) // its shadow
	switch l.hatKind {
	case 0: // knitted
		c.fill(ellipse(0, -h-4.6, 3, 2.8), d.lit(l.hat.mix(colour{1, 1, 1}, .4), 0, -h-4.6, 3.5, 3.5, .35), 0)
		c.fill(blob(at(-w-2, low), at(-w-.6, -h*.85), at(-w*.5, -h-2.6), at(0, -h-3.6), at(w*.5, -h-2.6), at(w+.6, -h*.85), at(w+2, low), at(0, low+.6)), cloth, 0)
		c.fill(round(0, low-1.2, w+2.4, 2.9, 5), d.lit(l.hat.times(.86), 0, low-1.2, w+3, 4, .25), 0)
		for i := range 9 {
			x := (float64(i) - 4) * w * .26
			c.fill(stroke(.6, false, at(x, low-3.6), at(x, low+1.2)), flat(band.times(.8), .5), 0)
		}
	case 1: // with a brim
		c.fill(blob(at(-w-.4, low), at(-w*.9, -h*.95), at(-w*.45, -h-4), at(0, -h-3.2), at(w*.45, -h-4), at(w*.9, -h*.95), at(w+.4, low), at(0, low+.4)), cloth, 0)
		c.fill(round(0, low-1.8, w+.6, 1.7, 6), flat(band.times(.7), 1), 0)
		c.fill(ellipse(0, low+.6, w+7, 2.5), d.lit(l.hat.times(.93), 0, low-1, w+8, 5, .25), 0)
	default: // a cap, whose peak points where the head does
		c.fill(blob(at(-w-1.4, low), at(-w-.4, -h*.82), at(-w*.5, -h-2), at(0, -h-3), at(w*.5, -h-2), at(w+.4, -h*.82), at(w+1.4, low), at(0, low+.8)), cloth, 0)
		c.fill(stroke(.5, true, at(d.cx*.6, -h-3), at(d.cx, -h*.75), at(d.cx, low)), flat(band, .6), 0)
		c.fill(ellipse(0, -h-3, 1.2, .8), flat(band, 1), 0)
		c.fill(blob(at(d.cx-w*.85, low-.6), at(d.cx, low-2.2), at(d.cx+w*.85, low-.6), at(d.cx+w*.8, low+1.8), at(d.cx, low+3), at(d.cx-w*.8, low+1.8)), d.lit(band, d.cx, low, w, 6, .3), 0)
	}
}
