package kernel

import (
	"math"
	"testing"
)

// TestMath32 sweeps the float32 functions against package math.
func TestMath32(t *testing.T) {
	id := func(f func(out, a []float32)) func(float32) float32 {
		return func(x float32) float32 {
			y := []float32{x}
			f(y, y)
			return y[0]
		}
	}
	softplus := func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
	for _, c := range []struct {
		name   string
		got    func(float32) float32
		want   func(float64) float64
		lo, hi float64
		rel    float64 // of the result
		abs    float64
	}{
		{"exp", id(Exp[float32]), math.Exp, -86.9, 88.7, 2e-7, 0},
		{"exp below", id(Exp[float32]), math.Exp, -200, -86.9, 2e-7, 1.7e-38},
		{"log", id(Log[float32]), math.Log, 1e-3, 1e3, 1e-7, 0},
		{"log near 1", id(Log[float32]), math.Log, .99, 1.01, 1e-7, 0},
		{"log small", id(Log[float32]), math.Log, 1e-44, 1e-37, 2e-7, 0},
		{"tanh", id(Tanh[float32]), math.Tanh, -12, 12, 1e-7, 0},
		{"tanh near 0", id(Tanh[float32]), math.Tanh, -1e-3, 1e-3, 1e-7, 0},
		{"sin", id(Sin[float32]), math.Sin, -20, 20, 1e-7, 1e-9},
		{"sin far", id(Sin[float32]), math.Sin, 1e5, 1.1e6, 1e-7, 1e-9},
		{"cos", id(Cos[float32]), math.Cos, -20, 20, 1e-7, 1e-9},
		{"cos far", id(Cos[float32]), math.Cos, -1.1e6, -1e5, 1e-7, 1e-9},
		{"elu", id(func(out, a []float32) { ELU(out, a, 1) }), func(x float64) float64 { return max(x, 0) + math.Expm1(min(x, 0)) }, -20, 2, 1e-7, 0},
		{"elu near 0", id(func(out, a []float32) { ELU(out, a, 1) }), math.Expm1, -1e-3, 0, 1e-7, 0},
		{"x^1.7", id(func(out, a []float32) { Pow(out, a, []float32{1.7}) }), func(x float64) float64 { return math.Pow(x, float64(float32(1.7))) }, 0, 50, 2e-7, 0},
		{"1.7^x", id(func(out, a []float32) { Pow(out, []float32{1.7}, a) }), func(x float64) float64 { return math.Pow(float64(float32(1.7)), x) }, -160, 167, 2e-7, 1.2e-38},
		{"sigmoid", id(Sigmoid[float32]), func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -80, 80, 4e-7, 0},
		{"softplus", id(Softplus[float32]), softplus, -80, 100, 4e-7, 0},
		{"erf", id(Erf[float32]), math.Erf, -5, 5, 4e-7, 0},
		{"gelu", id(GELU[float32]), func(x float64) float64 { return .5 * x * math.Erfc(-x/math.Sqrt2) }, -8, 8, 2e-7, 1e-7},
		{"silu", id(SiLU[float32]), func(x float64) float64 { return x / (1 + math.Exp(-x)) }, -80, 80, 4e-7, 0},
	} {
		const n = 200_000
		for i := range n {
			x := float32(c.lo + (c.hi-c.lo)*float64(i)/n)
			got, want := float64(c.got(x)), c.want(float64(x))
			if math.Abs(got-want) > c.rel*math.Abs(want)+c.abs {
				t.Errorf("%s(%v) = %v, want %v", c.name, x, got, want)
				break
			}
		}
	}
}

