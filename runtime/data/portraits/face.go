package portraits

import "math"

const mouthAt = 9.3 // below the middle of the head

// along moves a feature that is x beside the middle of the face: what turns away from us comes nearer to the middle.
func (d *drawing) along(x float64) float64 {
	return d.cx + x*(1-.11*d.Turn*math.Copysign(1, x))
}

// eyes paints eyes and brows.
func (d *drawing) eyes() {
	l, c := d.look, d.c
	iris := irids[d.Eyes]
	lash := colour{.13, .08, .08}
	smile := max(0, d.Mouth)
	for _, side := range []float64{-1, 1} {
		x, y, w := d.along(side*l.gap), -1.3, l.eye
		h := w * l.open
		c.fill(ellipse(x, y-.2, w+1.5, h+1.5), flat(d.dark, .17), .7) // the socket
		white := blob(point{x - w, y + .3}, point{x - .5*w, y - .82*h}, point{x + .5*w, y - .82*h}, point{x + w, y + .3},
			point{x + .5*w, y + (.85-.35*smile)*h}, point{x - .5*w, y + (.85-.35*smile)*h})
		c.fill(white, flat(colour{.97, .96, .95}, 1), 0)
		// What is in the eye ends where the lid is.
		look := x + .35*d.Turn
		r := min(h*.92, 2.05)
		c.fill(ellipse(look, y-.05, r, r), flat(iris.times(.62), 1), 0)
		c.fill(ellipse(look, y+.05, r*.82, r*.82), flat(iris.times(1.15), 1), 0)
		c.fill(ellipse(look, y-.05, r*.45, r*.45), flat(colour{.05, .04, .05}, 1), 0)
		c.fill(ellipse(look-.6+.4*d.Light, y-.75, .55, .55), flat(colour{1, 1, 1}, .95), 0)
		lid := stroke(1, true, point{x - w - .3, y + .4}, point{x - .5*w, y - .85*h}, point{x + .5*w, y - .85*h}, point{x + w + .3, y + .4})
		c.fill(lid, flat(lash, .9), 0)
		c.fill(stroke(.5, true, point{x - .8*w, y + .55*h}, point{x, y + (1-.3*smile)*h}, point{x + .8*w, y + .55*h}), flat(d.dark, .5), 0)

		brow := d.hair.mix(colour{.15, .1, .08}, .22)
		up := y - l.browAt
		in, out := x-side*w*.95, x+side*w*1.15
		sad := .5 * max(0, -d.Mouth)
		c.fill(stroke(l.brow+.25, true, point{in, up + .5 - sad}, point{x + side*.3*w, up - .35}, point{out, up + .75 + .4*sad}), flat(brow, .95), 0)
	}
}

// nose paints the nose: a shadow on the side away from the light, a tip and nostrils.
func (d *drawing) nose() {
	l, c := d.look, d.c
	x, y := d.cx+1.3*d.Turn, -1+l.nose
	w := l.noseWidth
	side := -math.Copysign(1, d.Light)
	c.fill(stroke(1.5, true, point{d.cx + side*1.3, -2.2}, point{x + side*1.5, y - 2.2}, point{x + side*w, y + .2}), flat(d.dark, .33), .4)
	c.fill(stroke(1.1, true, point{x - w - .3, y + .1}, point{x - .8*w, y + .95}, point{x, y + 1.25}, point{x + .8*w, y + .95}, point{x + w + .3, y + .1}), flat(d.dark, .55), .2)
	for _, s := range []float64{-1, 1} {
		c.fill(ellipse(x+s*w*.5, y+.75, .6, .4), flat(d.dark.times(.55), .65), 0)
	}
	on := c.turn(point{x - side*.4, y - .9})
	c.fill(ellipse(x-side*.4, y-.9, 1.6, 2.2), spot(colour{1, .97, .93}, .42, on, 1.6, 2.2), 0)
}

