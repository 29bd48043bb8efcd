package onnxruntime

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A call is what one run is given, checked: the inputs in the model's order, and the sizes that they give its symbols.
type call struct {
	in      []*tensor.Tensor
	symbols []bound
}

// A bound is the size that a symbol got from an input.
type bound struct {
	symbol string
	size   int
	input  string
}

// calls are kept for the next runs: a run of a small model takes a microsecond, and memory for it would cost as much.
var calls = sync.Pool{New: func() any { return new(call) }}

// done gives c back. It must not be used after that.
func (c *call) done() {
	clear(c.in)
	c.in, c.symbols = c.in[:0], c.symbols[:0]
	calls.Put(c)
}

// order checks named inputs against the model, and puts them into c. Inputs that are not given get their defaults, if they
// have such.
func (s *Session) order(in map[string]*tensor.Tensor, c *call) error {
	m, found := s.model, 0
	for i := range m.inputs {
		want := &m.inputs[i]
		x := in[want.Name]
		if x == nil && i < len(m.inputs)-m.defaults {
			if err := m.unknown(in); err != nil {
				return err
			}
			return fmt.Errorf("the input %q is missing; the model has %s", want.Name, list(m.inputs))
		}
		c.in = append(c.in, x)
		if x == nil {
			continue
		}
		found++
		if err := want.accepts(x, c); err != nil {
			return err
		}
	}
	if found < len(in) {
		if err := m.unknown(in); err != nil {
			return err
		}
	}
	if found < len(m.inputs) {
		return s.fillDefaults(c)
	}
	return nil
}

// unknown is the error of an input that the model does not have.
func (m *model) unknown(in map[string]*tensor.Tensor) error {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(m.inputs, func(i Info) bool { return i.Name == name }) {
			return fmt.Errorf("there is no input %q; the model has %s", name, list(m.inputs))
		}
	}
	return nil
}

func list(infos []Info) string {
	if len(infos) == 0 {
		return "no inputs"
	}
	text := make([]string, len(infos))
	for i, info := range infos {
		text[i] = info.String()
	}
	return strings.Join(text, ", ")
}

// accepts checks the dtype and shape of x as the input i, and adds the sizes of its symbols to c.
func (i *Info) accepts(x *tensor.Tensor, c *call) error {
	if x.DType() != i.DType {
		return fmt.Errorf("the input %q is %v, the model has %v", i.Name, x, *i)
	}
	if i.Shape == nil {
		return nil
	}
	if x.Rank() != len(i.Shape) {
		return fmt.Errorf("the input %q is %v, of rank %d, the model has %v, of rank %d", i.Name, x, x.Rank(), *i, len(i.Shape))
	}
	for axis, d := range i.Shape {
		n := x.Dim(axis)
		if d.Size >= 0 {
			if int64(n) != d.Size {
				return fmt.Errorf("the input %q is %v, the model has %v: axis %d is %d, not %d", i.Name, x, *i, axis, n, d.Size)
			}
			continue
		}
		if d.Symbol == "" {
			continue
		}
		if b := c.find(d.Symbol); b == nil {
			c.symbols = append(c.symbols, bound{d.Symbol, n, i.Name})
		} else if b.size != n {
			return fmt.Errorf("the input %q is %v, the model has %v: %s is %d here and %d in the input %q", i.Name, x, *i, d.Symbol, n, b.size, b.input)
		}
	}
	return nil
}

// find is the size of a symbol, nil if no input has it.
func (c *call) find(symbol string) *bound {
	for i := range c.symbols {
		if c.symbols[i].symbol == symbol {
			return &c.symbols[i]
		}
	}
	return nil
}

// shape appends to dims the shape that the model declares for the output i, and reports whether the inputs decide it.
func (c *call) shape(i Info, dims []int) ([]int, bool) {
	for _, d := range i.Shape {
		if d.Size >= 0 {
			dims = append(dims, int(d.Size))
		} else if b := c.find(d.Symbol); b != nil {
			dims = append(dims, b.size)
		} else {
			return dims, false
		}
	}
	return dims, i.Shape != nil
}
