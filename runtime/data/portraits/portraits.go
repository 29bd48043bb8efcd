// Package portraits draws faces: a data set of any number of small portraits of which every attribute is known, for models that are
// to learn what a smile is.
//
// [New] makes up the portrait of a number; [Portrait.Draw] paints it. A portrait depends on the seed and its number alone, on
// whatever machine. Its attributes are the exported fields, drawn independently of each other (mouth alone depends on smile), and all
// are to be seen: brows have the colour of the hair, so that it shows in who is bald; hats leave the sides of the hair. What else
// varies is unexported: the shape of the head and of all that is in it, its tilt, size and place, the clothes, the kinds of hats and
// glasses, and how far each colour is from its name's.
//
// A Portrait may be changed and drawn anew: the same face with a smile.
package portraits

import (
	"math/rand/v2"
)

// The values of the attributes that have names; an attribute is an index into these.
var (
	Skins       = []string{"fair", "light", "olive", "brown", "dark"}
	Hairs       = []string{"black", "brown", "red", "blonde", "grey"}
	Styles      = []string{"bald", "short", "curly", "bob", "long", "ponytail", "bun"}
	Eyes        = []string{"brown", "blue", "green"}
	Backgrounds = []string{"blue", "green", "sand", "rose", "violet"}
)

// A Portrait is what a picture shows.
type Portrait struct {
	Smile   bool // one in two
	Glasses bool // three in ten
	Hat     bool // one in four
	Beard   bool // three in ten

	Skin, Hair, Style, Eyes, Background int // each value as likely as another

	Mouth float64 // its corners: 1 laughs, 0 is straight, -1 is sad. Uniform in [0.4, 1] of a smile, else in [-1, 0.2]
	Turn  float64 // of the head: -1 to the picture's left, 1 to its right; uniform
	Light float64 // from where: -1 the picture's left, 1 its right; uniform

	look look
}

// A look is what varies and has no name. Sizes are in units of a 64th of the picture.
type look struct {
	width, height, jaw float64 // of the head
	tilt, scale        float64
	x, y               float64
	eye, gap, open     float64 // of the eyes
	brow, browAt       float64
	nose, noseWidth    float64
	mouth, lips, teeth float64
	skin, hair, ground float64 // how far the colours are from their names', about [-1, 1]
	warm               float64
	clothes, hat       colour
	cut, hatKind       int
	glasses            int
	part               float64 // where the hair is parted: -1 or 1, and how far
	curl               [24]float64
}

// New makes up portrait number index of a seed.
func New(seed, index uint64) Portrait {
	r := rand.New(rand.NewPCG(seed, index))
	within := func(lo, hi float64) float64 { return lo + (hi-lo)*r.Float64() }
	p := Portrait{
		Smile: r.Float64() < .5, Glasses: r.Float64() < .3, Hat: r.Float64() < .25, Beard: r.Float64() < .3,
		Skin: r.IntN(len(Skins)), Hair: r.IntN(len(Hairs)), Style: r.IntN(len(Styles)), Eyes: r.IntN(len(Eyes)), Background: r.IntN(len(Backgrounds)),
		Mouth: within(-1, .2), Turn: within(-1, 1), Light: within(-1, 1),
	}
	if u := r.Float64(); p.Smile {
		p.Mouth = .4 + .6*u
	}
	l := &p.look
	l.width, l.height, l.jaw = within(12.6, 15), within(16.4, 18.6), within(.04, .24)
	l.tilt, l.scale = within(-.1, .1), within(1, 1.12)
	l.x, l.y = within(-1.8, 1.8), within(-1.2, 1.2)
	l.eye, l.gap, l.open = within(2.7, 3.3), within(5.4, 6.4), within(.62, .8)
	l.brow, l.browAt = within(.9, 1.5), within(4.1, 5.1)
	l.nose, l.noseWidth = within(4.6, 6.4), within(1.7, 2.5)
	l.mouth, l.lips, l.teeth = within(4.2, 5.6), within(.9, 1.5), within(.5, 1)
	l.skin, l.hair, l.ground, l.warm = within(-1, 1), within(-1, 1), within(-1, 1), within(-1, 1)
	l.clothes, l.hat = garments[r.IntN(len(garments))].times(within(.85, 1.1)), garments[r.IntN(len(garments))].times(within(.85, 1.1))
	l.cut, l.hatKind, l.glasses = r.IntN(3), r.IntN(3), r.IntN(3)
	l.part = within(.2, .6)
	if r.IntN(2) == 0 {
		l.part = -l.part
	}
	for i := range l.curl {
		l.curl[i] = within(-1, 1)
	}
	return p
}

// Draw paints the portrait, size pixels on a side, into dst, as 8-bit planes of red, green and blue: 3·size·size values.
func (p Portrait) Draw(size int, dst []uint8) {
	d := newDrawing(p, size)
	d.ground()
	d.hairBehind()
	d.body()
	d.head()
	if p.Beard {
		d.beard()
	}
	d.mouth()
	d.nose()
	d.eyes()
	d.hairInFront()
	if p.Glasses {
		d.glasses()
	}
	if p.Hat {
		d.hat()
	}
	d.c.planes(dst)
}
