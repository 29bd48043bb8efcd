//go:build cgo

package onnxruntime

// #include "capi.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// apiVersion is the version of the C API that the places in capi.h are of.
const apiVersion = 24

// The places of the functions that release objects.
const (
	releaseEnv     = 92
	releaseStatus  = 93
	releaseMemory  = 94
	releaseSession = 95
	releaseValue   = 96
	releaseRun     = 97
	releaseInfo    = 99
	releaseOptions = 100
	releaseCUDA    = 208

	releaseAllocator = 132
)

// nativeError is the error that s is, which it frees.
func nativeError(s C.status) error {
	if s == nil {
		return nil
	}
	defer C.release(releaseStatus, unsafe.Pointer(s))
	return errors.New(C.GoString(C.message(s)))
}

// A nativeDevice is a device of the native library; see [device].
type nativeDevice struct {
	options   Options
	lib       Library
	env       unsafe.Pointer
	allocator unsafe.Pointer
	keeper    deviceSession  // whose the allocator is; nil where it is the process's
	memory    unsafe.Pointer // describes host memory
}

// newDevice starts the library and returns the device that o names.
func newDevice(o Options) (device, error) {
	lib, err := start(o.Library)
	if err != nil {
		return nil, err
	}
	d := &nativeDevice{options: o, lib: lib}
	err = nativeError(C.create_env(&d.env)) // the process's, once more
	if err == nil {
		d.memory, err = describe("Cpu", 0)
	}
	switch {
	case err != nil:
	case o.Device == CUDA:
		err = d.cuda(lib)
	default:
		d.allocator, err = hostMemory(d.env)
	}
	if err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

// describe makes a description of the memory called name.
func describe(name string, id int) (unsafe.Pointer, error) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	var m unsafe.Pointer
	err := nativeError(C.create_memory(s, C.int(id), &m))
	return m, err
}

// cudaProvider is what the provider's library is registered as.
const cudaProvider = "cuda"

// cuda has the library know the provider, for copies, and takes the allocator of a session that does nothing else.
func (d *nativeDevice) cuda(lib Library) error {
	env.Lock()
	defer env.Unlock()
	if !env.cuda {
		if err := readyForCUDA(lib); err != nil {
			return err
		}
		name, path := C.CString(cudaProvider), nativePath(filepath.Join(filepath.Dir(lib.Path), cudaFiles(runtime.GOOS)[1]))
		defer C.free(unsafe.Pointer(name))
		defer C.free(path)
		if err := nativeError(C.register_provider(d.env, name, path)); err != nil {
			return cudaError(lib, err)
		}
		env.cuda = true
	}
	model, err := onePlusOne()
	if err != nil {
		return err
	}
	memory, err := describe("Cuda", d.options.DeviceID)
	if err != nil {
		return err
	}
	defer C.release(releaseMemory, memory)
	if d.keeper, err = d.open(model, opening{}); err != nil {
		return cudaError(lib, err)
	}
	return nativeError(C.session_allocator(d.keeper.(*nativeDeviceSession).p, memory, &d.allocator))
}

func (d *nativeDevice) host() bool { return d.options.Device == CPU }

func (d *nativeDevice) close() error {
	if d.keeper != nil {
		if d.allocator != nil {
			C.release(releaseAllocator, d.allocator)
		}
		d.keeper.close()
	}
	for place, p := range map[C.int]unsafe.Pointer{releaseMemory: d.memory, releaseEnv: d.env} {
		if p != nil {
			C.release(place, p)
		}
	}
	d.keeper, d.memory, d.env = nil, nil, nil
	return nil
}

// A nativeTensor is a value of the native library.
type nativeTensor struct {
	p   unsafe.Pointer
	n   int             // bytes
	pin *runtime.Pinner // holds its memory, if that is Go's
}

// bytes are the elements of v, in host memory.
func (v *nativeTensor) bytes() ([]byte, error) {
	var data unsafe.Pointer
	if err := nativeError(C.tensor_data(v.p, &data)); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(data), v.n), nil
}

// elementType is what the library calls t.
func elementType(t tensor.DType) (C.int, error) {
	if t.Bits() < 8 {
		return 0, fmt.Errorf("tensors of %v cannot be kept in onnxruntime", t)
	}
	return C.int(t.ONNX()), nil
}

func dims(shape []int) ([]C.int64_t, *C.int64_t) {
	list := make([]C.int64_t, len(shape), len(shape)+1)
	for i, n := range shape {
		list[i] = C.int64_t(n)
	}
	return list, unsafe.SliceData(list[: len(list) : len(list)+1])
}

