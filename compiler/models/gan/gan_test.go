package gan_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

var all = gan.Models

// A loaded is a program with what it runs on.
type loaded struct {
	runtime.Executable
	prog  *compiler.Program
	state *runtime.State
}

// load defines m with changed settings and gives it the state that it starts from.
func load(t testing.TB, m models.Model, seed uint64, changes models.Settings) loaded {
	t.Helper()
	prog := modelstest.Define(t, m, changes)
	state, err := runtime.NewState(prog, seed)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, err := engine.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return loaded{x, prog, state}
}

// run runs an entry point on those of the tensors that it takes.
func run(t testing.TB, x loaded, entry string, from map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	t.Helper()
	f, err := x.prog.Entry(entry)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		in[v.Name] = from[v.Name]
		if v.Name == "batch" { // of a Step that only draws
			in[v.Name] = tensor.Scalar(int64(from["image"].Dim(0)))
		}
	}
	out, err := runtime.Run(t.Context(), x, entry, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func normal(r *rand.Rand, shape ...int) *tensor.Tensor {
	x := tensor.New(tensor.F32, shape...)
	for i := range x.Len() {
		x.Set(i, r.NormFloat64())
	}
	return x
}

// TestParameters holds that DCGAN is the paper's at the paper's size: the networks of PyTorch's dcgan example have 3,576,704 and
// 2,765,568 parameters, without a bias where ours have one: in the generator's last layer, and in the critic's first and last.
func TestParameters(t *testing.T) {
	prog := modelstest.Define(t, gan.DCGAN, models.Settings{"size": 64, "channels": 3, "width": 64})
	got := map[string]int{}
	for _, p := range prog.Params() {
		if p.Trainable {
			net, _, _ := strings.Cut(p.Name, ".")
			shape, err := p.Type.Shape.Eval(nil)
			if err != nil {
				t.Fatal(err)
			}
			n, err := tensor.Count(shape)
			if err != nil {
				t.Fatal(err)
			}
			got[net] += n
		}
	}
	if got["gen"] != 3576704+3 || got["critic"] != 2765568+64+1 || len(got) != 2 {
		t.Errorf("there are %v parameters", got)
	}
}

// TestInit holds that DCGAN's weights start from N(0, 0.02²).
func TestInit(t *testing.T) {
	x := load(t, gan.DCGAN, 1, models.Settings{"size": 8, "width": 16})
	sum, square, n := 0., 0., 0.
	for _, p := range x.prog.Params() {
		if p.Trainable && strings.HasSuffix(p.Name, ".weight") {
			w, err := x.state.Tensor(p.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range w.Float64s() {
				sum, square, n = sum+v, square+v*v, n+1
			}
		}
	}
	if mean, std := sum/n, math.Sqrt(square/n); math.Abs(mean) > 4*.02/math.Sqrt(n) || math.Abs(std-.02) > 4*.02/math.Sqrt(2*n) {
		t.Errorf("%v weights have the mean %v and the deviation %v", n, mean, std)
	}
}

// TestSteps holds which parameters each Step moves: all of its own network, and none of the other.
func TestSteps(t *testing.T) {
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			x := load(t, m, 1, models.Settings{"size": 8, "width": 4, "latent": 3})
			image, label := ring(rand.New(rand.NewPCG(1, 1)), 6)
			for step, net := range map[string]string{"critic": "critic.", "generator": "gen."} {
				before, err := x.state.Clone()
				if err != nil {
					t.Fatal(err)
				}
				run(t, x, step, map[string]*tensor.Tensor{"image": image, "label": label})
				for _, p := range x.prog.Params() {
					if !p.Trainable {
						continue
					}
					was, _ := before.Tensor(p.Name)
					is, _ := x.state.Tensor(p.Name)
					moved := false
					for i := range is.Len() {
						moved = moved || is.At(i) != was.At(i)
					}
					// A bias just before the Wasserstein distance moves by its two terms, which are equal.
					if last := strings.HasSuffix(p.Name, ".bias") && p.Type.Shape[0] == 1 && net == "critic." && m.Name != "dcgan"; last {
						continue
					}
					if moved != strings.HasPrefix(p.Name, net) {
						t.Errorf("%s moves %s: %v", step, p.Name, moved)
					}
				}
			}
		})
	}
}

