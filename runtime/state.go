package runtime

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// State is everything that training changes, by name: parameters, optimizer moments, running statistics, step counts, and
// the random counter. Saving and restoring all of it makes a resumed run equal an unbroken one.
//
// While an Executable runs over it, the tensors may be on a device. They come to host memory when they are read, and go to the device
// when they were set, each by itself and only then.
type State struct {
	tensors map[string]*tensor.Tensor

	device  Device          // nil: host memory is all there is
	ahead   map[string]bool // what is newer on the device
	changed map[string]bool // what is newer in host memory
}

// A Device is where an engine keeps a State, apart from host memory.
type Device interface {
	// Download copies the device's tensor called name to t.
	Download(name string, t *tensor.Tensor) error
}

// Fits returns an error if bytes, what something is about to take, are more than this machine's memory: a mistyped width or
// batch, for which the process would be killed.
func Fits(bytes float64) error {
	if m := Memory(); m > 0 && bytes > float64(m) {
		return fmt.Errorf("it takes %.1f GB, and this machine has %.1f GB of memory", bytes/1e9, float64(m)/1e9)
	}
	return nil
}

// NewState returns the initial state of prog. Each parameter's initializer draws from a generator seeded with seed and the
// parameter's name, so adding a layer does not change the others. A parameter's average starts as the parameter does.
func NewState(prog *compiler.Program, seed uint64) (*State, error) {
	shapes := make([][]int, len(prog.Params()))
	total := 0.
	for i, p := range prog.Params() {
		shape, err := p.Type.Shape.Eval(nil)
		n := 0
		if err == nil {
			n, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, fmt.Errorf("state %q: %w", p.Name, err)
		}
		shapes[i] = shape
		total += float64(n) * float64(p.Type.DType.Size())
	}
	if err := Fits(total); err != nil {
		return nil, fmt.Errorf("the state of %s, parameters and what the optimizers keep: %w", prog.Name(), err)
	}
	s := &State{tensors: map[string]*tensor.Tensor{}}
	for i, p := range prog.Params() {
		shape := shapes[i]
		t := tensor.New(p.Type.DType, shape...)
		switch {
		case p.Name == graph.RandomState:
			tensor.Data[int64](t)[0] = int64(seed)
		case p.Init != nil:
			h := fnv.New64a()
			name := p.Name
			if average, ok := p.Init.(optim.Average); ok { // as the parameter starts
				name = average.Of
			}
			h.Write([]byte(name))
			p.Init.Init(t, rand.New(rand.NewPCG(seed, h.Sum64())))
		}
		s.tensors[p.Name] = t
	}
	return s, nil
}

// Names lists the state, sorted.
func (s *State) Names() []string { return slices.Sorted(maps.Keys(s.tensors)) }

// Tensor is the state called name, downloaded if it is newer on a device. It is shared, valid until the next training step, and to be
// read: what changes state is [State.Set].
func (s *State) Tensor(name string) (*tensor.Tensor, error) {
	t := s.tensors[name]
	if t == nil {
		return nil, fmt.Errorf("no state is called %q", name)
	}
	if s.ahead[name] {
		if err := s.device.Download(name, t); err != nil {
			return nil, fmt.Errorf("reading the state %q from the device: %w", name, err)
		}
		delete(s.ahead, name)
	}
	return t, nil
}

// Set copies t into the state called name; dtype and shape must be the same.
func (s *State) Set(name string, t *tensor.Tensor) error {
	old := s.tensors[name]
	if old == nil {
		return fmt.Errorf("no state is called %q", name)
	}
	if old.DType() != t.DType() || !slices.Equal(old.Shape(), t.Shape()) {
		return fmt.Errorf("state %q is %v, not %v", name, old, t)
	}
	old.CopyFrom(t)
	s.change(name)
	return nil
}

// change notes that the state called name is newest in host memory.
func (s *State) change(name string) {
	if s.device != nil {
		delete(s.ahead, name)
		s.changed[name] = true
	}
}

// Attach says that an engine keeps s on d from now on, which has nothing of it yet; an engine calls it when it loads. A State is on one
// device at a time.
func (s *State) Attach(d Device) error {
	if s.device != nil {
		return errors.New("the state is on a device already: close the program that runs over it there")
	}
	s.device, s.ahead, s.changed = d, map[string]bool{}, map[string]bool{}
	for name := range s.tensors {
		s.changed[name] = true
	}
	return nil
}

// Upload calls each for what has changed in host memory since the device has it, in no order; an engine calls it before a run.
func (s *State) Upload(each func(name string, t *tensor.Tensor) error) error {
	for name := range s.changed {
		if err := each(name, s.tensors[name]); err != nil {
			return fmt.Errorf("taking the state %q to the device: %w", name, err)
		}
		delete(s.changed, name)
	}
	return nil
}

// Ahead notes that the state called name is newer on the device; an engine calls it after a step, for all that the step updates.
func (s *State) Ahead(name string) { s.ahead[name] = true }

// Detach brings all of s to host memory, where it stays; an engine calls it when the program is closed.
func (s *State) Detach() error {
	for _, name := range s.Names() {
		if _, err := s.Tensor(name); err != nil {
			return err
		}
	}
	s.device, s.ahead, s.changed = nil, nil, nil
	return nil
}

// Swap makes t, of the same dtype and shape, the tensor called name and returns the one it replaces. Engines that keep state in host
// memory commit a step by it, without copying.
func (s *State) Swap(name string, t *tensor.Tensor) *tensor.Tensor {
	old := s.tensors[name]
	if old == nil || old.DType() != t.DType() || old.Len() != t.Len() {
		panic(fmt.Sprintf("runtime: swapping %v into state %q, %v", t, name, old))
	}
	s.tensors[name] = t
	s.change(name)
	return old
}

// Clone returns a copy with its own tensors, in host memory. The error is that of a device.
func (s *State) Clone() (*State, error) {
	c := &State{tensors: make(map[string]*tensor.Tensor, len(s.tensors))}
	for name := range s.tensors {
		t, err := s.Tensor(name)
		if err != nil {
			return nil, err
		}
		c.tensors[name] = t.Clone()
	}
	return c, nil
}

// Finite reports whether t has neither NaN nor Inf. Only floats can.
func Finite(t *tensor.Tensor) bool {
	switch d := t.Raw().(type) {
	case []float32:
		return kernel.Finite(d)
	case []float64:
		return kernel.Finite(d)
	}
	for i := 0; t.DType().Float() && i < t.Len(); i++ {
		if v := t.At(i); v-v != 0 {
			return false
		}
	}
	return true
}
