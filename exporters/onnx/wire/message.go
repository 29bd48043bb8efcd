// Package wire has the messages of the ONNX file format as Go structs, their encoding, and a bounded decoder. It knows
// no graph, and registers no protobuf types, so it lives beside any other ONNX package.
//
// [Model.Encode] streams: tensor payloads go from their Go slices to the writer, so writing a model takes the memory of
// its weights and little more. Equal models give equal bytes: fields in ascending order, lists in their own order.
// [Decode] reads the structure and leaves tensor payloads in the file until [Tensor.Values] asks for one; a file's
// claims about lengths are checked against what is there before anything is allocated.
//
// Field numbers and rules are those of onnx.proto3 in the ONNX repository, IR version 10.
package wire

// A Model is a ModelProto: a graph, and what is needed to read it.
type Model struct {
	IRVersion       int64
	ProducerName    string
	ProducerVersion string
	Domain          string
	Version         int64 // model_version
	Doc             string
	Graph           *Graph
	Opsets          []Opset
	Metadata        []Entry

	// External are all tensors of a decoded model whose payload is in another file, wherever in the model they stand.
	// Encode does not look at it.
	External []*Tensor
	// Functions names the functions that a decoded model defines itself. Encode does not look at it.
	Functions []Function
}

// A Function names a FunctionProto.
type Function struct{ Domain, Name string }

// An Opset is an OperatorSetIdProto: the version of one domain's operators. The domain "" is ai.onnx.
type Opset struct {
	Domain  string
	Version int64
}

// An Entry is a StringStringEntryProto.
type Entry struct{ Key, Value string }

// A Graph is a GraphProto. Nodes stand in topological order.
type Graph struct {
	Nodes        []*Node
	Name         string
	Initializers []*Tensor
	Doc          string
	Inputs       []*ValueInfo
	Outputs      []*ValueInfo
	Values       []*ValueInfo // value_info: types of intermediate values

	// Sparse are the values of the sparse initializers of a decoded graph, by their names. Encode does not look at it.
	Sparse []*Tensor
}

// A Node is a NodeProto. An input "" is an optional one left out.
type Node struct {
	Inputs     []string
	Outputs    []string
	Name       string
	OpType     string
	Attributes []*Attribute
	Doc        string
	Domain     string
}

// An Attribute is an AttributeProto. The Go type of Value is the attribute's type: float32, int64, string, *Tensor,
// *Graph, []float32, []int64, []string, []*Tensor or []*Graph. A decoded attribute of any other type has a nil Value.
type Attribute struct {
	Name  string
	Value any
	Doc   string
}

// A ValueInfo is a ValueInfoProto: a name and its type.
type ValueInfo struct {
	Name string
	Type *TensorType // nil if a decoded value is no tensor (a sequence, a map) or has no type
	Doc  string
	// Denotation says what the value stands for, TypeProto.denotation: "IMAGE", whose format the model's metadata tell.
	Denotation string
}

// A TensorType is a TypeProto.Tensor. A nil Shape is an unknown rank; an empty one is a scalar's.
type TensorType struct {
	Elem  DataType
	Shape []Dim
}

// A Dim is a TensorShapeProto.Dimension: a number, or a symbol if Param is not "". Unknown is neither; Value is then a
// negative number that the file has, or 0.
type Dim struct {
	Value   int64
	Param   string
	Unknown bool
}

// A DataType is the element type of a tensor, numbered as in TensorProto.DataType.
type DataType int32

// The element types.
const (
	Undefined  DataType = 0
	Float      DataType = 1
	Uint8      DataType = 2
	Int8       DataType = 3
	Uint16     DataType = 4
	Int16      DataType = 5
	Int32      DataType = 6
	Int64      DataType = 7
	String     DataType = 8
	Bool       DataType = 9
	Float16    DataType = 10
	Double     DataType = 11
	Uint32     DataType = 12
	Uint64     DataType = 13
	Complex64  DataType = 14
	Complex128 DataType = 15
	BFloat16   DataType = 16
	Float8E4M3 DataType = 17 // and 18, 19, 20: the other 8-bit floats
	Uint4      DataType = 21
	Int4       DataType = 22
	Float4E2M1 DataType = 23 // and 24 to 28: f8e8m0, u2, i2, f6e2m3, f6e3m2
)