// TestPenalty compares the outputs of a critic's step with what judge makes of the same images: the distance, and the penalty, whose
// slopes are taken by central differences along each pixel.
func TestPenalty(t *testing.T) {
	for _, m := range []models.Model{gan.WGANGP, gan.CGAN} {
		t.Run(m.Name, func(t *testing.T) {
			const batch, lambda = 3, 7
			x := load(t, m, 1, models.Settings{"size": side, "width": 4, "latent": 3, "lambda": lambda})
			r := rand.New(rand.NewPCG(1, 1))
			image, label := ring(r, batch)
			in := map[string]*tensor.Tensor{"image": image, "label": label}
			step := x.prog.Step("critic")
			for _, name := range x.state.Names() {
				in[name], _ = x.state.Tensor(name)
			}
			ctx, err := gorgonia.KernelContext(gorgonia.Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			values, err := graph.Evaluate(ctx, step, in)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, o := range step.Outputs {
				got[o.Name] = values[o.Value.ID].At(0)
			}
			got["distance"] = got["real"] - got["fake"]
			var fake, mix *tensor.Tensor // what the step drew: its generator's images, and ε
			for _, v := range step.Values {
				switch v.Op.(type) {
				case graph.Tanh:
					fake = values[v.ID]
				case graph.RandomUniform:
					mix = values[v.ID]
				}
			}
			if fake == nil || mix == nil || mix.Len() != batch {
				t.Fatal("the step has no images or no ε")
			}
			// judge scores images in [-1, 1].
			judge := func(pixels []float64) []float64 {
				at := tensor.New(tensor.F32, batch, 1, side, side)
				for i, p := range pixels {
					at.Set(i, (p+1)/2)
				}
				return run(t, x, "judge", map[string]*tensor.Tensor{"image": at, "label": label})["score"].Float64s()
			}
			const pixels = side * side
			real, between := make([]float64, image.Len()), make([]float64, image.Len())
			for i := range real {
				e := mix.At(i / pixels)
				real[i] = 2*image.At(i) - 1
				between[i] = e*real[i] + (1-e)*fake.At(i)
			}
			distance, penalty := 0., 0.
			truth, forged := judge(real), judge(fake.Float64s())
			slopes := make([]float64, batch)
			const h = 1e-2
			for i := range pixels {
				var side [2][]float64
				for k, d := range []float64{h, -h} {
					moved := append([]float64{}, between...)
					for n := range batch {
						moved[n*pixels+i] += d
					}
					side[k] = judge(moved)
				}
				for n := range batch {
					d := (side[0][n] - side[1][n]) / (2 * h)
					slopes[n] += d * d
				}
			}
			for n := range batch {
				distance += (truth[n] - forged[n]) / batch
				penalty += (math.Sqrt(slopes[n]) - 1) * (math.Sqrt(slopes[n]) - 1) / batch
			}
			for name, want := range map[string]float64{"distance": distance, "penalty": penalty, "loss": lambda*penalty - distance} {
				if math.Abs(got[name]-want) > 1e-2*max(math.Abs(want), .1) {
					t.Errorf("%s is %v, want %v", name, got[name], want)
				}
			}
		})
	}
}

// TestPack compares the score of packs with the score, by a critic of as many channels, of what the packs are said to be.
func TestPack(t *testing.T) {
	const batch, pac, pixels = 4, 3, side * side
	x := load(t, gan.SNGAN, 1, models.Settings{"size": side, "width": 4, "latent": 3, "pac": pac})
	image, _ := ring(rand.New(rand.NewPCG(1, 1)), batch)
	got := run(t, x, "judge", map[string]*tensor.Tensor{"image": image})["score"]
	f := graph.NewFunc("judge", false)
	s, err := gan.SNGAN.Settings.With(models.Settings{"size": side, "width": 4})
	if err != nil {
		t.Fatal(err)
	}
	critic := gan.Nets{Settings: s, Kernel: 4, Spectral: true}.Critic()
	if _, problems := nn.Bind("critic", critic, map[*nn.Layer]bool{}); problems != nil {
		t.Fatal(problems)
	}
	score := critic.Score(f.Input("packs", graph.F32, batch, pac, side, side), nil)
	packs := tensor.New(tensor.F32, batch, pac, side, side)
	for n := range batch {
		for k := range pac {
			for i := range pixels {
				packs.Set((n*pac+k)*pixels+i, 2*image.At((n-k+batch)%batch*pixels+i)-1)
			}
		}
	}
	in := map[string]*tensor.Tensor{"packs": packs}
	for _, name := range x.state.Names() {
		in[name], _ = x.state.Tensor(name)
	}
	ctx, err := gorgonia.KernelContext(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	values, err := graph.Evaluate(ctx, f, in)
	if err != nil {
		t.Fatal(err)
	}
	for n := range batch {
		if want := values[score.ID].At(n); math.Abs(got.At(n)-want) > 1e-5 {
			t.Errorf("pack %d has the score %v, want %v", n, got.At(n), want)
		}
	}

	// Of a batch that is smaller than a pack nothing is learned; it is judged all the same.
	few, _ := ring(rand.New(rand.NewPCG(1, 1)), 1)
	same := run(t, x, "judge", map[string]*tensor.Tensor{"image": few})["score"].At(0)
	if want := run(t, x, "judge", map[string]*tensor.Tensor{"image": twice(few)})["score"].At(0); math.Abs(same-want) > 1e-5 {
		t.Errorf("packs of one image have the score %v, of two copies %v", same, want)
	}
	for step, in := range map[string]map[string]*tensor.Tensor{"critic": {"image": few}, "generator": {"batch": tensor.Scalar(int64(1))}} {
		if _, err := runtime.Run(t.Context(), x, step, in); err == nil || !strings.Contains(err.Error(), "the setting pac is 3, and a batch must have so many examples at least: it is 1") {
			t.Errorf("%s: packs of 3 of a batch of 1: %v", step, err)
		}
	}
}

// twice is the batch x and the same again.
func twice(x *tensor.Tensor) *tensor.Tensor {
	shape := x.Shape()
	out := tensor.New(x.DType(), append([]int{2 * shape[0]}, shape[1:]...)...)
	for i := range out.Len() {
		out.Set(i, x.At(i%x.Len()))
	}
	return out
}

// TestLabels holds that a label changes what is drawn and how it is judged, and that one that is no class is an error.
func TestLabels(t *testing.T) {
	for _, m := range []models.Model{gan.CGAN, gan.ProjectionGAN} {
		for conv := range 2 {
			t.Run(fmt.Sprintf("%s/conv %d", m.Name, conv), func(t *testing.T) { testLabels(t, m, conv) })
		}
	}
}

func testLabels(t *testing.T, m models.Model, conv int) {
	x := load(t, m, 1, models.Settings{"size": side, "conv": float64(conv), "width": 4, "latent": 3, "classes": 5})
	r := rand.New(rand.NewPCG(1, 1))
	z, image := tensor.New(tensor.F32, 4, 3), tensor.New(tensor.F32, 4, 1, side, side)
	in := map[string]*tensor.Tensor{"z": z, "image": image, "label": tensor.Of([]int64{0, 1, 2, 2}, 4)}
	for i := range 3 {
		v := r.NormFloat64()
		for n := range 4 {
			z.Set(n*3+i, v)
		}
	}
	for entry, name := range map[string]string{"generate": "image", "judge": "score"} {
		out := run(t, x, entry, in)[name]
		size := out.Len() / 4
		differ := func(a, b int) (d float64) {
			for i := range size {
				d = max(d, math.Abs(out.At(a*size+i)-out.At(b*size+i)))
			}
			return d
		}
		if differ(0, 1) < 1e-4 || differ(1, 2) < 1e-4 || differ(2, 3) > 1e-6 {
			t.Errorf("%s: labels 0, 1, 2, 2 differ by %v, %v, %v", entry, differ(0, 1), differ(1, 2), differ(2, 3))
		}
	}
	in["label"] = tensor.Of([]int64{0, 1, 2, 5}, 4)
	delete(in, "image")
	if _, err := runtime.Run(t.Context(), x, "generate", in); err == nil || !strings.Contains(err.Error(), "a label is from 0 to 4") {
		t.Errorf("label 5 of 5 classes: %v", err)
	}
}

// TestSettings must refuse settings that make no model, by name and in one line.
func TestSettings(t *testing.T) {
	for name, values := range map[string][]float64{
		"size": {0, 4, 27, -28, 28.5, 1 << 20}, "channels": {0, 2, 4}, "width": {0, -1, 1 << 30}, "latent": {0, 1.5, 1 << 30}, "conv": {-1, .5, 2}, "lr": {0, -1, 2}, "ttur": {0, -1},
		"ratio": {0, -1, 2.5, 1e6}, "ema": {-.1, 1, 2}, "pac": {0, -2, 1.5, 1000}, "smooth": {-.1, 1}, "lambda": {-1}, "clip": {0, -.01}, "classes": {0, 1, 2.5, 1e6},
	} {
		for _, v := range values {
			for _, m := range all {
				if _, ok := m.Settings[name]; !ok {
					continue
				}
				modelstest.Refuses(t, m, map[string]models.Settings{"setting " + name + " is ": {name: v}})
			}
		}
	}
}

// TestAverages holds that generate has the average weights where the setting ema keeps them, and the last ones where it is 0.
func TestAverages(t *testing.T) {
	for _, m := range all {
		for _, ema := range []float64{0, .5} {
			t.Run(fmt.Sprintf("%s/ema %v", m.Name, ema), func(t *testing.T) {
				x := load(t, m, 1, models.Settings{"size": side, "width": 4, "latent": 3, "ema": ema})
				r := rand.New(rand.NewPCG(1, 1))
				image, label := ring(r, 6)
				in := map[string]*tensor.Tensor{"image": image, "label": label, "z": normal(r, 6, 3)}
				for range 3 {
					run(t, x, "generator", in)
				}
				set := func(prefix string) []float64 { // what is drawn when all weights of that name are zeros
					t.Helper()
					before, err := x.state.Clone()
					if err != nil {
						t.Fatal(err)
					}
					n := 0
					for _, p := range x.prog.Params() {
						if strings.HasPrefix(p.Name, prefix) && (p.Trainable || strings.Contains(p.Name, ".ema.gen")) {
							was, _ := before.Tensor(p.Name)
							if err := x.state.Set(p.Name, tensor.New(was.DType(), was.Shape()...)); err != nil {
								t.Fatal(err)
							}
							n++
						}
					}
					if (n > 0) != (ema > 0 || prefix == "gen.") {
						t.Errorf("%d weights are called %s", n, prefix)
					}
					out := run(t, x, "generate", in)["image"].Float64s()
					for _, name := range before.Names() {
						was, _ := before.Tensor(name)
						x.state.Set(name, was)
					}
					return out
				}
				whole := run(t, x, "generate", in)["image"].Float64s()
				if same := slices.Equal(whole, set("gen.")); same != (ema > 0) {
					t.Errorf("without the last weights the images are the same: %v", same)
				}
				if same := slices.Equal(whole, set("opt.generator.ema.gen.")); same != (ema == 0) {
					t.Errorf("without the average weights the images are the same: %v", same)
				}
			})
		}
	}
}