func (d *nativeDevice) alloc(t tensor.DType, shape ...int) (deviceTensor, error) {
	elem, err := elementType(t)
	if err != nil {
		return nil, err
	}
	n, err := tensor.Count(shape)
	if err != nil {
		return nil, err
	}
	v := &nativeTensor{n: n * t.Size()}
	list, first := dims(shape)
	if err := nativeError(C.create_tensor(d.allocator, first, C.size_t(len(list)), elem, &v.p)); err != nil {
		return nil, err
	}
	return v, nil
}

// wrap hands over memory of Go, which is pinned until the value is freed, or is garbage: an engine may be forgotten open.
func (d *nativeDevice) wrap(x *tensor.Tensor) (deviceTensor, error) {
	elem, err := elementType(x.DType())
	if err != nil {
		return nil, err
	}
	data := x.Bytes()
	v := &nativeTensor{n: len(data), pin: new(runtime.Pinner)}
	p := unsafe.Pointer(unsafe.SliceData(data))
	v.pin.Pin(p)
	runtime.AddCleanup(v, (*runtime.Pinner).Unpin, v.pin)
	list, first := dims(x.Shape())
	if err := nativeError(C.wrap_tensor(d.memory, p, C.size_t(len(data)), first, C.size_t(len(list)), elem, &v.p)); err != nil {
		v.pin.Unpin()
		return nil, err
	}
	return v, nil
}

func (v *nativeTensor) free() {
	if v.p != nil {
		C.release(releaseValue, v.p)
	}
	if v.pin != nil {
		v.pin.Unpin()
	}
	v.p, v.pin = nil, nil
}

func (v *nativeTensor) tensor() (*tensor.Tensor, error) {
	x, err := copyOf(v.p)
	if err == nil {
		v.n = len(x.Bytes())
	}
	return x, err
}

// pointers are the native pointers of list, nil where it is nil.
func pointers(to []unsafe.Pointer, list []deviceTensor) []unsafe.Pointer {
	for _, v := range list {
		var p unsafe.Pointer
		if v != nil {
			p = v.(*nativeTensor).p
		}
		to = append(to, p)
	}
	return to
}

func (d *nativeDevice) copy(to, from []deviceTensor) error {
	if len(to) == 0 {
		return nil
	}
	if d.host() { // for which the library has no function
		for i, t := range to {
			a, errA := from[i].(*nativeTensor).bytes()
			b, errB := t.(*nativeTensor).bytes()
			if err := errors.Join(errA, errB); err != nil {
				return err
			}
			copy(b, a)
		}
		return nil
	}
	a, b := pointers(nil, from), pointers(nil, to)
	err := nativeError(C.copy_tensors(d.env, &a[0], &b[0], C.size_t(len(a))))
	runtime.KeepAlive(to)
	runtime.KeepAlive(from)
	return err
}

// A nativeDeviceSession is a model loaded on a device; see [deviceSession].
type nativeDeviceSession struct {
	device  *nativeDevice
	p       unsafe.Pointer
	cancel  canceller
	graphs  bool
	numbers []unsafe.Pointer // options of the recorded runs, by their numbers
	in, out []*C.char        // names
	// of the last run, memory for the next
	args, results []unsafe.Pointer

	profiling *profiling // nil if it is not profiled
}

func (d *nativeDevice) open(model []byte, o opening) (_ deviceSession, err error) {
	s := &nativeDeviceSession{
		device: d, in: cStrings(o.inputs), out: cStrings(o.outputs), graphs: o.graphs, cancel: canceller{make: newNativeRun},
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("loading a model of %d bytes into onnxruntime on %s: %w", len(model), d.options.Device, oneLine{err}), s.close())
		}
	}()
	if s.profiling, err = newProfiling(fromBytes(model), d.options.Profile); err != nil {
		return nil, err
	}
	options, err := d.sessionOptions(o, s.profiling.prefix())
	if err != nil {
		return nil, err
	}
	defer C.release(releaseOptions, options)
	if err := nativeError(C.create_session(d.env, unsafe.Pointer(unsafe.SliceData(model)), C.size_t(len(model)), options, &s.p)); err != nil {
		return nil, err
	}
	s.profiling.begin()
	return s, nil
}

