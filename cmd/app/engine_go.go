package app

import (
	"context"
	"fmt"
	"maps"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/read"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
)

// goEngine reads files as graphs and runs them on our own kernels, one node after another.
func goEngine(c *cli.Context) (engine, error) {
	for _, flag := range []string{"device", "onnxruntime"} {
		if c.IsSet(flag) {
			return engine{}, usagef(c, "--%s is for --engine %s", flag, engineOnnxruntime)
		}
	}
	b, err := blas.Find("")
	wrap := func(m *read.Model, err error) (*session, error) {
		if err != nil {
			return nil, err
		}
		w := &session{Session: &goSession{m, kernel.NewContext(b, cpus)}}
		for _, in := range m.Func.Inputs {
			w.inputs = append(w.inputs, in.Name)
		}
		for _, out := range m.Func.Outputs {
			w.outputs = append(w.outputs, out.Name)
		}
		return w, nil
	}
	return engine{
		name: engineGo,
		open: func(path string) (*session, error) { return wrap(read.File(path)) },
		openBytes: func(data []byte) (*session, error) {
			m, err := wire.Decode(data)
			if err != nil {
				return nil, err
			}
			return wrap(read.Graph(m, read.Options{}))
		},
	}, err
}

// A goSession is a file that was read as a graph.
type goSession struct {
	m *read.Model
	c *kernel.Context
}

// Run computes the outputs from inputs, each of which the file knows.
func (s *goSession) Run(_ context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	all := maps.Clone(map[string]*tensor.Tensor(s.m.Weights))
	for name, t := range in {
		if !s.has(name) {
			return nil, fmt.Errorf("%s has no input %q", s.m.Func.Name, name)
		}
		all[name] = t
	}
	values, err := graph.Evaluate(s.c, s.m.Func, all)
	if err != nil {
		return nil, err
	}
	out := map[string]*tensor.Tensor{}
	for _, o := range s.m.Func.Outputs {
		out[o.Name] = values[o.Value.ID]
	}
	return out, nil
}

func (s *goSession) has(input string) bool {
	for _, v := range s.m.Func.Inputs {
		if v.Name == input {
			return true
		}
	}
	return false
}

// Close does nothing: the garbage collector has it.
func (*goSession) Close() error { return nil }
