// Package kernel has the numeric loops: functions over slices that know no graph, in float32 and float64 by type
// parameter.
//
// A kernel writes every element of its output, reads only its inputs, and keeps nothing between calls. What it needs
// from its surroundings (a BLAS, threads, scratch memory) comes in a [Context].
package kernel

import (
	"runtime"

	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Float is the type parameter of a kernel that computes in f32 and f64.
type Float interface{ float32 | float64 }

// BLAS is the part of a BLAS that kernels call, row-major, as in gonum's blas interface. An implementation must
// allow concurrent calls and should use one thread a call: [Gemm] itself splits the work.
type BLAS interface {
	Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int)
	Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int)
}

// A VectorBLAS is a BLAS that also multiplies a matrix and a vector, y = alpha·op(a)·x + beta·y for a of m rows and n columns. It may add up
// in another order than Sgemm does, which must not depend on the number of rows.
type VectorBLAS interface {
	BLAS
	Sgemv(tA blas.Transpose, m, n int, alpha float32, a []float32, lda int, x []float32, incX int, beta float32, y []float32, incY int)
}

// A Context carries what kernels need from their surroundings. It belongs to one caller at a time.
type Context struct {
	BLAS    BLAS
	Threads int // how many goroutines a kernel may use, itself included

	// Grain is the least work worth a goroutine, in a kernel's own units, for all kernels; 0 leaves it to each. With 1 the
	// smallest operands are cut too, so that tests go through every cut.
	Grain int

	// Observe, if it is not nil, is called before an op is computed, with what that is, its results and its arguments, and what it
	// returns is called after it; calls nest, since ops have bodies. It is for profiles, and is called by those who know ops.
	Observe func(of any, out, args []*tensor.Tensor) (done func())

	scratch32 [2][]float32
	scratch64 [2][]float64

	helpers []*helper
	job     *job       // of the last cut, to be used again; nil if a helper may still look at it
	own     []*Context // of the parts of a cut
	spare   []any      // what Borrow gives out
}

// NewContext returns a context that computes matrix products with b, on at most threads goroutines; 0 means one a CPU.
func NewContext(b BLAS, threads int) *Context {
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return &Context{BLAS: b, Threads: threads}
}

// Scratch returns n elements of reused memory with undefined contents, valid until the next call of Scratch on c.
func Scratch[T Float](c *Context, n int) []T { return scratch[T](c, 0, n) }

// scratch is Scratch at level 0. A kernel that calls others, which use that, has its own memory at level 1.
func scratch[T Float](c *Context, level, n int) []T {
	var zero T
	switch any(zero).(type) {
	case float32:
		if cap(c.scratch32[level]) < n {
			c.scratch32[level] = make([]float32, n)
		}
		return any(c.scratch32[level][:n]).([]T)
	default:
		if cap(c.scratch64[level]) < n {
			c.scratch64[level] = make([]float64, n)
		}
		return any(c.scratch64[level][:n]).([]T)
	}
}

// grain is c.Grain, or a kernel's own where that is 0.
func (c *Context) grain(own int) int {
	if c.Grain > 0 {
		return c.Grain
	}
	return max(own, 1)
}

// Parallel calls do on consecutive ranges that cover [0, n), on up to c.Threads goroutines, none of them smaller than
// grain (except that there is always one range when n > 0); c.Grain goes before grain. The cut depends only on n, the grain
// and c.Threads, so results are the same on every run. A panic in do is raised again on the calling goroutine.
//
// do is new memory in each call. A kernel that runs in every step has a [Task] instead.
func (c *Context) Parallel(n, grain int, do func(lo, hi int)) { c.cut(n, grain, parts(do)) }

// parts is a Task that needs no context.
type parts func(lo, hi int)

func (do parts) Part(_ *Context, lo, hi int) { do(lo, hi) }

// A Task is work that goroutines share: Part does the elements from lo to hi. c is a context of one thread that the part has to itself.
type Task interface{ Part(c *Context, lo, hi int) }

// Cut runs the task t as [Context.Parallel] runs a function. It is copied to memory that c keeps for such tasks, so a cut takes none.
func Cut[T any, P interface {
	*T
	Task
}](c *Context, n, grain int, t T) {
	p := Borrow[T](c)
	*p = t
	c.cut(n, grain, P(p))
	var zero T
	*p = zero
	GiveBack(c, p)
}

// Borrow returns memory for a T that c keeps from one use to the next, with what the last borrower has left in it, or new memory. Who
// borrows clears what would keep tensors from being collected.
func Borrow[T any](c *Context) *T {
	for i, x := range c.spare {
		if p, ok := x.(*T); ok {
			last := len(c.spare) - 1
			c.spare[i] = c.spare[last]
			c.spare = c.spare[:last]
			return p
		}
	}
	return new(T)
}

// GiveBack returns what Borrow gave.
func GiveBack[T any](c *Context, p *T) { c.spare = append(c.spare, p) }

// cut does all parts of t.
func (c *Context) cut(n, grain int, t Task) {
	parts := min(c.Threads, n/c.grain(grain))
	if n > 0 {
		parts = max(parts, 1)
	}
	for len(c.own) < parts {
		c.own = append(c.own, &Context{Threads: 1})
	}
	for _, own := range c.own {
		own.BLAS = c.BLAS
	}
	if parts == 1 {
		t.Part(c.own[0], 0, n)
	}
	if parts <= 1 {
		return
	}
	for len(c.helpers) < parts-1 {
		c.helpers = append(c.helpers, new(helper))
	}
	j := c.job
	if c.job = nil; j == nil { // a part may cut with c too
		j = new(job)
	}
	j.begin(t, c.own, n, parts)
	for _, h := range c.helpers[:parts-1] {
		h.give(j)
	}
	j.run()
	j.wait()
	for _, h := range c.helpers[:parts-1] {
		h.takeBack(j)
	}
	failed := j.failed
	if j.users.Load() == 0 {
		j.task, j.failed = nil, nil
		c.job = j
	}
	if failed != nil {
		panic(failed)
	}
}
