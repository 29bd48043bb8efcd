package kernel_test

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// attentionCases have more rows than a block and keys across its edges, heads that share keys, a past, masks of both kinds and a cap.
var attentionCases = []struct {
	name  string
	shape kernel.AttentionShape
	bias  bool // a mask is a bias
}{
	{"two blocks", kernel.AttentionShape{Batch: 1, Heads: 2, Groups: 2, Rows: 65, Keys: 64, Size: 4, Values: 3, Scale: .5}, false},
	{"causal", kernel.AttentionShape{Batch: 2, Heads: 2, Groups: 1, Rows: 130, Keys: 130, Size: 8, Values: 8, Scale: .3, Causal: true}, false},
	{"a past", kernel.AttentionShape{Batch: 1, Heads: 3, Groups: 1, Rows: 70, Keys: 100, Size: 5, Values: 2, Scale: .4, Causal: true, Past: 30, Softcap: 2}, false},
	{"a mask", kernel.AttentionShape{Batch: 2, Heads: 2, Groups: 2, Rows: 66, Keys: 9, Size: 4, Values: 4, Scale: 1, Causal: true,
		MaskBatch: 66 * 9, MaskRow: 9, MaskKey: 1}, false},
	{"a bias", kernel.AttentionShape{Batch: 1, Heads: 4, Groups: 2, Rows: 3, Keys: 70, Size: 4, Values: 1, Scale: .5, Softcap: 1.5,
		MaskHead: 3 * 70, MaskRow: 70, MaskKey: 1}, true},
	{"many keys", kernel.AttentionShape{Batch: 1, Heads: 1, Groups: 1, Rows: 20, Keys: 5000, Size: 2, Values: 2, Scale: .7}, false},
	{"no keys", kernel.AttentionShape{Batch: 1, Heads: 2, Groups: 1, Rows: 3, Keys: 0, Size: 2, Values: 2, Scale: 1, Causal: true}, false},
}

func TestAttention(t *testing.T) {
	for _, c := range attentionCases {
		t.Run(c.name, func(t *testing.T) {
			testAttention[float64](t, c.shape, c.bias, 1e-12)
			testAttention[float32](t, c.shape, c.bias, 2e-5)
		})
	}
}

func testAttention[T kernel.Float](t *testing.T, s kernel.AttentionShape, bias bool, tol float64) {
	rows, keys := s.Batch*s.Heads*s.Rows, s.Batch*s.Groups*s.Keys
	q, k, v, g := uniform[T](rows*s.Size), uniform[T](keys*s.Size + 1)[1:], uniform[T](keys*s.Values + 2)[2:], uniform[T](rows*s.Values + 3)[3:]
	var mask kernel.AttentionMask[T]
	cells := max(s.MaskBatch*s.Batch, s.MaskHead*s.Heads, s.MaskRow*s.Rows)
	switch {
	case cells > 0 && bias:
		mask.Bias = uniform[T](cells)
	case cells > 0:
		mask.Seen = make([]bool, cells)
		for i := range mask.Seen {
			mask.Seen[i] = i%7 != 0 && i/s.Keys%5 != 0 // some rows see nothing
		}
	}
	y, dq, dk, dv := make([]float64, len(g)), make([]float64, len(q)), make([]float64, len(k)), make([]float64, len(v))
	for row := range rows {
		head, r := row/s.Rows, row%s.Rows
		group := head / (s.Heads / s.Groups)
		p, slope, total := make([]float64, s.Keys), make([]float64, s.Keys), 0.0
		for j := range p {
			x := 0.0
			for d := range s.Size {
				x += s.Scale * float64(q[row*s.Size+d]) * float64(k[(group*s.Keys+j)*s.Size+d])
			}
			slope[j] = 1
			if s.Softcap > 0 {
				x = s.Softcap * math.Tanh(x/s.Softcap)
				slope[j] = 1 - x*x/s.Softcap/s.Softcap
			}
			at := head/s.Heads*s.MaskBatch + head%s.Heads*s.MaskHead + r*s.MaskRow + j*s.MaskKey
			if mask.Bias != nil {
				x += float64(mask.Bias[at])
			}
			if p[j] = math.Exp(x); s.Causal && j > r+s.Past || mask.Seen != nil && !mask.Seen[at] {
				p[j] = 0
			}
			total += p[j]
		}
		along := 0.0
		dp := make([]float64, s.Keys)
		for j := range p {
			if total > 0 {
				p[j] /= total
			}
			for e := range s.Values {
				at := (group*s.Keys+j)*s.Values + e
				y[row*s.Values+e] += p[j] * float64(v[at])
				dv[at] += p[j] * float64(g[row*s.Values+e])
				dp[j] += float64(v[at]) * float64(g[row*s.Values+e])
			}
			along += p[j] * dp[j]
		}
		for j := range p {
			ds := p[j] * (dp[j] - along) * slope[j] * s.Scale
			for d := range s.Size {
				dq[row*s.Size+d] += ds * float64(k[(group*s.Keys+j)*s.Size+d])
				dk[(group*s.Keys+j)*s.Size+d] += ds * float64(q[row*s.Size+d])
			}
		}
	}
	var first [4][]T
	for _, threads := range []int{1, 2, 3, 8} {
		c := kernel.NewContext(inOrder{}, threads)
		c.Grain = 1
		junk(c, T(math.NaN()))
		got := [4][]T{spoiled[T](len(y)), spoiled[T](len(q)), spoiled[T](len(k)), spoiled[T](len(v))}
		kernel.Attention(c, s, got[0], q, k, v, mask)
		kernel.AttentionGrad(c, s, got[1], got[2], got[3], q, k, v, g, mask)
		for i, want := range [][]float64{y, dq, dk, dv} {
			for at, w := range want {
				if x := float64(got[i][at]); !(math.Abs(x-w) <= tol*max(1, math.Abs(w))) {
					t.Fatalf("%T, %d threads: element %d of %s is %v, want %v", got[i][at], threads, at, []string{"y", "dq", "dk", "dv"}[i], x, w)
				}
				if threads > 1 && got[i][at] != first[i][at] {
					t.Fatalf("%d threads: element %d of %d is %v, on one %v", threads, at, i, got[i][at], first[i][at])
				}
			}
		}
		if threads == 1 {
			first = got
		}
	}
}

