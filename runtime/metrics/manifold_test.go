package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// TestManifoldReference compares with NumPy's norms of all differences, sorted.
func TestManifoldReference(t *testing.T) {
	for k, want := range map[int][4]float64{
		1: {0.8, 0.75, 1.0, 0.4166666666666667}, 2: {0.9, 1.0, 0.6, 0.5}, 3: {0.9, 1.0, 0.5, 0.5833333333333334}, 5: {1.0, 1.0, 0.6799999999999999, 1.0},
	} {
		p, r, err := PrecisionRecall(context(), realSet(12, 3), fakeSet(10, 3), k)
		d, c, err1 := DensityCoverage(context(), realSet(12, 3), fakeSet(10, 3), k)
		if err != nil || err1 != nil {
			t.Fatal(err, err1)
		}
		for i, got := range [4]float64{p, r, d, c} {
			equal(t, fmt.Sprintf("k of %d: %s", k, [...]string{"precision", "recall", "density", "coverage"}[i]), got, want[i])
		}
	}
	n, err := Nearest(context(), fakeSet(10, 3), realSet(12, 3), 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][2]float64{{0.26011856553793894, 0.5285640973214838}, {0.39856160118466705, 0.5001717301553404}, {0.16511292639378597, 0.34875678422292516}} {
		if index := [][]int{{0, 7}, {3, 10}, {3, 4}}[i]; !slices.Equal(n.Index[i], index) {
			t.Errorf("the neighbours of %d are %v, want %v", i, n.Index[i], index)
		}
		equal(t, "a neighbour's distance", n.Distance[i][0], want[0])
		equal(t, "a neighbour's distance", n.Distance[i][1], want[1])
	}
	m, err := Memorisation(context(), realSet(12, 3), heldSet(9, 3), fakeSet(10, 3))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the share", m.Share, 0.2777777777777778) // mean of f<h, ties 1/2
	equal(t, "z", m.Z, -1.632993161855452)             // (U-mn/2)/√(mn(m+n+1)/12)
	if m.HeldOut != 9 || m.Fake != 10 {
		t.Errorf("it is of %+v", m)
	}
}

// clouds are sets that make it hard to tell distances apart in f32, and sizes around the blocks' edges.
func clouds() map[string][2]*tensor.Tensor {
	r := rand.New(rand.NewPCG(1, 1))
	fill := func(n, d int, f func(i, j int) float64) *tensor.Tensor {
		x := tensor.New(tensor.F64, n, d)
		for i := range x.Len() {
			x.Set(i, f(i/d, i%d))
		}
		return x
	}
	normal := func(i, j int) float64 { return r.NormFloat64() }
	lattice := func(i, j int) float64 { return float64(r.IntN(3)) }
	clusters := func(i, j int) float64 { return 1e6*float64(i%2) + r.NormFloat64() }
	tight := func(i, j int) float64 { return 1e6 + 1e-3*r.NormFloat64() }
	out := map[string][2]*tensor.Tensor{
		"edges":    {fill(65, 4, normal), fill(1025, 4, normal)},
		"blocks":   {fill(128, 3, normal), fill(1024, 3, normal)},
		"below":    {fill(63, 5, normal), fill(1023, 5, normal)},
		"few":      {fill(7, 2, normal), fill(8, 2, normal)},
		"wide":     {fill(40, 700, normal), fill(50, 700, normal)},
		"lattice":  {fill(150, 3, lattice), fill(170, 3, lattice)},
		"clusters": {fill(90, 3, clusters), fill(80, 3, clusters)},
		"tight":    {fill(90, 3, tight), fill(80, 3, tight)},
		"outlier": {fill(90, 2, func(i, j int) float64 {
			if i == 50 {
				return 1e30
			}
			return r.NormFloat64()
		}), fill(80, 2, normal)},
		"subnormal": {fill(30, 2, func(i, j int) float64 {
			if i == 20 {
				return 1e3
			}
			return 2e-19 * r.NormFloat64()
		}), fill(30, 2, func(i, j int) float64 { return 2e-19 * r.NormFloat64() })},
		"f32": {fill(90, 4, normal).Cast(tensor.F32), fill(80, 4, normal)},
	}
	same := fill(100, 3, lattice)
	out["identical"] = [2]*tensor.Tensor{same, same}
	return out
}

