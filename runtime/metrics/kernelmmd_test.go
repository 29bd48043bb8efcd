package metrics

import (
	"math"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func kid(t *testing.T, real, fake *tensor.Tensor, o KIDOptions) Kernel {
	t.Helper()
	k, err := KID(context(), real, fake, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestKIDReference compares with NumPy: K = (XYᵀ/d+1)³, the mean of K without the diagonal within each set, less twice the
// mean between them. All examples are in each subset, so that there is nothing random.
func TestKIDReference(t *testing.T) {
	k := kid(t, realSet(10, 3), fakeSet(10, 3), KIDOptions{Subsets: 3, Size: 10})
	equal(t, "KID", k.Mean, 0.20947012284880273)
	if k.Std > 1e-12 || k.Subsets != 3 || k.Size != 10 {
		t.Errorf("the spread is %v over %d subsets of %d", k.Std, k.Subsets, k.Size)
	}
}

// TestKIDSubsets compares with plain loops over random subsets, which must have different examples.
func TestKIDSubsets(t *testing.T) {
	x := normals(1, 150, []float64{0, 0}, []float64{1, 1})
	y := normals(2, 200, []float64{.5, 0}, []float64{1, 2})
	x2 := normals(3, 150, []float64{.5, 0}, []float64{1, 2})
	o := KIDOptions{Subsets: 50, Size: 100, Seed: 4}
	k := kid(t, x, y, o)
	if again := kid(t, x, y, o); again != k {
		t.Errorf("the same seed gives %v and %v", k, again)
	}
	o.Seed++
	if other := kid(t, x, y, o); other.Mean == k.Mean || k.Std == 0 {
		t.Errorf("another seed gives the same %v", k)
	}
	whole := KIDOptions{Subsets: 1, Size: 150}
	equal(t, "KID of all examples", kid(t, x, x2, whole).Mean, mmd(x, x2))
	all := mmd(x, y) // the unbiased estimator of all examples is the expectation of a subset's
	if math.Abs(k.Mean-all) > 4*k.Std/math.Sqrt(50) {
		t.Errorf("the mean over subsets is %v ± %v, of all examples %v", k.Mean, k.Std, all)
	}
}

// mmd is the unbiased estimator over all examples.
func mmd(x, y *tensor.Tensor) float64 {
	mean := func(x, y *tensor.Tensor, same bool) float64 {
		d, sum, n := x.Dim(1), 0.0, 0.0
		for i := range x.Dim(0) {
			for j := range y.Dim(0) {
				if same && i == j {
					continue
				}
				dot := 0.0
				for k := range d {
					dot += x.At(i*d+k) * y.At(j*d+k)
				}
				sum += math.Pow(dot/float64(d)+1, 3)
				n++
			}
		}
		return sum / n
	}
	return mean(x, x, true) + mean(y, y, true) - 2*mean(x, y, false)
}

// TestKIDPrecision compares f32 features, whose products are f32, with the same numbers in f64: many features, so that they are added up in
// several parts, all above 0 as a network's are, and of sizes whose products f32 cannot hold. A difference is of f32's rounding, 6e-8 of
// the kernel's values, and less over many pairs.
func TestKIDPrecision(t *testing.T) {
	const n, d = 130, 588
	for _, size := range []float64{1, 1e-25, 3e29} {
		of := func(seed uint64, mean float64) (f32, f64 *tensor.Tensor) {
			x := normals(seed, n, slices.Repeat([]float64{mean}, d), ones(d))
			for i := range x.Len() {
				x.Set(i, size*min(max(x.At(i), 0), 3))
			}
			f32 = x.Cast(tensor.F32)
			return f32, f32.Cast(tensor.F64)
		}
		real, real64 := of(1, .5)
		fake, fake64 := of(2, .6)
		o := KIDOptions{Subsets: 3, Size: 100}
		got, want := kid(t, real, fake, o), kid(t, real64, fake64, o)
		value := math.Pow(1.5*size*size+1, 3) // about that of the kernel
		if math.Abs(got.Mean-want.Mean) > 1e-9*value || math.Abs(got.Std-want.Std) > 1e-9*value || size == 1 && !(got.Mean > .01) {
			t.Errorf("of features up to %v: %v ± %v in f32, %v ± %v in f64", 3*size, got.Mean, got.Std, want.Mean, want.Std)
		}
		equal(t, "KID of all examples in f64", kid(t, real64, fake64, KIDOptions{Subsets: 1, Size: n}).Mean/value, mmd(real64, fake64)/value)
	}
}

// TestKIDUnbiased sees that the mean over sets from one distribution is 0, though each has few examples.
func TestKIDUnbiased(t *testing.T) {
	var values []float64
	for seed := range uint64(400) {
		x := normals(2*seed, 8, []float64{1, 0}, []float64{1, 1})
		y := normals(2*seed+1, 8, []float64{1, 0}, []float64{1, 1})
		values = append(values, kid(t, x, y, KIDOptions{Subsets: 1, Size: 8}).Mean)
	}
	if mean, std := spread(values); math.Abs(mean) > 3*std/20 {
		t.Errorf("the mean of 400 is %v ± %v", mean, std/20)
	}
}

// TestKIDRefusals sees wrong options and too few examples.
func TestKIDRefusals(t *testing.T) {
	x := realSet(10, 3)
	for want, o := range map[string]KIDOptions{
		"want at least 1000 examples": {}, "want at least 11 examples": {Size: 11}, "of 2 or more": {Size: 1}, "want 1 or more": {Size: 5, Subsets: -1},
	} {
		_, err := KID(context(), x, x, o)
		refused(t, err, want)
	}
	constant := constants(6, .1, .1, .1)
	equal(t, "KID of constants", kid(t, constant, constant, KIDOptions{Size: 6, Subsets: 2}).Mean, 0)
}
