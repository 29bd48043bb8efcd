package onnxruntime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// An engineCall is an entry point with its inputs and outputs; see [rt.Call]. What is of the native library it has only as long as it is
// among the calls of its executable.
type engineCall struct {
	x       *executable
	e       *exported
	key     string // which of e's calls it is
	sizes   graph.Binding
	inputs  map[string]*tensor.Tensor
	noise   map[string]*tensor.Tensor
	outputs map[string]*tensor.Tensor // of the last run; those of a size that only a run tells are there after it
	ran     bool
	fetched map[string]bool // large outputs that have come from the device since

	session  deviceSession
	in, out  []deviceTensor // of the session; nil while it does not run where state is, and always for late outputs
	reads    []place        // state in in
	writes   []place        // state in out
	late     []int          // the places in out of what the run makes
	up, down twins          // inputs and outputs that lie on the device
	later    map[string]twins
	numbers  map[string]int // of recorded runs, by which slots were turned
}

// twins are tensors in host memory and, for each, one on the device.
type twins struct{ host, device []deviceTensor }

// smallOutput is the number of bytes up to which an output comes from the device with each run, in one go, as those do that are always
// looked at: the loss and whether it is finite. What is larger comes when it is asked for.
const smallOutput = 4096

// A place is where a state stands among inputs or outputs.
type place struct {
	at   int
	name string
	slot *slot
}

// newCall makes the call of e for the sizes b. own says that the random state is an input.
func (x *executable) newCall(e *exported, b graph.Binding, own bool) (*engineCall, error) {
	c := &engineCall{x: x, e: e, sizes: b, inputs: map[string]*tensor.Tensor{}, noise: map[string]*tensor.Tensor{}, outputs: map[string]*tensor.Tensor{}, fetched: map[string]bool{}}
	for _, v := range e.f.Inputs {
		shape, err := v.Sizes(b)
		if err != nil {
			return nil, err
		}
		c.inputs[v.Name] = tensor.New(v.DType(), shape...)
		if v.IsSize() {
			c.inputs[v.Name].SetInt(0, int64(b[v.Name]))
		}
	}
	if own {
		c.inputs[graph.RandomState] = tensor.New(graph.I64, 2)
	}
	for _, p := range e.inputs {
		if !slices.ContainsFunc(e.noise, func(n pass.Noise) bool { return n.Input == p.Name }) {
			continue
		}
		shape, err := p.Type.Shape.Eval(b)
		if err == nil {
			_, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, fmt.Errorf("the noise %q: %w", p.Name, err)
		}
		c.noise[p.Name] = tensor.New(p.Type.DType, shape...)
	}
	return c, nil
}

// ready makes what is of the native library.
func (c *engineCall) ready() (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, c.free())
		}
	}()
	c.later, c.numbers = map[string]twins{}, map[string]int{}
	for i, p := range c.e.inputs {
		if err := c.input(i, p); err != nil {
			return fmt.Errorf("the input %q: %w", p.Name, err)
		}
	}
	for i, p := range c.e.outputs {
		if err := c.output(i, p); err != nil {
			return fmt.Errorf("the output %q: %w", p.Name, err)
		}
	}
	if !c.x.device.host() {
		if c.session, err = c.x.open(c.e, c.sizes); err == nil && c.e.f.Training {
			err = checkPlaces(c.e, c.session)
		}
		return err
	}
	if c.e.session == nil {
		c.e.session, err = c.x.open(c.e, nil)
	}
	c.session = c.e.session
	return err
}

// input adds an input of the session: data, noise, or state.
func (c *engineCall) input(i int, p onnx.Port) (err error) {
	c.in = append(c.in, nil)
	t := cmp.Or(c.inputs[p.Name], c.noise[p.Name])
	if t != nil {
		if c.in[i], err = c.x.device.wrap(t); err == nil && !c.x.device.host() {
			c.in[i], err = c.twin(&c.up, c.in[i], t)
		}
		return err
	}
	s, err := c.x.state.slot(p.Name, false)
	c.reads = append(c.reads, place{i, p.Name, s})
	return err
}

// output adds an output of the session: one of the entry point, or new state.
func (c *engineCall) output(i int, p onnx.Port) (err error) {
	c.out = append(c.out, nil)
	if name, ok := strings.CutSuffix(p.Name, onnx.Next); ok && c.e.f.Training {
		s, err := c.x.state.slot(name, true)
		c.writes = append(c.writes, place{i, name, s})
		return err
	}
	shape, err := p.Type.Shape.Eval(c.sizes)
	if err != nil { // a size that only the run tells
		c.late = append(c.late, i)
		return nil
	}
	t := c.outputs[p.Name]
	if t == nil {
		if _, err := tensor.Count(shape); err != nil {
			return err
		}
		t = tensor.New(p.Type.DType, shape...)
		c.outputs[p.Name] = t
	}
	if c.out[i], err = c.x.device.wrap(t); err != nil || c.x.device.host() {
		return err
	}
	if len(t.Bytes()) <= smallOutput {
		c.out[i], err = c.twin(&c.down, c.out[i], t)
		return err
	}
	var one twins
	if c.out[i], err = c.twin(&one, c.out[i], t); err == nil {
		c.later[p.Name] = one
	}
	return err
}

