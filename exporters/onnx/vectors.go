package onnx

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

const (
	vectorSeed = 1
	vectorTol  = 1e-5 // absolute, and relative to each element

	maxVector   = 4 << 20  // bytes of a vector's tensors
	maxUpdates  = 64 << 10 // bytes of the new state in a step's vector
	maxEvaluate = 1 << 30  // bytes of all values of one evaluation
	maxSize     = 64       // that is tried where smaller ones do not do
)

// The sizes of all symbols, such as batch, in the vectors that the exporter makes. Statistics over a batch of one example
// have no variance, so steps have none of that.
var (
	funcSizes = []int{1, 3}
	stepSizes = []int{2, 3}
)

// makeVectors runs the model on drawn inputs with our own kernels. why says why there is nothing, or less than there should be.
func (x *exporter) makeVectors() (list []Vector, why string) {
	switch {
	case x.o.NoVectors:
		return nil, "they were refused"
	case x.draws:
		return nil, "it draws its own random numbers"
	case x.o.Training && !x.beside:
		return nil, "they need the first state of the step, which only ExportFile with weights writes"
	}
	sizes := funcSizes
	if x.o.Training {
		sizes = stepSizes
	}
	switch {
	case x.o.Profile == OnnxGo:
		sizes = []int{x.o.Batch}
	case !slices.ContainsFunc(x.f.Inputs, func(v *graph.Value) bool { return v.IsSize() || !v.Shape().Static() }):
		sizes = sizes[:1]
	}
	for _, n := range sizes {
		var v Vector
		err := AtSize(n, func(n int) (err error) {
			v, err = x.makeVector(n)
			return err
		})
		if err != nil {
			return list, fmt.Sprintf("none of size %d: %v", n, err)
		}
		list = append(list, v)
	}
	return list, ""
}

// AtSize calls try with the size n of all symbols and, while it fails in the run for what [graph.Func.BindNear] did not see coming, with
// twice as much, up to a few dozen. It returns nil once a size does, or the first error.
func AtSize(n int, try func(n int) error) error {
	first := try(n)
	var fails *graph.RunError
	for err := first; errors.As(err, &fails) && 2*n <= maxSize; {
		n *= 2
		if err = try(n); err == nil {
			return nil
		}
	}
	return first
}

// makeVector makes the vector with every symbol n.
func (x *exporter) makeVector(n int) (Vector, error) {
	if need := valueBytes(x.traced, n); need > maxEvaluate {
		return Vector{}, fmt.Errorf("computing it takes %.1f GB, and %.1f GB are the most", need/1e9, float64(maxEvaluate)/1e9)
	}
	in, err := DrawInputs(x.traced, x.noise, n, vectorSeed)
	if err != nil {
		return Vector{}, err
	}
	size := 0
	for _, t := range in {
		size += bytesOf(t)
	}
	all, err := withParams(in, x.traced, x.tracedWeights)
	if err != nil {
		return Vector{}, err
	}
	out, err := evaluate(x.traced, all)
	if err != nil {
		return Vector{}, err
	}
	v := Vector{Inputs: in, Outputs: map[string]*tensor.Tensor{}, ATol: tolerance(x.traced), RTol: tolerance(x.traced)}
	for _, o := range x.traced.Outputs {
		v.Outputs[o.Name] = out[o.Name]
		size += bytesOf(out[o.Name])
	}
	if size > maxVector {
		return Vector{}, fmt.Errorf("its inputs and outputs are %d bytes, and %d are the most", size, maxVector)
	}
	if !x.o.Training {
		return v, nil
	}
	x.addUpdates(v, out)
	moved, err := evaluate(x.f, roundedOtherwise(all))
	if err != nil {
		return Vector{}, err
	}
	maps.DeleteFunc(v.Outputs, func(name string, t *tensor.Tensor) bool { return !near(t, moved[name], v.ATol/2, v.RTol/2) })
	if len(v.Outputs) == 0 {
		return Vector{}, errors.New("rounding decides all of its outputs")
	}
	return v, nil
}

// tolerance is how far another runtime's outputs may be from those of f: much farther where f computes in floats of 16 bits, which a
// file rounds after each operator, and kernels after each op.
func tolerance(f *graph.Func) float64 {
	tol := vectorTol
	for _, v := range f.Values {
		switch v.DType() {
		case graph.F16:
			tol = max(tol, 0x1p-6)
		case graph.BF16:
			tol = max(tol, 0x1p-3)
		}
	}
	return tol
}

