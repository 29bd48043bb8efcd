package metrics

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

func context() *kernel.Context { return kernel.NewContext(blas.Go(), 0) }

// array is [n d] of ((i·a + j·b + i·j·c + 3i²) mod m)/m·scale + offset: the fixed numbers that reference values are of.
func array(n, d, a, b, c, m int, scale, offset float64) *tensor.Tensor {
	x := tensor.New(tensor.F64, n, d)
	for i := range n {
		for j := range d {
			x.Set(i*d+j, float64((i*a+j*b+i*j*c+i*i*3)%m)/float64(m)*scale+offset)
		}
	}
	return x
}

// The sets of the reference values, which NumPy computed.
func realSet(n, d int) *tensor.Tensor { return array(n, d, 37, 101, 17, 97, 1, 0) }
func fakeSet(n, d int) *tensor.Tensor { return array(n, d, 41, 89, 23, 83, 1.2, .1) }
func heldSet(n, d int) *tensor.Tensor { return array(n, d, 43, 71, 29, 89, 1, 0) }

// normals are n examples with independent normal features of the means and deviations.
func normals(seed uint64, n int, mean, std []float64) *tensor.Tensor {
	r := rand.New(rand.NewPCG(seed, 0))
	x := tensor.New(tensor.F64, n, len(mean))
	for i := range x.Len() {
		j := i % len(mean)
		x.Set(i, mean[j]+std[j]*r.NormFloat64())
	}
	return x
}

// equal fails the test unless got is want, but for rounding.
func equal(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-10*max(1, math.Abs(want))) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// rows is a tensor of rows.
func rows(all ...[]float64) *tensor.Tensor {
	var flat []float64
	for _, r := range all {
		flat = append(flat, r...)
	}
	return tensor.Of(flat, len(all), len(all[0]))
}

// constants are n examples with the same features.
func constants(n int, features ...float64) *tensor.Tensor {
	var all [][]float64
	for range n {
		all = append(all, features)
	}
	return rows(all...)
}

// refused fails the test unless err is one line with want in it.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v, want %q in one line", err, want)
	}
}

// TestRefusals sees that no measure is taken of sets that it does not fit.
func TestRefusals(t *testing.T) {
	c := context()
	measures := map[string]func(a, b *tensor.Tensor) error{
		"FID":              func(a, b *tensor.Tensor) error { _, err := FID(c, a, b); return err },
		"KID":              func(a, b *tensor.Tensor) error { _, err := KID(c, a, b, KIDOptions{Size: 2, Subsets: 1}); return err },
		"precision recall": func(a, b *tensor.Tensor) error { _, _, err := PrecisionRecall(c, a, b, 1); return err },
		"density coverage": func(a, b *tensor.Tensor) error { _, _, err := DensityCoverage(c, a, b, 1); return err },
		"nearest":          func(a, b *tensor.Tensor) error { _, err := Nearest(c, a, b, 1); return err },
		"memorisation":     func(a, b *tensor.Tensor) error { _, err := Memorisation(c, a, a, b); return err },
	}
	good := realSet(6, 3)
	with := func(v float64) *tensor.Tensor { x := realSet(6, 3); x.Set(7, v); return x }
	single := with(0).Cast(tensor.F32)
	single.Set(7, math.Inf(1))
	tests := []struct {
		name string
		x    *tensor.Tensor
		want string
	}{
		{"nil", nil, "there are no "},
		{"rank 1", tensor.New(tensor.F64, 6), "f64[6]: want f32 or f64 of shape [examples, 1 or more]"},
		{"integers", tensor.New(tensor.I64, 6, 3), "i64[6 3]: want f32 or f64"},
		{"no features", tensor.New(tensor.F64, 6, 0), "f64[6 0]: want"},
		{"no examples", tensor.New(tensor.F64, 0, 3), "f64[0 3]: want at least"},
		{"other features", realSet(6, 4), "as many features in each"},
		{"NaN", with(math.NaN()), "feature 1 of example 2 of the"},
		{"infinite", with(math.Inf(-1)), "is -Inf: want finite numbers within ±1e+30"},
		{"infinite f32", single, "is +Inf"},
		{"large", with(1e31), "is 1e+31"},
		{"large and negative", with(-1e31), "is -1e+31"},
	}
	for name, measure := range measures {
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				refused(t, measure(good, tt.x), tt.want)
				refused(t, measure(tt.x, good), tt.want)
			})
		}
		if err := measure(with(1e30), good); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
