package gan_test

import (
	"fmt"
	"maps"
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

// trained trains m in its own rhythm on the ring and gives what it then draws, of the labels of label.
func trained(t *testing.T, m models.Model, seed uint64, changes models.Settings, rounds, count int) (image, label *tensor.Tensor) {
	t.Helper()
	all := models.Settings{"size": side, "width": 16, "latent": 6, "ema": .99}
	maps.Copy(all, changes)
	s, err := m.Settings.With(all)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = m.With(s); err != nil {
		t.Fatal(err)
	}
	x, r := load(t, m, seed, all), rand.New(rand.NewPCG(seed, 1))
	for range rounds {
		for _, steps := range m.Train.Rhythm.Batches() {
			image, label := ring(r, 32)
			for _, step := range steps {
				run(t, x, step, map[string]*tensor.Tensor{"image": image, "label": label})
			}
		}
	}
	_, label = ring(r, count)
	return run(t, x, "generate", map[string]*tensor.Tensor{"z": normal(r, count, s.Int("latent")), "label": label})["image"], label
}

// collapsed lists the modes that are drawn less than a quarter or more than three times as often as the data have them.
func collapsed(shares []float64) (list []int) {
	for m, share := range shares {
		if share < .25/modes || share > 3./modes {
			list = append(list, m)
		}
	}
	return list
}

// TestTraining trains each model on the ring, from three seeds: it must not collapse, and a share of its images must be a mode's; those
// of a conditional one that of the label.
func TestTraining(t *testing.T) {
	const count = 512
	for _, c := range []struct {
		model   models.Model
		changes models.Settings
		rounds  int     // of the rhythm
		good    float64 // least share of images that are a mode's
	}{
		{gan.Original, models.Settings{"lr": 1e-3, "width": 128, "pac": 2, "ttur": 2}, 800, .6},
		{gan.DCGAN, models.Settings{"lr": 4e-3}, 800, .5},
		{gan.LSGAN, models.Settings{"lr": 4e-3}, 800, .35},
		{gan.WGAN, models.Settings{"lr": 2e-3, "clip": .1, "ratio": 3}, 500, .25},
		{gan.WGANGP, models.Settings{"lr": 4e-3, "ratio": 3}, 300, .45},
		{gan.SNGAN, models.Settings{"lr": 4e-3}, 800, .3},
		{gan.R1GAN, models.Settings{"lr": 4e-3}, 800, .35},
		{gan.CGAN, models.Settings{"lr": 4e-3, "ratio": 2, "classes": modes}, 150, .8},
		{gan.ProjectionGAN, models.Settings{"lr": 3e-3, "classes": modes}, 300, .6},
	} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s/seed %d", c.model.Name, seed), func(t *testing.T) {
				t.Parallel()
				image, label := trained(t, c.model, seed, c.changes, c.rounds, count)
				drawn, good := nearest(image)
				shares, err := metrics.Shares(drawn, modes)
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("good %.3f, shares %.3f", good, shares)
				if good < c.good {
					t.Errorf("%.2f of the images are a mode's, want %v", good, c.good)
				}
				if list := collapsed(shares); list != nil {
					t.Errorf("it collapsed: modes %d of the shares %.3f", list, shares)
				}
				if c.changes["classes"] == 0 {
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

// TestCollapse holds that what TestTraining calls a collapse is found where there is one: the original GAN, with a critic that learns
// too fast and sees one image at a time, draws some modes only.
func TestCollapse(t *testing.T) {
	image, _ := trained(t, gan.Original, 0, models.Settings{"lr": 5e-4, "width": 128, "ttur": 4}, 800, 512)
	drawn, _ := nearest(image)
	shares, err := metrics.Shares(drawn, modes)
	if err != nil {
		t.Fatal(err)
	}
	if len(collapsed(shares)) < 2 {
		t.Errorf("the shares are %.3f", shares)
	}
}
