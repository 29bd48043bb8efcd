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
			var taken, tried graph.DTypes
			for i, s := range samples {
				_, args, ys, _ := trace(t, s, graph.F64)
				flows = flows || len(differentiable(s, args, ys)) > 0
				if graph.OpName(s.Op) != name {
					t.Fatalf("sample %d is of op %s", i, graph.OpName(s.Op))
				}
				t.Run(fmt.Sprintf("%d_%s", i, strings.ReplaceAll(graph.OpText(s.Op), "/", "_")), func(t *testing.T) {
					checkKernel(t, s, refs[name], graph.F32, 2e-5)
					checkKernel(t, s, refs[name], graph.F64, 1e-12)
					checkGradient(t, s)
					for _, dt := range (s.DTypes() & graph.Numbers).List() {
						if dt.Native() {
							continue
						}
						if f, _, _ := s.Trace(dt); len(f.Diags) > 0 && dt.Integer() { // its attributes are no integers
							continue
						}
						tried |= 1 << dt
						checkKernel(t, s, refs[name], dt, rounding[dt])
						if dt.Float() {
							checkNarrowGradient(t, s, dt)
						}
					}
				})
				taken |= s.DTypes() & graph.Numbers
			}
			if rest := taken &^ tried &^ (1<<graph.F32 | 1<<graph.F64); rest != 0 {
				t.Errorf("no sample tries %v", rest)
			}
			if !flows && gradient(t, op) != "none" {
				t.Error("no sample checks its gradient")
			}
		})
	}
}

// rounding is how far the nearest number of a dtype may be, relative to the number that it stands for.
var rounding = map[graph.DType]float64{graph.F16: 0x1.01p-11, graph.BF16: 0x1.01p-8}

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

// trace is s.Trace for a sample that type-checks: its arguments and results.
func trace(t *testing.T, s graph.Sample, float graph.DType) (f *graph.Func, args, ys []*graph.Value, in map[string]*tensor.Tensor) {
	t.Helper()
	f, n, in := s.Trace(float)
	if len(f.Diags) > 0 {
		t.Fatalf("the sample does not type-check: %v", f.Diags)
	}
	return f, arguments(f, s), n.Results, in
}

// arguments are the inputs of a sample that s.Trace traced into f, nil for one that is left out.
func arguments(f *graph.Func, s graph.Sample) []*graph.Value {
	args := make([]*graph.Value, len(s.In))
	for k := range args {
		for _, v := range f.Inputs {
			if v.Name == fmt.Sprint("in", k) {
				args[k] = v
			}
		}
	}
	return args
}

