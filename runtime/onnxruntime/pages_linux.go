//go:build cgo

package onnxruntime

// #include "capi.h"
// #include "pages.h"
import "C"

import "unsafe"

// hostMemory has the library know an allocator that engines and their sessions take memory from: in huge pages, where the system gives
// them to who asks. It is one, the process's.
func hostMemory(native unsafe.Pointer) (unsafe.Pointer, error) {
	env.Lock()
	defer env.Unlock()
	if env.pages == nil {
		memory, err := describe("Cpu", 0) // which it keeps
		if err != nil {
			return nil, err
		}
		p := C.pages(memory)
		if err := nativeError(C.register_allocator(native, p)); err != nil {
			return nil, err
		}
		env.pages = p
	}
	return env.pages, nil
}
