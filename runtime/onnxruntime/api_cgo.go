//go:build cgo

package onnxruntime

// #cgo !windows LDFLAGS: -ldl
// #include "capi.h"
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"unicode/utf16"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// startAPI finds the functions of capi.h in a library that the process has loaded.
func startAPI(lib Library) error {
	path := C.CString(lib.Path)
	defer C.free(unsafe.Pointer(path))
	if wrong := C.start_api(path, apiVersion); wrong != nil {
		return errors.New(C.GoString(wrong))
	}
	return nil
}

// nativePath is a path as the library takes it, which the caller frees.
func nativePath(path string) unsafe.Pointer {
	if runtime.GOOS != "windows" {
		return unsafe.Pointer(C.CString(path))
	}
	wide := append(utf16.Encode([]rune(path)), 0)
	return C.CBytes(unsafe.Slice((*byte)(unsafe.Pointer(&wide[0])), 2*len(wide)))
}

// nativeOptions turns o into native options, which the caller releases.
func nativeOptions(o Options, lib Library) (p unsafe.Pointer, err error) {
	if o.Device == CUDA {
		if err := readyForCUDA(lib); err != nil {
			return nil, err
		}
	}
	if err := nativeError(C.create_options(&p)); err != nil {
		return nil, fmt.Errorf("onnxruntime session options: %w", err)
	}
	s := o.settings()
	errs := []error{
		nativeError(C.set_threads(p, C.int(s.threads))), nativeError(C.set_inter_threads(p, C.int(s.interThreads))),
		nativeError(C.set_optimizations(p, C.int(s.level))), nativeError(C.set_log(p, C.int(s.log))),
	}
	for key, v := range s.entries {
		errs = append(errs, setEntry(p, key, v))
	}
	if s.profileTo != "" {
		prefix := nativePath(s.profileTo)
		errs = append(errs, nativeError(C.enable_profiling(p, prefix)))
		C.free(prefix)
	}
	if err = errors.Join(errs...); err == nil && s.cuda != nil {
		if err = appendNativeCUDA(p, s.cuda); err != nil {
			err = cudaError(lib, err)
		}
	}
	if err != nil {
		C.release(releaseOptions, p)
		return nil, err
	}
	return p, nil
}

func setEntry(options unsafe.Pointer, key, value string) error {
	list := cStrings([]string{key, value})
	defer freeStrings(list)
	return nativeError(C.set_entry(options, list[0], list[1]))
}

// appendNativeCUDA has sessions with the options p run on CUDA, by these options of the provider.
func appendNativeCUDA(p unsafe.Pointer, provider map[string]string) error {
	var c unsafe.Pointer
	if err := nativeError(C.cuda_options(&c)); err != nil {
		return err
	}
	defer C.release(releaseCUDA, c)
	names := slices.Sorted(maps.Keys(provider))
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = provider[name]
	}
	keys, values := cStrings(names), cStrings(texts)
	defer freeStrings(keys, values)
	if err := nativeError(C.set_cuda(c, unsafe.SliceData(keys), unsafe.SliceData(values), C.size_t(len(keys)))); err != nil {
		return err
	}
	return nativeError(C.append_cuda(p, c))
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
	if !ok || copied(t) {
		return nil, fmt.Errorf("onnxruntime returned elements of its type %d, which tensors here cannot hold", elem)
	}
	if _, err := tensor.Count(shape); err != nil {
		return nil, err
	}
	x := tensor.New(t, shape...)
	if x.Len() == 0 {
		return x, nil
	}
	var data unsafe.Pointer
	if err := nativeError(C.tensor_data(v, &data)); err != nil {
		return nil, err
	}
	copy(x.Bytes(), unsafe.Slice((*byte)(data), len(x.Bytes())))
	return x, nil
}
