package nn_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// apply traces do on inputs typed as the tensors in, with normal numbers for the parameters, and evaluates its result and the
// gradient of the sum of its squares for each parameter, which must not be all zero unless it is in flat. It returns the result
// and the tensors by name.
func apply(t *testing.T, model any, in map[string]*tensor.Tensor, do func(v map[string]*graph.Value) *graph.Value, flat ...string) (*tensor.Tensor, map[string]*tensor.Tensor) {
	t.Helper()
	if _, problems := nn.Bind("m", model, map[*nn.Layer]bool{}); len(problems) > 0 {
		t.Fatal(problems)
	}
	f := graph.NewFunc("f", false)
	vals := map[string]*graph.Value{}
	for name, x := range in {
		dims := make([]graph.Dim, x.Rank())
		for i, d := range x.Shape() {
			if dims[i] = graph.Dim(d); i == 0 {
				dims[i] = batch
			}
		}
		vals[name] = f.Input(name, x.DType(), dims...)
	}
	y := do(vals)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	grads := graph.Grad(y.Square().Sum(), f.Params...)
	r := rand.New(rand.NewPCG(5, 6))
	for _, p := range f.Params {
		shape, err := p.Shape().Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(tensor.F32, shape...)
		for i := range x.Len() {
			x.Set(i, .5*r.NormFloat64())
		}
		in[p.Name] = x
	}
	out := run(t, f, in)
	for i, g := range grads {
		sum := 0.
		for _, v := range out[g.ID].Float64s() {
			sum += math.Abs(v)
		}
		if name := f.Params[i].Name; !(sum > 0) && !strings.Contains(strings.Join(flat, " "), name) {
			t.Errorf("no gradient reaches %s", name)
		}
	}
	return out[y.ID], in
}

// random is normal numbers.
func random(seed uint64, shape ...int) *tensor.Tensor {
	r, x := rand.New(rand.NewPCG(seed, 1)), tensor.New(tensor.F32, shape...)
	for i := range x.Len() {
		x.Set(i, 1+2*r.NormFloat64())
	}
	return x
}

// matrix is a tensor's last two axes, at place k of those before.
func matrix(x *tensor.Tensor, k int) [][]float64 {
	rows, cols := x.Dim(x.Rank()-2), x.Dim(x.Rank()-1)
	out := make([][]float64, rows)
	for i := range out {
		out[i] = x.Float64s()[(k*rows+i)*cols : (k*rows+i+1)*cols]
	}
	return out
}

// affine is x·w + b.
func affine(x [][]float64, w [][]float64, b []float64) [][]float64 {
	out := make([][]float64, len(x))
	for i := range x {
		out[i] = make([]float64, len(w[0]))
		for j := range out[i] {
			if b != nil {
				out[i][j] = b[j]
			}
			for k := range w {
				out[i][j] += x[i][k] * w[k][j]
			}
		}
	}
	return out
}

