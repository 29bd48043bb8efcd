// Package safetensors reads and writes safetensors files: named tensors in a form that cannot run code
// (https://huggingface.co/docs/safetensors).
//
// A file is the length of the header as 8 little-endian bytes, the header in JSON, and the tensors' little-endian bytes in
// row-major order. The header has for each tensor its dtype, its shape, and where its bytes begin and end after the header;
// its key __metadata__ has strings by name.
package safetensors

import (
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Bounds on a header, which is read into memory: far over what models have, and under what would take seconds to read.
const (
	maxHeader  = 16 << 20 // bytes; the reference implementation stops at 100 MB
	maxTensors = 1 << 16
)

// metadataKey is the header's key that is not a tensor.
const metadataKey = "__metadata__"

// entry is a tensor in the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

var dtypeNames = map[tensor.DType]string{
	tensor.F32: "F32", tensor.F64: "F64", tensor.F16: "F16", tensor.BF16: "BF16", tensor.F8E4M3FN: "F8_E4M3", tensor.F8E5M2: "F8_E5M2",
	tensor.I64: "I64", tensor.I32: "I32", tensor.I16: "I16", tensor.I8: "I8",
	tensor.U64: "U64", tensor.U32: "U32", tensor.U16: "U16", tensor.U8: "U8", tensor.Bool: "BOOL",
}

var dtypes = func() map[string]tensor.DType {
	m := make(map[string]tensor.DType, len(dtypeNames))
	for t, name := range dtypeNames {
		m[name] = t
	}
	return m
}()
