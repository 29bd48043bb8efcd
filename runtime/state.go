package runtime

import (
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
type State struct {
	tensors map[string]*tensor.Tensor
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

// Tensor is the state called name. It is shared, and valid until the next training step.
func (s *State) Tensor(name string) (*tensor.Tensor, error) {
	t := s.tensors[name]
	if t == nil {
		return nil, fmt.Errorf("no state is called %q", name)
	}
	return t, nil
}

// Set copies t into the state called name; dtype and shape must be the same.
func (s *State) Set(name string, t *tensor.Tensor) error {
	old, err := s.Tensor(name)
	if err != nil {
		return err
	}
	if old.DType() != t.DType() || !slices.Equal(old.Shape(), t.Shape()) {
		return fmt.Errorf("state %q is %v, not %v", name, old, t)
	}
	old.CopyFrom(t)
	return nil
}

// Swap makes t, of the same dtype and shape, the tensor called name and returns the one it replaces. Engines use it to
// commit a step without copying.
func (s *State) Swap(name string, t *tensor.Tensor) *tensor.Tensor {
	old := s.tensors[name]
	if old == nil || old.DType() != t.DType() || old.Len() != t.Len() {
		panic(fmt.Sprintf("runtime: swapping %v into state %q, %v", t, name, old))
	}
	s.tensors[name] = t
	return old
}

// Clone returns a copy with its own tensors.
func (s *State) Clone() *State {
	c := &State{tensors: make(map[string]*tensor.Tensor, len(s.tensors))}
	for name, t := range s.tensors {
		c.tensors[name] = t.Clone()
	}
	return c
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
