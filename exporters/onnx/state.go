package onnx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Next is the suffix of the output that holds a state after a training step: w goes in, w.next comes out.
const Next = graph.NextSuffix

// A State is a state of a training step: an input, and the output that is its value for the next step, "" if the step
// reads it only.
type State struct {
	Input  string
	Output string
}

// A Counter is what the first noise of a training step is drawn from, as our own engine draws it: package kernel's Normal and Uniform
// with this Seed, this Step, which grows by one each step, and the noise's Stream.
type Counter struct {
	Seed, Step int64
}

// StateFile is the file beside the training step in the file model that has its first state, one array an input: for train.onnx,
// train.state.npz.
func StateFile(model string) string { return stem(model) + ".state.npz" }

// DescriptionFile is the file beside the training step in the file model that tells people how to run it: for train.onnx, train.md.
func DescriptionFile(model string) string { return stem(model) + ".md" }

func stem(path string) string { return strings.TrimSuffix(path, filepath.Ext(path)) }

// ReadState reads the first state of the training step in the ONNX file path from the file beside it.
func ReadState(path string) (map[string]*tensor.Tensor, error) {
	s, err := Inspect(path)
	if err != nil {
		return nil, err
	}
	if len(s.State) == 0 {
		return nil, fmt.Errorf("%s says of no input that it is state: it is no training step, or was not written by this exporter", path)
	}
	state, err := numpy.ReadNPZ(StateFile(path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the first state of %s is not beside it: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	want := map[string]bool{}
	for _, p := range s.State {
		want[p.Input] = true
		if state[p.Input] == nil {
			return nil, fmt.Errorf("%s has no array %q, which is state of %s", StateFile(path), p.Input, path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if !want[name] {
			return nil, fmt.Errorf("%s has an array %q, which is no state of %s", StateFile(path), name, path)
		}
	}
	return state, nil
}

// checkState holds the file of the first state to the digest in the metadata.
func checkState(path, want string) error {
	state, err := ReadState(path)
	if err != nil {
		return err
	}
	got, err := digestState(state)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: the state is not what was exported: its digest is %s, %s says %s", StateFile(path), got, path, want)
	}
	return nil
}

func digestState(state map[string]*tensor.Tensor) (string, error) {
	var list []*wire.Tensor
	for _, name := range slices.Sorted(maps.Keys(state)) {
		list = append(list, wireTensor(name, state[name]))
	}
	return digest(list, func(w io.Writer, t *wire.Tensor) error { return t.WriteRaw(w) })
}

// stateMetadata adds what tells programs how to run a step: which output is the next value of which state, and where the
// noise begins.
func (x *exporter) stateMetadata(meta map[string]string) error {
	for _, p := range x.state {
		meta[metaState+p.Input] = p.Output
	}
	if c := x.counter; c != nil {
		meta[metaCounter] = fmt.Sprintf("%d %d", c.Seed, c.Step)
	}
	if x.first == nil {
		return nil
	}
	sum, err := digestState(x.first)
	meta[metaFirst] = sum
	return err
}

// stateInputs declares a step's state as inputs, and collects what is to stand beside the model.
func (x *exporter) stateInputs(g *wire.Graph) {
	updated := map[string]bool{}
	for _, u := range x.f.Updates {
		updated[u.Name] = true
	}
	if x.beside {
		x.first = map[string]*tensor.Tensor{}
	}
	for _, v := range x.f.Params {
		p := State{Input: v.Name}
		doc := "state, which stays as it is"
		if updated[v.Name] {
			p.Output = v.Name + Next
			doc = "state; the output " + p.Output + " is its next value"
		}
		x.state = append(x.state, p)
		g.Inputs = append(g.Inputs, &wire.ValueInfo{Name: v.Name, Type: tensorType(v.Type), Doc: doc})
		if !x.beside {
			continue
		}
		t, err := x.param(v)
		if err != nil {
			x.errs = append(x.errs, fmt.Errorf("parameter %q: %w", v.Name, err))
			continue
		}
		x.first[v.Name] = t
	}
}
