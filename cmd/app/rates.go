package app

import (
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// A meter measures what this machine can do at the moment: arithmetic and memory.
type meter struct {
	contexts []*kernel.Context
	a, b, c  []float32
}

const (
	// peakSize is the size of the product by which the peak is measured.
	peakSize = 1024
	// streamed is the number of elements of each of the arrays by which the bandwidth is measured: far more than caches hold.
	streamed = 16 << 20
)

// newMeter returns a meter of the libraries on so many threads.
func newMeter(libraries []blas.Candidate, threads int) *meter {
	m := new(meter)
	for _, l := range libraries {
		m.contexts = append(m.contexts, kernel.NewContext(l.Impl, threads))
	}
	return m
}

// arrays makes the arrays, the first time.
func (m *meter) arrays() {
	if m.a != nil {
		return
	}
	m.a, m.b, m.c = make([]float32, streamed), make([]float32, streamed), make([]float32, streamed)
	for i := range m.a {
		m.a[i], m.b[i] = float32(i%7), float32(i%5)
	}
}

// peak is the rate of a large matrix product by the fastest of the libraries, in GFLOP/s.
func (m *meter) peak() float64 {
	const n = peakSize
	m.arrays()
	best := 0.
	for _, c := range m.contexts {
		for range 3 {
			start := time.Now()
			kernel.Gemm(c, false, false, n, n, n, 1, m.a[:n*n], n, m.b[:n*n], n, 0, m.c[:n*n], n)
			best = max(best, 2*n*n*n/time.Since(start).Seconds()/1e9)
		}
	}
	return best
}

// bandwidth is how fast the sum of two large arrays is computed, in GB/s that are read and written.
func (m *meter) bandwidth() float64 {
	m.arrays()
	best := 0.
	for range 3 {
		start := time.Now()
		m.contexts[0].Parallel(streamed, 1<<16, func(lo, hi int) { kernel.Add(m.c[lo:hi], m.a[lo:hi], m.b[lo:hi]) })
		best = max(best, 3*4*streamed/time.Since(start).Seconds()/1e9)
	}
	return best
}
