package faces_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/faces"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSizes counts the parameters of the books' networks: what their layers have, by hand. A convolution has 9·in·out + out, and the
// batch normalisation behind it 2·out that are trained.
func TestSizes(t *testing.T) {
	conv := func(in, out int) int { return 9*in*out + out }
	block := func(in, out int) int { return conv(in, out) + 2*out }
	for _, c := range []struct {
		name    string
		changes models.Settings
		base    int // numbers where the encoder ends
		first   int
		width   int
	}{
		{"first edition", models.Settings{"size": 128, "first": 32, "width": 64, "dropout": .25}, 8 * 8 * 64, 32, 64},
		{"second edition", models.Settings{"size": 32, "first": 128, "width": 128}, 2 * 2 * 128, 128, 128},
		{"default", nil, 4 * 4 * 48, 16, 48},
	} {
		const z = 200
		want := block(3, c.first) + block(c.first, c.width) + 2*block(c.width, c.width) + // encoder
			2*(c.base*z+z) + (z*c.base + c.base) + 2*c.base + // μ and ln σ², and the decoder's dense layer
			2*block(c.width, c.width) + block(c.width, c.first) + conv(c.first, 3)
		if got := modelstest.Define(t, faces.Model, c.changes).ParamCount(); int(got) != want {
			t.Errorf("%s: %d parameters, want %d", c.name, got, want)
		}
	}
}

// TestFunctions trains on a few pictures until they are known, and compares the loss with its terms, computed from what encode and
// decode give.
func TestFunctions(t *testing.T) {
	const n, size, latent, weight, steps = 6, 16, 5, 4000, 120
	prog := modelstest.Define(t, faces.Model, models.Settings{"size": size, "first": 8, "width": 12, "latent": latent, "weight": weight, "lr": 1e-2, "steps": steps})
	state := modelstest.State(t, prog, rand.New(rand.NewPCG(1, 2)))
	x := tensor.New(tensor.F32, n, 3, size, size) // blobs of different colours and places
	for i := range n {
		for k := range 3 {
			for at := range size * size {
				dx, dy := float64(at%size-4-i), float64(at/size-6)
				x.Set((i*3+k)*size*size+at, .2+.6*math.Exp(-(dx*dx+dy*dy)/20)*float64((i+k)%3)/2)
			}
		}
	}
	state["image"] = x
	state[graph.RandomState] = tensor.Of([]int64{3, 0}, 2)
	step := prog.Step("train")
	var first, last float64
	for i := range steps {
		if last = modelstest.Train(t, step, state)["loss"].At(0); i == 0 {
			first = last
		}
	}
	if !(last < .25*first) {
		t.Errorf("the loss goes from %v to %v", first, last)
	}

	validate := prog.Func("validate")
	all, losses := modelstest.Run(t, validate, state)
	_, encoded := modelstest.Run(t, prog.Func("encode"), state)
	var noise *tensor.Tensor
	for _, v := range validate.Values {
		if _, ok := v.Op.(graph.RandomNormal); ok {
			noise = all[v.ID]
		}
	}
	kl, z := 0., tensor.New(tensor.F32, n, latent)
	for i := range z.Len() {
		mu, logVar := encoded["mu"].At(i), encoded["log_var"].At(i)
		kl += (mu*mu + math.Exp(logVar) - logVar - 1) / 2 / n
		z.Set(i, mu+math.Exp(logVar/2)*noise.At(i))
	}
	state["z"] = z
	_, decoded := modelstest.Run(t, prog.Func("decode"), state)
	mse := 0.
	for i := range x.Len() {
		d := decoded["image"].At(i) - x.At(i)
		mse += d * d / float64(x.Len())
	}
	for name, want := range map[string]float64{"mse": mse, "kl": kl, "loss": weight*mse + kl} {
		if got := losses[name].At(0); math.Abs(got-want) > 1e-3*want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	state["z"] = encoded["mu"]
	_, decoded = modelstest.Run(t, prog.Func("decode"), state)
	_, rebuilt := modelstest.Run(t, prog.Func("reconstruct"), state)
	for i := range x.Len() {
		if got, want := rebuilt["reconstruction"].At(i), decoded["image"].At(i); math.Abs(got-want) > 1e-6 || got < 0 || got > 1 {
			t.Fatalf("element %d of the reconstruction is %v, and decoded from the mean %v", i, got, want)
		}
	}
}

// TestSettings refuses sizes that make no network.
func TestSettings(t *testing.T) {
	modelstest.Refuses(t, faces.Model, map[string]models.Settings{
		"setting size is 40, want the rows of an image: a multiple of 16 from 16 to 256": {"size": 40},
		"setting size is 0":                           {"size": 0},
		"setting size is 65536":                       {"size": 1 << 16},
		"setting width is -1, want a whole number":    {"width": -1},
		"setting latent is 0":                         {"latent": 0},
		"setting first is 1e+06":                      {"first": 1e6},
		"setting weight is -1, want a number above 0": {"weight": -1},
		"setting dropout is -1":                       {"dropout": -1},
		"setting dropout is 1":                        {"dropout": 1},
		"setting dropout is 2":                        {"dropout": 2},
	})
}