// TestMath32Everywhere samples the bit patterns of all float32, so every exponent and sign, infinities aside.
func TestMath32Everywhere(t *testing.T) {
	var in []float32
	for b := uint64(0); b < 1<<32; b += 40_009 {
		if x := math.Float32frombits(uint32(b)); !math.IsInf(float64(x), 0) {
			in = append(in, x)
		}
	}
	pow := func(y float32) func(x float64) float64 {
		return func(x float64) float64 { return math.Pow(x, float64(y)) }
	}
	out := make([]float32, len(in))
	for _, c := range []struct {
		name string
		got  func(out, a []float32)
		want func(float64) float64
		abs  float64 // the largest denormal where those are flushed to 0
	}{
		{"exp", Exp[float32], math.Exp, 1.2e-38}, {"log", Log[float32], math.Log, 0}, {"tanh", Tanh[float32], math.Tanh, 0}, {"erf", Erf[float32], math.Erf, 1e-45},
		{"sin", Sin[float32], math.Sin, 1e-9}, {"cos", Cos[float32], math.Cos, 1e-9},
		{"sigmoid", Sigmoid[float32], func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 1.2e-38},
		{"softplus", Softplus[float32], func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }, 1.2e-38},
		{"silu", SiLU[float32], func(x float64) float64 { return x / (1 + math.Exp(-x)) }, 1e-36},
		{"gelu", GELU[float32], func(x float64) float64 { return .5 * x * math.Erfc(-x/math.Sqrt2) }, 1e-7},
		{"elu", func(out, a []float32) { ELU(out, a, 2) }, func(x float64) float64 { return max(x, 0) + 2*math.Expm1(min(x, 0)) }, 0},
		{"x^2", func(out, a []float32) { Pow(out, a, []float32{2}) }, pow(2), 0}, {"x^-1.5", func(out, a []float32) { Pow(out, a, []float32{-1.5}) }, pow(-1.5), 0},
		{"x^3", func(out, a []float32) { Pow(out, a, []float32{3}) }, pow(3), 0},
	} {
		c.got(out, in)
		for i, x := range in {
			got, want := float64(out[i]), c.want(float64(x))
			if got == float64(float32(want)) || got != got && want != want {
				continue
			}
			if !(math.Abs(got-want) <= 2.5e-7*math.Abs(want)+c.abs) {
				t.Errorf("%s(%v) = %v, want %v", c.name, x, got, want)
				break
			}
		}
	}
}

// TestMath32Edges checks infinities, NaN and overflow.
func TestMath32Edges(t *testing.T) {
	pos, neg, nan := float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())
	for _, c := range []struct {
		name    string
		f       func(out, a []float32)
		x, want float32
	}{
		{"exp", Exp[float32], pos, pos}, {"exp", Exp[float32], neg, 0}, {"exp", Exp[float32], nan, nan},
		{"exp", Exp[float32], 89, pos}, {"exp", Exp[float32], -110, 0}, {"exp", Exp[float32], 0, 1},
		{"log", Log[float32], 0, neg}, {"log", Log[float32], -1, nan}, {"log", Log[float32], pos, pos}, {"log", Log[float32], nan, nan}, {"log", Log[float32], 1, 0},
		{"tanh", Tanh[float32], pos, 1}, {"tanh", Tanh[float32], neg, -1}, {"tanh", Tanh[float32], nan, nan}, {"tanh", Tanh[float32], 0, 0},
		{"sigmoid", Sigmoid[float32], pos, 1}, {"sigmoid", Sigmoid[float32], neg, 0}, {"sigmoid", Sigmoid[float32], nan, nan}, {"sigmoid", Sigmoid[float32], 0, .5},
		{"softplus", Softplus[float32], pos, pos}, {"softplus", Softplus[float32], neg, 0}, {"softplus", Softplus[float32], nan, nan}, {"softplus", Softplus[float32], 1000, 1000},
		{"erf", Erf[float32], pos, 1}, {"erf", Erf[float32], neg, -1}, {"erf", Erf[float32], nan, nan},
		{"relu", ReLU[float32], nan, nan}, {"relu", ReLU[float32], neg, 0}, {"sqrt", Sqrt[float32], -1, nan}, {"sign", Sign[float32], 0, 0},
	} {
		y := []float32{c.x}
		c.f(y, y)
		if y[0] != c.want && !(y[0] != y[0] && c.want != c.want) {
			t.Errorf("%s(%v) = %v, want %v", c.name, c.x, y[0], c.want)
		}
	}
}

func BenchmarkUnary(b *testing.B) {
	a, out := make([]float32, 4096), make([]float32, 4096)
	for i := range a {
		a[i] = float32(i*7919%2000)/100 - 10 // in no order that a processor could learn
	}
	for _, c := range []struct {
		name string
		f    func(out, a []float32)
	}{{"Exp", Exp[float32]}, {"Log", Log[float32]}, {"Tanh", Tanh[float32]}, {"Sigmoid", Sigmoid[float32]}, {"Softplus", Softplus[float32]},
		{"GELU", GELU[float32]}, {"SiLU", SiLU[float32]}, {"ELU", func(out, a []float32) { ELU(out, a, 1) }}, {"Erf", Erf[float32]}, {"Sin", Sin[float32]}, {"Cos", Cos[float32]},
		{"Sqrt", Sqrt[float32]}, {"Floor", Floor[float32]}, {"Abs", Abs[float32]}, {"Sign", Sign[float32]}, {"Step", Step[float32]},
		{"ReLU", ReLU[float32]}, {"LeakyReLU", func(out, a []float32) { LeakyReLU(out, a, .2) }}, {"Clip", func(out, a []float32) { Clip(out, a, -1, 1) }}, {"Square", Square[float32]}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				c.f(out, a)
			}
			perElement(b, len(a))
		})
	}
}
