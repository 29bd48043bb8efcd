package onnxruntime

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// The names of a native session's inputs are fixed. So one session asks for the inputs without defaults alone, and another,
// opened when it is first wanted, for all; it is given the defaults of those that the caller leaves out.

// taking is the session that asks for the inputs in.
func (s *Session) taking(in map[string]*tensor.Tensor) (*Session, error) {
	if !slices.ContainsFunc(s.model.state, func(i Info) bool { return in[i.Name] != nil }) {
		return s, nil
	}
	s.mu.RLock()
	state := s.state
	s.mu.RUnlock()
	if state != nil {
		return state, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil, ErrClosed
	}
	if s.state == nil {
		state, err := open(s.model.withState(), s.options)
		if err != nil {
			return nil, err
		}
		s.state = state
	}
	return s.state, nil
}

// withState is the model with all inputs asked for, those that have defaults last.
func (m *model) withState() *model {
	all := *m
	all.inputs, all.state, all.defaults = slices.Concat(m.inputs, m.state), nil, len(m.state)
	return &all
}

// fillDefaults puts the defaults of inputs that c lacks in their places.
func (s *Session) fillDefaults(c *call) error {
	s.defaultsMu.Lock()
	defer s.defaultsMu.Unlock()
	if s.defaults == nil {
		s.defaults = make([]*tensor.Tensor, len(s.model.inputs))
	}
	for i, x := range c.in {
		if x != nil {
			continue
		}
		if s.defaults[i] == nil {
			if err := s.model.readDefaults(c.in, s.defaults); err != nil {
				return fmt.Errorf("reading the defaults of inputs: %w", err)
			}
		}
		c.in[i] = s.defaults[i]
	}
	return nil
}

// readDefaults reads the defaults of the inputs that are nil in given into to, from the file that the model came from.
func (m *model) readDefaults(given, to []*tensor.Tensor) error {
	var r io.ReaderAt = bytes.NewReader(m.data)
	size := int64(len(m.data))
	if m.path != "" {
		f, n, err := regularfile.Open(m.path)
		if err != nil {
			return err
		}
		defer f.Close()
		r, size = f, n
	}
	from, err := wire.DecodeFrom(r, size)
	if err != nil {
		return err
	}
	for _, t := range from.Graph.Initializers {
		i := slices.IndexFunc(m.inputs, func(i Info) bool { return i.Name == t.Name })
		if i < 0 || given[i] != nil || to[i] != nil {
			continue
		}
		if to[i], err = onnx.ReadTensor(m.path, t); err != nil {
			return err
		}
	}
	for i, x := range given {
		if x == nil && to[i] == nil {
			return fmt.Errorf("%s has no default for %q any more", m.name(), m.inputs[i].Name)
		}
	}
	return nil
}
