package check

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// A value is a name of a graph, and what is known of it.
type value struct {
	typ
	where place // what gives it
	used  bool
	node  int // that makes it, else -1

	ambiguous bool // defined twice: nothing is known of it
}

// A typ is an element type and a shape.
type typ struct {
	elem    wire.DataType // Undefined is unknown
	shape   []dim         // nil is an unknown rank
	content []dim         // the elements, of a small tensor of integers that is known before the model runs; nil if not
	stored  *wire.Tensor  // an initializer that no input overrides
}

// declared holds what is known of a value to what the file declares of it, and adds what only the file says.
func (c *checker) declared(where place, v *wire.ValueInfo, t *typ) {
	if v.Type == nil {
		return
	}
	d := typeOf(v.Type)
	if d.elem != wire.Undefined && t.elem != wire.Undefined && d.elem != t.elem {
		c.error(where, "is declared %v, and is %v", d, *t)
		return
	}
	if t.elem == wire.Undefined {
		t.elem = d.elem
	}
	if d.shape == nil {
		return
	}
	if t.shape == nil {
		t.shape = d.shape
		return
	}
	bad := len(d.shape) != len(t.shape)
	for i := 0; !bad && i < len(d.shape); i++ {
		bad = c.contradict(d.shape[i], t.shape[i])
	}
	if bad {
		c.error(where, "is declared %v, and is %v", d, *t)
		return
	}
	t.shape = slices.Clone(t.shape)
	for i, a := range d.shape {
		if !t.shape[i].known() {
			t.shape[i] = a
		}
	}
}

// contradict reports whether a declared size cannot be the one that was inferred: they are different numbers, or sums of
// products of sizes of the model's inputs that need not be equal. A symbol that no input has names a size, whichever it is.
func (c *checker) contradict(declared, inferred dim) bool {
	if !declared.known() || !inferred.known() || same(declared, inferred) {
		return false
	}
	return differ(declared, inferred) || c.ofInputs(declared) && c.ofInputs(inferred)
}

// ofInputs reports whether d is a sum of products of sizes of the model's inputs. With divisions in it, equal sizes may be written in
// different ways.
func (c *checker) ofInputs(d dim) bool {
	e := d.expr()
	return e.Polynomial() && !slices.ContainsFunc(e.Symbols(), func(s string) bool { return !c.symbols()[s] })
}

// symbols are the names of sizes of the outermost graph's inputs.
func (c *checker) symbols() map[string]bool {
	if c.sizes == nil {
		c.sizes = map[string]bool{}
		for _, p := range c.model.Graph.Inputs {
			for _, d := range typeOf(p.Type).shape {
				if d.known() {
					for _, s := range d.expr().Symbols() {
						c.sizes[s] = true
					}
				}
			}
		}
	}
	return c.sizes
}

// maxElements is more than the bytes that a machine addresses.
const maxElements = 1 << 47

// tooLarge says what is wrong with a huge type.
const tooLarge = "no machine holds as many elements"

// huge reports whether a value of t cannot be, though each of its sizes can. What is not known of them counts as 1.
func (t typ) huge() bool {
	n, large := int64(1), false
	for _, d := range t.shape {
		v, ok := d.num()
		switch {
		case !ok || v < 0:
		case v == 0:
			return false
		case large || v > maxElements/n:
			large = true
		default:
			n *= v
		}
	}
	return large
}

// typeOf is what a file declares.
func typeOf(t *wire.TensorType) typ {
	if t == nil {
		return typ{}
	}
	out := typ{elem: t.Elem}
	if t.Shape == nil {
		return out
	}
	out.shape = make([]dim, len(t.Shape))
	for i, d := range t.Shape {
		switch {
		case d.Unknown:
			out.shape[i] = unknown
		case d.Param != "":
			out.shape[i] = symbol(d.Param)
		default:
			out.shape[i] = number(d.Value)
		}
	}
	return out
}

// wire is t as a file would declare it.
func (t typ) wire() *wire.TensorType {
	out := &wire.TensorType{Elem: t.elem}
	if t.shape == nil {
		return out
	}
	out.Shape = make([]wire.Dim, len(t.shape))
	for i, d := range t.shape {
		switch n, ok := d.num(); {
		case ok:
			out.Shape[i].Value = n
		case d.known():
			out.Shape[i].Param = d.String()
		default:
			out.Shape[i].Unknown = true
		}
	}
	return out
}

// String is the element type and shape, f32[batch 784].
func (t typ) String() string {
	if t.shape == nil {
		return fmt.Sprintf("%v[...]", t.elem)
	}
	return fmt.Sprintf("%v%v", t.elem, t.shape)
}
