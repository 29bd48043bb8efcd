package portraits

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"testing"
)

// picture is the portrait at size, three planes.
func picture(p Portrait, size int) []uint8 {
	dst := make([]uint8, 3*size*size)
	p.Draw(size, dst)
	return dst
}

// TestGolden holds that the portraits stay what they are, on every CPU: a model trained on them is measured on them later. What
// changes the drawing on purpose changes these too.
func TestGolden(t *testing.T) {
	for size, want := range map[int]string{
		64: "0e6223eb8c6261b2f3b91bba9ae0fbe1bc5384467b4548fd77ab780260e770ee",
		32: "fc076623f6bbab726dca7335b361fa212e6df924022ca6ee26bd926d29956e0d",
	} {
		sum := sha256.New()
		for i := range 40 {
			sum.Write(picture(New(1, uint64(i)), size))
		}
		if got := hex.EncodeToString(sum.Sum(nil)); got != want {
			t.Errorf("%d pixels: the portraits have the SHA-256 %s, not %s", size, got, want)
		}
	}
}

// Attributes, each as a number.
var attributes = map[string]func(Portrait) float64{
	"smile": func(p Portrait) float64 { return number(p.Smile) }, "glasses": func(p Portrait) float64 { return number(p.Glasses) },
	"hat": func(p Portrait) float64 { return number(p.Hat) }, "beard": func(p Portrait) float64 { return number(p.Beard) },
	"skin": func(p Portrait) float64 { return float64(p.Skin) }, "hair": func(p Portrait) float64 { return float64(p.Hair) },
	"style": func(p Portrait) float64 { return float64(p.Style) }, "eyes": func(p Portrait) float64 { return float64(p.Eyes) },
	"background": func(p Portrait) float64 { return float64(p.Background) },
	"mouth":      func(p Portrait) float64 { return p.Mouth }, "turn": func(p Portrait) float64 { return p.Turn }, "light": func(p Portrait) float64 { return p.Light },
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestDistribution holds the shares and ranges that the fields' comments state, and that no attribute tells of another.
func TestDistribution(t *testing.T) {
	const n = 20000
	all := make([]Portrait, n)
	for i := range all {
		all[i] = New(7, uint64(i))
		if p := all[i]; p.Smile && (p.Mouth < .4 || p.Mouth > 1) || !p.Smile && (p.Mouth < -1 || p.Mouth > .2) {
			t.Fatalf("portrait %d: smile %v with a mouth of %g", i, p.Smile, p.Mouth)
		}
	}
	mean := func(f func(Portrait) float64) (sum float64) {
		for _, p := range all {
			sum += f(p)
		}
		return sum / n
	}
	near := func(what string, got, want, sd float64) { // within five standard errors
		t.Helper()
		if math.Abs(got-want) > 5*sd/math.Sqrt(n) {
			t.Errorf("%s: %.4f, want about %.4f", what, got, want)
		}
	}
	near("smile", mean(attributes["smile"]), .5, .5)
	near("glasses", mean(attributes["glasses"]), .3, .46)
	near("hat", mean(attributes["hat"]), .25, .44)
	near("beard", mean(attributes["beard"]), .3, .46)
	near("turn", mean(attributes["turn"]), 0, .58)
	near("light", mean(attributes["light"]), 0, .58)
	for name, values := range map[string][]string{"skin": Skins, "hair": Hairs, "style": Styles, "eyes": Eyes, "background": Backgrounds} {
		for k := range values {
			share := 1 / float64(len(values))
			near(name+" "+values[k], mean(func(p Portrait) float64 { return number(attributes[name](p) == float64(k)) }), share, math.Sqrt(share*(1-share)))
		}
	}
	for a, f := range attributes {
		for b, g := range attributes {
			if a >= b || a == "mouth" && b == "smile" {
				continue
			}
			ma, mb := mean(f), mean(g)
			cov := mean(func(p Portrait) float64 { return (f(p) - ma) * (g(p) - mb) })
			va := mean(func(p Portrait) float64 { return (f(p) - ma) * (f(p) - ma) })
			vb := mean(func(p Portrait) float64 { return (g(p) - mb) * (g(p) - mb) })
			near("correlation of "+a+" and "+b, cov/math.Sqrt(va*vb), 0, 1)
		}
	}
}

// TestAttributesShow holds that each attribute is to be seen in every portrait, at both sizes, whatever the others are.
func TestAttributesShow(t *testing.T) {
	next := func(k *int, n int) { *k = (*k + 1) % n }
	changes := map[string]func(*Portrait){
		"smile": func(p *Portrait) {
			if p.Smile = !p.Smile; p.Smile {
				p.Mouth = .7
			} else {
				p.Mouth = -.1
			}
		},
		"glasses": func(p *Portrait) { p.Glasses = !p.Glasses }, "hat": func(p *Portrait) { p.Hat = !p.Hat }, "beard": func(p *Portrait) { p.Beard = !p.Beard },
		"skin": func(p *Portrait) { next(&p.Skin, len(Skins)) }, "hair": func(p *Portrait) { next(&p.Hair, len(Hairs)) },
		"style": func(p *Portrait) { next(&p.Style, len(Styles)) }, "eyes": func(p *Portrait) { next(&p.Eyes, len(Eyes)) },
		"background": func(p *Portrait) { next(&p.Background, len(Backgrounds)) },
		"mouth":      func(p *Portrait) { p.Mouth -= .6 }, "turn": func(p *Portrait) { p.Turn -= .4 }, "light": func(p *Portrait) { p.Light -= .4 },
	}
	for name := range attributes {
		change := changes[name]
		for i := range 60 {
			p := New(3, uint64(i))
			q := p
			change(&q)
			for _, size := range []int{64, 32} {
				a, b := picture(p, size), picture(q, size)
				differ := 0
				for k := range a {
					if d := int(a[k]) - int(b[k]); d > 8 || d < -8 {
						differ++
					}
				}
				if least := size * size / 256; differ < least { // of the values, three a pixel
					t.Errorf("portrait %d at %d pixels: %s changes %d values by more than 8, want at least %d", i, size, name, differ, least)
				}
			}
		}
	}
}

// TestJitter holds that portraits of the same attributes differ, and that a number always gives the same one.
func TestJitter(t *testing.T) {
	p := New(1, 0)
	for i := range 20 {
		q := New(1, uint64(i+1))
		look := q.look
		q = p
		q.look = look
		if slices.Equal(picture(p, 32), picture(q, 32)) {
			t.Errorf("two portraits of the same attributes, 0 and %d, are one picture", i+1)
		}
		if New(1, uint64(i)) != New(1, uint64(i)) || New(1, uint64(i)) == New(2, uint64(i)) {
			t.Errorf("portrait %d does not follow from the seed and the number", i)
		}
	}
}

func BenchmarkDraw(b *testing.B) {
	dst := make([]uint8, 3*64*64)
	for i := range b.N {
		New(1, uint64(i)).Draw(64, dst)
	}
}
