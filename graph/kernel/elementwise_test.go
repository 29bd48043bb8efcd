package kernel

import (
	"math"
	"slices"
	"testing"
)

// TestBinary runs every kernel of two operands with whole and one-element operands, in place and not, in all its types.
func TestBinary(t *testing.T) {
	testBinary(t, map[string]binaryCase[float32]{
		"Add": {Add[float32], func(a, b float64) float64 { return a + b }}, "Sub": {Sub[float32], func(a, b float64) float64 { return a - b }},
		"Mul": {Mul[float32], func(a, b float64) float64 { return a * b }}, "Div": {Div[float32], func(a, b float64) float64 { return a / b }},
		"Min": {Min[float32], lesser}, "Max": {Max[float32], greater}, "Pow": {Pow[float32], math.Pow},
		"Lerp": {func(out, a, b []float32) { Lerp(out, a, b, .25) }, func(a, b float64) float64 { return a + .25*(b-a) }},
	}, []float32{-2, -1, -.5, 0, .5, 1, 2, 3, 1.75, float32(math.NaN()), float32(inf(1)), float32(inf(-1))}, 3e-7)
	testBinary(t, map[string]binaryCase[float64]{
		"Add": {Add[float64], func(a, b float64) float64 { return a + b }}, "Sub": {Sub[float64], func(a, b float64) float64 { return a - b }},
		"Mul": {Mul[float64], func(a, b float64) float64 { return a * b }}, "Div": {Div[float64], func(a, b float64) float64 { return a / b }},
		"Min": {Min[float64], lesser}, "Max": {Max[float64], greater}, "Pow": {Pow[float64], math.Pow},
	}, []float64{-2, -1, -.5, 0, .5, 1, 2, 3, 1.75, math.NaN(), inf(1), inf(-1)}, 1e-15)
	testBinary(t, map[string]binaryCase[int64]{
		"Add": {Add[int64], func(a, b float64) float64 { return a + b }}, "Sub": {Sub[int64], func(a, b float64) float64 { return a - b }},
		"Mul": {Mul[int64], func(a, b float64) float64 { return a * b }}, "Min": {Min[int64], lesser}, "Max": {Max[int64], greater},
	}, []int64{-3, -1, 0, 1, 2, 5}, 0)
}

// lesser and greater are NaN if either operand is, unlike math.Min and math.Max with an infinity.
func lesser(a, b float64) float64  { return min(a, b) }
func greater(a, b float64) float64 { return -min(-a, -b) }

type binaryCase[T Number] struct {
	f    func(out, a, b []T)
	want func(a, b float64) float64
}

// pairs are all pairs of xs, as two slices.
func pairs[T any](xs []T) (a, b []T) {
	for _, x := range xs {
		for _, y := range xs {
			a, b = append(a, x), append(b, y)
		}
	}
	return a, b
}

func testBinary[T Number](t *testing.T, cases map[string]binaryCase[T], xs []T, tol float64) {
	t.Helper()
	a, b := pairs(xs)
	for name, c := range cases {
		check := func(how string, got T, x, y T) {
			t.Helper()
			g, w := float64(got), c.want(float64(x), float64(y))
			if g != w && !(g != g && w != w) && !(math.Abs(g-w) <= tol*math.Abs(w)) {
				t.Fatalf("%s(%v, %v), %s, is %v, want %v", name, x, y, how, g, w)
			}
		}
		out := make([]T, len(a))
		c.f(out, a, b)
		for i := range out {
			check("both whole", out[i], a[i], b[i])
		}
		left, right := slices.Clone(a), slices.Clone(b)
		c.f(left, left, b)
		c.f(right, a, right)
		for i := range out {
			check("in the place of the first", left[i], a[i], b[i])
			check("in the place of the second", right[i], a[i], b[i])
		}
		for _, x := range xs {
			scalar := append(make([]T, 0, len(xs)), x) // room behind it that must not be read
			out := out[:len(xs)]
			c.f(out, xs, scalar)
			for i := range out {
				check("the second one element", out[i], xs[i], x)
			}
			c.f(out, scalar, xs)
			for i := range out {
				check("the first one element", out[i], x, xs[i])
			}
			c.f(out, scalar, scalar)
			for i := range out {
				check("both one element", out[i], x, x)
			}
		}
	}
}

// TestCompare runs the comparisons as TestBinary does the arithmetic.
func TestCompare(t *testing.T) {
	testCompare(t, []float32{-1, 0, float32(math.Copysign(0, -1)), 1, float32(math.NaN()), float32(inf(1)), float32(inf(-1))})
	testCompare(t, []float64{-1, 0, 1, 1 + 1e-15, math.NaN(), inf(1), inf(-1)})
	testCompare(t, []int64{math.MinInt64, -1, 0, 1<<53 + 1, 1 << 53, math.MaxInt64})
}

