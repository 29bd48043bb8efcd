package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var batch, height = graph.Sym("batch"), graph.Sym("height")

// block is a layer of layers.
type block struct {
	Conv nn.Conv2D
	BN1  nn.BatchNorm
}

type model struct {
	FC1, LogVar nn.Dense
	QKVProj     *nn.Dense
	Up          []block
	ByName      map[string]*nn.Dense
	Net         nn.Sequential
	Shared      *nn.Dense
	Width       int
}

type applier interface {
	Apply(x *graph.Value) *graph.Value
}

// TestFans compares how the filters of convolutions start with the scale of He et al., eq. 10, √(2/inputs), and that of Glorot
// and Bengio, eq. 12, √(2/(inputs+outputs)), where the inputs are what one result sees, and the outputs what one input feeds.
func TestFans(t *testing.T) {
	for _, c := range []struct {
		layer                                   func(init graph.Initializer) applier
		channels, filters, groups, kernel, axes int
	}{
		{func(i graph.Initializer) applier {
			return &nn.ConvTranspose2D{Filters: 8, Kernel: 3, Weight: i}
		}, 64, 8, 1, 3, 2},
		{func(i graph.Initializer) applier {
			return &nn.ConvTranspose2D{Filters: 24, Kernel: 4, Stride: 2, Groups: 2, Weight: i}
		}, 128, 24, 2, 4, 2},
		{func(i graph.Initializer) applier {
			return &nn.Conv2D{Filters: 8, Kernel: 3, Weight: i}
		}, 64, 8, 1, 3, 2},
		{func(i graph.Initializer) applier {
			return &nn.Conv2D{Filters: 512, Kernel: 3, Groups: 512, Weight: i}
		}, 512, 512, 512, 3, 2},
		{func(i graph.Initializer) applier { return &nn.Conv1D{Filters: 32, Kernel: 5, Weight: i} }, 64, 32, 1, 5, 1},
		{func(i graph.Initializer) applier {
			return &nn.ConvTranspose3D{Filters: 8, Kernel: 3, Groups: 2, Weight: i}
		}, 32, 8, 2, 3, 3},
	} {
		window := int(math.Pow(float64(c.kernel), float64(c.axes)))
		in, out := float64(c.channels/c.groups*window), float64(c.filters/c.groups*window)
		for _, i := range []struct {
			init graph.Initializer
			want float64
		}{
			{initializer.HeNormal{}, math.Sqrt(2 / in)}, {initializer.HeUniform{}, math.Sqrt(2 / in)},
			{initializer.GlorotNormal{}, math.Sqrt(2 / (in + out))}, {nil, math.Sqrt(2 / (in + out))}, {initializer.Normal{Std: .02}, .02},
		} {
			m := &struct{ L any }{c.layer(i.init)}
			if _, problems := nn.Bind("", m, map[*nn.Layer]bool{}); problems != nil {
				t.Fatal(problems)
			}
			f := graph.NewFunc("f", false)
			m.L.(applier).Apply(f.Input("x", graph.F32, append(graph.Shape{1, graph.Dim(c.channels)}, graph.Shape{9, 9, 9}[:c.axes]...)...))
			weight := f.Params[0]
			shape, _ := weight.Shape().Eval(nil)
			w := tensor.New(graph.F32, shape...)
			weight.Op.(graph.Param).Init.Init(w, rand.New(rand.NewPCG(1, 2)))
			square := 0.0
			for k := range w.Len() {
				square += w.At(k) * w.At(k)
			}
			if got := math.Sqrt(square / float64(w.Len())); math.Abs(got-i.want) > .04*i.want {
				t.Errorf("%T of %d channels, %d filters, %d groups by %T: weights of size %.4f, want %.4f", m.L, c.channels, c.filters, c.groups, i.init, got, i.want)
			}
		}
	}
}

