package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// ErrNonFinite says that the loss or the new state of an exported training step would have been NaN or Inf.
var ErrNonFinite = errors.New("the step gives NaN or Inf; the state is as before")

// A Step is an exported training step that runs in onnxruntime, with its state. It is for one goroutine at a time.
type Step struct {
	// State is what the next run begins with, an entry for each state of the step. A run replaces the tensors that change.
	State map[string]*tensor.Tensor
	// Counter is what the next run draws its noise from; a run that draws adds one to its Step.
	Counter onnx.Counter

	session *Session
	pairs   []onnx.State
	noise   []pass.Noise
}

// OpenStep opens the training step in the ONNX file path, at its first state, which stands beside it in [onnx.StateFile]. With
// the same data, it draws the noise and takes the steps that training goes on with where it was exported.
func OpenStep(path string, o Options) (*Step, error) {
	sum, err := onnx.Inspect(path)
	if err != nil {
		return nil, err
	}
	state, err := onnx.ReadState(path)
	if err != nil {
		return nil, err
	}
	s, err := Open(path, o)
	if err != nil {
		return nil, err
	}
	step := &Step{State: state, session: s, pairs: sum.State, noise: sum.Noise}
	if sum.Counter != nil {
		step.Counter = *sum.Counter
	}
	return step, nil
}

// Inputs are the inputs that Run asks for: the data.
func (s *Step) Inputs() []Info {
	return slices.DeleteFunc(s.session.Inputs(), func(i Info) bool {
		return slices.ContainsFunc(s.pairs, func(p onnx.State) bool { return p.Input == i.Name }) ||
			slices.ContainsFunc(s.noise, func(n pass.Noise) bool { return n.Input == i.Name })
	})
}

// Run takes a step on the data in, and returns the outputs that are not state, such as the loss. Noise that in lacks is drawn; if no
// data tells how much, in has the size by its name, such as batch, as an i64 scalar. If it fails, as with [ErrNonFinite], the state and
// the counter are as before.
func (s *Step) Run(ctx context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	all := maps.Clone(in)
	if all == nil {
		all = map[string]*tensor.Tensor{}
	}
	for _, p := range s.pairs {
		if in[p.Input] != nil {
			return nil, fmt.Errorf("the input %q is state: set it in the step's State, not for one run", p.Input)
		}
		all[p.Input] = s.State[p.Input]
	}
	drew, err := s.draw(all)
	if err != nil {
		return nil, err
	}
	out, err := s.session.Run(ctx, all)
	if err != nil {
		return nil, err
	}
	if ok := out[compiler.OK]; ok != nil && ok.DType() == tensor.Bool && ok.Len() == 1 && !tensor.Data[bool](ok)[0] {
		return nil, ErrNonFinite
	}
	for _, p := range s.pairs {
		if p.Output != "" { // a tensor of its own: onnxruntime must not write what it reads
			s.State[p.Input] = out[p.Output]
			delete(out, p.Output)
		}
	}
	if drew {
		s.Counter.Step++
	}
	return out, nil
}

// draw adds the noise that in lacks, as Sardonyx's own engine draws it.
func (s *Step) draw(in map[string]*tensor.Tensor) (drew bool, err error) {
	sizes := map[string]int{}
	for _, i := range s.session.Inputs() {
		if x := in[i.Name]; x != nil && x.Rank() == len(i.Shape) {
			for axis, d := range i.Shape {
				sizes[d.Symbol] = x.Dim(axis)
			}
		}
	}
	for name, x := range in { // the size of a draw that no data has, given by its name
		input := slices.ContainsFunc(s.session.Inputs(), func(i Info) bool { return i.Name == name })
		if !input && x != nil && x.Rank() == 0 && x.DType() == tensor.I64 {
			sizes[name] = int(x.Int(0))
			delete(in, name)
		}
	}
	for _, n := range s.noise {
		if in[n.Input] != nil {
			continue
		}
		i := slices.IndexFunc(s.session.model.inputs, func(i Info) bool { return i.Name == n.Input })
		if i < 0 {
			return false, fmt.Errorf("%s has no input %q for the noise that its metadata names", s.session.model.name(), n.Input)
		}
		x, err := newNoise(s.session.model.inputs[i], sizes)
		if err != nil {
			return false, err
		}
		c := kernel.NewContext(nil, 1)
		draw := kernel.Draw{Seed: uint64(s.Counter.Seed), Step: uint64(s.Counter.Step), Stream: n.Stream}
		switch d := x.Raw().(type) {
		case []float32:
			fill(c, draw, n.Distribution, d)
		case []float64:
			fill(c, draw, n.Distribution, d)
		}
		in[n.Input] = x
		drew = true
	}
	return drew, nil
}

// newNoise makes the tensor of an input for noise, where symbols have the given sizes.
func newNoise(i Info, sizes map[string]int) (*tensor.Tensor, error) {
	if !i.DType.Native() {
		return nil, fmt.Errorf("the noise %v is not f32 or f64: give it", i)
	}
	shape := make([]int, len(i.Shape))
	for axis, d := range i.Shape {
		n, ok := sizes[d.Symbol]
		if d.Size >= 0 {
			n, ok = int(d.Size), true
		}
		if !ok || d.Size < 0 && d.Symbol == "" {
			return nil, fmt.Errorf("the size of %v in the noise %v does not follow from the other inputs: give it", d, i)
		}
		shape[axis] = n
	}
	if _, err := tensor.Count(shape); err != nil {
		return nil, fmt.Errorf("the noise %v: %w", i, err)
	}
	return tensor.New(i.DType, shape...), nil
}

func fill[T kernel.Float](c *kernel.Context, draw kernel.Draw, distribution string, d []T) {
	if distribution == pass.Normal {
		kernel.Normal(c, draw, d)
	} else {
		kernel.Uniform(c, draw, d)
	}
}

// Close frees the step.
func (s *Step) Close() error { return s.session.Close() }
