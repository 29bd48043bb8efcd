package onnx

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Profile is the reader that a file is written for.
type Profile string

const (
	Plain  Profile = ""        // any runtime that reads ONNX
	OnnxGo Profile = "onnx-go" // github.com/owulveryck/onnx-go v0.5.0 and its gorgonnx backend
)

// ErrProfile says that what a Func computes has no form for the profile's reader.
var ErrProfile = errors.New("it has no form for this profile")

// applyProfile rewrites the Func as the profile wants it, and holds the new one to the old on drawn inputs.
func (x *exporter) applyProfile() error {
	switch x.o.Profile {
	case Plain:
		return nil
	case OnnxGo:
	default:
		return fmt.Errorf("there is no profile %q", x.o.Profile)
	}
	if x.o.Training {
		return fmt.Errorf("%w: %s runs no training steps", ErrProfile, OnnxGo)
	}
	if x.o.Batch = cmp.Or(x.o.Batch, 1); x.o.Batch < 1 {
		return fmt.Errorf("a batch of %d: the profile %s needs a fixed one of 1 or more", x.o.Batch, OnnxGo)
	}
	f, weights, err := forOnnxGo(x.traced, x.tracedWeights, x.o.Batch)
	if err != nil {
		return err
	}
	x.f, x.weights = f, weights
	return x.sameNumbers()
}

// sameNumbers compares what the profile's form computes with what it was made from, where that does not take too much memory.
func (x *exporter) sameNumbers() error {
	if max(valueBytes(x.f, 1), valueBytes(x.traced, x.o.Batch)) > maxEvaluate {
		return nil
	}
	in, err := DrawInputs(x.traced, x.noise, x.o.Batch, vectorSeed)
	if err != nil {
		return err
	}
	var out [2]map[string]*tensor.Tensor
	for i, f := range []*graph.Func{x.traced, x.f} {
		all, err := withParams(in, f, []Weights{x.tracedWeights, x.weights}[i])
		if err != nil {
			return err
		}
		if out[i], err = evaluate(f, all); err != nil {
			return err
		}
	}
	for _, o := range x.traced.Outputs {
		const tol = 1e-4 // what rounding may do in long sums; a wrong form is far off
		if !near(out[0][o.Name], out[1][o.Name], tol, tol) {
			return fmt.Errorf("the output %q in the form for %s is not what it was before: this is a fault of the exporter", o.Name, x.o.Profile)
		}
	}
	return nil
}
