//go:build cgo

package onnxruntime

// #include "capi.h"
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A nativeBoundSession is a session with native values over the elements of tensors, which Go's collector does not move, and which it keeps.
type nativeBoundSession struct {
	session *nativeSession
	tensors []*tensor.Tensor
	values  []unsafe.Pointer // over them, inputs and then outputs, in C's memory
	// io runs the values without handing them over again. It is nil on a device, where it would hand over the inputs once only,
	// as they are when they are bound.
	io     unsafe.Pointer
	cancel canceller
}

func (s *nativeSession) bind(in, out []*tensor.Tensor) (_ nativeBinding, err error) {
	n := len(in) + len(out)
	b := &nativeBoundSession{session: s, tensors: append(in, out...),
		values: unsafe.Slice((*unsafe.Pointer)(C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(uintptr(0))))), n)}
	defer func() {
		if err != nil {
			b.close()
		}
	}()
	for i, x := range b.tensors {
		if err := b.wrap(i, x); err != nil {
			if i < len(in) {
				return nil, fmt.Errorf("the input %v: %w", s.model.inputs[i], err)
			}
			return nil, fmt.Errorf("the output %v: %w", s.model.outputs[i-len(in)], err)
		}
	}
	if s.device != CPU {
		return b, nil
	}
	if err := nativeError(C.create_binding(s.p, &b.io)); err != nil {
		return nil, err
	}
	for i, v := range b.values {
		if i < len(in) {
			err = nativeError(C.bind_input(b.io, s.names[i], v))
		} else {
			err = nativeError(C.bind_output(b.io, s.names[i], v))
		}
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// wrap makes the value i one over x's elements.
func (b *nativeBoundSession) wrap(i int, x *tensor.Tensor) error {
	list, first := dims(x.Shape())
	data := x.Bytes()
	start := unsafe.Pointer(unsafe.SliceData(data))
	if len(data) == 0 {
		start = unsafe.Pointer(&b.values[i]) // of which nothing is read
	}
	return nativeError(C.wrap_tensor(env.memory, start, C.size_t(len(data)), first, C.size_t(len(list)), C.int(x.DType().ONNX()), &b.values[i]))
}

func (b *nativeBoundSession) run(ctx context.Context) error {
	options, err := b.cancel.begin(ctx)
	if err != nil {
		return err
	}
	s, n := b.session, len(b.session.model.inputs)
	if b.io != nil {
		err = nativeError(C.run_binding(s.p, options, b.io))
	} else {
		outs := len(b.values) - n
		err = nativeError(C.run(s.p, options, &s.names[0], &b.values[0], C.size_t(n), &s.names[n], C.size_t(outs), &b.values[n]))
	}
	runtime.KeepAlive(b)
	return b.cancel.end(ctx, err)
}

func (b *nativeBoundSession) forget() { b.cancel.forget() }

func (b *nativeBoundSession) close() error {
	b.cancel.close()
	if b.io != nil {
		C.release(releaseBinding, b.io)
	}
	for _, v := range b.values {
		if v != nil {
			C.release(releaseValue, v)
		}
	}
	C.free(unsafe.Pointer(unsafe.SliceData(b.values)))
	b.io, b.values, b.tensors = nil, nil, nil
	return nil
}
