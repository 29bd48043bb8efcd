package graph_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// leaves have no kernel of their own, so no samples.
var leaves = []string{"Input", "Param"}

// TestOps runs everything an op promises on each of its samples. A new op is tested by standing in the table.
func TestOps(t *testing.T) {
	refs := allRefs()
	for _, op := range graph.All() {
		name := graph.OpName(op)
		t.Run(name, func(t *testing.T) {
			samples := op.Samples()
			if slices.Contains(leaves, name) {
				return
			}
			if len(samples) == 0 {
				t.Fatal("no samples: nothing would be tested")
			}
			if refs[name] == nil {
				t.Fatal("no independent reference: add one to ref_<family>_test.go")
			}
			flows := false
			for i, s := range samples {
				_, args, y := trace(t, s, s.Inputs(graph.F64))
				flows = flows || len(differentiable(s, args, y)) > 0
				if graph.OpName(s.Op) != name {
					t.Fatalf("sample %d is of op %s", i, graph.OpName(s.Op))
				}
				t.Run(fmt.Sprintf("%d_%s", i, strings.ReplaceAll(graph.OpText(s.Op), "/", "_")), func(t *testing.T) {
					checkKernel(t, s, refs[name], graph.F32, 2e-5)
					checkKernel(t, s, refs[name], graph.F64, 1e-12)
					checkGradient(t, s)
				})
			}
			if !flows && gradient(t, op) != "none" {
				t.Error("no sample checks its gradient")
			}
		})
	}
}

func newContext(threads int) *kernel.Context {
	return kernel.NewContext(gonum.Implementation{}, threads)
}

// cutContext cuts operands of any size between the goroutines. Its BLAS sums in one order, whatever the cut.
func cutContext(threads int) *kernel.Context {
	c := kernel.NewContext(plainBLAS{}, threads)
	c.Grain = 1
	return c
}

// plainBLAS are the three loops.
type plainBLAS struct{}

