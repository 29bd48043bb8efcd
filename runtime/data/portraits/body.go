package portraits

import "math"

// The colours behind the names, in the order of the names.
var (
	skins = []colour{{.93, .77, .68}, {.87, .67, .53}, {.77, .57, .40}, {.58, .39, .27}, {.38, .25, .18}}
	hairs = []colour{{.10, .09, .12}, {.38, .23, .14}, {.70, .29, .13}, {.91, .75, .41}, {.70, .71, .74}}
	irids = []colour{{.40, .23, .10}, {.22, .48, .80}, {.24, .56, .30}}
	walls = []colour{{.44, .62, .82}, {.49, .70, .52}, {.88, .79, .60}, {.88, .58, .60}, {.60, .53, .77}}

	garments = []colour{
		{.20, .27, .42}, {.64, .20, .22}, {.20, .42, .36}, {.90, .88, .83}, {.85, .62, .22}, {.30, .30, .33}, {.50, .28, .46}, {.35, .55, .68},
	}
)

// A drawing is a portrait on its way to a canvas.
type drawing struct {
	Portrait
	c                *canvas
	skin, hair, dark colour // dark is for lines in the skin
	placed           func(point) point
	cx               float64 // where the face's middle is in the head, by its turn
}

func newDrawing(p Portrait, size int) *drawing {
	l := p.look
	d := &drawing{Portrait: p, c: newCanvas(size)}
	d.skin = skins[p.Skin].times(1 + .05*l.skin)
	d.skin[0] *= 1 + .02*l.warm
	d.skin[2] *= 1 - .03*l.warm
	d.hair = hairs[p.Hair].times(1 + .12*l.hair)
	d.dark = d.skin.mix(colour{.25, .08, .06}, .6).times(.85)
	d.cx = 3 * p.Turn
	sin, cos := math.Sincos(l.tilt)
	d.placed = func(q point) point { // around the neck
		x, y := q.x*l.scale, (q.y-20)*l.scale
		return point{32 + l.x + cos*x - sin*y, 50 + l.y + sin*x + cos*y}
	}
	d.c.turn = d.placed
	return d
}

// lit is a colour in the light that falls on a ball with the middle and the radii given, in the frame of the head.
func (d *drawing) lit(c colour, x, y, rx, ry, depth float64) shade {
	at := d.placed(point{x, y})
	k := d.look.scale
	lx := .75 * d.Light
	return func(p point) (colour, float64) {
		nx, ny := (p.x-at.x)/(rx*k), (p.y-at.y)/(ry*k)
		r := min(nx*nx+ny*ny, 1.1) // what hangs below the ball is no darker than its edge
		f := 1 + depth*(.75*min(max(nx, -1), 1)*lx-.5*min(ny, 1)-.55*r*r*r) + .04
		tint := c.times(f)
		if f > 1 { // light is a little warm, shadow a little cool
			tint = tint.mix(colour{1, .97, .9}, .35*(f-1))
		}
		return tint, 1
	}
}

// ground paints the wall behind.
func (d *drawing) ground() {
	c := walls[d.Background].times(1 + .07*d.look.ground)
	lx := 32 + 22*d.Light
	d.c.wash(func(p point) (colour, float64) {
		dx, dy := (p.x-lx)/52, (p.y-16)/60
		f := 1.16 - .34*(dx*dx+dy*dy)
		return c.times(f), 1
	})
}

// body paints neck and clothes.
func (d *drawing) body() {
	l := d.look
	c := d.c
	neck := path{{-5.6, 8}, {5.6, 8}, {6, 20}, {9, 27}, {-9, 27}, {-6, 20}}
	c.fill(neck, d.lit(d.skin.times(.93), 0, 14, 9, 22, .3), 0)
	c.turn = func(q point) point { return point{32 + l.x + q.x, 32 + l.y + q.y} } // shoulders do not tilt
	shoulders := blob(point{-7, 17}, point{-15, 20.5}, point{-24, 25}, point{-29, 40}, point{0, 44}, point{29, 40}, point{24, 25}, point{15, 20.5}, point{7, 17}, point{0, 22.5})
	cloth := l.clothes
	shadeOf := func(p point) (colour, float64) {
		dx, dy := (p.x-32-l.x)/26, (p.y-50)/18
		return cloth.times(1.04 + .2*dx*d.Light - .16*dx*dx - .16*dy), 1
	}
	c.fill(shoulders, shadeOf, 0)
	dark, light := cloth.times(.72), cloth.mix(colour{1, 1, 1}, .35)
	switch l.cut {
	case 0: // a round collar
		c.fill(stroke(1.8, false, point{-7.2, 16.8}, point{-4.5, 21}, point{0, 23}, point{4.5, 21}, point{7.2, 16.8}), flat(dark, .9), 0)
	case 1: // a shirt
		c.fill(blob(point{-7, 16.5}, point{-1, 23.5}, point{-5.5, 28}, point{-10, 19.5}), flat(light, 1), 0)
		c.fill(blob(point{7, 16.5}, point{1, 23.5}, point{5.5, 28}, point{10, 19.5}), flat(light, 1), 0)
		c.fill(stroke(.8, false, point{0, 24}, point{0, 34}), flat(dark, .8), 0)
	default: // a roll neck
		c.fill(blob(point{-7, 15.5}, point{0, 18.6}, point{7, 15.5}, point{7.8, 20.5}, point{0, 23.8}, point{-7.8, 20.5}), shadeOf, 0)
		c.fill(stroke(.7, true, point{-7.6, 20.4}, point{0, 23.8}, point{7.6, 20.4}), flat(dark, .8), 0)
	}
	c.turn = d.placed
	// The head's shadow.
	c.fill(ellipse(-1.5*d.Light, l.height-.5, 7.5, 5), flat(colour{.12, .05, .06}, .33), .9)
}

// outline is the head's, grown by so many units: from the right ear around the chin, the left ear and the top.
func (d *drawing) outline(grow float64) path {
	l := d.look
	p := ellipse(0, 0, 1, 1)
	for i, q := range p {
		w := 1.0
		if q.y > 0 { // the jaw
			w = 1 - l.jaw*q.y*q.y
		}
		p[i] = point{root(q.x, 2.25) * w * (l.width + grow), root(q.y, 2.15) * (l.height + grow)}
	}
	return p
}

// head paints ears and the head.
func (d *drawing) head() {
	l, c := d.look, d.c
	for _, side := range []float64{-1, 1} {
		x := side*(l.width+.3) - 1.2*d.Turn
		c.fill(ellipse(x, .8, 2.3, 3.6), d.lit(d.skin.times(.95), x, .8, 3, 4.5, .25), 0)
		c.fill(ellipse(x+.2*side, 1, 1.1, 2.1), flat(d.dark, .3), .25)
	}
	c.fill(d.outline(0), d.lit(d.skin, 0, -1, l.width*1.05, l.height*1.05, .24), 0)
	blush := colour{.9, .32, .3}.mix(d.skin, .4)
	for _, side := range []float64{-1, 1} {
		at := point{d.cx + side*7.4, 5.2}
		on := c.turn(at)
		c.fill(ellipse(at.x, at.y, 4.4, 3.6), spot(blush, .36, on, 4.4, 3.6), 0)
	}
	on := c.turn(point{d.cx*.5 + 3.5*d.Light, -10.5})
	c.fill(ellipse(d.cx*.5+3.5*d.Light, -10.5, 7, 4.5), spot(colour{1, .96, .9}, .2, on, 7, 4.5), 0)
}