func byName(in []*tensor.Tensor) map[string]*tensor.Tensor {
	m := map[string]*tensor.Tensor{}
	for k, x := range in {
		if x != nil {
			m[fmt.Sprint("in", k)] = x
		}
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
	f, _, ys, inputs := trace(t, s, float)
	in := s.Inputs(float)
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	all := evaluate(t, newContext(1), f, inputs)
	got := elements(all, ys)
	tol = max(tol, rounding[ys[0].DType()])
	if ys[0].DType() == graph.F32 {
		tol = max(tol, 2e-5)
	}
	want := ref(s.Op, in)
	asIntegers(want, all, ys)
	if len(got) != len(want) {
		t.Fatalf("%v: there are %d elements, the reference has %d", float, len(got), len(want))
	}
	for i, w := range want {
		if !near(got[i], w, tol) {
			t.Fatalf("%v: element %d is %v, the reference says %v", float, i, got[i], w)
		}
	}
	loose := max(tol, 30*rounding[float]) // it is rounded after each of the smaller ops
	if _, ok := s.Op.(graph.Composite); ok {
		g := graph.Lower(f, func(n *graph.Node) bool { return graph.OpName(n.Op) != graph.OpName(s.Op) })
		checkLowered(t, "lowered", g, inputs, ys, want, loose)
	}
	if _, ok := s.Op.(graph.Fast); ok {
		checkLowered(t, "lowered to be fast", graph.LowerFast(f), inputs, ys, want, loose)
	}
	whole := elements(evaluate(t, cutContext(1), f, inputs), ys)
	cuts := []int{2, 3, 4, 7}
	if !float.Native() {
		cuts = cuts[:1]
	}
	for _, threads := range cuts {
		cut := elements(evaluate(t, cutContext(threads), f, inputs), ys)
		for i, w := range want {
			if g := cut[i]; !near(g, w, tol) {
				t.Fatalf("%v, cut for %d goroutines: element %d is %v, the reference says %v", float, threads, i, g, w)
			}
			if g, h := cut[i], whole[i]; math.Float64bits(g) != math.Float64bits(h) && (g == g || h == h) {
				t.Fatalf("%v, cut for %d goroutines: element %d is %v, on one %v", float, threads, i, g, h)
			}
		}
	}
}

// asIntegers makes the references for results that are integers what these are: whole, towards 0, with the dtype's bits.
func asIntegers(want []float64, all []*tensor.Tensor, ys []*graph.Value) {
	at := 0
	for _, y := range ys {
		n := all[y.ID].Len()
		for i := at; i < min(at+n, len(want)) && y.DType().Integer(); i++ {
			x := tensor.New(y.DType(), 1)
			x.SetInt(0, int64(want[i]))
			want[i] = x.At(0)
		}
		at += n
	}
}

// elements are those of the values ys, one after another.
func elements(all []*tensor.Tensor, ys []*graph.Value) []float64 {
	var out []float64
	for _, y := range ys {
		out = append(out, all[y.ID].Float64s()...)
	}
	return out
}

// checkLowered compares g, which has smaller ops in the place of an op with the results ys, with the op's reference.
func checkLowered(t *testing.T, what string, g *graph.Func, in map[string]*tensor.Tensor, ys []*graph.Value, want []float64, tol float64) {
	t.Helper()
	if len(g.Diags) > 0 {
		t.Fatalf("%s: %v", what, g.Diags)
	}
	if err := g.Verify(); err != nil {
		t.Fatal(err)
	}
	var lowered []*graph.Value
	for i, o := range g.Outputs {
		lowered = append(lowered, o.Value)
		if o.Value.DType() != ys[i].DType() || !o.Value.Shape().Equal(ys[i].Shape()) {
			t.Fatalf("result %d is %v, %s %v", i, ys[i].Type, what, o.Value.Type)
		}
	}
	for i, x := range elements(evaluate(t, newContext(1), g, in), lowered) {
		if !near(x, want[i], tol) {
			t.Fatalf("%s: element %d is %v, the reference says %v", what, i, x, want[i])
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
	f, args, ys, inputs := trace(t, s, graph.F64)
	wrt := differentiable(s, args, ys)
	if len(wrt) == 0 {
		return
	}
	// A fixed random functional of the results makes a scalar; its gradient g is a second op graph, and a functional of g a third.
	first := f.Full(graph.F64, 0)
	for i, y := range ys {
		if y.DType() == graph.F64 {
			first = first.Add(weighted(f, y, uint64(i)+101))
		}
	}
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
	out := evaluate(t, c, f, inputs)
	for i, k := range wrt {
		differences(t, "VJP", c, f, inputs, inputs[args[k].Name], out[grads[i].ID], first, k)
		differences(t, "VJP of VJP", c, f, inputs, inputs[args[k].Name], out[grads2[i].ID], second, k)
	}
}

// checkNarrowGradient compares the VJP in a float of 16 bits with that in f64.
func checkNarrowGradient(t *testing.T, s graph.Sample, dt graph.DType) {
	t.Helper()
	gradients := func(dt, numbers graph.DType) []*tensor.Tensor {
		f, args, ys, inputs := trace(t, s, dt)
		_, args64, ys64, _ := trace(t, s, graph.F64)
		total := f.Full(graph.F64, 0)
		for i, y := range ys {
			if y.DType().Float() {
				total = total.Add(weighted(f, y.Cast(graph.F64), uint64(i)+101))
			}
		}
		var wrt []*graph.Value
		for _, k := range differentiable(s, args64, ys64) {
			wrt = append(wrt, args[k])
			inputs[args[k].Name] = s.Inputs(numbers)[k].Cast(dt)
		}
		if len(wrt) == 0 {
			return nil
		}
		grads := graph.Grad(total, wrt...)
		if len(f.Diags) > 0 {
			t.Fatalf("differentiating in %v: %v", dt, f.Diags)
		}
		all, out := evaluate(t, newContext(1), f, inputs), make([]*tensor.Tensor, len(grads))
		for i, g := range grads {
			out[i] = all[g.ID]
		}
		return out
	}
	want := gradients(graph.F64, dt)
	for i, g := range gradients(dt, dt) {
		largest := 1.
		for _, w := range want[i].Float64s() {
			largest = max(largest, math.Abs(w))
		}
		for k, w := range want[i].Float64s() {
			if !near(g.At(k)/largest, w/largest, 30*rounding[dt]) {
				t.Fatalf("the gradient of argument %d in %v: element %d is %v, in f64 %v", i, dt, k, g.At(k), w)
			}
		}
	}
}

// differentiable are the arguments of a sample by which some of its results ys can be differentiated.
func differentiable(s graph.Sample, args, ys []*graph.Value) []int {
	var wrt []int
	for k, a := range args {
		if a == nil || a.DType() != graph.F64 || s.In[k].NoGrad {
			continue
		}
		if slices.ContainsFunc(ys, func(y *graph.Value) bool { return y.DType() == graph.F64 && graph.Reaches(y, a)[0] }) {
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

// weighted is the sum of v's elements times fixed random weights, or, where only a run tells how many there are, of others.
func weighted(f *graph.Func, v *graph.Value, seed uint64) *graph.Value {
	if f.Late().Value(v) {
		place := f.Arange(v.Shape().Size()).Cast(graph.F64)
		return v.Reshape(v.Shape().Size()).Mul(place.Shift(float64(seed)).Sin()).Sum()
	}
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
