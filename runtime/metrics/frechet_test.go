package metrics

import (
	"math"
	goruntime "runtime"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

func fid(t *testing.T, real, fake *tensor.Tensor) Frechet {
	t.Helper()
	f, err := FID(context(), real, fake)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFIDReference compares with |μ₁-μ₂|² and Tr Σ₁ + Tr Σ₂ - 2 Σ√λ(Σ₁^½ Σ₂ Σ₁^½) of NumPy's cov and eigh, where the
// covariances are singular with their eigenvalues below 1e-12 of the largest set to 0.
func TestFIDReference(t *testing.T) {
	tests := []struct {
		name       string
		real, fake *tensor.Tensor
		mean, cov  float64
	}{
		{"more examples", realSet(12, 3), fakeSet(10, 3), 0.059057607429180065, 0.05770025224149755},
		{"fewer examples than features", realSet(5, 8), fakeSet(7, 8), 0.4675777831875444, 0.5629184595419214},
		{"one set in a plane", plane(20, 8), fakeSet(20, 8), 62.21552283816803, 24.977932350837143},
		{"fewer in one set", realSet(5, 8), fakeSet(20, 8), 0.5352304009091464, 0.539575547200362},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := fid(t, tt.real, tt.fake)
			equal(t, "the mean's term", f.Mean, tt.mean)
			equal(t, "the covariance's term", f.Covariance, tt.cov)
			equal(t, "the distance", f.Distance, tt.mean+tt.cov)
			if f.Real != tt.real.Dim(0) || f.Fake != tt.fake.Dim(0) {
				t.Errorf("it is of %d and %d examples", f.Real, f.Fake)
			}
			if g := fid(t, tt.fake, tt.real); math.Abs(g.Distance-f.Distance) > 1e-12 {
				t.Errorf("the other way round it is %v, not %v", g.Distance, f.Distance)
			}
			single := fid(t, tt.real.Cast(tensor.F32), tt.fake)
			if math.Abs(single.Distance-f.Distance) > 1e-6*max(1, f.Distance) {
				t.Errorf("of f32 it is %v, of f64 %v", single.Distance, f.Distance)
			}
		})
	}
}

// plane has d features that are sums of two: u·(j+1) + v·(j² mod 5).
func plane(n, d int) *tensor.Tensor {
	two, x := realSet(n, 2), tensor.New(tensor.F64, n, d)
	for i := range x.Len() {
		j := i % d
		x.Set(i, two.At(i/d*2)*float64(j+1)+two.At(i/d*2+1)*float64(j*j%5))
	}
	return x
}

// exact are examples whose mean is the given one and whose unbiased covariance is 2/(n-1)·Σ aaᵀ over the axes a: two for each.
func exact(mean []float64, axes ...[]float64) *tensor.Tensor {
	var all [][]float64
	for _, a := range axes {
		plus, minus := make([]float64, len(mean)), make([]float64, len(mean))
		for j, m := range mean {
			plus[j], minus[j] = m+a[j], m-a[j]
		}
		all = append(all, plus, minus)
	}
	return rows(all...)
}

// TestFIDExact compares with closed forms, of samples that have the Gaussians' moments exactly.
func TestFIDExact(t *testing.T) {
	// Diagonal covariances 2/(2d-1)·a²: |Δμ|² + Σ(σ-τ)².
	std := func(a float64) float64 { return a * math.Sqrt(2.0/5) }
	f := fid(t, exact([]float64{1, 2, 3}, []float64{1, 0, 0}, []float64{0, 2, 0}, []float64{0, 0, 3}),
		exact([]float64{1, 0, 4}, []float64{4, 0, 0}, []float64{0, 1, 0}, []float64{0, 0, 0}))
	equal(t, "diagonal, one singular", f.Distance, 5+math.Pow(std(1)-std(4), 2)+math.Pow(std(2)-std(1), 2)+math.Pow(std(3), 2))

	// Covariances that do not commute; of 2×2 matrices Tr M^½ = √(Tr M + 2√det M).
	a, b := []float64{1, 1}, []float64{1, -2}
	f = fid(t, exact([]float64{0, 0}, a, b), exact([]float64{0, 3}, []float64{3, 0}, []float64{0, 1}))
	k := 2.0 / 3
	cov := [4]float64{k * 2, k * -1, k * -1, k * 5} // aaᵀ + bbᵀ
	other := [2]float64{k * 9, k * 1}
	trace := cov[0]*other[0] + cov[3]*other[1]
	det := (cov[0]*cov[3] - cov[1]*cov[2]) * other[0] * other[1]
	equal(t, "not commuting", f.Distance, 9+cov[0]+cov[3]+other[0]+other[1]-2*math.Sqrt(trace+2*math.Sqrt(det)))
}