// withParams is in with f's parameters.
func withParams(in map[string]*tensor.Tensor, f *graph.Func, weights Weights) (map[string]*tensor.Tensor, error) {
	all := maps.Clone(in)
	for _, p := range f.Params {
		var err error
		if all[p.Name], err = paramOf(weights, p); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// addUpdates adds new state to a step's vector, the smallest tensors first, as much as may be: that of biases depends on
// nearly all that the step computes.
func (x *exporter) addUpdates(v Vector, out map[string]*tensor.Tensor) {
	names := make([]string, len(x.f.Updates))
	for i, u := range x.f.Updates {
		names[i] = u.Name + Next
	}
	slices.SortStableFunc(names, func(a, b string) int { return bytesOf(out[a]) - bytesOf(out[b]) })
	left := maxUpdates
	for _, name := range names {
		if left -= bytesOf(out[name]); left < 0 {
			return
		}
		v.Outputs[name] = out[name]
	}
}

// roundedOtherwise moves floats by about what another order of summation would. Adam divides a gradient by its own size,
// so where a gradient is nothing but rounding, a weight goes one way or the other: such an output is no test.
func roundedOtherwise(in map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	const by = 1e-6
	r := rand.New(rand.NewPCG(vectorSeed, 0))
	out := maps.Clone(in)
	for _, name := range slices.Sorted(maps.Keys(in)) {
		t := in[name]
		if !t.DType().Float() {
			continue
		}
		t = t.Clone()
		switch d := t.Raw().(type) {
		case []float32:
			move(d, by, r)
		case []float64:
			move(d, by, r)
		}
		out[name] = t
	}
	return out
}

// move changes each element by up to a share of itself.
func move[T float32 | float64](d []T, share T, r *rand.Rand) {
	for i := range d {
		d[i] *= 1 + share*T(2*r.Float64()-1)
	}
}

// near reports whether each element of a is within abs + rel·|a| of b's, or not finite in both.
func near(a, b *tensor.Tensor, abs, rel float64) bool {
	for i := range a.Len() {
		if a.DType() == graph.String {
			if a.Text(i) != b.Text(i) {
				return false
			}
			continue
		}
		x, y := a.At(i), b.At(i)
		if a.DType().Integer() && a.Int(i) != b.Int(i) { // two may round to one float
			return false
		}
		if x != y && !(math.Abs(x-y) <= abs+rel*math.Abs(x)) && !(math.IsNaN(x) && math.IsNaN(y)) {
			return false
		}
	}
	return true
}

// Evaluate runs f on named inputs and weights with our own kernels, value by value, and returns its outputs, and the new state of a
// training step, under the names that they have in an exported file.
func Evaluate(f *graph.Func, weights Weights, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	all := maps.Clone(in)
	for _, p := range f.Params {
		t, err := weights.Tensor(p.Name)
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %q: %w", f.Name, p.Name, err)
		}
		if all == nil {
			all = map[string]*tensor.Tensor{}
		}
		all[p.Name] = t
	}
	return evaluate(f, all)
}

// evaluate runs f and returns its outputs and its new state, under the names that they have in the file.
func evaluate(f *graph.Func, in map[string]*tensor.Tensor) (out map[string]*tensor.Tensor, err error) {
	defer func() { // an op that is not ours may do anything
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	vals, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
	if err != nil {
		return nil, err
	}
	out = map[string]*tensor.Tensor{}
	for _, o := range f.Outputs {
		out[o.Name] = vals[o.Value.ID]
	}
	for _, u := range f.Updates {
		out[u.Name+Next] = vals[u.Value.ID]
	}
	return out, nil
}

// DrawInputs draws inputs for a pure f, as [pass.HoistRandom] makes it, with every symbol bound to n, or to a size that f can have
// ([graph.Func.BindNear]): standard normal for the noise that is, uniform in [0, 1) for other floats, a letter for strings, and 0 or 1 for
// others. A size is what its symbol is.
func DrawInputs(f *graph.Func, noise []pass.Noise, n int, seed uint64) (map[string]*tensor.Tensor, error) {
	b := f.BindNear(n)
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, err := v.Shape().Eval(b)
		if err == nil {
			_, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", v.Name, err)
		}
		normal := slices.ContainsFunc(noise, func(n pass.Noise) bool { return n.Input == v.Name && n.Distribution == pass.Normal })
		t := tensor.New(v.DType(), shape...)
		if v.IsSize() {
			t.SetInt(0, int64(b[v.Name]))
			in[v.Name] = t
			continue
		}
		for i := range t.Len() {
			switch {
			case v.DType() == graph.String:
				tensor.Data[string](t)[i] = string(rune('a' + r.IntN(26)))
			case normal:
				t.Set(i, r.NormFloat64())
			case v.DType().Float():
				t.Set(i, r.Float64())
			default:
				t.Set(i, float64(r.IntN(2)))
			}
		}
		in[v.Name] = t
	}
	return in, nil
}

// valueBytes is what an evaluation of f keeps in memory with every symbol n. What has no size then fails in the evaluation.
func valueBytes(f *graph.Func, n int) float64 {
	b, total := f.BindNear(n), 0.
	for _, node := range f.Nodes {
		for _, d := range node.Fresh() { // no more than there are elements, as a rule
			b[d.String()] = 0
			for _, a := range node.Args {
				if a == nil {
					continue
				}
				if k, err := a.Shape().Size().Eval(b); err == nil {
					b[d.String()] = max(b[d.String()], k)
				}
			}
		}
	}
	for _, v := range f.Values {
		size := float64(v.DType().Size())
		for _, d := range v.Shape() {
			k, err := d.Eval(b)
			if err != nil {
				k = 0
			}
			size *= float64(k)
		}
		total += size
	}
	return total
}

func bytesOf(t *tensor.Tensor) int { return t.Len() * t.DType().Size() }
