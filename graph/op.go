package graph

import (
	"reflect"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A DType is the type of a value's elements.
type DType = tensor.DType

// The dtypes of values; see package tensor.
const (
	F32  = tensor.F32
	F64  = tensor.F64
	F16  = tensor.F16
	BF16 = tensor.BF16
	I64  = tensor.I64
	I32  = tensor.I32
	U8   = tensor.U8
	Bool = tensor.Bool
)

// A Type is what is known of a value before it is computed.
type Type struct {
	DType DType
	Shape Shape
}

// String is the dtype and shape, f32[batch 784].
func (t Type) String() string { return t.DType.String() + t.Shape.String() }

// An Op is one operation: a Go type whose fields are the attributes and whose methods are all that is known of it.
// A Func keeps its own copy of an op; ops of one type with equal attributes are one op ([Identity]).
type Op interface {
	// Infer returns the result's type, or the mistake in the arguments. It never sees nil or poisoned arguments.
	Infer(in []*Value) (Type, error)

	// VJP returns, for each argument of y, the vector-Jacobian product with the gradient g of y, built from ops so that
	// it can be differentiated again. A nil entry, or a nil slice, means that no gradient flows.
	VJP(y, g *Value) []*Value

	// Eval computes out, whose dtype and shape are those inferred under the run's binding.
	Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error

	// ONNX adds the node or nodes that compute y from the inputs named in, and returns the name of the result.
	ONNX(e Emitter, y *Value, in []string) string

	// Samples returns configurations with inputs on which the tests run everything that the op can do.
	Samples() []Sample
}

// A Sample is one configuration of an op with the inputs to try it on.
type Sample struct {
	Op Op
	In []SampleInput
}

// A SampleInput describes one argument of a sample. The tests fill it from a seed.
type SampleInput struct {
	DType  DType // F32 and F64 both mean "a float": the tests try both
	Shape  []int
	Lo, Hi float64 // the range of the elements; 0, 0 means [-2, 2]
	// Distinct asks for elements that differ from one another by at least 0.01, and from 0: for ops with kinks or ties,
	// where finite differences would straddle one.
	Distinct bool
	NoGrad   bool // the gradient with respect to this input is not checked
}

// OpName is the op's type name, such as MatMul.
func OpName(op Op) string {
	if op == nil {
		return "nothing"
	}
	t := reflect.TypeOf(op)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

// noGradient is embedded by ops through which no gradient flows.
type noGradient struct{}

// VJP returns nil: no gradient flows.
func (noGradient) VJP(y, g *Value) []*Value { return nil }

// An Emitter builds an ONNX graph. It is what an op sees of the exporter.
type Emitter interface {
	// Opset is the ai.onnx version of the file.
	Opset() int
	// Node adds a node with one output and returns that output's name. An input may be "" for an absent optional one.
	Node(opType string, in []string, attrs ...Attr) string
	// Nodes adds a node with n outputs and returns their names.
	Nodes(opType string, n int, in []string, attrs ...Attr) []string
	// Const returns the name of an initializer with t's contents; equal contents share one.
	Const(t *tensor.Tensor) string
	// Shape returns the name of a rank-1 i64 tensor with the dimensions s: an initializer if s is static, else computed
	// at run time from the model's inputs.
	Shape(s Shape) string
	// Fail records that y has no ONNX form in this configuration, and why. The name it returns may be used like any other.
	Fail(y *Value, format string, args ...any) string
}

// An Attr is an ONNX attribute: the value is an int, []int, float64, []float64, string, or *tensor.Tensor.
type Attr struct {
	Name  string
	Value any
}

// ONNXType is the number of dtype t in ONNX's TensorProto.DataType, as Cast's "to" attribute wants it.
func ONNXType(t DType) int {
	return [...]int{F32: 1, F64: 11, F16: 10, BF16: 16, I64: 7, I32: 6, U8: 2, Bool: 9}[t]
}
