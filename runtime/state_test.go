package runtime

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// program is of one layer, or of two, with dropout and momentum: it has parameters, moments and a random counter.
func program(t *testing.T, units int, two bool) *compiler.Program {
	t.Helper()
	first, second := &nn.Dense{Units: units}, &nn.Dense{Units: 2}
	layers := []any{first}
	b := compiler.New("net")
	b.Model("a", first)
	if two {
		b.Model("b", second)
		layers = append(layers, second)
	}
	b.Step("train", optim.SGD{LR: 1, Momentum: .9}, layers, func(f *graph.Func) *graph.Value {
		h := first.Apply(f.Input("x", graph.F32, graph.Sym("batch"), 3)).Dropout(.5)
		if two {
			h = second.Apply(h)
		}
		return h.Square().Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func newState(t *testing.T, prog *compiler.Program, seed uint64) *State {
	t.Helper()
	s, err := NewState(prog, seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func values(t *testing.T, s *State, name string) []float64 {
	t.Helper()
	x, err := s.Tensor(name)
	if err != nil {
		t.Fatal(err)
	}
	return x.Float64s()
}

// TestNewState draws the same from the same seed, whatever other layers there are.
func TestNewState(t *testing.T) {
	one, again := newState(t, program(t, 4, false), 7), newState(t, program(t, 4, false), 7)
	two, other := newState(t, program(t, 4, true), 7), newState(t, program(t, 4, false), 8)
	if len(two.Names()) <= len(one.Names()) || !slices.IsSorted(two.Names()) {
		t.Errorf("names %v and %v", one.Names(), two.Names())
	}
	for _, name := range one.Names() {
		if !slices.Equal(values(t, one, name), values(t, again, name)) {
			t.Errorf("%s differs from one time to the next", name)
		}
		if !slices.Equal(values(t, one, name), values(t, two, name)) {
			t.Errorf("%s differs when a layer is added", name)
		}
	}
	if slices.Equal(values(t, one, "a.weight"), values(t, other, "a.weight")) {
		t.Error("another seed gives the same weights")
	}
	a, b := values(t, two, "a.weight"), values(t, two, "b.weight") // of different sizes
	if math.Abs(a[0]/a[1]-b[0]/b[1]) < 1e-3 {
		t.Error("two layers start from the same numbers")
	}
	if got := values(t, other, graph.RandomState); !slices.Equal(got, []float64{8, 0}) {
		t.Errorf("the random counter begins at %v, want the seed and 0", got)
	}
	if Memory() == 0 {
		return // unknown on this system
	}
	if _, err := NewState(program(t, math.MaxInt32, true), 1); err == nil || !strings.Contains(err.Error(), "GB of memory") {
		t.Errorf("a width of 2³¹: %v", err)
	}
}

// TestAverageStart must give the average of a parameter the parameter's first values.
func TestAverageStart(t *testing.T) {
	m := &struct{ A nn.Dense }{nn.Dense{Units: 3}}
	b := compiler.New("average")
	b.Model("", m)
	b.Step("train", optim.EMA{Decay: .9, Then: optim.SGD{LR: .1}}, m, func(f *graph.Func) *graph.Value {
		return m.A.Apply(f.Input("x", graph.F32, 2, 4)).Square().Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	s := newState(t, prog, 7)
	p, average := values(t, s, "a.weight"), values(t, s, "opt.train.ema.a.weight")
	if !slices.Equal(p, average) || slices.Max(p) == 0 {
		t.Errorf("the parameter starts as %v, its average as %v", p, average)
	}
}

// TestState sets, swaps and clones.
func TestState(t *testing.T) {
	s := newState(t, program(t, 4, false), 1)
	clone, err := s.Clone()
	if err != nil {
		t.Fatal(err)
	}
	x := tensor.New(tensor.F32, 3, 4)
	x.Set(5, 2.5)
	if err := s.Set("a.weight", x); err != nil {
		t.Fatal(err)
	}
	x.Set(5, 9)
	if got := values(t, s, "a.weight")[5]; got != 2.5 {
		t.Errorf("set to %v, want 2.5: Set copies", got)
	}
	if values(t, clone, "a.weight")[5] == 2.5 {
		t.Error("a clone shares its tensors")
	}
	old := s.Swap("a.weight", x)
	if old.At(5) != 2.5 || values(t, s, "a.weight")[5] != 9 {
		t.Errorf("swapped out %v, in %v", old.At(5), values(t, s, "a.weight")[5])
	}
	for name, bad := range map[string]*tensor.Tensor{"a.weight": tensor.New(tensor.F32, 4, 3), "a.bias": tensor.New(tensor.F64, 4), "none": x} {
		if err := s.Set(name, bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("set %s to %v: %v", name, bad, err)
		}
	}
}

// TestFinite puts each bad value at each place, for the unrolled loop has several.
func TestFinite(t *testing.T) {
	for _, dtype := range []tensor.DType{tensor.F32, tensor.F64} {
		for n := range 10 {
			x := tensor.New(dtype, n)
			for i := range n {
				x.Set(i, []float64{math.MaxFloat32, -math.MaxFloat32, 0, 1e-45}[i%4])
			}
			if !Finite(x) {
				t.Errorf("%v of finite values is not finite", x)
			}
			for i := range n {
				was := x.At(i)
				for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					if x.Set(i, bad); Finite(x) {
						t.Errorf("%v with %v at %d is finite", x, bad, i)
					}
				}
				x.Set(i, was)
			}
		}
	}
	if !Finite(tensor.New(tensor.I64, 3)) {
		t.Error("integers are not finite")
	}
}