func near(t *testing.T, what string, got *tensor.Tensor, offset int, want []float64) {
	t.Helper()
	for i, w := range want {
		if g := got.At(offset + i); math.Abs(g-w) > 2e-4*max(1, math.Abs(w)) {
			t.Errorf("%s, element %d is %v, want %v", what, offset+i, g, w)
			return
		}
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// TestAttention compares attention to itself, causal and not, and to another sequence, with the paper's equations in loops.
func TestAttention(t *testing.T) {
	const n, seq, others, dim, dims, heads, width = 2, 4, 3, 6, 5, 2, 8
	for _, c := range []struct {
		name   string
		layer  nn.Attention
		cross  bool
		hidden int
	}{
		{"plain", nn.Attention{Heads: heads}, false, dim}, {"causal", nn.Attention{Heads: heads, Causal: true}, false, dim},
		{"wide without biases", nn.Attention{Heads: heads, Width: width, NoBias: true}, false, width}, {"cross", nn.Attention{Heads: heads, Width: width}, true, width},
	} {
		m := &struct{ A nn.Attention }{c.layer}
		in := map[string]*tensor.Tensor{"x": random(1, n, seq, dim)}
		if c.cross {
			in["memory"] = random(2, n, others, dims)
		}
		y, all := apply(t, m, in, func(v map[string]*graph.Value) *graph.Value {
			if c.cross {
				return m.A.Attend(v["x"], v["memory"])
			}
			return m.A.Apply(v["x"])
		}, "m.a.key_bias") // a bias of the keys moves all scores of a row alike: the softmax does not see it
		memory := all["x"]
		if c.cross {
			memory = all["memory"]
		}
		bias := func(name string) []float64 {
			if b := all["m.a."+name+"_bias"]; b != nil {
				return b.Float64s()
			}
			return nil
		}
		for b := range n {
			project := func(x *tensor.Tensor, name string) [][]float64 {
				return affine(matrix(x, b), matrix(all["m.a."+name], 0), bias(name))
			}
			q, k, v := project(all["x"], "query"), project(memory, "key"), project(memory, "value")
			mixed := make([][]float64, seq)
			for i := range mixed {
				mixed[i] = make([]float64, c.hidden)
				d := c.hidden / heads
				for h := range heads {
					weights, sum := make([]float64, len(k)), 0.
					for j := range k {
						if c.layer.Causal && j > i {
							continue
						}
						for e := h * d; e < (h+1)*d; e++ {
							weights[j] += q[i][e] * k[j][e] / math.Sqrt(float64(d))
						}
						weights[j] = math.Exp(weights[j])
						sum += weights[j]
					}
					for j := range k {
						for e := h * d; e < (h+1)*d; e++ {
							mixed[i][e] += weights[j] / sum * v[j][e]
						}
					}
				}
			}
			for i, row := range affine(mixed, matrix(all["m.a.out"], 0), bias("out")) {
				near(t, c.name, y, (b*seq+i)*dim, row)
			}
		}
	}
}

// TestAttentionStep computes a sequence place by place, and in parts, from none: as Apply does at once.
func TestAttentionStep(t *testing.T) {
	const n, seq, dim, heads = 2, 7, 6, 2
	m := &struct{ A nn.Attention }{nn.Attention{Heads: heads, Causal: true}}
	in := func() map[string]*tensor.Tensor { return map[string]*tensor.Tensor{"x": random(1, n, seq, dim)} }
	want, _ := apply(t, m, in(), func(v map[string]*graph.Value) *graph.Value { return m.A.Apply(v["x"]) }, "m.a.key_bias")
	for _, parts := range [][]int{{1, 1, 1, 1, 1, 1, 1}, {3, 4}, {7}, {4, 1, 2}} {
		got, _ := apply(t, m, in(), func(v map[string]*graph.Value) *graph.Value {
			x := v["x"]
			keys := x.Func().Full(graph.F32, 0, batch, heads, 0, dim/heads)
			values, at := keys, 0
			var out []*graph.Value
			for _, size := range parts {
				var y *graph.Value
				y, keys, values = m.A.Step(x.Slice(1, at, at+size), keys, values)
				out, at = append(out, y), at+size
			}
			return graph.Join(1, out...)
		}, "m.a.key_bias")
		near(t, fmt.Sprint(parts), got, 0, want.Float64s())
	}
}

// TestGroupNorm compares groups of channels, in images and in plain vectors, and channels of their own with the definition in loops.
func TestGroupNorm(t *testing.T) {
	const n, channels = 2, 6
	for _, groups := range []int{3, channels} {
		for _, places := range [][]int{nil, {5}, {2, 3}} {
			size := 1
			for _, p := range places {
				size *= p
			}
			m := &struct{ N nn.Module }{&nn.GroupNorm{Groups: groups}}
			if groups == channels {
				if places == nil {
					continue
				}
				m.N = &nn.InstanceNorm{}
			}
			y, all := apply(t, m, map[string]*tensor.Tensor{"x": random(3, append([]int{n, channels}, places...)...)},
				func(v map[string]*graph.Value) *graph.Value { return m.N.Apply(v["x"]) })
			x, group := all["x"].Float64s(), channels/groups*size
			for k := 0; k < len(x); k += group {
				mean, variance := 0., 0.
				for _, v := range x[k : k+group] {
					mean += v / float64(group)
				}
				for _, v := range x[k : k+group] {
					variance += (v - mean) * (v - mean) / float64(group)
				}
				want := make([]float64, group)
				for i := range want {
					c := (k + i) / size % channels
					want[i] = (x[k+i]-mean)/math.Sqrt(variance+1e-5)*all["m.n.scale"].At(c) + all["m.n.bias"].At(c)
				}
				near(t, fmt.Sprintf("%T", m.N), y, k, want)
			}
		}
	}
}

// TestRMSNorm compares with the definition in loops.
func TestRMSNorm(t *testing.T) {
	const rows, width = 6, 4
	m := &struct{ N nn.RMSNorm }{}
	y, all := apply(t, m, map[string]*tensor.Tensor{"x": random(3, 2, 3, width)}, func(v map[string]*graph.Value) *graph.Value { return m.N.Apply(v["x"]) })
	x := all["x"].Float64s()
	for r := range rows {
		square, want := 0., make([]float64, width)
		for _, v := range x[r*width : (r+1)*width] {
			square += v * v / width
		}
		for i := range want {
			want[i] = x[r*width+i] / math.Sqrt(square+1e-5) * all["m.n.scale"].At(i)
		}
		near(t, "RMSNorm", y, r*width, want)
	}
}

// TestPositions adds the first rows of the table; a sequence that is too long is a mistake, or an error of the run.
func TestPositions(t *testing.T) {
	m := &struct{ P nn.Positions }{nn.Positions{Len: 3}}
	y, all := apply(t, m, map[string]*tensor.Tensor{"x": random(1, 2, 2, 4)}, func(v map[string]*graph.Value) *graph.Value { return m.P.Apply(v["x"]) })
	for i, v := range all["x"].Float64s() {
		near(t, "Positions", y, i, []float64{v + all["m.p.weight"].At(i%8)})
	}
	f := graph.NewFunc("f", false)
	m.P.Apply(f.Input("x", graph.F32, batch, graph.Sym("seq"), 4))
	in := map[string]*tensor.Tensor{"m.p.weight": all["m.p.weight"], "x": tensor.New(tensor.F32, 1, 4, 4)}
	if _, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in); err == nil || !strings.Contains(err.Error(), "at most Len = 3 places") {
		t.Errorf("four places: %v", err)
	}
}

// TestSinusoidal has the values of the formula for dim 4: frequencies 1 and 1/10000.
func TestSinusoidal(t *testing.T) {
	f := graph.NewFunc("f", false)
	y := nn.Sinusoidal(4).Apply(f.Input("t", graph.I64, 2))
	out := run(t, f, map[string]*tensor.Tensor{"t": tensor.Of([]int64{0, 3}, 2)})
	near(t, "Sinusoidal", out[y.ID], 0, []float64{0, 0, 1, 1, math.Sin(3), math.Sin(3e-4), math.Cos(3), math.Cos(3e-4)})
}

// TestResidual adds what the modules make to what they were given; Repeat makes the blocks and names them by index.
func TestResidual(t *testing.T) {
	m := &struct{ Blocks nn.Sequential }{nn.Repeat(2, func(i int) nn.Module {
		return nn.Residual{&nn.Dense{Units: 3, NoBias: true}, nn.Tanh}
	})}
	y, all := apply(t, m, map[string]*tensor.Tensor{"x": random(1, 1, 3)}, func(v map[string]*graph.Value) *graph.Value { return m.Blocks.Apply(v["x"]) })
	x := matrix(all["x"], 0)
	for _, name := range []string{"m.blocks.0.0.weight", "m.blocks.1.0.weight"} {
		for i, v := range affine(x, matrix(all[name], 0), nil)[0] {
			x[0][i] += math.Tanh(v)
		}
	}
	near(t, "two residual blocks", y, 0, x[0])
}
