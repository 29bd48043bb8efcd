package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// awkward are the elements on which vector and scalar instructions might differ.
var awkward = []float32{0, float32(math.Copysign(0, -1)), 1, -1, .1, -3.7, 1e-42, -1e-42, math.MaxFloat32, -math.MaxFloat32,
	float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}

// vectorKernels are the kernels that have a vector loop, on operands of one length.
var vectorKernels = map[string]func(out, a, b []float32){
	"Add": Add[float32], "Sub": Sub[float32], "Mul": Mul[float32], "Div": Div[float32],
	"Lerp":              func(out, a, b []float32) { Lerp(out, a, b, .3) },
	"Shift":             func(out, a, b []float32) { Shift(out, a, 1.7) },
	"Scale":             func(out, a, b []float32) { Scale(out, a, -.3) },
	"DivScalar":         func(out, a, b []float32) { Div(out, a, []float32{.7}) },
	"SubFrom":           func(out, a, b []float32) { Sub(out, []float32{.7}, b) },
	"DivInto":           func(out, a, b []float32) { Div(out, []float32{.7}, b) },
	"AddOfOnes":         func(out, a, b []float32) { Add(out, []float32{.3}, []float32{.4}) }, // a fill
	"Square":            func(out, a, b []float32) { Square(out, a) },
	"Sqrt":              func(out, a, b []float32) { Sqrt(out, a) },
	"Reciprocal":        func(out, a, b []float32) { Reciprocal(out, a) },
	"ReLU":              func(out, a, b []float32) { ReLU(out, a) },
	"LeakyReLU":         func(out, a, b []float32) { LeakyReLU(out, a, .2) },
	"Step":              func(out, a, b []float32) { Step(out, a) },
	"Exp":               func(out, a, b []float32) { Exp(out, a) },
	"Sigmoid":           func(out, a, b []float32) { Sigmoid(out, a) },
	"Softplus":          func(out, a, b []float32) { Softplus(out, a) },
	"SiLU":              func(out, a, b []float32) { SiLU(out, a) },
	"Tanh":              func(out, a, b []float32) { Tanh(out, a) },
	"Erf":               func(out, a, b []float32) { Erf(out, a) },
	"GELU":              func(out, a, b []float32) { GELU(out, a) },
	"Exp of large":      func(out, a, b []float32) { Scale(out, a, 60); Exp(out, out) },
	"Sigmoid of large":  func(out, a, b []float32) { Scale(out, a, 60); Sigmoid(out, out) },
	"Softplus of large": func(out, a, b []float32) { Scale(out, a, 20); Softplus(out, out) },
	"SiLU of large":     func(out, a, b []float32) { Scale(out, a, 60); SiLU(out, out) },
	"Tanh of large":     func(out, a, b []float32) { Scale(out, a, 8); Tanh(out, out) },
	"Erf of large":      func(out, a, b []float32) { Scale(out, a, 5); Erf(out, out) },
	"GELU of large":     func(out, a, b []float32) { Scale(out, a, 20); GELU(out, out) },
	"Keep":              func(out, a, b []float32) { Keep(out, a, b, .25, 1.5) },
	"Max": func(out, a, b []float32) {
		for i := range out {
			out[i] = maxOf(a[i:])
		}
	},
	"Sum": func(out, a, b []float32) {
		for i := range out {
			out[i] = sum(a[i:])
		}
	},
	"Dot": func(out, a, b []float32) {
		for i := range out {
			out[i] = dot(a[i:], b[i:])
		}
	},
}

// TestVectorLoops runs every kernel that has a vector loop with it, at every level, and without, on all lengths around whole vectors, at
// every alignment, in place and not: the bits must be the same.
func TestVectorLoops(t *testing.T) {
	if loops.add == nil {
		t.Skip("this machine has no vector loops")
	}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 {
		out := make([]float32, n)
		for i := range out {
			if out[i] = float32(r.NormFloat64()); r.IntN(4) == 0 {
				out[i] = awkward[r.IntN(len(awkward))]
			}
		}
		return out
	}
	for name, f := range vectorKernels {
		for n := range 70 {
			at := n % 9
			a, b := draw(n + at)[at:], draw(n)
			got, want := make([]float32, n), make([]float32, n)
			withLoops(vectorLoops{}, func() { f(want, a, b) })
			for _, v := range levels {
				withLoops(v.vectorLoops, func() {
					f(got, a, b)
					same(t, fmt.Sprintf("%s: %s of %d", v.name, name, n), got, want)
					if name == "Sum" || name == "Dot" || name == "Max" {
						return
					}
					for _, place := range []*[]float32{&a, &b} {
						keep := slices.Clone(*place)
						f(*place, a, b)
						same(t, fmt.Sprintf("%s: %s of %d in place", v.name, name, n), *place, want)
						copy(*place, keep)
					}
				})
			}
		}
	}
}

