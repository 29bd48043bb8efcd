package read

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A value is what is known of a name in the file: its elements, or what they are as sizes, or the value of the Func that computes it.
type value struct {
	stored *wire.Tensor // an initializer, loaded when it is needed
	weight bool         // it may be a parameter
	host   *tensor.Tensor
	sizes  *sizes
	v      *graph.Value
	err    error // why there is no v, of one whose sizes or elements are known
}

// sizes are the elements of an integer scalar or vector as expressions of the symbols.
type sizes struct {
	list   []*symbolic.Expr
	scalar bool
}

// made is the value of the Func v.
func (r *reader) made(v *graph.Value) *value { return &value{v: v} }

// tensor is x's elements, nil if they are not known.
func (r *reader) tensor(x *value) *tensor.Tensor {
	switch {
	case x == nil:
		return nil
	case x.host == nil && x.stored != nil:
		t, err := r.load(x.stored)
		if err != nil {
			fail("the stored tensor %q: %v", x.stored.Name, err)
		}
		x.host = t
	case x.host == nil && x.sizes != nil:
		list := make([]int64, len(x.sizes.list))
		for i, e := range x.sizes.list {
			n, ok := e.Number()
			if !ok {
				return nil
			}
			list[i] = n
		}
		if x.sizes.scalar {
			return tensor.Scalar(list[0])
		}
		return tensor.Of(list, len(list))
	}
	return x.host
}

// parameter reports whether x, whose elements are t, is one, rather than a constant of the computation.
func (x *value) parameter(t *tensor.Tensor) bool {
	return x.weight && t.DType().Float() && t.Rank() > 0 && t.Len() > 1
}

// materialize is x in the Func.
func (r *reader) materialize(x *value) *graph.Value {
	if x.v != nil {
		return x.v
	}
	t := r.tensor(x)
	if t == nil {
		fail("%v", x.err)
	}
	if !x.parameter(t) { // made anew wherever it is read: a constant in a body is the body's
		return r.f.Const(t)
	}
	dims := make([]graph.Dim, t.Rank())
	for i, n := range t.Shape() {
		dims[i] = graph.Dim(n)
	}
	r.weights[x.stored.Name] = t
	if t.DType() == graph.F32 {
		return r.f.Param(x.stored.Name, nil, dims...)
	}
	return r.f.Buffer(x.stored.Name, t.DType(), nil, dims...)
}

// maxFolded is how many elements a tensor may have that is computed while reading, for what must be known then.
const maxFolded = 4096

// fold computes the results of a node whose inputs are all known and small, so that what is computed from stored numbers can be an
// axis, a limit or a shape; nil if they are not.
func (r *reader) fold(c *call) []*tensor.Tensor {
	if r.scratch || !folds(c.OpType) {
		return nil
	}
	s := &reader{f: graph.NewFunc("constants", false), opset: r.opset, load: r.load, scratch: true}
	inside := s.enter()
	for i, x := range c.in {
		if x == nil {
			continue
		}
		t := r.small(x)
		if t == nil {
			return nil
		}
		inside.values[c.Inputs[i]] = &value{host: t}
	}
	out, err := s.convert(s.call(c.Node))
	if err != nil {
		return nil
	}
	var results []*graph.Value
	for i, x := range out {
		if i < len(c.Outputs) && x.v != nil {
			results = append(results, x.v)
		} else {
			return nil
		}
	}
	for _, v := range s.f.Values {
		if n := v.Shape().Size(); n.Symbolic() || n > maxFolded {
			return nil
		}
	}
	for i, v := range results {
		s.f.Output(fmt.Sprint(i), v)
	}
	got, err := onnx.Evaluate(s.f, nil, nil)
	if err != nil || len(s.f.Diags) > 0 {
		return nil
	}
	var tensors []*tensor.Tensor
	for _, o := range s.f.Outputs {
		tensors = append(tensors, got[o.Name])
	}
	return tensors
}

// folds reports whether nodes of an operator are computed while reading: those that have no graphs and draw nothing.
func folds(operator string) bool {
	return !slices.Contains([]string{"If", "Loop", "Scan", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}, operator)
}

// small is x's elements, if they are known and few.
func (r *reader) small(x *value) *tensor.Tensor {
	if x.host == nil && x.stored != nil {
		if n, err := x.stored.Len(); err != nil || n > maxFolded {
			return nil
		}
	}
	t := r.tensor(x)
	if t == nil || t.Len() > maxFolded {
		return nil
	}
	return t
}
