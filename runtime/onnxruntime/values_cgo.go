//go:build cgo

package onnxruntime

// #include "capi.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// newCopy is a native value with x's elements, of a copied dtype, which the caller releases.
func newCopy(x *tensor.Tensor) (v unsafe.Pointer, err error) {
	var allocator unsafe.Pointer
	if err := nativeError(C.default_allocator(&allocator)); err != nil {
		return nil, err
	}
	list, first := dims(x.Shape())
	if err := nativeError(C.create_tensor(allocator, first, C.size_t(len(list)), C.int(x.DType().ONNX()), &v)); err != nil {
		return nil, err
	}
	if x.DType() == tensor.String {
		err = fillStrings(v, tensor.Data[string](x))
	} else {
		var packed bytes.Buffer
		x.Encode(&packed) // a buffer takes every write
		var data unsafe.Pointer
		if err = nativeError(C.tensor_data(v, &data)); err == nil {
			copy(unsafe.Slice((*byte)(data), packed.Len()), packed.Bytes())
		}
	}
	if err != nil {
		C.release(releaseValue, v)
		return nil, err
	}
	return v, nil
}

func fillStrings(v unsafe.Pointer, texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	for _, s := range texts {
		if bytes.IndexByte([]byte(s), 0) >= 0 {
			return fmt.Errorf("onnxruntime takes no string with a zero byte, as %.40q", s)
		}
	}
	list := (*[maxNames]*C.char)(C.calloc(C.size_t(len(texts)), C.size_t(unsafe.Sizeof(uintptr(0)))))
	defer C.free(unsafe.Pointer(list))
	for i, s := range texts {
		list[i] = C.CString(s)
		defer C.free(unsafe.Pointer(list[i]))
	}
	return nativeError(C.fill_strings(v, &list[0], C.size_t(len(texts))))
}

// copyOf is a tensor with the elements of a native value in host memory.
func copyOf(v unsafe.Pointer) (*tensor.Tensor, error) {
	var info unsafe.Pointer
	if err := nativeError(C.tensor_info(v, &info)); err != nil {
		return nil, err
	}
	defer C.release(releaseInfo, info)
	var elem C.int
	var rank C.size_t
	if err := errors.Join(nativeError(C.tensor_type(info, &elem)), nativeError(C.tensor_rank(info, &rank))); err != nil {
		return nil, err
	}
	list, first := dims(make([]int, rank))
	if err := nativeError(C.tensor_shape(info, first, rank)); err != nil {
		return nil, err
	}
	shape := make([]int, rank)
	for i, n := range list {
		shape[i] = int(n)
	}
	t, ok := tensor.OfONNX(int(elem))
	if !ok {
		return nil, fmt.Errorf("onnxruntime returned elements of its type %d, which tensors here cannot hold", elem)
	}
	if _, err := tensor.Count(shape); err != nil {
		return nil, err
	}
	x := tensor.New(t, shape...)
	if x.Len() == 0 {
		return x, nil
	}
	if t == tensor.String {
		return x, readStrings(v, tensor.Data[string](x))
	}
	var data unsafe.Pointer
	if err := nativeError(C.tensor_data(v, &data)); err != nil {
		return nil, err
	}
	if t.Bits() < 8 {
		return x, x.Decode(bytes.NewReader(unsafe.Slice((*byte)(data), (x.Len()*t.Bits()+7)/8)))
	}
	copy(x.Bytes(), unsafe.Slice((*byte)(data), len(x.Bytes())))
	return x, nil
}

// readStrings puts the strings of v, of which there are some, into texts.
func readStrings(v unsafe.Pointer, texts []string) error {
	var n C.size_t
	if err := nativeError(C.strings_length(v, &n)); err != nil {
		return err
	}
	all, starts := make([]byte, n+1), make([]C.size_t, len(texts)) // all has at least one byte
	if err := nativeError(C.strings_content(v, unsafe.Pointer(&all[0]), n, &starts[0], C.size_t(len(texts)))); err != nil {
		return err
	}
	for i, from := range starts {
		to := n
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		texts[i] = string(all[from:to])
	}
	return nil
}