// twin is a tensor on the device like host, which has the memory of t; both are listed.
func (c *engineCall) twin(to *twins, host deviceTensor, t *tensor.Tensor) (deviceTensor, error) {
	device, err := c.x.device.alloc(t.DType(), t.Shape()...)
	if err != nil {
		return host, err
	}
	to.host, to.device = append(to.host, host), append(to.device, device)
	return device, nil
}

// free frees what is of the native library. Outputs that are on the device only are fetched before.
func (c *engineCall) free() (err error) {
	if c.ran {
		for name := range c.later {
			err = errors.Join(err, c.fetch(name))
		}
		c.ran = err == nil
	}
	for _, t := range slices.Concat(c.in, c.out, c.up.host, c.down.host) {
		if t != nil {
			t.free()
		}
	}
	for _, t := range c.later {
		t.host[0].free()
	}
	if c.session != nil && c.session != c.e.session {
		err = errors.Join(err, c.session.close())
	}
	c.session, c.in, c.out, c.reads, c.writes, c.late, c.up, c.down, c.later = nil, nil, nil, nil, nil, nil, twins{}, twins{}, nil
	return err
}

// Func is the entry point.
func (c *engineCall) Func() *graph.Func { return c.e.f }

// Input is the memory of an input.
func (c *engineCall) Input(name string) *tensor.Tensor { return c.inputs[name] }

// Run draws the noise, runs the session, and makes new state of a Step current.
func (c *engineCall) Run(ctx context.Context) error {
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.e.f.Name, oneLine{err})
	}
	if !c.e.f.Training {
		return nil
	}
	if !tensor.Data[bool](c.outputs[compiler.OK])[0] {
		return c.Explain()
	}
	for _, w := range c.writes {
		c.x.state.commit(w.name, w.slot)
	}
	return c.count()
}

func (c *engineCall) run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.x.use(c); err != nil {
		return err
	}
	if err := c.draw(); err != nil {
		return err
	}
	if err := c.x.state.upload(); err != nil {
		return err
	}
	if err := c.x.device.copy(c.up.device, c.up.host); err != nil {
		return err
	}
	for _, r := range c.reads {
		c.in[r.at] = r.slot.now
	}
	for _, w := range c.writes {
		c.out[w.at] = w.slot.next
	}
	err := c.session.run(ctx, c.number(), c.in, c.out)
	if err == nil {
		err = c.x.device.copy(c.down.host, c.down.device)
	}
	c.ran = err == nil
	clear(c.fetched)
	for _, r := range c.reads {
		c.in[r.at] = nil
	}
	for _, w := range c.writes {
		c.out[w.at] = nil
	}
	for _, i := range c.late {
		if err == nil {
			c.outputs[c.e.outputs[i].Name], err = c.out[i].tensor()
		}
		if c.out[i] != nil {
			c.out[i].free()
			c.out[i] = nil
		}
	}
	return err
}

// number is that of a run with the tensors that the slots have now, if runs are recorded.
func (c *engineCall) number() int {
	if !c.x.records(c.e) {
		return 0
	}
	turned := make([]byte, len(c.reads))
	for i, r := range c.reads {
		if r.slot.turned {
			turned[i] = 1
		}
	}
	n, ok := c.numbers[string(turned)]
	if !ok {
		n = len(c.numbers)
		c.numbers[string(turned)] = n
	}
	return n
}

// count counts a step that has drawn on the host.
func (c *engineCall) count() error {
	if !c.e.counts {
		return nil
	}
	old, err := c.x.state.host.Tensor(graph.RandomState)
	if err != nil {
		return err
	}
	next := old.Clone()
	next.SetInt(1, old.Int(1)+1)
	return c.x.state.host.Set(graph.RandomState, next)
}

// draw fills the noise, as our kernels would draw it.
func (c *engineCall) draw() error {
	if len(c.noise) == 0 {
		return nil
	}
	counter := c.inputs[graph.RandomState]
	if counter == nil {
		var err error
		if counter, err = c.x.state.host.Tensor(graph.RandomState); err != nil {
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
			return fmt.Errorf("the noise %q is neither f32 nor f64", n.Input)
		}
	}
	return nil
}

// Output is an output of the last run.
func (c *engineCall) Output(name string) (*tensor.Tensor, error) {
	t := c.outputs[name]
	if t == nil || !c.ran {
		return nil, rt.NoOutput(c, name)
	}
	return t, c.fetch(name)
}

// fetch brings a large output of the last run from the device, once.
func (c *engineCall) fetch(name string) error {
	twin, ok := c.later[name]
	if !ok || c.fetched[name] {
		return nil
	}
	if err := c.x.device.copy(twin.host, twin.device); err != nil {
		return fmt.Errorf("%s: reading the output %q from the device: %w", c.e.f.Name, name, err)
	}
	c.fetched[name] = true
	return nil
}

// Explain finds the first value that went bad.
func (c *engineCall) Explain() error { return rt.Explain(c.x.ctx, c, c.x.state.host) }
