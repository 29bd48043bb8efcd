//go:build cgo && !linux

package onnxruntime

// #include "capi.h"
import "C"

import "unsafe"

// hostMemory is the library's own allocator.
func hostMemory(_ unsafe.Pointer) (a unsafe.Pointer, err error) {
	err = nativeError(C.default_allocator(&a))
	return a, err
}
