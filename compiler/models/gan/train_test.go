package gan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
)

// The toy's data are a ring of modes as images: a spot of side×side pixels at one of modes places on a circle.
const side, modes = 8, 6

// spot is the image of a mode at full brightness.
func spot(mode int) []float64 {
	angle := 2 * math.Pi * float64(mode) / modes
	cx, cy := 3.5+2.6*math.Cos(angle), 3.5+2.6*math.Sin(angle)
	x := make([]float64, side*side)
	for i := range x {
		dx, dy := float64(i%side)-cx, float64(i/side)-cy
		x[i] = math.Exp(-(dx*dx + dy*dy) / 2)
	}
	return x
}

// ring draws a batch of images, of a brightness from .8 to 1, and their modes.
func ring(r *rand.Rand, batch int) (image, label *tensor.Tensor) {
	image, label = tensor.New(tensor.F32, batch, 1, side, side), tensor.New(tensor.I64, batch)
	for n := range batch {
		mode, light := r.IntN(modes), .8+.2*r.Float64()
		label.Set(n, float64(mode))
		for i, v := range spot(mode) {
			image.Set(n*side*side+i, light*v)
		}
	}
	return image, label
}

// nearest are the modes that the images are nearest to, and the share of images that are a mode's: whose distance from it, at
// the brightness that fits best, is at most .4 of its norm. An image halfway between two modes is .83 of it from both.
func nearest(image *tensor.Tensor) (mode []int64, good float64) {
	x := image.Float64s()
	for n := range image.Dim(0) {
		best, at := math.Inf(1), 0
		for m := range modes {
			xs, ss, xx := 0., 0., 0.
			for i, s := range spot(m) {
				v := x[n*side*side+i]
				xs, ss, xx = xs+v*s, ss+s*s, xx+v*v
			}
			light := min(max(xs/ss, .7), 1.1)
			if d := math.Sqrt(max(xx-2*light*xs+light*light*ss, 0) / ss); d < best {
				best, at = d, m
			}
		}
		mode = append(mode, int64(at))
		if best <= .4 {
			good += 1 / float64(image.Dim(0))
		}
	}
	return mode, good
}

// TestTraining trains each model in its own rhythm on the ring, from three seeds: it must draw every mode, none of them less than a
// quarter or more than three times as often as the data have it, in images most of which are a mode's; the conditional one that of
// the label.
func TestTraining(t *testing.T) {
	for _, c := range []struct {
		model   models.Model
		changes models.Settings
		rounds  int     // of the rhythm
		good    float64 // least share of images that are a mode's
	}{
		{gan.DCGAN, models.Settings{"lr": 1e-3, "width": 16}, 3000, .45},
		{gan.WGANGP, models.Settings{"lr": 2e-3}, 1000, .45},
		{gan.CGAN, models.Settings{"lr": 2e-3}, 300, .8},
	} {
		changes := models.Settings{"size": side, "width": 8, "latent": 6}
		for name, v := range c.changes {
			changes[name] = v
		}
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/seed %d", c.model.Name, seed), func(t *testing.T) {
				t.Parallel()
				x, r := load(t, c.model, seed, changes), rand.New(rand.NewPCG(seed, 1))
				for range c.rounds {
					for _, steps := range c.model.Train.Rhythm.Batches() {
						image, label := ring(r, 32)
						for _, step := range steps {
							run(t, x, step, map[string]*tensor.Tensor{"image": image, "label": label})
						}
					}
				}
				const count = 512
				_, label := ring(r, count)
				drawn, good := nearest(run(t, x, "generate", map[string]*tensor.Tensor{"z": normal(r, count, 6), "label": label})["image"])
				shares, err := metrics.Shares(drawn, modes)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("good %.3f, shares %.3f", good, shares)
				if good < c.good {
					t.Errorf("%.2f of the images are a mode's, want %v", good, c.good)
				}
				for m, share := range shares {
					if share < .25/modes || share > 3./modes {
						t.Errorf("mode %d has the share %.3f of %.3f", m, share, shares)
					}
				}
				if c.model.Name != "cgan" {
					return
				}
				right := 0.
				for n, m := range drawn {
					if float64(m) == label.At(n) {
						right += 1. / count
					}
				}
				if t.Logf("right %.3f", right); right < .95 {
					t.Errorf("%.2f of the images are of the label's mode", right)
				}
			})
		}
	}
}