// TestBoolLoops compares, chooses and converts with vectors and without, on all lengths around whole vectors, with operands of all elements
// and of one, in place and not: the bits must be the same, and what lies behind must stay.
func TestBoolLoops(t *testing.T) {
	if loops.where == nil {
		t.Skip("this machine has no vector loops")
	}
	r := rand.New(rand.NewPCG(1, 2))
	const behind = 40
	for n := range 70 {
		for one := range 16 {
			length := func(k int) int {
				if one>>k&1 == 1 {
					return 1
				}
				return n
			}
			x, c := make([][]float32, 2), make([][]bool, 2)
			for k := range 2 {
				x[k], c[k] = make([]float32, length(k)), make([]bool, length(2+k))
				for i := range x[k] {
					if x[k][i] = float32(r.IntN(3)); r.IntN(3) == 0 {
						x[k][i] = awkward[r.IntN(len(awkward))]
					}
				}
				for i := range c[k] {
					c[k][i] = r.IntN(2) == 0
				}
			}
			run := func() ([]bool, []float32) {
				var bools []bool
				var floats []float32
				for _, f := range []func(out []bool){
					func(out []bool) { Equal(out, x[0], x[1]) }, func(out []bool) { NotEqual(out, x[0], x[1]) },
					func(out []bool) { Less(out, x[0], x[1]) }, func(out []bool) { LessEqual(out, x[0], x[1]) },
					func(out []bool) { Greater(out, x[0], x[1]) }, func(out []bool) { GreaterEqual(out, x[0], x[1]) },
					func(out []bool) { And(out, c[0], c[1]) }, func(out []bool) { Or(out, c[0], c[1]) },
					func(out []bool) { Not(out, c[0]) },
					func(out []bool) { copy(out, c[0]); And(out, out, c[1]) },
				} {
					out := make([]bool, n+behind)
					if f(out[:n]); slices.Contains(out[n:], true) {
						t.Fatalf("something is written behind %d elements", n)
					}
					bools = append(bools, out[:n]...)
				}
				for _, f := range []func(out []float32){
					func(out []float32) { Where(out, c[0], x[0], x[1]) }, func(out []float32) { Flags(out, c[0]) },
					func(out []float32) { copy(out, x[1]); Where(out, c[0], x[0], out) },
				} {
					out := make([]float32, n+behind)
					f(out[:n])
					if slices.ContainsFunc(out[n:], func(x float32) bool { return x != 0 }) {
						t.Fatalf("something is written behind %d elements", n)
					}
					floats = append(floats, out[:n]...)
				}
				return bools, floats
			}
			if n == 0 {
				continue
			}
			var want []bool
			var wantFloats []float32
			withLoops(vectorLoops{}, func() { want, wantFloats = run() })
			got, gotFloats := run()
			if !slices.Equal(got, want) {
				t.Fatalf("of %d elements, operands %b: %v with vectors, %v without", n, one, got, want)
			}
			same(t, fmt.Sprintf("choices of %d, operands %b", n, one), gotFloats, wantFloats)
		}
	}
}