// sessionOptions are native options, which the caller releases. A profile is written to a file whose name begins with prefix, if that is
// not "".
func (d *nativeDevice) sessionOptions(how opening, prefix string) (o unsafe.Pointer, err error) {
	with := d.options
	with.profileTo, with.graphs, with.turns = prefix, how.graphs, true
	if o, err = nativeOptions(with, d.lib); err != nil {
		return nil, err
	}
	for symbol, n := range how.sizes {
		name := C.CString(symbol)
		err = errors.Join(err, nativeError(C.set_size(o, name, C.int64_t(n))))
		C.free(unsafe.Pointer(name))
	}
	if err != nil {
		C.release(releaseOptions, o)
		return nil, err
	}
	return o, nil
}

func cStrings(list []string) []*C.char {
	out := make([]*C.char, len(list), len(list)+1)
	for i, s := range list {
		out[i] = C.CString(s)
	}
	return out
}

func freeStrings(lists ...[]*C.char) {
	for _, c := range slices.Concat(lists...) {
		C.free(unsafe.Pointer(c))
	}
}

func (s *nativeDeviceSession) close() error {
	s.cancel.close()
	for _, o := range s.numbers {
		C.release(releaseRun, o)
	}
	freeStrings(s.in, s.out)
	made := s.p != nil
	if made {
		C.release(releaseSession, s.p)
	}
	p := s.profiling
	s.in, s.out, s.numbers, s.p, s.profiling = nil, nil, nil, nil, nil
	return p.end(made)
}

func (s *nativeDeviceSession) nodes() (list []placedNode, err error) {
	var parts *unsafe.Pointer
	var n C.size_t
	if err := nativeError(C.assigned(s.p, &parts, &n)); err != nil {
		return nil, err
	}
	for _, part := range unsafe.Slice(parts, n) {
		var provider *C.char
		var nodes *unsafe.Pointer
		if err := errors.Join(nativeError(C.part_provider(part, &provider)), nativeError(C.part_nodes(part, &nodes, &n))); err != nil {
			return nil, err
		}
		for _, node := range unsafe.Slice(nodes, n) {
			var name, operator *C.char
			if err := errors.Join(nativeError(C.node_name(node, &name)), nativeError(C.node_operator(node, &operator))); err != nil {
				return nil, err
			}
			list = append(list, placedNode{C.GoString(name), C.GoString(operator), C.GoString(provider)})
		}
	}
	return list, nil
}

// A nativeRun is the options of runs; see [breaker].
type nativeRun struct{ p unsafe.Pointer }

func newNativeRun() (breaker, error) {
	var r nativeRun
	if err := nativeError(C.create_run(&r.p)); err != nil {
		return nil, err
	}
	return r, nil
}

func (r nativeRun) Terminate() error      { return nativeError(C.set_terminate(r.p, 1)) }
func (r nativeRun) UnsetTerminate() error { return nativeError(C.set_terminate(r.p, 0)) }

func (r nativeRun) Destroy() error {
	C.release(releaseRun, r.p)
	return nil
}

// recorded are the options of a recorded run.
func (s *nativeDeviceSession) recorded(number int) (unsafe.Pointer, error) {
	for len(s.numbers) <= number {
		var o unsafe.Pointer
		if err := nativeError(C.create_run(&o)); err != nil {
			return nil, err
		}
		list := cStrings([]string{"gpu_graph_id", strconv.Itoa(len(s.numbers) + 1)}) // 0 is the library's own
		err := nativeError(C.set_run_entry(o, list[0], list[1]))
		freeStrings(list)
		if err != nil {
			C.release(releaseRun, o)
			return nil, err
		}
		s.numbers = append(s.numbers, o)
	}
	return s.numbers[number], nil
}

func (s *nativeDeviceSession) run(ctx context.Context, number int, in, out []deviceTensor) error {
	var once unsafe.Pointer // options of the run
	var err error
	switch {
	case s.graphs:
		once, err = s.recorded(number)
	case ctx.Done() != nil:
		var options breaker
		if options, err = s.cancel.begin(ctx); err == nil {
			once = options.(nativeRun).p
		}
	}
	if err != nil {
		return err
	}
	s.args, s.results = pointers(s.args[:0], in), pointers(s.results[:0], out)
	err = nativeError(C.run(s.p, once, unsafe.SliceData(s.in), unsafe.SliceData(s.args), C.size_t(len(in)),
		unsafe.SliceData(s.out), C.size_t(len(out)), unsafe.SliceData(s.results)))
	runtime.KeepAlive(in)
	runtime.KeepAlive(out)
	if err := s.cancel.end(ctx, err); err != nil {
		return err
	}
	for i, v := range out {
		if v == nil {
			out[i] = &nativeTensor{p: s.results[i]}
		}
	}
	return nil
}
