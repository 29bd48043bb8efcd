package initializer

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestMoments compares mean, variance and largest element with those of the distribution.
func TestMoments(t *testing.T) {
	for _, c := range []struct {
		name      string
		init      graph.Initializer
		shape     []int
		mean, std float64
		limit     float64 // 0: unbounded
	}{
		{"constant", Constant{2.5}, []int{7}, 2.5, 0, 2.5},
		{"zeros", Zeros{}, []int{7}, 0, 0, 1e-30},
		{"ones", Ones{}, []int{2, 3}, 1, 0, 1},
		{"normal", Normal{1, .5}, []int{200, 300}, 1, .5, 0},
		{"uniform", Uniform{-1, 3}, []int{200, 300}, 1, 4 / math.Sqrt(12), 3},
		{"glorot uniform", GlorotUniform{}, []int{200, 300}, 0, math.Sqrt(2. / 500), math.Sqrt(6. / 500)},
		{"glorot normal", GlorotNormal{}, []int{200, 300}, 0, math.Sqrt(2. / 500), 0},
		{"he uniform", HeUniform{}, []int{200, 300}, 0, math.Sqrt(2. / 200), math.Sqrt(6. / 200)},
		{"he normal", HeNormal{}, []int{200, 300}, 0, math.Sqrt(2. / 200), 0},
		{"he normal of a filter", HeNormal{}, []int{64, 32, 3, 3}, 0, math.Sqrt(2. / (32 * 9)), 0},
		{"he uniform of a filter", HeUniform{}, []int{64, 32, 3, 3}, 0, math.Sqrt(2. / (32 * 9)), math.Sqrt(6. / (32 * 9))},
		{"glorot normal of a filter", GlorotNormal{}, []int{64, 32, 3, 3}, 0, math.Sqrt(2. / (96 * 9)), 0},
		{"glorot uniform of a filter", GlorotUniform{}, []int{64, 32, 3, 3}, 0, math.Sqrt(2. / (96 * 9)), math.Sqrt(6. / (96 * 9))},
	} {
		x := tensor.New(tensor.F32, c.shape...)
		c.init.Init(x, rand.New(rand.NewPCG(1, 2)))
		sum, square, top := 0.0, 0.0, 0.0
		for i := range x.Len() {
			v := x.At(i)
			sum += v
			square += v * v
			top = max(top, math.Abs(v))
		}
		n := float64(x.Len())
		mean := sum / n
		std := math.Sqrt(max(0, square/n-mean*mean))
		if math.Abs(mean-c.mean) > 5*c.std/math.Sqrt(n)+1e-7 || math.Abs(std-c.std) > .02*c.std+1e-7 {
			t.Errorf("%s: mean %v, standard deviation %v, want %v and %v", c.name, mean, std, c.mean, c.std)
		}
		if c.limit > 0 && top > c.limit {
			t.Errorf("%s: an element of size %v, above %v", c.name, top, c.limit)
		}
	}
}

func TestOrthogonal(t *testing.T) {
	for _, shape := range [][]int{{6, 6}, {4, 9}, {9, 4}, {8, 2, 3, 3}} {
		x := tensor.New(tensor.F64, shape...)
		Orthogonal{Gain: 2}.Init(x, rand.New(rand.NewPCG(1, 2)))
		rows, cols := shape[0], x.Len()/shape[0]
		n, at := rows, func(i, k int) float64 { return x.At(i*cols + k) }
		length := cols
		if rows > cols {
			n, length, at = cols, rows, func(i, k int) float64 { return x.At(k*cols + i) }
		}
		for i := range n {
			for j := range n {
				d, want := 0.0, 0.0
				for k := range length {
					d += at(i, k) * at(j, k)
				}
				if i == j {
					want = 4
				}
				if math.Abs(d-want) > 1e-9 {
					t.Fatalf("%v: rows %d and %d have the product %v", shape, i, j, d)
				}
			}
		}
	}
}