// TestFIDGaussians compares with the closed form for large samples of two known Gaussians. The standard error is about
// 0.03 here, the bias d/n of each.
func TestFIDGaussians(t *testing.T) {
	n := 20000
	f := fid(t, normals(1, n, []float64{0, 0, 0, 0}, []float64{1, 1, 1, 1}), normals(2, n, []float64{1, 0, -1, 2}, []float64{2, 1, .5, 3}))
	if want := 6 + 1 + 0 + .25 + 4.0; math.Abs(f.Distance-want) > .15 {
		t.Errorf("the distance of samples is %v, of the Gaussians %v", f.Distance, want)
	}
}

// TestFIDDegenerate sees sets that are the same or do not vary.
func TestFIDDegenerate(t *testing.T) {
	constant := constants(6, .1, .1, .1)
	for name, x := range map[string]*tensor.Tensor{
		"wide": realSet(5, 40), "tall": realSet(60, 7), "constant": constant,
		"two features alike": rows([]float64{1, 1}, []float64{2, 2}, []float64{4, 4}), "two examples": realSet(2, 3),
		"large":  normals(1, 30, []float64{1e15, -1e15}, []float64{1e14, 1}),
		"little": normals(1, 300, []float64{0, 0, 0}, []float64{1, 1e-5, 1e-12}),
	} {
		scale := 0.0
		for i := range x.Len() {
			scale = max(scale, x.At(i)*x.At(i))
		}
		if f := fid(t, x, x); f.Distance < 0 || f.Distance > 1e-12*scale*float64(x.Dim(1)) {
			t.Errorf("%s: a set is at the distance %v from itself", name, f.Distance)
		}
	}
	equal(t, "of two constants", fid(t, constant, constants(5, 3, .1, .1)).Distance, 2.9*2.9)
	_, err := FID(context(), realSet(1, 3), realSet(5, 3))
	refused(t, err, "the real features are f64[1 3]: want at least 2 examples")
	_, err = FID(context(), tensor.New(tensor.F32, 3, 1), tensor.New(tensor.F32, 1, 1))
	refused(t, err, "the fake features are f32[1 1]: want at least 2 examples")
	large := tensor.New(tensor.F32, maxRank+1, maxRank+1)
	_, err = FID(context(), tensor.New(tensor.F32, 2, maxRank+1), large)
	refused(t, err, "computed up to 4096 examples or features")
	if f := fid(t, tensor.New(tensor.F32, 2, maxRank+1), tensor.New(tensor.F32, 3, maxRank+1)); f.Distance != 0 {
		t.Errorf("two sets of zeros are at the distance %v", f.Distance)
	}
}

// TestThreads sees that results do not depend on the number of CPUs, to the bit.
func TestThreads(t *testing.T) {
	real, fake := normals(1, 300, make([]float64, 150), ones(150)), normals(2, 280, make([]float64, 150), ones(150))
	type all struct {
		f                Frechet
		k                Kernel
		p, r, d, c, copy float64
	}
	measure := func(c *kernel.Context) (a all) {
		var err [5]error
		a.f, err[0] = FID(c, real, fake)
		a.k, err[1] = KID(c, real, fake, KIDOptions{Subsets: 7, Size: 130, Seed: 3})
		a.p, a.r, err[2] = PrecisionRecall(c, real, fake, 3)
		a.d, a.c, err[3] = DensityCoverage(c, real, fake, 5)
		m, e := Memorisation(c, real, fake, real)
		a.copy, err[4] = m.Share, e
		for _, e := range err {
			if e != nil {
				t.Fatal(e)
			}
		}
		return a
	}
	bs := []blas.Impl{blas.Go()}
	if b, err := blas.Find("openblas"); err == nil {
		bs = append(bs, b)
	}
	for _, b := range bs {
		want := measure(kernel.NewContext(b, 1))
		for _, threads := range []int{2, 3, 8} {
			if got := measure(kernel.NewContext(b, threads)); got != want {
				t.Errorf("%s: %d threads give %+v, one gives %+v", b.Name(), threads, got, want)
			}
		}
		old := goruntime.GOMAXPROCS(1)
		got := measure(kernel.NewContext(b, 0))
		goruntime.GOMAXPROCS(old)
		if got != want {
			t.Errorf("%s: on one CPU it is %+v, not %+v", b.Name(), got, want)
		}
	}
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