func (plainBLAS) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	plainGemm(tA == blas.Trans, tB == blas.Trans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func (plainBLAS) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	plainGemm(tA == blas.Trans, tB == blas.Trans, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
}

func plainGemm[T kernel.Float](tA, tB bool, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int) {
	at := func(x []T, ld int, transposed bool, i, j int) T {
		if transposed {
			i, j = j, i
		}
		return x[i*ld+j]
	}
	for i := range m {
		for j := range n {
			var sum T
			for l := range k {
				sum += at(a, lda, tA, i, l) * at(b, ldb, tB, l, j)
			}
			old := c[i*ldc+j]
			if c[i*ldc+j] = alpha * sum; beta != 0 {
				c[i*ldc+j] += beta * old
			}
		}
	}
}

// trace builds a Func that applies s to inputs typed like the tensors in.
func trace(t *testing.T, s graph.Sample, in []*tensor.Tensor) (*graph.Func, []*graph.Value, *graph.Value) {
	t.Helper()
	f := graph.NewFunc("sample", false)
	args := make([]*graph.Value, len(in))
	for k, x := range in {
		dims := make([]graph.Dim, x.Rank())
		for i, d := range x.Shape() {
			dims[i] = graph.Dim(d)
		}
		args[k] = f.Input(fmt.Sprint("in", k), x.DType(), dims...)
	}
	y := f.Apply(s.Op, args...)
	if len(f.Diags) > 0 {
		t.Fatalf("the sample does not type-check: %v", f.Diags)
	}
	return f, args, y
}

func byName(in []*tensor.Tensor) map[string]*tensor.Tensor {
	m := map[string]*tensor.Tensor{}
	for k, x := range in {
		m[fmt.Sprint("in", k)] = x
	}
	return m
}

func evaluate(t *testing.T, c *kernel.Context, f *graph.Func, in map[string]*tensor.Tensor) []*tensor.Tensor {
	t.Helper()
	out, err := graph.Evaluate(c, f, in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// checkKernel compares the kernel with the reference, uncut and cut between goroutines in several ways. However it is cut,
// the bits are those of one goroutine.
func checkKernel(t *testing.T, s graph.Sample, ref reference, float graph.DType, tol float64) {
	t.Helper()
	in := s.Inputs(float)
	f, _, y := trace(t, s, in)
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	got := evaluate(t, newContext(1), f, byName(in))[y.ID]
	if y.DType() == graph.F32 {
		tol = max(tol, 2e-5)
	}
	want := ref(s.Op, in)
	if got.Len() != len(want) {
		t.Fatalf("%v: %v has %d elements, the reference %d", float, got, got.Len(), len(want))
	}
	for i, w := range want {
		if g := got.At(i); !near(g, w, tol) {
			t.Fatalf("%v: element %d is %v, the reference says %v", float, i, g, w)
		}
	}
	whole := evaluate(t, cutContext(1), f, byName(in))[y.ID]
	for _, threads := range []int{2, 3, 4, 7} {
		cut := evaluate(t, cutContext(threads), f, byName(in))[y.ID]
		for i, w := range want {
			if g := cut.At(i); !near(g, w, tol) {
				t.Fatalf("%v, cut for %d goroutines: element %d is %v, the reference says %v", float, threads, i, g, w)
			}
			if g, h := cut.At(i), whole.At(i); math.Float64bits(g) != math.Float64bits(h) && (g == g || h == h) {
				t.Fatalf("%v, cut for %d goroutines: element %d is %v, on one %v", float, threads, i, g, h)
			}
		}
	}
}

func near(a, b, tol float64) bool {
	if math.IsNaN(a) || math.IsNaN(b) {
		return math.IsNaN(a) && math.IsNaN(b)
	}
	return a == b || math.Abs(a-b) <= tol*max(1, math.Abs(b))
}

// checkGradient compares the VJP, and the VJP of the VJP, with central differences in f64.
func checkGradient(t *testing.T, s graph.Sample) {
	t.Helper()
	in := s.Inputs(graph.F64)
	f, args, y := trace(t, s, in)
	wrt := differentiable(s, args, y)
	if len(wrt) == 0 {
		return
	}
	// A fixed random functional of y makes a scalar; its gradient g is a second op graph, and a functional of g a third.
	first := weighted(f, y, 1)
	grads := graph.Grad(first, pick(args, wrt)...)
	second := f.Full(graph.F64, 0)
	for i, g := range grads {
		second = second.Add(weighted(f, g, uint64(i)+2))
	}
	grads2 := graph.Grad(second, pick(args, wrt)...)
	if len(f.Diags) > 0 {
		t.Fatalf("differentiating twice: %v", f.Diags)
	}
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	c := newContext(1)
	inputs := byName(in)
	out := evaluate(t, c, f, inputs)
	for i, k := range wrt {
		differences(t, "VJP", c, f, inputs, in[k], out[grads[i].ID], first, k)
		differences(t, "VJP of VJP", c, f, inputs, in[k], out[grads2[i].ID], second, k)
	}
}

// differentiable are the arguments of a sample by which its result y can be differentiated.
func differentiable(s graph.Sample, args []*graph.Value, y *graph.Value) []int {
	var wrt []int
	for k, a := range args {
		if a.DType() == graph.F64 && !s.In[k].NoGrad && y.DType() == graph.F64 && graph.Reaches(y, a)[0] {
			wrt = append(wrt, k)
		}
	}
	return wrt
}

func pick(vs []*graph.Value, idx []int) []*graph.Value {
	out := make([]*graph.Value, len(idx))
	for i, k := range idx {
		out[i] = vs[k]
	}
	return out
}

// weighted is the sum of v's elements times fixed random weights.
func weighted(f *graph.Func, v *graph.Value, seed uint64) *graph.Value {
	r := rand.New(rand.NewPCG(seed, 3))
	shape, _ := v.Shape().Eval(nil)
	w := tensor.New(graph.F64, shape...)
	for i := range w.Len() {
		w.Set(i, r.NormFloat64())
	}
	return v.Mul(f.Const(w)).Sum()
}

func differences(t *testing.T, what string, c *kernel.Context, f *graph.Func, inputs map[string]*tensor.Tensor, x, got *tensor.Tensor, y *graph.Value, arg int) {
	t.Helper()
	const h = 1e-5
	for i := range x.Len() {
		old := x.At(i)
		x.Set(i, old+h)
		hi := evaluate(t, c, f, inputs)[y.ID].At(0)
		x.Set(i, old-h)
		lo := evaluate(t, c, f, inputs)[y.ID].At(0)
		x.Set(i, old)
		if want := (hi - lo) / (2 * h); !near(got.At(i), want, 2e-5) {
			t.Fatalf("%s with respect to argument %d, element %d: %v, finite differences say %v", what, arg, i, got.At(i), want)
		}
	}
}