// TestNames checks the names that Bind gives.
func TestNames(t *testing.T) {
	m := &model{
		QKVProj: &nn.Dense{}, Up: make([]block, 2), ByName: map[string]*nn.Dense{"b": {}, "a": {}},
		Net: nn.Sequential{&nn.Dense{}, nn.ReLU, &nn.Dropout{}},
	}
	m.Shared = m.QKVProj
	bound := map[*nn.Layer]bool{}
	layers, problems := nn.Bind("enc", m, bound)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, l := range layers {
		got = append(got, l.Path())
	}
	want := []string{"enc.fc1", "enc.log_var", "enc.qkv_proj", "enc.up.0.conv", "enc.up.0.bn1", "enc.up.1.conv", "enc.up.1.bn1", "enc.by_name.a", "enc.by_name.b", "enc.net.0", "enc.net.2"}
	if !slices.Equal(got, want) {
		t.Errorf("names %v\n want %v", got, want)
	}
	if again, _ := nn.Bind("other", m, bound); len(again) != 0 || layers[0].Path() != "enc.fc1" {
		t.Errorf("a second model renamed a layer to %s", layers[0].Path())
	}
	defer func() {
		if nn.Bind("other", m, map[*nn.Layer]bool{}); layers[0].Path() != "other.fc1" {
			t.Errorf("in another program the layer is still called %s", layers[0].Path())
		}
	}()
	if got := nn.Paths(&m.Up); !slices.Equal(got, want[3:7]) {
		t.Errorf("Paths of a part: %v", got)
	}
	if got := nn.Paths([]any{&m.FC1, m.Shared}); !slices.Equal(got, []string{"enc.fc1", "enc.qkv_proj"}) {
		t.Errorf("Paths of a list: %v", got)
	}
}

// TestProblems gives Bind what it cannot name.
func TestProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		model any
		want  string
	}{
		{"not a pointer", struct{ A nn.Dense }{}, "want a pointer"},
		{"nil", (*model)(nil), "want a pointer"},
		{"a number", new(int), "want a pointer to a struct"},
		{"nil pointer", &struct{ A *nn.Dense }{}, "a is a nil"},
		{"nil module", &struct{ A nn.Module }{}, "a is a nil"},
		{"unexported", &struct{ a nn.Dense }{}, "unexported field a"},
		{"unexported slice", &struct{ list []*nn.Dense }{}, "unexported field list"},
		{"map by number", &struct{ A map[int]*nn.Dense }{A: map[int]*nn.Dense{1: {}}}, "keyed by int"},
		{"map of values", &struct{ A map[string]nn.Dense }{A: map[string]nn.Dense{"x": {}}}, "by value in a map"},
		{"interface of value", &struct{ A any }{nn.Dense{}}, "by value"},
	} {
		_, problems := nn.Bind("", c.model, map[*nn.Layer]bool{})
		if len(problems) != 1 || !strings.Contains(problems[0].Msg, c.want) || problems[0].Hint == "" {
			t.Errorf("%s: %v, want %q and a hint", c.name, problems, c.want)
		}
	}
}

// shapes applies a bound layer to an input and returns the result's shape, or the mistakes.
func shape(layer nn.Module, dims ...graph.Dim) string {
	nn.Bind("", &struct{ L nn.Module }{layer}, map[*nn.Layer]bool{})
	f := graph.NewFunc("f", false)
	y := layer.Apply(f.Input("x", graph.F32, dims...))
	if len(f.Diags) > 0 {
		return f.Diags[0].Msg
	}
	return y.Shape().String()
}

