// Package verify compares what an engine computes with what should come out: outputs with outputs, an ONNX file with the test
// vectors in it, and a Func with its file.
package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Session is a model loaded by some engine.
type Session interface {
	// Run runs the model on named inputs and returns its named outputs.
	Run(ctx context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error)
	// Close lets go of the model.
	Close() error
}

// A Tolerance is how far an element may be from what a test vector has: abs + rel·|element|.
type Tolerance func(v onnx.Vector) (abs, rel float64)

// Stated is the tolerance that the vector states.
func Stated(v onnx.Vector) (abs, rel float64) { return v.ATol, v.RTol }

// Within is the tolerance tol, absolute and relative.
func Within(tol float64) Tolerance { return func(onnx.Vector) (abs, rel float64) { return tol, tol } }

// File tells whether the ONNX file path still computes what was exported: it runs the test vectors that the exporter left in it,
// in the session that open makes, and holds the weights to their digest. A training step begins at its first state, in the file
// beside it. The error says what differs; the comparisons made come with it.
func File(ctx context.Context, path string, open func(path string) (Session, error), within Tolerance) ([]Comparison, error) {
	list, err := replay(ctx, path, open, within)
	if err == nil {
		err = Differing(list)
	}
	weights := onnx.CheckWeights(path) // a changed weight need not show in the outputs
	switch {
	case err == nil:
		return list, weights
	case weights == nil || errors.Is(weights, onnx.ErrNoDigest):
		return list, err
	}
	return list, fmt.Errorf("%w; and %w", err, weights)
}

// replay runs the test vectors. Where nothing is compared, the error says so.
func replay(ctx context.Context, path string, open func(path string) (Session, error), within Tolerance) ([]Comparison, error) {
	sum, err := onnx.Inspect(path)
	if err != nil {
		return nil, fmt.Errorf("nothing was compared: %w", err)
	}
	if len(sum.Vectors) == 0 {
		return nil, fmt.Errorf("nothing was compared: %s has no test vectors. An export by this exporter has them, unless they were refused, or could not be made, as of what draws its own random numbers; onnx.Options.Vectors gives it others", path)
	}
	state := map[string]*tensor.Tensor{}
	if len(sum.State) > 0 {
		if state, err = onnx.ReadState(path); err != nil {
			return nil, err
		}
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var list []Comparison
	for _, v := range sum.Vectors { // each has outputs: Inspect saw to that
		in := maps.Clone(state)
		maps.Copy(in, v.Inputs)
		got, err := s.Run(ctx, in)
		if err != nil {
			return list, err
		}
		abs, rel := within(v)
		ds, err := CompareAll(v.Outputs, got, abs, rel)
		if err != nil {
			return list, fmt.Errorf("%s: %w", path, err)
		}
		for _, d := range ds {
			d.Func = sum.Graph
			for _, x := range v.Inputs {
				if x.Rank() > 0 {
					d.Batch = x.Dim(0)
				}
			}
			list = append(list, d)
		}
	}
	return list, nil
}

// A Comparison is how far an output is from what it should be.
type Comparison struct {
	Func   string // the model's name
	Batch  int    // the size of the first axis of the inputs; 0 if they have none
	Output string
	Abs    float64 // the largest difference
	Rel    float64 // the largest relative difference, of elements larger than 1e-3 of the largest
	OK     bool    // each element is within the tolerance
	Len    int     // elements compared
}

// ErrDraws says that a session's outputs cannot be compared.
var ErrDraws = errors.New("it draws its own random numbers, so its outputs cannot be compared")

// Sizes are the sizes of the batch at which a Func is compared, where they are free.
var Sizes = []int{1, 3}

// Func compares s, the session of f exported with the given weights, which has the inputs named, with f run by our own kernels,
// on inputs that seed alone decides (see [onnx.DrawInputs]), with all symbols, such as batch, of each of the given sizes, or of larger ones
// where images of these are too small for f. Each element may differ by tol + tol·|element|; [Differing] tells whether one does more. A
// file that draws its own random numbers is an [ErrDraws], unless it does so by a seed, and f is what [pass.SeedRandom] made.
func Func(ctx context.Context, s Session, inputs []string, f *graph.Func, weights onnx.Weights, sizes []int, seed uint64, tol float64) ([]Comparison, error) {
	pure, noise := f, []pass.Noise(nil)
	if f.Lookup(graph.RandomState) != nil {
		pure, noise = pass.HoistRandom(f)
	}
	for _, n := range noise {
		if !slices.Contains(inputs, n.Input) {
			return nil, ErrDraws
		}
	}
	var list []Comparison
	for _, size := range sizes {
		var in, want map[string]*tensor.Tensor
		err := onnx.AtSize(size, func(n int) (err error) {
			if in, err = onnx.DrawInputs(pure, noise, n, seed); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			size = n
			want, err = onnx.Evaluate(pure, weights, in)
			return err
		})
		if err != nil {
			return list, err
		}
		got, err := s.Run(ctx, in)
		if err != nil {
			return list, fmt.Errorf("%s: %w", f.Name, err)
		}
		ds, err := CompareAll(want, got, tol, tol)
		if err != nil {
			return list, fmt.Errorf("%s: %w", f.Name, err)
		}
		for _, d := range ds {
			d.Func, d.Batch = f.Name, size
			list = append(list, d)
		}
	}
	return list, nil
}

// Differing is an error that names the first output that differs, nil if all are within their tolerance. It is an error
// too if nothing was compared: if there are no outputs, or none that has elements.
func Differing(list []Comparison) error {
	compared := 0
	for _, d := range list {
		compared += d.Len
		if !d.OK {
			return fmt.Errorf("output %q of %s differs by %.3g, more than the tolerance allows", d.Output, d.Func, d.Abs)
		}
	}
	if compared == 0 {
		return errors.New("nothing was compared: there are no outputs, or none of them has elements")
	}
	return nil
}

// CompareAll compares each of want with the output of its name in got, sorted by name. An output that got lacks is an error.
func CompareAll(want, got map[string]*tensor.Tensor, abs, rel float64) ([]Comparison, error) {
	var list []Comparison
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] == nil {
			return list, fmt.Errorf("there is no output %q", name)
		}
		d := Compare(want[name], got[name], abs, rel)
		d.Output = name
		list = append(list, d)
	}
	return list, nil
}

