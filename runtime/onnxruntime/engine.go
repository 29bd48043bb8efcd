package onnxruntime

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

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
// state is what comes out. The state stays in the device's memory. Random numbers are those that our kernels draw.
type Engine struct {
	o    Options
	lib  Library
	open func(Options) (device, error)
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
	if o.Device != CPU { // which may be missing
		d, err := newDevice(o)
		if err != nil {
			return nil, err
		}
		if err := d.close(); err != nil {
			return nil, err
		}
	}
	return &Engine{o, lib, newDevice}, nil
}

// Name is the library with its version, its device, and how it is used: "onnxruntime 1.29.0 (cuda, tf32, graphs)".
func (e *Engine) Name() string {
	name := fmt.Sprintf("onnxruntime %s (%s", e.lib.Version, e.o.Device)
	if e.o.TF32 {
		name += ", " + namedTF32
	}
	if e.o.CUDAGraphs {
		name += ", " + namedGraphs
	}
	return name + ")"
}

// What an engine's name says of its options.
const namedTF32, namedGraphs = "tf32", "graphs"

// OfName is o with the device, TF32 and CUDAGraphs of an engine that is called name, as [Engine.Name] says.
func (o Options) OfName(name string) Options {
	_, in, _ := strings.Cut(name, "(")
	words := strings.Split(strings.TrimSuffix(in, ")"), ", ")
	if slices.Contains(Devices(), words[0]) {
		o.Device, o.TF32, o.CUDAGraphs = words[0], slices.Contains(words, namedTF32), slices.Contains(words, namedGraphs)
	}
	return o
}

// Load prepares prog to run over s, which is on the device until the Executable is closed. An entry point is exported when it is first
// prepared.
func (e *Engine) Load(prog *compiler.Program, s *rt.State) (rt.Executable, error) {
	if err := rt.CheckState(prog, s); err != nil {
		return nil, err
	}
	d, err := e.open(e.o)
	if err != nil {
		return nil, err
	}
	x := &executable{
		engine: e, prog: prog, device: d, state: newDeviceState(d, prog, s),
		entries: map[string]*exported{}, ctx: kernel.NewContext(gonum.Implementation{}, 1),
	}
	if err := s.Attach(x.state); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return x, nil
}

// executable is a program with those of its entry points that were prepared.
type executable struct {
	engine  *Engine
	prog    *compiler.Program
	device  device // nil once closed
	state   *deviceState
	entries map[string]*exported
	calls   []*engineCall   // those with memory of the native library, at most maxCalls, the last used last
	ctx     *kernel.Context // draws, and looks for values that went bad
}

// maxCalls is how many calls keep their native memory and, on a device apart, a session for their sizes. Another takes the place of the
// one that was not used for longest.
const maxCalls = 12

// exported is an entry point as onnxruntime runs it.
type exported struct {
	f       *graph.Func
	file    []byte
	noise   []pass.Noise
	inputs  []onnx.Port   // data, noise and state
	outputs []onnx.Port   // and new state
	counts  bool          // a step that draws on the host: what its draws are told apart by is counted there
	session deviceSession // for all sizes; nil until it is wanted
}

// entry exports f, the first time.
func (x *executable) entry(f *graph.Func) (*exported, error) {
	if e := x.entries[f.Name]; e != nil {
		return e, nil
	}
	var file bytes.Buffer
	o := onnx.Options{Training: true, Unguarded: true, Device: x.engine.o.Device, NoVectors: true}
	if x.engine.o.Device == CPU {
		o.Lacking = 1<<graph.BF16 | 1<<graph.F16 // for f16 it has kernels, a hundred times slower than those of f32
	}
	r, err := onnx.Export(&file, f, nil, o)
	if err != nil {
		return nil, err
	}
	e := &exported{f: f, file: file.Bytes(), noise: r.Noise, inputs: r.Inputs, outputs: r.Outputs}
	e.counts = slices.ContainsFunc(f.Updates, func(u graph.Update) bool { return u.Name == graph.RandomState }) &&
		!slices.Contains(names(e.outputs), graph.RandomState+onnx.Next)
	x.entries[f.Name] = e
	return e, nil
}

// open loads e, for the sizes b or, if that is nil, for all.
func (x *executable) open(e *exported, b graph.Binding) (deviceSession, error) {
	return x.device.open(e.file, opening{names(e.inputs), names(e.outputs), b, x.records(e)})
}

// records reports whether runs of e are recorded.
func (x *executable) records(e *exported) bool { return x.engine.o.CUDAGraphs && e.f.Training }

func names(ports []onnx.Port) []string {
	list := make([]string, len(ports))
	for i, p := range ports {
		list[i] = p.Name
	}
	return list
}

// Prepare makes the inputs and outputs for the shapes of like, the first time; see [rt.Executable].
func (x *executable) Prepare(entry string, like map[string]*tensor.Tensor) (rt.Call, error) {
	if x.device == nil {
		return nil, ErrClosed
	}
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
	if i := slices.IndexFunc(x.calls, func(c *engineCall) bool { return c.e == e && c.key == key }); i >= 0 {
		c := x.calls[i]
		return c, x.use(c)
	}
	c, err := x.newCall(e, b, own)
	if err == nil {
		c.key, err = key, x.use(c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return c, nil
}

// use readies c to run, and makes it the last used.
func (x *executable) use(c *engineCall) error {
	i := slices.Index(x.calls, c)
	switch {
	case x.device == nil:
		return ErrClosed
	case i >= 0:
		copy(x.calls[i:], x.calls[i+1:])
		x.calls[len(x.calls)-1] = c
		return nil
	case len(x.calls) == maxCalls:
		err := x.calls[0].free()
		x.calls = slices.Delete(x.calls, 0, 1)
		if err != nil {
			return err
		}
	}
	if err := c.ready(); err != nil {
		return err
	}
	x.calls = append(x.calls, c)
	return nil
}

// Close brings the state to host memory and frees all else.
func (x *executable) Close() error {
	if x.device == nil {
		return nil
	}
	errs := []error{x.state.host.Detach()}
	for _, c := range x.calls {
		errs = append(errs, c.free())
	}
	for _, e := range x.entries {
		if e.session != nil {
			errs = append(errs, e.session.close())
		}
	}
	x.state.free()
	errs = append(errs, x.device.close())
	x.calls, x.entries, x.device = nil, nil, nil
	return errors.Join(errs...)
}
