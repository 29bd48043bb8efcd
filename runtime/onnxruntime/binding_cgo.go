//go:build cgo

package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A nativeBoundSession is a session with native values over the elements of tensors.
type nativeBoundSession struct {
	session *nativeSession
	values  values
	// io runs the values without handing them over again. It is nil on a device, where it would hand over the inputs once only,
	// as they are when they are bound.
	io      *ort.IoBinding
	scalars []boundScalar
	finish  []func() error // after a run, in this order
	cancel  canceller
	yield   yielder
}

// A boundScalar is an input of rank 0: the bindings take a copy of its element, so another element is bound anew.
type boundScalar struct {
	at       int // among the inputs
	from, is *tensor.Tensor
}

func (s *nativeSession) bind(in, out []*tensor.Tensor) (_ nativeBinding, err error) {
	b := &nativeBoundSession{session: s, values: values{in: make([]ort.Value, len(s.inputs)), out: make([]ort.Value, len(s.outputs))},
		cancel: canceller{make: newRunOptions}}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	if err := s.setInputs(b.values.in, in); err != nil {
		return nil, err
	}
	for i, x := range in {
		if x.Rank() == 0 {
			b.scalars = append(b.scalars, boundScalar{i, x, x.Clone()})
		}
	}
	at := 0
	for i, f := range s.fetches {
		if err := b.setOutput(at, f, out[i]); err != nil {
			return nil, fmt.Errorf("the output %v: %w", s.model.outputs[i], err)
		}
		at += len(f.names)
	}
	if s.device != CPU {
		return b, nil
	}
	if b.io, err = s.session.CreateIoBinding(); err != nil {
		return nil, err
	}
	for i, v := range b.values.in {
		if err := b.io.BindInput(s.inputs[i], v); err != nil {
			return nil, err
		}
	}
	for i, v := range b.values.out {
		if err := b.io.BindOutput(s.outputs[i], v); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// setOutput makes the native values, the first of them the one at at, whose elements become those of x.
func (b *nativeBoundSession) setOutput(at int, f fetch, x *tensor.Tensor) (err error) {
	if x.DType() == tensor.String {
		return errors.New("strings cannot be bound: Run returns them")
	}
	switch f.how {
	case fetchPlain:
		b.values.out[at], err = toValue(x)
		return err
	case fetchScalar:
		v, err := toValue(x)
		b.values.out[at] = v
		b.finish = append(b.finish, func() error { return copyScalar(x, v) })
		return err
	}
	flat := x.Reshape(x.Len())
	if asBytes(x.DType()) {
		flat = tensor.New(tensor.F32, x.Len())
	}
	shape, want := tensor.New(tensor.I64, x.Rank()), shapeOf(x)
	if b.values.out[at], err = toValue(flat); err != nil {
		return err
	}
	b.values.out[at+1], err = toValue(shape)
	b.finish = append(b.finish, func() error {
		if got := tensor.Data[int64](shape); !slices.Equal(got, want) {
			return fmt.Errorf("an output came out in shape %v, its tensor is %v", got, x)
		}
		if flat.DType() != x.DType() {
			x.CopyFrom(flat.Cast(x.DType())) // exact, since these were cast up from such
		}
		return nil
	})
	return err
}

func (b *nativeBoundSession) run(ctx context.Context) error {
	if b.yield.due(time.Now) {
		runtime.Gosched()
	}
	for i := range b.scalars {
		if err := b.setScalar(&b.scalars[i]); err != nil {
			return err
		}
	}
	var err error
	if b.io != nil && ctx.Done() == nil { // a run with an IoBinding cannot be broken off
		err = b.session.session.RunWithBinding(b.io)
	} else {
		err = b.session.runCancellable(ctx, &b.cancel, b.values.in, b.values.out)
	}
	if err != nil {
		return err
	}
	for _, finish := range b.finish {
		if err := finish(); err != nil {
			return err
		}
	}
	return nil
}

// setScalar binds the element that s has now.
func (b *nativeBoundSession) setScalar(s *boundScalar) error {
	if sameElement(s.from, s.is) {
		return nil
	}
	v, err := toValue(s.from)
	if err != nil {
		return err
	}
	if b.io != nil {
		if err := b.io.BindInput(b.session.inputs[s.at], v); err != nil {
			return errors.Join(err, v.Destroy())
		}
	}
	b.values.in[s.at].Destroy()
	b.values.in[s.at] = v
	s.is.CopyFrom(s.from)
	return nil
}

// sameElement reports whether x and y, of one dtype and of rank 0, are the same to the bit.
func sameElement(x, y *tensor.Tensor) bool {
	if x.DType().Integer() { // float64 does not hold all
		return x.Int(0) == y.Int(0)
	}
	return math.Float64bits(x.At(0)) == math.Float64bits(y.At(0))
}

func (b *nativeBoundSession) forget() { b.cancel.forget() }

func (b *nativeBoundSession) close() error {
	var err error
	b.cancel.close()
	if b.io != nil {
		err = b.io.Destroy()
	}
	destroy(b.values.in)
	destroy(b.values.out)
	return err
}