func testCompare[T Number](t *testing.T, xs []T) {
	t.Helper()
	a, b := pairs(xs)
	for name, c := range map[string]struct {
		f    func(out []bool, a, b []T)
		want func(a, b T) bool
	}{
		"Equal": {Equal[T], func(a, b T) bool { return a == b }}, "Less": {Less[T], func(a, b T) bool { return a < b }},
		"LessEqual": {LessEqual[T], func(a, b T) bool { return a <= b }}, "Greater": {Greater[T], func(a, b T) bool { return a > b }},
		"GreaterEqual": {GreaterEqual[T], func(a, b T) bool { return a >= b }},
	} {
		check := func(got bool, x, y T) {
			t.Helper()
			if want := c.want(x, y); got != want {
				t.Fatalf("%s(%v, %v) is %v", name, x, y, got)
			}
		}
		out := make([]bool, len(a))
		c.f(out, a, b)
		for i := range out {
			check(out[i], a[i], b[i])
		}
		for _, x := range xs {
			scalar := append(make([]T, 0, len(xs)), x)
			out := out[:len(xs)]
			c.f(out, xs, scalar)
			for i := range out {
				check(out[i], xs[i], x)
			}
			c.f(out, scalar, xs)
			for i := range out {
				check(out[i], x, xs[i])
			}
			c.f(out, scalar, scalar)
			for i := range out {
				check(out[i], x, x)
			}
		}
	}
}

// TestSimpleUnary checks the kernels that are one or two instructions, infinities and NaN included.
func TestSimpleUnary(t *testing.T) {
	testSimpleUnary[float32](t)
	testSimpleUnary[float64](t)
}

func testSimpleUnary[T Float](t *testing.T) {
	t.Helper()
	xs := []T{-2.5, -1, -.5, T(math.Copysign(0, -1)), 0, .5, 1, 2.5, 7, T(inf(1)), T(inf(-1)), T(math.NaN())}
	for name, c := range map[string]struct {
		f    func(out, a []T)
		want func(x float64) float64
	}{
		"Neg": {Neg[T], func(x float64) float64 { return -x }}, "Abs": {Abs[T], math.Abs}, "Square": {Square[T], func(x float64) float64 { return x * x }},
		"Sqrt": {Sqrt[T], func(x float64) float64 { return float64(T(math.Sqrt(x))) }}, "Floor": {Floor[T], math.Floor},
		"Reciprocal": {Reciprocal[T], func(x float64) float64 { return float64(T(1 / x)) }},
		"Scale":      {func(out, a []T) { Scale(out, a, 3) }, func(x float64) float64 { return 3 * x }},
		"Shift":      {func(out, a []T) { Shift(out, a, .5) }, func(x float64) float64 { return x + .5 }},
		"ReLU":       {ReLU[T], func(x float64) float64 { return math.Max(x, 0) }},
		"LeakyReLU":  {func(out, a []T) { LeakyReLU(out, a, .25) }, func(x float64) float64 { return math.Max(x, .25*x) }},
		"Clip":       {func(out, a []T) { Clip(out, a, -1, 2) }, func(x float64) float64 { return math.Min(math.Max(x, -1), 2) }},
		"Sign": {Sign[T], func(x float64) float64 {
			if x == 0 || x != x {
				return x
			}
			return math.Copysign(1, x)
		}},
		"Step": {Step[T], func(x float64) float64 {
			if x > 0 {
				return 1
			}
			return 0
		}},
	} {
		out := slices.Clone(xs)
		c.f(out, out)
		for i, x := range xs {
			if g, w := float64(out[i]), c.want(float64(x)); g != w && !(g != g && w != w) {
				t.Errorf("%s(%v) is %v, want %v", name, x, g, w)
			}
		}
	}
}

func BenchmarkBinary(b *testing.B) {
	x, y, out, truth := normals[float32](4096, 1), normals[float32](4096, 2), make([]float32, 4096), make([]bool, 4096)
	for i := range x {
		x[i] = max(x[i], -x[i])
	}
	for _, c := range []struct {
		name string
		f    func(out, a, b []float32)
	}{
		{"Add", Add[float32]}, {"Mul", Mul[float32]}, {"Div", Div[float32]}, {"Max", Max[float32]}, {"Pow", Pow[float32]},
		{"Lerp", func(out, a, b []float32) { Lerp(out, a, b, .1) }}, {"Less", func(_, a, b []float32) { Less(truth, a, b) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.f(out, x, y)
			}
			perElement(b, len(out))
		})
		b.Run(c.name+"_scalar", func(b *testing.B) {
			for b.Loop() {
				c.f(out, x, y[:1])
			}
			perElement(b, len(out))
		})
	}
}