// TestShapes checks sizes, those of Same against TensorFlow's rule: ⌈size/stride⌉ and size·stride.
func TestShapes(t *testing.T) {
	for _, c := range []struct {
		layer nn.Module
		dims  []graph.Dim
		want  string
	}{
		{&nn.Dense{Units: 5}, []graph.Dim{batch, 3}, "[batch 5]"},
		{&nn.Dense{Units: 5, NoBias: true}, []graph.Dim{batch, 7, 3}, "[batch 7 5]"},
		{&nn.Dense{Units: 5}, []graph.Dim{3}, "Dense: needs [... in]"},
		{&nn.Conv2D{Filters: 8, Kernel: 3}, []graph.Dim{batch, 1, 28, 28}, "[batch 8 26 26]"},
		{&nn.Conv2D{Filters: 8, Kernel: 3, Pad: 1, Stride: 2}, []graph.Dim{batch, 1, 28, 28}, "[batch 8 14 14]"},
		{&nn.Conv2D{Filters: 8, Kernel: 3, Same: true, Stride: 2}, []graph.Dim{batch, 1, 28, 27}, "[batch 8 14 14]"},
		{&nn.Conv2D{Filters: 8, Kernel: 4, Same: true, Dilation: 2}, []graph.Dim{batch, 1, 9, 9}, "[batch 8 9 9]"},
		{&nn.Conv2D{Filters: 6, Kernel: 1, Groups: 3}, []graph.Dim{batch, 9, 4, 4}, "[batch 6 4 4]"},
		{&nn.Conv2D{Filters: 6, Kernel: 1, Groups: 4}, []graph.Dim{batch, 9, 4, 4}, "Conv2D: 4 groups"},
		{&nn.Conv2D{Filters: 6}, []graph.Dim{batch, 9, 4, 4}, "Conv2D: the field Kernel is 0"},
		{&nn.Conv2D{Filters: 6, Kernel: 3}, []graph.Dim{batch, 9}, "Conv2D: needs [batch channels height width]"},
		{&nn.ConvTranspose2D{Filters: 4, Kernel: 4, Stride: 2, Pad: 1}, []graph.Dim{batch, 8, 7, 7}, "[batch 4 14 14]"},
		{&nn.ConvTranspose2D{Filters: 4, Kernel: 3, Stride: 2, Same: true}, []graph.Dim{batch, 8, 7, 7}, "[batch 4 14 14]"},
		{&nn.ConvTranspose2D{Filters: 4, Kernel: 2, Stride: 3, Same: true}, []graph.Dim{batch, 8, 7, 7}, "[batch 4 21 21]"},
		{&nn.ConvTranspose2D{Filters: 4, Kernel: 5, Same: true}, []graph.Dim{batch, 8, 7, 7}, "[batch 4 7 7]"},
		{&nn.ConvTranspose2D{Filters: 6, Kernel: 3, Dilation: 2, Groups: 3, Stride: 2, Same: true}, []graph.Dim{batch, 9, 7, 7}, "[batch 6 14 14]"},
		{&nn.ConvTranspose2D{Filters: 6, Kernel: 3, Dilation: 2}, []graph.Dim{batch, 9, 7, 7}, "[batch 6 11 11]"},
		{&nn.ConvTranspose2D{Filters: 6, Kernel: 3, Groups: 4}, []graph.Dim{batch, 8, 7, 7}, "ConvTranspose2D: 4 groups of 8 channels and 6 filters"},
		{&nn.Conv2D{Filters: 4, Kernel: 3, Pad: 1, Stride: 2}, []graph.Dim{batch, 3, height, 28}, "[batch 4 (height-1)/2+1 14]"},
		{&nn.Conv2D{Filters: 4, Kernel: 4, Same: true}, []graph.Dim{batch, 3, height, 5}, "[batch 4 height 5]"},
		{&nn.Conv2D{Filters: 4, Kernel: 5, Same: true, Stride: 2}, []graph.Dim{batch, 3, height.Times(4), 5}, "[batch 4 2*height 3]"},
		{&nn.Conv2D{Filters: 4, Kernel: 3, Same: true, Stride: 2}, []graph.Dim{batch, 3, height, 5}, "Conv2D with Same: how much to pad depends on the size height, which a stride of 2 need not divide"},
		{&nn.ConvTranspose2D{Filters: 4, Kernel: 4, Stride: 2, Same: true}, []graph.Dim{batch, 8, height, 7}, "[batch 4 2*height 14]"},
		{&nn.Conv1D{Filters: 8, Kernel: 3, Same: true, Stride: 2}, []graph.Dim{batch, 1, 27}, "[batch 8 14]"},
		{&nn.Conv1D{Filters: 8, Kernel: 3}, []graph.Dim{batch, 1, 28, 28}, "Conv1D: needs [batch channels width]"},
		{&nn.Conv1D{Filters: 8}, []graph.Dim{batch, 1, 28}, "Conv1D: the field Kernel is 0"},
		{&nn.Conv3D{Filters: 6, Kernel: 3, Pad: 1, Groups: 3}, []graph.Dim{batch, 9, 4, height, 5}, "[batch 6 4 height 5]"},
		{&nn.ConvTranspose1D{Filters: 4, Kernel: 3, Stride: 2, Same: true}, []graph.Dim{batch, 8, 7}, "[batch 4 14]"},
		{&nn.ConvTranspose3D{Filters: 4, Kernel: 2, Stride: 2}, []graph.Dim{batch, 8, 2, 3, height}, "[batch 4 4 6 2*height]"},
		{nn.MaxPool1D(2, 0), []graph.Dim{batch, 3, 9}, "[batch 3 4]"},
		{nn.MaxPool3D(2, 1), []graph.Dim{batch, 3, 4, 3, height}, "[batch 3 3 2 height-1]"},
		{nn.AveragePool1D(3, 2), []graph.Dim{batch, 3, height}, "[batch 3 (height-1)/2]"},
		{nn.AveragePool3D(2, 0), []graph.Dim{batch, 3, 4, 3, 2}, "[batch 3 2 1 1]"},
		{&nn.BatchNorm{}, []graph.Dim{batch, 3, 4, 4}, "[batch 3 4 4]"},
		{&nn.BatchNorm{Momentum: 1.5}, []graph.Dim{batch, 3}, "BatchNorm: momentum 1.5"},
		{&nn.BatchNorm{Momentum: math.NaN()}, []graph.Dim{batch, 3}, "BatchNorm: momentum NaN"},
		{&nn.BatchNorm{Eps: math.NaN()}, []graph.Dim{batch, 3}, "BatchNorm: momentum 0.9 and eps NaN"},
		{&nn.LayerNorm{NoAffine: true}, []graph.Dim{batch, 3}, "[batch 3]"},
		{&nn.GroupNorm{Groups: 2}, []graph.Dim{batch, 3}, "GroupNorm: 2 groups of 3 channels"},
		{&nn.InstanceNorm{}, []graph.Dim{batch, 3}, "InstanceNorm: needs [batch channels places ...]"},
		{&nn.InstanceNorm{NoAffine: true}, []graph.Dim{batch, 3, 4}, "[batch 3 4]"},
		{&nn.RMSNorm{NoAffine: true}, []graph.Dim{batch, 3}, "[batch 3]"},
		{nn.Sequential{&nn.Dense{Units: 12}, nn.ReLU, nn.Reshape(3, 2, 2), nn.Upsample(2), nn.MaxPool2D(2, 0), nn.AveragePool2D(2, 1), nn.LeakyReLU(.1), nn.Flatten}, []graph.Dim{batch, 3}, "[batch 3]"},
		{nn.Sequential{}, []graph.Dim{batch, 3}, "[batch 3]"},
		{nn.Sequential{nil}, []graph.Dim{batch, 3}, "Sequential: module 0 is nil"},
	} {
		if got := shape(c.layer, c.dims...); !strings.HasPrefix(got, c.want) {
			t.Errorf("%T%+v on %v: %s, want %s", c.layer, c.layer, c.dims, got, c.want)
		}
	}
}