// distances are all squared distances, by plain loops.
func distances(x, y *tensor.Tensor) [][]float64 {
	out := make([][]float64, x.Dim(0))
	for i := range out {
		out[i] = make([]float64, y.Dim(0))
		for j := range out[i] {
			for k := range x.Dim(1) {
				e := x.At(i*x.Dim(1)+k) - y.At(j*x.Dim(1)+k)
				out[i][j] += e * e
			}
		}
	}
	return out
}

// others are the squared distances of each example from the others, sorted.
func others(x *tensor.Tensor) [][]float64 {
	all := distances(x, x)
	for i, row := range all {
		all[i] = slices.Delete(row, i, i+1)
		slices.Sort(all[i])
	}
	return all
}

// TestManifoldBruteForce compares with plain loops over all distances, which must give the very same.
func TestManifoldBruteForce(t *testing.T) {
	bs := []blas.Impl{blas.Go()}
	if b, err := blas.Find("openblas"); err == nil {
		bs = append(bs, b)
	}
	for name, sets := range clouds() {
		real, fake := sets[0], sets[1]
		n, m := real.Dim(0), fake.Dim(0)
		between, amongReal, amongFake := distances(real, fake), others(real), others(fake)
		for _, k := range []int{1, 3, 5} {
			kth := func(x *tensor.Tensor, sorted [][]float64) []float64 {
				var out []float64
				for _, row := range sorted {
					out = append(out, row[k-1])
				}
				if p := prepare(set{"examples", x}); !slices.Equal(radii(context(), p[0], k), out) {
					t.Errorf("%s, k of %d: the distances of the %dth neighbours are others", name, k, k)
				}
				return out
			}
			rr, rf := kth(real, amongReal), kth(fake, amongFake)
			inReal, inFake, covered := make([]int, m), make([]int, n), make([]int, n)
			for i, row := range between {
				for j, d := range row {
					if d <= rr[i] {
						inReal[j]++
						covered[i] = 1
					}
					if d <= rf[j] {
						inFake[i]++
					}
				}
			}
			balls := 0
			for _, v := range inReal {
				balls += v
			}
			for _, b := range bs {
				c := kernel.NewContext(b, 3)
				p, r, err := PrecisionRecall(c, real, fake, k)
				d, cov, err1 := DensityCoverage(c, real, fake, k)
				if err != nil || err1 != nil {
					t.Fatal(err, err1)
				}
				got := [4]float64{p, r, d, cov}
				if want := [4]float64{share(inReal), share(inFake), float64(balls) / float64(k*m), share(covered)}; got != want {
					t.Errorf("%s, k of %d, %s: precision, recall, density and coverage are %v, want %v", name, k, b.Name(), got, want)
				}
				near, err := Nearest(c, real, fake, k)
				if err != nil {
					t.Fatal(err)
				}
				for i, row := range between {
					order := make([]int, m)
					for j := range order {
						order[j] = j
					}
					slices.SortStableFunc(order, func(a, b int) int {
						if row[a] < row[b] {
							return -1
						} else if row[a] > row[b] {
							return 1
						}
						return 0
					})
					if !slices.Equal(near.Index[i], order[:k]) || near.Distance[i][k-1] != math.Sqrt(row[order[k-1]]) {
						t.Fatalf("%s, k of %d, %s: the neighbours of %d are %v, %v, want %v", name, k, b.Name(), i, near.Index[i], near.Distance[i], order[:k])
					}
				}
			}
		}
	}
}

