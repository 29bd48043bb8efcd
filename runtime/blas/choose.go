package blas

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/runtime/cache"
)

// A Candidate is a BLAS of this machine, and what it does there.
type Candidate struct {
	Impl
	Path string    // of the library's file, "" for pure Go
	Rate float64   // GFLOP/s of float32 products on one thread
	Err  error     // why it cannot be used, nil if it can
	When time.Time // the rate was measured
}

// Candidates are the BLAS implementations of this machine, the one that is taken first. A library is taken by what it does,
// never by its name: one that does not know the CPU falls back to code of a third of the speed of pure Go. The rates are measured
// once, in some hundredths of a second, and remembered in the cache folder as long as machine, libraries and this program stay
// the same.
func Candidates() []Candidate { return slices.Clone(ranked()) }

var ranked = sync.OnceValue(func() []Candidate {
	file, err := cache.Dir("blas.json")
	if err != nil {
		file = "" // it is measured each time
	}
	return rank(found(), file, measure)
})

// found are the BLAS implementations that can be used here, pure Go first.
func found() []Candidate {
	list := []Candidate{{Impl: Go()}}
	if lib, err := openFirst(); err == nil {
		list = append(list, Candidate{Impl: lib, Path: lib.path})
	}
	return list
}

// margin is by how much a library must be faster than pure Go to be taken: of two that are alike, no measurement's luck decides.
const margin = 1.1

// rank sorts list, pure Go first, by what measure finds or the file remembers.
func rank(list []Candidate, file string, measure func([]Candidate)) []Candidate {
	list = slices.Clone(list)
	if !recall(file, list) {
		measure(list)
		remember(file, list)
	}
	worth := func(c Candidate) float64 {
		switch {
		case c.Err != nil:
			return 0
		case c.Path == "":
			return c.Rate * margin
		}
		return c.Rate
	}
	slices.SortStableFunc(list, func(a, b Candidate) int { return cmp.Compare(worth(b), worth(a)) })
	return list
}

// The products that are measured: those of a layer in training, forward and for the gradients of its input and its weights.
const measuredM, measuredN, measuredK = 128, 256, 256

var measured = [...][2]blas.Transpose{{blas.NoTrans, blas.NoTrans}, {blas.NoTrans, blas.Trans}, {blas.Trans, blas.NoTrans}}

const (
	// measuredRounds is how often each candidate does each product; its best time counts, since other processes can only slow it
	// down: a product takes less than a millisecond, so that some are not interrupted.
	measuredRounds = 8
	// leastRounds is how many a slow candidate does, one that has taken measuredTime.
	leastRounds  = 4
	measuredTime = 12 * time.Millisecond
)

// measure sets the rates of list, and the errors of what multiplies wrongly. The rounds take turns, so that a moment in which the
// machine is busy meets all. The first ones load caches and raise the clock, and do not count.
func measure(list []Candidate) {
	const m, n, k = measuredM, measuredN, measuredK
	a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
	for i := range a {
		a[i] = float32(i*7919%2003)/1001 - 1
	}
	for i := range b {
		b[i] = float32(i*104729%1999)/999 - 1
	}
	var want [][]float32
	best, spent := make([][len(measured)]time.Duration, len(list)), make([]time.Duration, len(list))
	for round := range measuredRounds + 1 {
		for i := range list {
			if list[i].Err != nil || round > leastRounds && spent[i] > measuredTime {
				continue
			}
			for p, t := range measured {
				lda, ldb := k, n
				if t[0] == blas.Trans {
					lda = m
				}
				if t[1] == blas.Trans {
					ldb = k
				}
				start := time.Now()
				list[i].Sgemm(t[0], t[1], m, n, k, 1, a, lda, b, ldb, 0, c, n)
				took := max(time.Since(start), 1)
				switch {
				case round > 0:
					spent[i] += took
					if best[i][p] == 0 || took < best[i][p] {
						best[i][p] = took
					}
				case i == 0:
					want = append(want, slices.Clone(c))
				case list[i].Err == nil:
					list[i].Err = wrong(c, want[p])
				}
			}
		}
	}
	now := time.Now().Truncate(time.Second)
	for i := range list {
		if list[i].Err == nil {
			total := time.Duration(0)
			for _, t := range best[i] {
				total += t
			}
			list[i].Rate = float64(2*m*n*k*len(measured)) / float64(total) // FLOP a nanosecond
			list[i].When = now
		}
	}
}

// wrong is an error if a product is not what it must be.
func wrong(got, want []float32) error {
	for i, g := range got {
		if d := math.Abs(float64(g) - float64(want[i])); !(d < 1e-3) { // of sums of hundreds of products of about 1
			return fmt.Errorf("it multiplies wrongly: %v, not %v", g, want[i])
		}
	}
	return nil
}
