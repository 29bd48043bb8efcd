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
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// goEngine reads files as graphs and runs them on our own kernels, one node after another. rec, if it is not nil, records the nodes.
func goEngine(c *cli.Context, rec *profile.Recorder) (engine, error) {
	if err := noSessionFlags(c); err != nil {
		return engine{}, err
	}
	b, err := blas.Find("")
	wrap := func(m *read.Model, err error) (*session, error) {
		if err != nil {
			return nil, err
		}
		ctx := kernel.NewContext(b, cpus)
		if rec != nil {
			ctx.Observe = rec.Observe
		}
		w := &session{Session: &goSession{m, ctx}}
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
		open: func(path string) (*session, error) {
			if rec != nil {
				if err := nodesOf(path, rec); err != nil {
					return nil, err
				}
			}
			return wrap(read.File(path))
		},
		openBytes: func(data []byte) (*session, error) {
			m, err := wire.Decode(data)
			if err != nil {
				return nil, err
			}
			return wrap(read.Graph(m, read.Options{}))
		},
	}, err
}

// nodesOf tells rec of the nodes of a file.
func nodesOf(path string, rec *profile.Recorder) error {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := wire.DecodeFrom(f, size)
	if err == nil && m.Graph != nil {
		rec.Nodes = profile.Nodes(m.Graph)
	}
	return err
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
	if observe := s.c.Observe; observe != nil {
		defer observe(s.m.Func, nil, nil)()
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