// TestManifoldDegenerate sees sets that are the same, far apart, constant or small.
func TestManifoldDegenerate(t *testing.T) {
	c := context()
	x := normals(1, 200, []float64{0, 0, 0}, []float64{1, 1, 1})
	far := normals(2, 200, []float64{100, 0, 0}, []float64{1, 1, 1})
	constant := constants(6, .1, .1, .1)
	tests := []struct {
		name       string
		real, fake *tensor.Tensor
		want       [4]float64
	}{
		{"identical", x, x, [4]float64{1, 1, 6.0 / 5, 1}}, // each example and its 5 neighbours lie in a ball
		{"far apart", x, far, [4]float64{0, 0, 0, 0}},
		{"constant", constant, constant, [4]float64{1, 1, 6.0 / 5, 1}},
	}
	for _, tt := range tests {
		p, r, err := PrecisionRecall(c, tt.real, tt.fake, PrecisionK)
		d, cov, err1 := DensityCoverage(c, tt.real, tt.fake, DensityK)
		if got := [4]float64{p, r, d, cov}; got != tt.want || err != nil || err1 != nil {
			t.Errorf("%s: precision, recall, density and coverage are %v, want %v (%v, %v)", tt.name, got, tt.want, err, err1)
		}
	}
	_, _, err := PrecisionRecall(c, realSet(4, 3), realSet(3, 3), 3)
	refused(t, err, "the fake features are f64[3 3]: want at least 4 examples")
	_, _, err = DensityCoverage(c, realSet(5, 3), realSet(1, 3), 5)
	refused(t, err, "the real features are f64[5 3]: want at least 6 examples")
	if _, _, err = DensityCoverage(c, realSet(6, 3), realSet(1, 3), 5); err != nil {
		t.Error(err)
	}
	_, _, err = PrecisionRecall(c, x, x, 0)
	refused(t, err, "want 1 or more")
	_, err = Nearest(c, x, realSet(2, 3), 3)
	refused(t, err, "the training examples are f64[2 3]: want at least 3")
	_, err = Nearest(c, x, x, 0)
	refused(t, err, "want 1 or more")
}

// TestMemorisation sees that copies are found, that draws of the distribution are not, and that ties are no evidence.
func TestMemorisation(t *testing.T) {
	draw := func(seed uint64, n int) *tensor.Tensor { return normals(seed, n, make([]float64, 4), ones(4)) }
	train, held := draw(1, 500), draw(2, 300)
	copies := train.Clone()
	for i := range copies.Len() {
		copies.Set(i, copies.At(i)+1e-3)
	}
	tests := []struct {
		name    string
		fake    *tensor.Tensor
		share   float64
		z       float64
		correct bool
	}{
		{"copies", copies, 1, 20, true},
		{"the distribution", draw(3, 400), .5, 0, false},
		{"far away", normals(4, 400, []float64{50, 0, 0, 0}, ones(4)), 0, -20, true},
		{"the held-out examples", held, .5, 0, true},
	}
	for _, tt := range tests {
		m, err := Memorisation(context(), train, held, tt.fake)
		if err != nil {
			t.Fatal(err)
		}
		if tt.correct && math.Abs(m.Share-tt.share) > 1e-9 || math.Abs(m.Share-tt.share) > .06 || tt.z == 0 && math.Abs(m.Z) > 2.5 || tt.z != 0 && m.Z/tt.z < 1 {
			t.Errorf("%s: %+v, want a share of %v and a z of %v or more", tt.name, m, tt.share, tt.z)
		}
	}
	// With ties: U of pairs below is 1·3 + (2·1)/2 = 4 of 3·2; the variance is mn/12·(m+n+1 - Σ(t³-t)/((m+n)(m+n-1))), t being 3.
	m := copying([]near{{2, 0}, {5, 0}}, []near{{1, 0}, {2, 0}, {2, 0}})
	equal(t, "a tied share", m.Share, 5.0/6)
	equal(t, "a tied z", m.Z, 2/math.Sqrt(.5*(6-24.0/20)))
	if m := copying([]near{{2, 0}}, []near{{2, 0}, {2, 0}}); m.Share != .5 || m.Z != 0 {
		t.Errorf("of nothing but ties it is %+v", m)
	}
}
