package onnxruntime

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// A deviceState is a State on a device; see [rt.Device].
type deviceState struct {
	device device
	host   *rt.State
	types  map[string]graph.Type
	slots  map[string]*slot // what an entry point reads or writes that was prepared
	empty  []string         // those that nothing was written to yet
}

func newDeviceState(d device, prog *compiler.Program, s *rt.State) *deviceState {
	state := &deviceState{device: d, host: s, types: map[string]graph.Type{}, slots: map[string]*slot{}}
	for _, p := range prog.Params() {
		state.types[p.Name] = p.Type
	}
	return state
}

// A slot is a state, twice: a step reads now and writes next, and they change places when the step counts.
type slot struct {
	now, next deviceTensor
	filled    bool
	turned    bool // whether they are in each other's place, as they began
}

// slot is that of name, with memory for what an entry point reads or, if updated is true, writes.
func (s *deviceState) slot(name string, updated bool) (*slot, error) {
	t := s.types[name]
	shape, err := t.Shape.Eval(nil)
	if err != nil {
		return nil, err
	}
	x := s.slots[name]
	if x == nil {
		now, err := s.device.alloc(t.DType, shape...)
		if err != nil {
			return nil, err
		}
		x = &slot{now: now}
		s.slots[name], s.empty = x, append(s.empty, name)
	}
	if updated && x.next == nil {
		x.next, err = s.device.alloc(t.DType, shape...)
	}
	return x, err
}

// upload brings to the device what is newer in host memory.
func (s *deviceState) upload() error {
	err := s.host.Upload(func(name string, t *tensor.Tensor) error { return s.send(s.slots[name], t) })
	for _, name := range s.empty {
		if x := s.slots[name]; err == nil && !x.filled { // it has changed before there was a slot for it
			var t *tensor.Tensor
			if t, err = s.host.Tensor(name); err == nil {
				err = s.send(x, t)
			}
		}
	}
	if err == nil {
		s.empty = s.empty[:0]
	}
	return err
}

// send copies t to x; without a slot nothing reads it on the device yet.
func (s *deviceState) send(x *slot, t *tensor.Tensor) error {
	if x == nil {
		return nil
	}
	from, err := s.device.wrap(t)
	if err != nil {
		return err
	}
	defer from.free()
	if err := s.device.copy([]deviceTensor{x.now}, []deviceTensor{from}); err != nil {
		return err
	}
	x.filled = true
	return nil
}

// Download copies the state called name to t.
func (s *deviceState) Download(name string, t *tensor.Tensor) error {
	to, err := s.device.wrap(t)
	if err != nil {
		return err
	}
	defer to.free()
	return s.device.copy([]deviceTensor{to}, []deviceTensor{s.slots[name].now})
}

// commit makes what a step has written to the slot of name the state.
func (s *deviceState) commit(name string, x *slot) {
	x.now, x.next, x.turned = x.next, x.now, !x.turned
	s.host.Ahead(name)
}

func (s *deviceState) free() {
	for _, x := range s.slots {
		x.now.free()
		if x.next != nil {
			x.next.free()
		}
	}
	clear(s.slots)
}
