package kernel

import (
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// TestParallel covers every range once, by parts that depend only on the arguments, job after job, some at once and some
// after the helpers have ended.
func TestParallel(t *testing.T) {
	c := &Context{Threads: 3}
	for round := range 300 {
		for _, n := range []int{0, 1, 2, 7, 1000} {
			for _, grain := range []int{0, 1, 3, 2000} {
				seen := make([]atomic.Int32, n)
				var parts atomic.Int32
				c.Parallel(n, grain, func(lo, hi int) {
					parts.Add(1)
					for i := lo; i < hi; i++ {
						seen[i].Add(1)
					}
				})
				want := min(n, max(1, min(3, n/max(grain, 1))))
				if int(parts.Load()) != want {
					t.Fatalf("%d elements by %d: %d parts, want %d", n, grain, parts.Load(), want)
				}
				for i := range seen {
					if seen[i].Load() != 1 {
						t.Fatalf("%d elements by %d: element %d was done %d times", n, grain, i, seen[i].Load())
					}
				}
			}
		}
		if round%100 == 99 {
			time.Sleep(10 * linger)
		}
	}
}

// TestParallelScheduler runs jobs back to back on one CPU and several, with more goroutines than CPUs: none may be lost or
// done twice, and no goroutine may wait for one that gets no CPU.
func TestParallelScheduler(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const rounds = 300
	for _, cpus := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(cpus)
		for _, threads := range []int{2, 3, 16, 64} {
			c := &Context{Threads: threads}
			sums := make([]int, 100)
			for round := range rounds {
				c.Parallel(len(sums), 1+round%7, func(lo, hi int) {
					for i := lo; i < hi; i++ {
						sums[i] += i + round
					}
				})
			}
			for i, sum := range sums {
				if want := rounds*i + rounds*(rounds-1)/2; sum != want {
					t.Fatalf("%d CPUs, %d goroutines: element %d is %d, want %d", cpus, threads, i, sum, want)
				}
			}
		}
	}
}

// TestParallelPanics raises each part's panic on the caller, when all parts are done, and goes on afterwards.
func TestParallelPanics(t *testing.T) {
	c := &Context{Threads: 4}
	for bad := range 4 {
		var done atomic.Int32
		got := func() (r any) {
			defer func() { r = recover() }()
			c.Parallel(4, 1, func(lo, hi int) {
				defer done.Add(1)
				if lo == bad {
					panic(bad)
				}
			})
			return nil
		}()
		if got != bad || done.Load() != 4 {
			t.Errorf("part %d panics: recovered %v after %d parts", bad, got, done.Load())
		}
	}
}

// TestHelpersEnd sees that no goroutine is left when the work is over.
func TestHelpersEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 5 {
		c := &Context{Threads: 4}
		c.Parallel(4, 1, func(lo, hi int) {})
	}
	var counts []int
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(linger) {
		counts = append(counts, runtime.NumGoroutine())
		if counts[len(counts)-1] <= before {
			return
		}
	}
	t.Errorf("%d goroutines before, at last %v", before, slices.Max(counts[len(counts)-3:]))
}

// BenchmarkParallel is the price of cutting work that is nothing.
func BenchmarkParallel(b *testing.B) {
	c := NewContext(nil, 0)
	b.ReportAllocs()
	for b.Loop() {
		c.Parallel(2, 1, func(lo, hi int) {})
	}
}
