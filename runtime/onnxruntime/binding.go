package onnxruntime

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Binding is a model with the tensors that it runs on, fixed once: a run checks and allocates nothing. It reads the inputs'
// elements as they are at that time, so the caller changes them in place between runs, and writes the outputs' in place.
//
// Runs of one Binding follow one another; for runs at the same time, bind a Session several times.
type Binding struct {
	session *Session
	inputs  map[string]*tensor.Tensor
	outputs map[string]*tensor.Tensor
	mu      sync.Mutex // held while it runs
	native  nativeBinding
}

// nativeBinding is a Binding in the native library.
type nativeBinding interface {
	run(ctx context.Context) error
	forget() // the context of the last run
	close() error
}

// Bind fixes the inputs, as [Session.Run] takes them, and the tensors for the outputs; none may be of strings, or of elements of less than a
// byte, which the library keeps otherwise. An output that out lacks gets a tensor of
// the size that it has in a first run, which Bind makes. No output may share elements with an input or with another output:
// onnxruntime would read what it has overwritten. State that a model updates needs two tensors, and two bindings.
func (s *Session) Bind(ctx context.Context, in, out map[string]*tensor.Tensor) (*Binding, error) {
	s, err := s.taking(in)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Binding, error) { return nil, fmt.Errorf("binding %s: %w", s.model.name(), err) }
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if !slices.ContainsFunc(s.model.outputs, func(i Info) bool { return i.Name == name }) {
			return fail(fmt.Errorf("there is no output %q; the model has %s", name, list(s.model.outputs)))
		}
	}
	first, err := s.Run(ctx, in)
	if err != nil {
		return nil, err
	}
	b := &Binding{session: s, inputs: maps.Clone(in), outputs: first}
	c := calls.Get().(*call)
	defer c.done()
	if err := s.order(in, c); err != nil {
		return fail(err)
	}
	outs := make([]*tensor.Tensor, len(s.model.outputs))
	for i, info := range s.model.outputs {
		got := first[info.Name]
		if x := out[info.Name]; x != nil {
			if x.DType() != got.DType() || !slices.Equal(x.Shape(), got.Shape()) {
				return fail(fmt.Errorf("the output %q is %v, its tensor %v", info.Name, got, x))
			}
			x.CopyFrom(got)
			first[info.Name] = x
		}
		outs[i] = first[info.Name]
	}
	for i, x := range slices.Concat(c.in, outs) {
		if info := slices.Concat(s.model.inputs, s.model.outputs)[i]; copied(x.DType()) {
			return fail(fmt.Errorf("%v cannot be bound, since it is of %v: Run takes and returns them", info, x.DType()))
		}
	}
	if err := s.model.apart(c.in, outs); err != nil {
		return fail(err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.native == nil {
		return nil, ErrClosed
	}
	if b.native, err = s.native.bind(slices.Clone(c.in), outs); err != nil {
		return fail(oneLine{err})
	}
	s.bindingsMu.Lock()
	defer s.bindingsMu.Unlock()
	if s.bindings == nil {
		s.bindings = map[*Binding]bool{}
	}
	s.bindings[b] = true
	return b, nil
}

// copied reports whether native values of t have elements of their own: strings, and elements of less than a byte, of which several are in one.
func copied(t tensor.DType) bool { return t == tensor.String || t.Bits() < 8 }

// apart is an error if an output shares elements with an input or with another output.
func (m *model) apart(in, out []*tensor.Tensor) error {
	for i, x := range out {
		for j, y := range in {
			if overlap(x, y) {
				return fmt.Errorf("the tensors of the output %q and the input %q share elements: bind an output to a tensor of its own", m.outputs[i].Name, m.inputs[j].Name)
			}
		}
		for j, y := range out[:i] {
			if overlap(x, y) {
				return fmt.Errorf("the tensors of the outputs %q and %q share elements: bind each output to a tensor of its own", m.outputs[j].Name, m.outputs[i].Name)
			}
		}
	}
	return nil
}

// overlap reports whether x and y share elements.
func overlap(x, y *tensor.Tensor) bool {
	if x.Len() == 0 || y.Len() == 0 {
		return false
	}
	a, b := uintptr(address(x)), uintptr(address(y))
	return a < b+uintptr(y.Len()*y.DType().Size()) && b < a+uintptr(x.Len()*x.DType().Size())
}

// address is where the elements of x, which has some, begin.
func address(x *tensor.Tensor) unsafe.Pointer {
	return unsafe.Pointer(unsafe.SliceData(x.Bytes()))
}

// Input is the tensor of an input, whose elements a run reads; nil if Bind was given none of this name.
func (b *Binding) Input(name string) *tensor.Tensor { return b.inputs[name] }

// Output is the tensor of an output, which Run writes; nil if the model has none of this name.
func (b *Binding) Output(name string) *tensor.Tensor { return b.outputs[name] }

// Outputs are the tensors that Run writes, by name; those that Bind was given, and those that it made.
func (b *Binding) Outputs() map[string]*tensor.Tensor { return maps.Clone(b.outputs) }

// Run runs the model on the bound tensors. After an error, what the outputs hold is not defined. When ctx ends, the run is
// broken off between two nodes, and its error returned; on the CPU, with a ctx that cannot end, a run allocates nothing.
func (b *Binding) Run(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.session.mu.RLock()
	defer b.session.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.native == nil {
		return ErrClosed
	}
	if err := b.native.run(ctx); err != nil {
		return b.session.runError(err)
	}
	return nil
}

// forget lets go of the context of the last run.
func (b *Binding) forget() {
	b.session.mu.RLock()
	defer b.session.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.native != nil {
		b.native.forget()
	}
}

// Close frees the binding, once a run that is under way has ended; the tensors stay the caller's. A second Close does nothing.
// Closing the Session closes its bindings.
func (b *Binding) Close() error {
	b.session.mu.RLock()
	defer b.session.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.native == nil {
		return nil
	}
	b.session.bindingsMu.Lock()
	delete(b.session.bindings, b)
	b.session.bindingsMu.Unlock()
	err := b.native.close()
	b.native = nil
	return err
}