// TestAttentionMemory bounds the memory of long sequences: far less than the probabilities of one head.
func TestAttentionMemory(t *testing.T) {
	s := kernel.AttentionShape{Batch: 1, Heads: 2, Groups: 2, Rows: 3000, Keys: 3000, Size: 1, Values: 1, Scale: 1, Causal: true}
	x := uniform[float32](2 * 3000)
	for _, threads := range []int{1, 2} {
		c := kernel.NewContext(noBLAS{}, threads)
		kernel.Attention(c, s, spoiled[float32](len(x)), x, x, x, kernel.AttentionMask[float32]{})
		kernel.AttentionGrad(c, s, spoiled[float32](len(x)), spoiled[float32](len(x)), spoiled[float32](len(x)), x, x, x, x, kernel.AttentionMask[float32]{})
		if n := cap(kernel.Scratch[float32](c, 0)); n > threads*3*(32<<10) {
			t.Errorf("%d goroutines take %d numbers", threads, n)
		}
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range []kernel.AttentionShape{
		{Batch: 16, Heads: 4, Groups: 4, Rows: 128, Keys: 128, Size: 32, Values: 32, Scale: .2, Causal: true},
		{Batch: 1, Heads: 4, Groups: 4, Rows: 1024, Keys: 1024, Size: 64, Values: 64, Scale: .1},
	} {
		rows, keys := s.Batch*s.Heads*s.Rows*s.Size, s.Batch*s.Groups*s.Keys*s.Size
		q, k, g, y, dk, dv := floats(rows), floats(keys), floats(rows), floats(rows), floats(keys), floats(keys)
		c := kernel.NewContext(gonum.Implementation{}, 1)
		b.Run(fmt.Sprintf("%dx%d", s.Rows, s.Keys), func(b *testing.B) {
			for b.Loop() {
				kernel.Attention(c, s, y, q, k, k, kernel.AttentionMask[float32]{})
			}
		})
		b.Run(fmt.Sprintf("%dx%d/gradient", s.Rows, s.Keys), func(b *testing.B) {
			for b.Loop() {
				kernel.AttentionGrad(c, s, y, dk, dv, q, k, k, g, kernel.AttentionMask[float32]{})
			}
		})
	}
}
