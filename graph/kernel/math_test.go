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
		{"log", id(Log[float32]), math.Log, 1e-3, 1e3, 2e-7, 1e-8},
		{"log small", id(Log[float32]), math.Log, 1e-44, 1e-37, 2e-7, 0},
		{"tanh", id(Tanh[float32]), math.Tanh, -12, 12, 3e-7, 0},
		{"sigmoid", id(Sigmoid[float32]), func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -80, 80, 4e-7, 0},
		{"softplus", id(Softplus[float32]), softplus, -80, 100, 4e-7, 0},
		{"erf", id(Erf[float32]), math.Erf, -5, 5, 4e-7, 0},
		{"gelu", id(GELU[float32]), func(x float64) float64 { return .5 * x * math.Erfc(-x/math.Sqrt2) }, -8, 8, 4e-7, 4e-7},
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
		a[i] = float32(i%200)/10 - 10
	}
	for _, c := range []struct {
		name string
		f    func(out, a []float32)
	}{{"Exp", Exp[float32]}, {"Log", Log[float32]}, {"Tanh", Tanh[float32]}, {"Sigmoid", Sigmoid[float32]}, {"Softplus", Softplus[float32]},
		{"GELU", GELU[float32]}, {"Sqrt", Sqrt[float32]}, {"ReLU", ReLU[float32]}, {"Square", Square[float32]}} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				c.f(out, a)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(a)), "ns/element")
		})
	}
}