// TestBatchNormTwice applies one BatchNorm to several values in one step, as a critic to real and generated images: the running
// statistics move with each, in order. The numbers are by hand: r ← .9·r + .1·batch, the variances unbiased.
func TestBatchNormTwice(t *testing.T) {
	f := graph.NewFunc("train", true)
	l := &nn.BatchNorm{}
	nn.Bind("", &struct{ Norm *nn.BatchNorm }{l}, map[*nn.Layer]bool{})
	in := map[string]*tensor.Tensor{
		"real": tensor.Of([]float32{1, 3}, 2, 1), "fake": tensor.Of([]float32{5, 9}, 2, 1), "more": tensor.Of([]float32{0, 1}, 2, 1),
		"norm.scale": tensor.Of([]float32{1}, 1), "norm.bias": tensor.Of([]float32{0}, 1), "norm.mean": tensor.Of([]float32{0}, 1), "norm.variance": tensor.Of([]float32{1}, 1),
	}
	for i, want := range []struct {
		name           string
		mean, variance float64
	}{{"real", .2, 1.1}, {"fake", .88, 1.79}, {"more", .842, 1.661}} {
		l.Apply(f.Input(want.name, graph.F32, 2, 1))
		out := run(t, f, in)
		if len(f.Updates) != 2 {
			t.Fatalf("%d updates", len(f.Updates))
		}
		for k, w := range []float64{want.mean, want.variance} {
			if got := out[f.Updates[k].Value.ID].At(0); math.Abs(got-w) > 1e-6 {
				t.Errorf("after %d applications %s is %v, want %v", i+1, f.Updates[k].Name, got, w)
			}
		}
	}
}