// TestPoolLoops runs the loops over windows of 2×2 with vectors and without, on all lengths around whole ones: the bits must be the same, and
// what lies behind the rows must stay.
func TestPoolLoops(t *testing.T) {
	if loops.maxFours == nil {
		t.Skip("this machine has no vector loops")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 40; n++ {
		const behind = 20
		r0, r1, g := make([]float32, 2*n), make([]float32, 2*n), make([]float32, n)
		for _, x := range [][]float32{r0, r1, g} {
			for i := range x {
				if x[i] = float32(r.IntN(3)); r.IntN(3) == 0 {
					x[i] = awkward[r.IntN(len(awkward))]
				}
			}
		}
		run := func() [][]float32 {
			y, d := make([]float32, n+behind), make([]float32, 4*n+2*behind)
			for i := range behind {
				y[n+i], d[2*n+i], d[4*n+behind+i] = 7, 7, 7
			}
			maxFours(y[:n], r0, r1)
			scatterFours(d[:2*n], d[2*n+behind:][:2*n], r0, r1, g)
			return [][]float32{y, d}
		}
		var want [][]float32
		withLoops(vectorLoops{}, func() { want = run() })
		for i, got := range run() {
			same(t, fmt.Sprintf("%s of %d", []string{"maxFours", "scatterFours"}[i], n), got, want[i])
		}
	}
}

// TestDrawLoops draws with vectors and without, all lengths around whole vectors and any cuts between goroutines, and blocks around the
// carry to the counter's second word: the bits must be the same, and what lies behind must stay.
func TestDrawLoops(t *testing.T) {
	if loops.normal == nil {
		t.Skip("this machine has no vector loops")
	}
	d := Draw{Seed: 0x89abcdef01234567, Step: 0xfedcba987654, Stream: 0xabcd}
	for name, fill := range map[string]func(*Context, Draw, []float32){"Uniform": Uniform[float32], "Normal": Normal[float32]} {
		const most, behind = 5000, 20
		want := make([]float32, most)
		withLoops(vectorLoops{}, func() { fill(NewContext(nil, 1), d, want) })
		for n := 0; n < most; n += 1 + n/40*5 {
			for threads := 1; threads < 6; threads += 2 {
				c := NewContext(nil, threads)
				c.Grain = 1
				got := make([]float32, n+behind)
				for i := range behind {
					got[n+i] = 7
				}
				fill(c, d, got[:n])
				same(t, fmt.Sprintf("%s of %d, %d threads", name, n, threads), got, want[:n])
				for i, v := range got[n:] {
					if v != 7 {
						t.Fatalf("%s of %d, %d threads: element %d behind is %v", name, n, threads, i, v)
					}
				}
			}
		}
	}
	const step, seed = 0x0123456789abcdef, 0xfedcba9876543210
	for _, block := range []uint64{0, 1, 3, math.MaxUint32 - 9, 1<<33 - 2, math.MaxUint64 - 5, 0x0123456789abcdef} {
		uniform, normal := make([]float32, 2*drawWidth), make([]float32, 2*drawWidth)
		loops.uniform(&uniform[0], len(uniform), block, step, seed)
		loops.normal(&normal[0], len(normal), block, step, seed)
		for i := 0; i < len(normal); i += 4 {
			at := block + uint64(i/4)
			w := Philox([4]uint32{uint32(at), uint32(at >> 32), uint32(step & math.MaxUint32), step >> 32}, [2]uint32{seed & math.MaxUint32, seed >> 32})
			var wantU, wantN [4]float32
			for k := range w {
				wantU[k] = float32(w[k]>>8) / (1 << 24)
			}
			wantN[0], wantN[1] = normal32(w[0], w[1])
			wantN[2], wantN[3] = normal32(w[2], w[3])
			same(t, fmt.Sprintf("uniform of block %#x", at), uniform[i:], wantU[:])
			same(t, fmt.Sprintf("normal of block %#x", at), normal[i:], wantN[:])
		}
	}
}

// TestWithoutLoops runs the tests of the kernels that have vector loops as a machine without them would.
func TestWithoutLoops(t *testing.T) {
	withLoops(vectorLoops{}, func() {
		for name, test := range map[string]func(*testing.T){
			"Binary": TestBinary, "SimpleUnary": TestSimpleUnary, "Math32": TestMath32, "Math32Edges": TestMath32Edges,
			"Reductions": TestReductions, "SumAccuracy": TestSumAccuracy, "Softmax": TestSoftmax, "Finite": TestFinite, "Transpose": TestTranspose,
			"DrawParts": TestDrawParts, "DrawCounter": TestDrawCounter, "Distributions": TestDistributions,
		} {
			t.Run(name, test)
		}
	})
}

// withLoops runs do with other vector loops than those of this machine: of nil ones the Go loops take the place.
func withLoops(other vectorLoops, do func()) {
	old := loops
	defer func() { loops = old }()
	loops = other
	do()
}

func same(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if g, w := got[i], want[i]; math.Float32bits(g) != math.Float32bits(w) && !(g != g && w != w) {
			t.Fatalf("%s: element %d is %v (%x), the Go loop gives %v (%x)", what, i, g, math.Float32bits(g), w, math.Float32bits(w))
		}
	}
}

// TestFinite puts one bad element at each place of slices of many lengths.
func TestFinite(t *testing.T) {
	for n := range 40 {
		a := make([]float32, n)
		for i := range a {
			a[i] = awkward[i%10] // the finite ones
		}
		if !Finite(a) {
			t.Fatalf("%v is not finite", a)
		}
		for i := range a {
			for _, bad := range awkward[10:] {
				old := a[i]
				if a[i] = bad; Finite(a) {
					t.Fatalf("%v is finite", a)
				}
				a[i] = old
			}
		}
	}
	if Finite([]float64{1, math.Inf(1)}) || !Finite([]float64{1, math.MaxFloat64}) {
		t.Error("f64")
	}
}

// BenchmarkVectors runs elementwise kernels over a block that stays in the first-level cache.
func BenchmarkVectors(b *testing.B) {
	c := NewContext(nil, 1)
	x, y, out := make([]float32, 1024), make([]float32, 1024), make([]float32, 1024)
	for i := range x {
		x[i], y[i] = float32(i), 1
	}
	for name, f := range map[string]func(){
		"Add": func() { Add(out, x, y) }, "Div": func() { Div(out, x, y) }, "Sqrt": func() { Sqrt(out, x) },
		"Exp": func() { Exp(out, y) }, "Softplus": func() { Softplus(out, y) },
		"SiLU": func() { SiLU(out, y) }, "Tanh": func() { Tanh(out, y) }, "Erf": func() { Erf(out, y) }, "GELU": func() { GELU(out, y) }, "Sum": func() { out[0] = sum(x) },
		"Uniform": func() { Uniform(c, Draw{Seed: 1}, out) }, "Normal": func() { Normal(c, Draw{Seed: 1}, out) },
	} {
		run := func(b *testing.B) {
			b.SetBytes(4 * int64(len(out)))
			for b.Loop() {
				f()
			}
		}
		for _, v := range levels {
			b.Run(name+"/"+v.name, func(b *testing.B) { withLoops(v.vectorLoops, func() { run(b) }) })
		}
		b.Run(name+"/go", func(b *testing.B) { withLoops(vectorLoops{}, func() { run(b) }) })
	}
}