// mouth paints the lips, and the teeth of who laughs.
func (d *drawing) mouth() {
	l, c := d.look, d.c
	m := d.Mouth
	x := d.cx + .5*d.Turn
	w := l.mouth * (1 + .16*max(0, m))
	corner, middle := mouthAt-2.1*m, mouthAt+1.5*m
	open := 3.4 * l.teeth * max(0, m-.35)
	lip := d.skin.mix(colour{.74, .2, .24}, .52).times(.95)
	left, right := point{x - w, corner}, point{x + w, corner}
	top := func(up float64) []point { // the edge of the upper lip
		return []point{left, {x - .55*w, (corner+middle)/2 + .25*(middle-corner) - up}, {x - .18*w, middle - up - .12}, {x, middle - .75*up},
			{x + .18*w, middle - up - .12}, {x + .55*w, (corner+middle)/2 + .25*(middle-corner) - up}, right}
	}
	bottom := func(down float64) []point { // the edge of the lower lip, from the right
		return []point{right, {x + .6*w, (corner+middle)/2 + .2*(middle-corner) + .8*down}, {x, middle + down}, {x - .6*w, (corner+middle)/2 + .2*(middle-corner) + .8*down}, left}
	}
	whole := append(curve(false, top(l.lips)...), curve(false, bottom(l.lips*1.35+open)...)...)
	c.fill(whole, flat(lip, 1), 0)
	if open > .25 {
		inner := append(curve(false, top(0)...), curve(false, bottom(open)...)...)
		c.fill(inner, flat(colour{.36, .1, .11}, 1), 0)
		teeth := append(curve(false, top(0)...), curve(false, bottom(open*.68)...)...)
		c.fill(teeth, flat(colour{.97, .95, .92}, 1), 0)
	} else {
		c.fill(stroke(.75, true, left, point{x - .5*w, (corner+middle)/2 + .22*(middle-corner)}, point{x, middle}, point{x + .5*w, (corner+middle)/2 + .22*(middle-corner)}, right),
			flat(lip.times(.45), .9), 0)
	}
	low := c.turn(point{x, middle + open + .8*l.lips})
	c.fill(ellipse(x, middle+open+.8*l.lips, .5*w, .7), spot(colour{1, .85, .82}, .35, low, .5*w, .8), 0)
	for _, s := range []float64{-1, 1} { // the corners
		c.fill(ellipse(x+s*(w+.2), corner, .8, .7), flat(d.dark, .4), .3)
	}
}

// beard paints a full beard: along the jaw, around the mouth, and above it.
func (d *drawing) beard() {
	l, c := d.look, d.c
	x := d.cx + .5*d.Turn
	var p path
	for _, q := range d.outline(1.1) {
		if q.y > 1 {
			p = append(p, q)
		}
	}
	w := l.mouth * (1 + .16*max(0, d.Mouth))
	up := mouthAt - 2.1*max(d.Mouth, 0)
	in := l.width * .86
	p = append(p, curve(false, point{-in, 3.5}, point{x - w - 2.4, up - .6}, point{x - .6*w, mouthAt - 3.2}, point{x, mouthAt - 2.6},
		point{x + .6*w, mouthAt - 3.2}, point{x + w + 2.4, up - .6}, point{in, 3.5})...)
	col := d.hair.times(.88).mix(d.skin, .1)
	c.fill(p, d.lit(col, 0, 2, l.width+1, l.height+2, .3), .3)
	for i, j := range l.curl[:12] { // tufts
		px := x + (float64(i)-5.5)*l.width*.14
		py := mouthAt + 4.4 + 1.5*j
		c.fill(stroke(.6, true, point{px, py}, point{px + .3*j, py + 1.6}, point{px - .4*j, py + 3}), flat(col.mix(colour{1, .95, .9}, .3), .3), 0)
	}
}

// glasses paints them.
func (d *drawing) glasses() {
	l, c := d.look, d.c
	frame := []colour{{.10, .10, .12}, {.42, .23, .12}, {.72, .58, .25}}[l.glasses]
	rx, ry, power := l.eye+1.5, l.eye+1.1, []float64{3.4, 2, 2.4}[l.glasses]
	thick := []float64{1.1, 1, .75}[l.glasses]
	y := -.9
	xl, xr := d.along(-l.gap), d.along(l.gap)
	rx = min(rx, (xr-xl)/2-.5)
	for _, side := range []float64{-1, 1} {
		x := d.along(side * l.gap)
		c.fill(stroke(thick, false, point{x + side*rx, y - .8}, point{side*l.width - .5*d.Turn, y - .4}), flat(frame, .9), 0)
		at := c.turn(point{x - 1.5, y - 1.5})
		c.fill(round(x, y, rx, ry, power), spot(colour{1, 1, 1}, .4, at, 3.4, 2.6), 0)
		c.fill(ring(x, y, rx, ry, power, thick), flat(frame, 1), 0)
	}
	c.fill(stroke(thick, false, point{xl + rx - .3, y - .5}, point{(xl + xr) / 2, y - 1.2}, point{xr - rx + .3, y - .5}), flat(frame, 1), 0)
}