// TestBatchNormFrozen trains with running statistics, which stay, and a scale that moves; a second application that is not frozen moves
// them.
func TestBatchNormFrozen(t *testing.T) {
	f := graph.NewFunc("train", true)
	l := &nn.BatchNorm{Frozen: true, Eps: 1}
	nn.Bind("", &struct{ Norm *nn.BatchNorm }{l}, map[*nn.Layer]bool{})
	x := f.Input("x", graph.F32, 2, 1)
	y := l.Apply(x)
	g := graph.Grad(y.Square().Sum(), f.Lookup("norm.scale"), x)
	if len(f.Diags) > 0 || len(f.Updates) != 0 {
		t.Fatal(f.Diags, f.Updates)
	}
	out := run(t, f, map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 5}, 2, 1),
		"norm.scale": tensor.Of([]float32{2}, 1), "norm.bias": tensor.Of([]float32{.5}, 1), "norm.mean": tensor.Of([]float32{3}, 1), "norm.variance": tensor.Of([]float32{3}, 1)})
	// x̂ is −1 and 1, y −1.5 and 2.5: Σ 2y·x̂ is 8, and 2y·scale/σ −3 and 5
	for _, c := range []struct {
		v    *graph.Value
		want []float64
	}{{y, []float64{-1.5, 2.5}}, {g[0], []float64{8}}, {g[1], []float64{-3, 5}}} {
		for i, w := range c.want {
			if got := out[c.v.ID].At(i); math.Abs(got-w) > 1e-6 {
				t.Errorf("%v is %v, want %v", c.v.Text(), out[c.v.ID].Float64s(), c.want)
			}
		}
	}
	l.Frozen = false
	if l.Apply(x); len(f.Updates) != 2 {
		t.Errorf("%d updates", len(f.Updates))
	}
}

