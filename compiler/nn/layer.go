// Package nn has the layers of models: plain structs, configured by their fields and applied to values.
//
// A layer's place in the model that holds it is its name: the field Dec.Up[0].Conv has the parameters
// dec.up.0.conv.weight and dec.up.0.conv.bias, in checkpoints, ONNX files, summaries and errors alike. Applying a layer
// twice shares its weights. A person's own layer embeds [Layer] and asks it for parameters:
//
//	type Scale struct {
//		nn.Layer
//	}
//
//	func (l *Scale) Apply(x *graph.Value) *graph.Value {
//		return l.Run(l, x, func() *graph.Value {
//			return x.Mul(l.Param(x, "scale", initializer.Ones{}, x.Dim(-1)))
//		})
//	}
package nn

import (
	"fmt"
	"math"
	"reflect"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// A Layer gives the struct that embeds it a name and parameters. A copy of a named layer is the same layer.
type Layer struct {
	path    string
	applied *bool // shared by copies, such as those that a method of a model by value makes
}

// A Module turns a value into a value: every layer, and [Func].
type Module interface {
	Apply(x *graph.Value) *graph.Value
}

// Path is the layer's name: the dotted fields that lead to it; "" before the model was given to the compiler.
func (l *Layer) Path() string { return l.path }

// Applied reports whether the layer was applied to a value since it was named.
func (l *Layer) Applied() bool { return l.applied != nil && *l.applied }

// name gives the layer its name.
func (l *Layer) name(path string) { l.path, l.applied = path, new(bool) }

func (l *Layer) use() {
	if l.applied != nil {
		*l.applied = true
	}
}

func (l *Layer) layer() *Layer { return l }

// Param is the layer's trainable parameter called leaf, in the Func and the dtype of x; in f32 where x is no float.
func (l *Layer) Param(x *graph.Value, leaf string, init graph.Initializer, dims ...graph.Dim) *graph.Value {
	return l.param(x, dtypeOf(x), leaf, init, dims...)
}

func (l *Layer) param(x *graph.Value, t graph.DType, leaf string, init graph.Initializer, dims ...graph.Dim) *graph.Value {
	if l.path == "" {
		return nameless(x, leaf)
	}
	l.use()
	return x.Func().ParamIn(t, l.path+"."+leaf, init, dims...)
}

// dtypeOf is the dtype of the state of a layer that is applied to x: x's own, or f32 where that is no float.
func dtypeOf(x *graph.Value) graph.DType {
	if x.DType().Float() {
		return x.DType()
	}
	return graph.F32
}

// Buffer is the layer's state called leaf, which no gradient trains, in the Func and the dtype of x, as Param.
func (l *Layer) Buffer(x *graph.Value, leaf string, init graph.Initializer, dims ...graph.Dim) *graph.Value {
	if l.path == "" {
		return nameless(x, leaf)
	}
	l.use()
	return x.Func().Buffer(l.path+"."+leaf, dtypeOf(x), init, dims...)
}

// Run is how a layer applies itself to x: it checks what can be wrong with any layer, and runs do with the layer's path as
// the scope of new values. self is the outer layer, for messages.
func (l *Layer) Run(self any, x *graph.Value, do func() *graph.Value) *graph.Value {
	if x == nil { // no Func to report it to
		panic(graph.Mistakef(graph.NilHint, "%s is applied to a nil value", typeName(self)))
	}
	if !x.OK() {
		return x
	}
	if l == nil || reflect.ValueOf(self).IsNil() {
		return mistake(x, fmt.Sprintf("%s: the layer is nil", typeName(self)), "give the field a layer: &nn.Dense{...}")
	}
	if l.path == "" {
		return nameless(x, typeName(self))
	}
	l.use()
	return x.Func().In(l.path, do)
}

// nameless records that the layer, or what wants state called leaf, is no part of a model.
func nameless(x *graph.Value, what string) *graph.Value {
	return mistake(x, what+": the layer has no name: it is not part of a model",
		"hold it in an exported field of a struct whose pointer is given to Builder.Model; a copy made before that has no name either")
}

// mistake records a mistake about x and returns poison.
func mistake(x *graph.Value, msg, hint string) *graph.Value {
	x.Func().Mistake(x.Func().Pos(), msg, hint, x)
	return x.Func().Poison()
}

func typeName(layer any) string {
	t := reflect.TypeOf(layer)
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// base is the embedded Layer of a layer that may be nil.
func base[T any](l *T, of func(*T) *Layer) *Layer {
	if l == nil {
		return nil
	}
	return of(l)
}

// width is the size of an axis of x, a float, which a layer's weights need as a number.
func width(layer string, x *graph.Value, axis int) (graph.Dim, bool) {
	d := x.Dim(axis)
	if !x.OK() {
		return 0, false
	}
	if !x.DType().Float() {
		mistake(x, fmt.Sprintf("%s: needs a float, has %v", layer, x.Type), "layers compute in floats: .Cast(graph.F32) first; indices go through an Embedding or OneHot")
		return 0, false
	}
	if d.Symbolic() {
		mistake(x, fmt.Sprintf("%s: axis %d of %v is the symbol %v, and weights have a fixed size", layer, axis, x.Type, d),
			"give the layer an axis of known size, or put that axis in the batch")
		return 0, false
	}
	return d, true
}

// positive checks that a layer's sizes are positive, and not absurdly large: pairs of a field's name and its value.
func positive(layer string, x *graph.Value, pairs ...any) bool {
	for i := 0; i < len(pairs); i += 2 {
		if n := pairs[i+1].(int); n < 1 || n > math.MaxInt32 {
			mistake(x, fmt.Sprintf("%s: the field %s is %d", layer, pairs[i], n), fmt.Sprintf("set it to a number from 1 to %d: nn.%s{%s: ...}", math.MaxInt32, layer, pairs[i]))
			return false
		}
	}
	return true
}

func or(init, otherwise graph.Initializer) graph.Initializer {
	if init == nil {
		return otherwise
	}
	return init
}