// Compare finds the largest absolute and relative differences of got from want. They agree if each element is within
// abs + rel·|want|.
func Compare(want, got *tensor.Tensor, abs, rel float64) Comparison {
	var d Comparison
	if want.DType() != got.DType() || !slices.Equal(want.Shape(), got.Shape()) {
		d.Abs, d.Rel = math.Inf(1), math.Inf(1)
		return d
	}
	if want.DType() == tensor.String {
		d.OK, d.Len = slices.Equal(tensor.Data[string](want), tensor.Data[string](got)), want.Len()
		return d
	}
	top := 0.0
	for i := range want.Len() {
		if v := math.Abs(want.At(i)); !math.IsInf(v, 0) {
			top = max(top, v)
		}
	}
	d.OK, d.Len = true, want.Len()
	for i := range want.Len() {
		w, g := want.At(i), got.At(i)
		e := math.Abs(w - g)
		if want.DType().Integer() { // two may round to one float
			w, g := want.Int(i), got.Int(i)
			if e = float64(uint64(max(w, g)) - uint64(min(w, g))); want.DType().Unsigned() { // which int64 may not hold
				e = float64(max(uint64(w), uint64(g)) - min(uint64(w), uint64(g)))
			}
		}
		if e == 0 || w == g && math.IsInf(w, 0) || math.IsNaN(w) && math.IsNaN(g) {
			continue
		}
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		d.Abs = max(d.Abs, e)
		if math.Abs(w) > 1e-3*top {
			d.Rel = max(d.Rel, e/math.Abs(w))
		}
		d.OK = d.OK && !math.IsInf(e, 0) && e <= abs+rel*math.Abs(w)
	}
	return d
}