// TestFloatFields sets each float of every layer to what is no number: a mistake, in training and elsewhere.
func TestFloatFields(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	layers := map[string]nn.Module{
		"Dense": &nn.Dense{Units: 2}, "Embedding": nil, // nil: no floats
		"Conv2D": &nn.Conv2D{Filters: 2, Kernel: 1}, "ConvTranspose2D": &nn.ConvTranspose2D{Filters: 2, Kernel: 1},
		"BatchNorm": &nn.BatchNorm{}, "LayerNorm": &nn.LayerNorm{}, "GroupNorm": &nn.GroupNorm{Groups: 2}, "InstanceNorm": &nn.InstanceNorm{}, "RMSNorm": &nn.RMSNorm{}, "Dropout": &nn.Dropout{},
		"Positions": nil, "Attention": nil, "LSTM": nil, "GRU": nil,
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?ms)^type (\w+) struct \{[^}]*^\tLayer$`).FindAllSubmatch(src, -1) {
			if _, ok := layers[string(m[1])]; !ok {
				t.Errorf("%s is not tried here", m[1])
			}
		}
	}
	tried := 0
	for name, layer := range layers {
		if layer == nil {
			continue
		}
		v := reflect.ValueOf(layer).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Float64 {
				continue
			}
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				v.Field(i).SetFloat(bad)
				for _, training := range []bool{false, true} {
					f := graph.NewFunc("f", training)
					nn.Bind("", &struct{ L nn.Module }{layer}, map[*nn.Layer]bool{})
					layer.Apply(f.Input("x", graph.F32, batch, 2, 3, 3))
					if tried++; len(f.Diags) != 1 || f.Diags[0].Scope != "l" || f.Diags[0].Hint == "" {
						t.Errorf("%s with %s = %v, training %v: want one mistake, have %v", name, v.Type().Field(i).Name, bad, training, f.Diags)
					}
				}
			}
			v.Field(i).SetFloat(0)
		}
	}
	if tried < 5*6 {
		t.Errorf("only %d tried", tried)
	}
}

// run evaluates f with normal inputs and the state given, and returns values by ID.
func run(t *testing.T, f *graph.Func, in map[string]*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestBatchNorm trains one step and compares the result and the running statistics with their definition; inference must
// use the running ones.
func TestBatchNorm(t *testing.T) {
	const n, channels, side = 3, 2, 2
	l := &nn.BatchNorm{Momentum: .8}
	nn.Bind("", &struct{ Norm *nn.BatchNorm }{l}, map[*nn.Layer]bool{})
	r := rand.New(rand.NewPCG(1, 2))
	x := tensor.New(tensor.F32, n, channels, side, side)
	for i := range x.Len() {
		x.Set(i, 3+2*r.NormFloat64())
	}
	vector := func(a, b float64) *tensor.Tensor {
		v := tensor.New(tensor.F32, 2)
		v.Set(0, a)
		v.Set(1, b)
		return v
	}
	in := map[string]*tensor.Tensor{"x": x, "norm.scale": vector(1.5, .5), "norm.bias": vector(-1, 2), "norm.mean": vector(.1, .2), "norm.variance": vector(2, 3)}
	count := float64(n * side * side)
	var mean, variance [channels]float64
	channel := func(i int) int { return i / (side * side) % channels }
	for i := range x.Len() {
		mean[channel(i)] += x.At(i) / count
	}
	for i := range x.Len() {
		d := x.At(i) - mean[channel(i)]
		variance[channel(i)] += d * d / count
	}
	close := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-4 {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	for _, training := range []bool{true, false} {
		f := graph.NewFunc("f", training)
		y := l.Apply(f.Input("x", graph.F32, batch, channels, side, side))
		out := run(t, f, in)
		for i := range x.Len() {
			c := channel(i)
			m, v := mean[c], variance[c]
			if !training {
				m, v = in["norm.mean"].At(c), in["norm.variance"].At(c)
			}
			close(fmt.Sprintf("training=%v, element %d", training, i), out[y.ID].At(i), in["norm.scale"].At(c)*(x.At(i)-m)/math.Sqrt(v+1e-5)+in["norm.bias"].At(c))
		}
		if !training {
			if len(f.Updates) > 0 {
				t.Errorf("inference updates %v", f.Updates)
			}
			continue
		}
		for _, u := range f.Updates {
			for c := range channels {
				want := .8*in[u.Name].At(c) + .2*mean[c]
				if u.Name == "norm.variance" {
					want = .8*in[u.Name].At(c) + .2*variance[c]*count/(count-1)
				}
				close(u.Name, out[u.Value.ID].At(c), want)
			}
		}
		if len(f.Updates) != 2 {
			t.Errorf("%d updates", len(f.Updates))
		}
	}
}

// TestDenseAndEmbedding compares both with plain loops, and checks that applying a layer twice shares its weights.
func TestDenseAndEmbedding(t *testing.T) {
	m := &struct {
		Tok nn.Embedding
		FC  nn.Dense
	}{nn.Embedding{Vocab: 5, Dim: 3}, nn.Dense{Units: 2}}
	nn.Bind("", m, map[*nn.Layer]bool{})
	f := graph.NewFunc("f", false)
	ids := f.Input("ids", graph.I64, 2)
	y := m.FC.Apply(m.Tok.Apply(ids))
	m.FC.Apply(m.Tok.Apply(ids))
	if len(f.Params) != 3 {
		t.Errorf("%d parameters after applying the layers twice, want 3", len(f.Params))
	}
	in := map[string]*tensor.Tensor{
		"ids": tensor.Of([]int64{4, 1}, 2), "tok.weight": tensor.New(tensor.F32, 5, 3),
		"fc.weight": tensor.New(tensor.F32, 3, 2), "fc.bias": tensor.Of([]float32{10, 20}, 2),
	}
	for _, name := range []string{"tok.weight", "fc.weight"} {
		for i := range in[name].Len() {
			in[name].Set(i, float64(i+1))
		}
	}
	out := run(t, f, in)[y.ID]
	for i, id := range []int{4, 1} {
		for j := range 2 {
			want := in["fc.bias"].At(j)
			for k := range 3 {
				want += in["tok.weight"].At(id*3+k) * in["fc.weight"].At(k*2+j)
			}
			if got := out.At(i*2 + j); got != want {
				t.Errorf("example %d, unit %d is %v, want %v", i, j, got, want)
			}
		}
	}
}

// TestTiedEmbedding compares Attend with a plain loop, and checks that it takes the weights that Apply looks up.
func TestTiedEmbedding(t *testing.T) {
	m := &struct{ Tok nn.Embedding }{nn.Embedding{Vocab: 5, Dim: 3}}
	nn.Bind("", m, map[*nn.Layer]bool{})
	f := graph.NewFunc("f", false)
	y := m.Tok.Attend(m.Tok.Apply(f.Input("ids", graph.I64, 2)))
	if len(f.Params) != 1 {
		t.Fatalf("%d parameters, want 1", len(f.Params))
	}
	table := tensor.New(tensor.F32, 5, 3)
	for i := range table.Len() {
		table.Set(i, float64(i*i%7))
	}
	out := run(t, f, map[string]*tensor.Tensor{"ids": tensor.Of([]int64{4, 1}, 2), "tok.weight": table})[y.ID]
	if got := out.Shape(); !slices.Equal(got, []int{2, 5}) {
		t.Fatalf("shape %v, want [2 5]", got)
	}
	for i, id := range []int{4, 1} {
		for j := range 5 {
			want := 0.
			for k := range 3 {
				want += table.At(id*3+k) * table.At(j*3+k)
			}
			if got := out.At(i*5 + j); got != want {
				t.Errorf("vector %d, row %d is %v, want %v", i, j, got, want)
			}
		}
	}
	x := f.Input("x", graph.F32, batch, 4)
	if m.Tok.Attend(x); len(f.Diags) != 1 || !strings.Contains(f.Diags[0].Msg, "inner dimensions differ: 4 and 3") {
		t.Errorf("vectors of another width: %v", f.Diags)
	}
}

// TestPositionBelowHouse finds the user's line below more of the house's frames than are read at a time.
func TestPositionBelowHouse(t *testing.T) {
	var m nn.Module = nn.Tanh
	for range 100 {
		m = nn.Sequential{m}
	}
	if y := m.Apply(graph.NewFunc("f", false).Input("x", graph.F32, 2)); !strings.HasSuffix(y.Pos.File, "layers_test.go") {
		t.Errorf("made at %v", y.Pos)
	}
}

// TestCopies checks that a copy of a named layer is that layer: it shares weights, and applying it counts.
func TestCopies(t *testing.T) {
	m := &struct{ FC nn.Dense }{nn.Dense{Units: 2}}
	layers, _ := nn.Bind("", m, map[*nn.Layer]bool{})
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, 3)
	fc := m.FC
	fc.Apply(x)
	if !layers[0].Applied() {
		t.Error("the layer is not applied when its copy is")
	}
	if m.FC.Apply(x); len(f.Params) != 2 || len(f.Diags) > 0 {
		t.Errorf("%d parameters, %v", len(f.Params), f.Diags)
	}
}
