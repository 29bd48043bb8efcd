package onnxruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// An Engine runs programs in onnxruntime, training steps too: an entry point is exported into memory, with all state as inputs, and new
// state is what comes out. Random numbers are those that our kernels draw. The state is in host memory.
type Engine struct {
	o   Options
	lib Library
}

// NewEngine returns an engine, or an error if the library or the device is not there.
func NewEngine(o Options) (*Engine, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	lib, err := Find(o.Library)
	if err != nil {
		return nil, err
	}
	return &Engine{o, lib}, nil
}

// Name is the library with its version and device.
func (e *Engine) Name() string { return fmt.Sprintf("onnxruntime %s (%s)", e.lib.Version, e.o.Device) }

// Load prepares prog to run over s. An entry point is exported when it is first prepared.
func (e *Engine) Load(prog *compiler.Program, s *rt.State) (rt.Executable, error) {
	if err := rt.CheckState(prog, s); err != nil {
		return nil, err
	}
	return &executable{engine: e, prog: prog, state: s, entries: map[string]*exported{}, ctx: kernel.NewContext(gonum.Implementation{}, 1)}, nil
}

// executable is a program with those of its entry points that were prepared.
type executable struct {
	engine  *Engine
	prog    *compiler.Program
	state   *rt.State
	entries map[string]*exported
	ctx     *kernel.Context // draws, and looks for values that went bad
}

// exported is an entry point as onnxruntime runs it.
type exported struct {
	f, pure *graph.Func // pure takes its random numbers as inputs
	noise   []pass.Noise
	session *Session
	calls   map[string]*engineCall // by the sizes of symbols
}

// entry exports f, the first time.
func (x *executable) entry(f *graph.Func) (*exported, error) {
	if e := x.entries[f.Name]; e != nil {
		return e, nil
	}
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, nil, onnx.Options{Training: true, NoVectors: true}); err != nil {
		return nil, err
	}
	session, err := OpenBytes(file.Bytes(), x.engine.o)
	if err != nil {
		return nil, err
	}
	e := &exported{f: f, session: session, calls: map[string]*engineCall{}}
	e.pure, e.noise = pass.HoistRandom(f)
	x.entries[f.Name] = e
	return e, nil
}

// Prepare makes the inputs for the shapes of like, the first time; see [rt.Executable].
func (x *executable) Prepare(entry string, like map[string]*tensor.Tensor) (rt.Call, error) {
	f, err := x.prog.Entry(entry)
	if err != nil {
		return nil, err
	}
	own, err := rt.CheckRandom(f, like)
	if err != nil {
		return nil, err
	}
	b, err := f.Bind(like)
	if err != nil {
		return nil, err
	}
	e, err := x.entry(f)
	if err != nil {
		return nil, err
	}
	key := fmt.Sprint(own, b)
	if c := e.calls[key]; c != nil {
		return c, nil
	}
	c := &engineCall{x: x, e: e, inputs: map[string]*tensor.Tensor{}, noise: map[string]*tensor.Tensor{}}
	for _, v := range f.Inputs {
		c.inputs[v.Name] = tensor.New(v.DType(), like[v.Name].Shape()...)
		if v.IsSize() {
			c.inputs[v.Name].SetInt(0, int64(b[v.Name]))
		}
	}
	for _, n := range e.noise {
		for _, v := range e.pure.Inputs {
			if v.Name != n.Input {
				continue
			}
			shape, err := v.Shape().Eval(b)
			if err == nil {
				_, err = tensor.Count(shape)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: the noise %q: %w", f.Name, n.Input, err)
			}
			c.noise[n.Input] = tensor.New(v.DType(), shape...)
		}
	}
	if own {
		c.inputs[graph.RandomState] = tensor.New(graph.I64, 2)
	}
	e.calls[key] = c
	return c, nil
}

// Close frees the sessions.
func (x *executable) Close() error {
	var errs []error
	for _, e := range x.entries {
		errs = append(errs, e.session.Close())
	}
	clear(x.entries)
	return errors.Join(errs...)
}

// An engineCall is an entry point with inputs; see [rt.Call].
type engineCall struct {
	x             *executable
	e             *exported
	inputs, noise map[string]*tensor.Tensor
	outputs       map[string]*tensor.Tensor
}

// Func is the entry point.
func (c *engineCall) Func() *graph.Func { return c.e.f }

// Input is the memory of an input.
func (c *engineCall) Input(name string) *tensor.Tensor { return c.inputs[name] }

// Run draws the noise, runs the session, and makes new state of a Step current.
func (c *engineCall) Run(ctx context.Context) error {
	if err := c.draw(); err != nil {
		return err
	}
	in := map[string]*tensor.Tensor{}
	for _, i := range c.e.session.Inputs() {
		t := c.inputs[i.Name]
		if t == nil {
			t = c.noise[i.Name]
		}
		if t == nil {
			var err error
			if t, err = c.x.state.Tensor(i.Name); err != nil {
				return err
			}
		}
		in[i.Name] = t
	}
	out, err := c.e.session.Run(ctx, in)
	if err != nil {
		return fmt.Errorf("%s: %w", c.e.f.Name, err)
	}
	c.outputs = out
	if !c.e.f.Training {
		return nil
	}
	if !tensor.Data[bool](out[compiler.OK])[0] {
		return c.Explain()
	}
	return c.commit()
}

// commit makes the new state current: tensors of its own, which onnxruntime has made for this run.
func (c *engineCall) commit() error {
	for _, u := range c.e.f.Updates {
		name := u.Name + onnx.Next
		if t := c.outputs[name]; t != nil {
			c.x.state.Swap(u.Name, t)
			delete(c.outputs, name)
			continue
		}
		if u.Name != graph.RandomState {
			return fmt.Errorf("%s: there is no new state %q", c.e.f.Name, u.Name)
		}
		old, err := c.x.state.Tensor(u.Name) // the draws of the run were on the host, and so it is counted there
		if err != nil {
			return err
		}
		next := old.Clone()
		next.SetInt(1, old.Int(1)+1)
		if err := c.x.state.Set(u.Name, next); err != nil {
			return err
		}
	}
	return nil
}

// draw fills the noise, as our kernels would draw it.
func (c *engineCall) draw() error {
	if len(c.e.noise) == 0 {
		return nil
	}
	counter := c.inputs[graph.RandomState]
	if counter == nil {
		var err error
		if counter, err = c.x.state.Tensor(graph.RandomState); err != nil {
			return err
		}
	}
	for _, n := range c.e.noise {
		draw := kernel.Draw{Seed: uint64(counter.Int(0)), Step: uint64(counter.Int(1)), Stream: n.Stream}
		switch d := c.noise[n.Input].Raw().(type) {
		case []float32:
			fill(c.x.ctx, draw, n.Distribution, d)
		case []float64:
			fill(c.x.ctx, draw, n.Distribution, d)
		default:
			return fmt.Errorf("%s: the noise %q is neither f32 nor f64", c.e.f.Name, n.Input)
		}
	}
	return nil
}

// Output is an output of the last run.
func (c *engineCall) Output(name string) (*tensor.Tensor, error) {
	if t := c.outputs[name]; t != nil {
		return t, nil
	}
	return nil, rt.NoOutput(c, name)
}

// Explain finds the first value that went bad.
func (c *engineCall) Explain() error { return rt.Explain(c.x.ctx, c, c.x.state) }
