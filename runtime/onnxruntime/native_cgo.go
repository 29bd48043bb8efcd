//go:build cgo

package onnxruntime

// #cgo !windows LDFLAGS: -ldl
// #include "capi.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf16"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// Available reports whether this binary can run models: whether it was built with cgo. The native library may still be
// missing; that, [Find] says.
func Available() bool { return true }

// env is the native library's environment, of which a process has one.
var env struct {
	sync.Mutex
	started bool
	cuda    bool // the CUDA provider's library is registered
	lib     Library
	p       unsafe.Pointer
	memory  unsafe.Pointer // describes host memory
}

// Version is the version of the native library that this process has loaded, "" if it has loaded none.
func Version() string {
	env.Lock()
	defer env.Unlock()
	return env.lib.Version
}

// start loads the library that [Find] chooses, unless one is loaded, and returns the one that is.
func start(explicit string) (Library, error) {
	env.Lock()
	defer env.Unlock()
	if env.started {
		if explicit != "" && !sameLibrary(explicit, env.lib.Path) {
			return Library{}, fmt.Errorf("onnxruntime library %s: this process has loaded %s already, and it can load only one", explicit, env.lib.Path)
		}
		return env.lib, nil
	}
	lib, err := Find(explicit)
	if err != nil {
		return Library{}, err
	}
	path := C.CString(lib.Path)
	defer C.free(unsafe.Pointer(path))
	if wrong := C.start_api(path, apiVersion); wrong != nil {
		return Library{}, fmt.Errorf("starting %v: %s", lib, C.GoString(wrong))
	}
	err = nativeError(C.create_env(&env.p))
	if err == nil {
		err = nativeError(C.disable_telemetry(env.p))
	}
	if err == nil {
		env.memory, err = describe("Cpu", 0)
	}
	if err != nil {
		return Library{}, fmt.Errorf("starting %v: %w", lib, err)
	}
	env.started, env.lib = true, lib
	return lib, nil
}

// sameLibrary reports whether named, a file or its folder, is the loaded file.
func sameLibrary(named, loaded string) bool {
	b, err := os.Stat(loaded)
	if err != nil {
		return false
	}
	for _, path := range []string{named, filepath.Join(named, LibraryName())} {
		if a, err := os.Stat(path); err == nil && os.SameFile(a, b) {
			return true
		}
	}
	return false
}

// A nativeSession is a session of the native library.
type nativeSession struct {
	p      unsafe.Pointer
	model  *model
	device string
	names  *[maxNames]*C.char // of the inputs and then the outputs, in C's memory
	// declared are what runs have shown of the outputs' declared shapes.
	declared []atomic.Int32

	mu   sync.Mutex
	free []*frame // that no run uses
}

const maxNames = 1 << 28

// What runs have shown of an output's declared shape.
const (
	declaredUnknown int32 = iota
	declaredRight
	declaredWrong
)

func load(m *model, o Options) (native, error) {
	lib, err := start(o.Library)
	if err != nil {
		return nil, err
	}
	options, err := nativeOptions(o, lib, nil)
	if err != nil {
		return nil, err
	}
	defer C.release(releaseOptions, options)
	s := &nativeSession{model: m, device: o.Device, declared: make([]atomic.Int32, len(m.outputs))}
	if err := s.create(options); err != nil {
		err = fmt.Errorf("loading %s into onnxruntime %s on %s: %w", m.name(), lib.Version, o.Device, oneLine{err})
		if o.Device == CUDA {
			err = cudaError(lib, err)
		}
		return nil, err
	}
	s.names = (*[maxNames]*C.char)(C.calloc(C.size_t(len(m.inputs)+len(m.outputs)), C.size_t(unsafe.Sizeof(uintptr(0)))))
	for i, info := range m.inputs {
		s.names[i] = C.CString(info.Name)
	}
	for i, info := range m.outputs {
		s.names[len(m.inputs)+i] = C.CString(info.Name)
	}
	return s, nil
}

// create makes the session, from the file or, if its weights are elsewhere than it says, or it came so, from bytes.
func (s *nativeSession) create(options unsafe.Pointer) error {
	m := s.model
	if m.path != "" && m.places == nil {
		path := nativePath(m.path)
		defer C.free(path)
		return nativeError(C.load_session(env.p, path, options, &s.p))
	}
	data := m.data
	if m.path != "" {
		read, err := regularfile.Read(m.path, wire.MaxSize)
		if err != nil {
			return err
		}
		folder := ""
		for _, place := range m.places {
			folder = filepath.Dir(place) // of all of them
		}
		if data, err = wire.Relocate(read, func(location string) string { return filepath.Base(m.places[location]) }); err != nil {
			return err
		}
		if err := setEntry(options, "session.model_external_initializers_file_folder_path", folder); err != nil {
			return err
		}
	}
	return nativeError(C.create_session(env.p, unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data)), options, &s.p))
}

// nativePath is a path as the library takes it, which the caller frees.
func nativePath(path string) unsafe.Pointer {
	if runtime.GOOS != "windows" {
		return unsafe.Pointer(C.CString(path))
	}
	wide := append(utf16.Encode([]rune(path)), 0)
	return C.CBytes(unsafe.Slice((*byte)(unsafe.Pointer(&wide[0])), 2*len(wide)))
}

// nativeOptions turns o into native options, which the caller releases, with more entries of the session's configuration.
func nativeOptions(o Options, lib Library, entries map[string]string) (p unsafe.Pointer, err error) {
	if o.Device == CUDA {
		if err := readyForCUDA(lib); err != nil {
			return nil, err
		}
	}
	if err := nativeError(C.create_options(&p)); err != nil {
		return nil, fmt.Errorf("onnxruntime session options: %w", err)
	}
	threads, level := o.Threads, C.int(99) // all
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	if o.DisableOptimizations {
		level = 0
	}
	errs := []error{
		nativeError(C.set_threads(p, C.int(threads))), nativeError(C.set_inter_threads(p, 1)), nativeError(C.set_optimizations(p, level)),
		nativeError(C.set_log(p, 4)), // errors come back; the log would say them twice
	}
	for key, v := range entries {
		errs = append(errs, setEntry(p, key, v))
	}
	if o.profileTo != "" {
		prefix := nativePath(o.profileTo)
		errs = append(errs, nativeError(C.enable_profiling(p, prefix)))
		C.free(prefix)
	}
	err = errors.Join(errs...)
	if err == nil && o.Device == CUDA {
		if err = appendCUDA(p, o); err != nil {
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

// appendCUDA has sessions with the options p run on CUDA.
func appendCUDA(p unsafe.Pointer, o Options) error {
	var c unsafe.Pointer
	if err := nativeError(C.cuda_options(&c)); err != nil {
		return err
	}
	defer C.release(releaseCUDA, c)
	list := cudaOptions(o)
	names := slices.Sorted(maps.Keys(list))
	texts := make([]string, len(names))
	for i, name := range names {
		texts[i] = list[name]
	}
	keys, values := cStrings(names), cStrings(texts)
	defer freeStrings(keys, values)
	if err := nativeError(C.set_cuda(c, unsafe.SliceData(keys), unsafe.SliceData(values), C.size_t(len(keys)))); err != nil {
		return err
	}
	return nativeError(C.append_cuda(p, c))
}

func (s *nativeSession) close() error {
	for _, f := range s.free {
		f.close()
	}
	s.free = nil
	for i := range len(s.model.inputs) + len(s.model.outputs) {
		C.free(unsafe.Pointer(s.names[i]))
	}
	C.free(unsafe.Pointer(s.names))
	C.release(releaseSession, s.p)
	return nil
}

// A frame is the memory of one run, which later ones use again.
type frame struct {
	slots  []C.slot // of the inputs and then the outputs, in C's memory, as what follows
	values *unsafe.Pointer
	shapes []C.int64_t
	used   int // of shapes
	cancel canceller
	dims   []int
}

// frame is memory for a run.
func (s *nativeSession) frame() *frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		f := s.free[n-1]
		s.free = s.free[:n-1]
		return f
	}
	n := len(s.model.inputs) + len(s.model.outputs)
	return &frame{
		slots:  unsafe.Slice((*C.slot)(C.calloc(C.size_t(n), C.sizeof_slot)), n),
		values: (*unsafe.Pointer)(C.calloc(C.size_t(n), C.size_t(unsafe.Sizeof(uintptr(0))))),
	}
}

// done gives f back.
func (s *nativeSession) done(f *frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, f)
}

func (f *frame) close() {
	f.cancel.close()
	C.free(unsafe.Pointer(unsafe.SliceData(f.slots)))
	C.free(unsafe.Pointer(f.values))
	C.free(unsafe.Pointer(unsafe.SliceData(f.shapes)))
}

// reserve makes room for n axes.
func (f *frame) reserve(n int) {
	if f.used = 0; n <= len(f.shapes) {
		return
	}
	C.free(unsafe.Pointer(unsafe.SliceData(f.shapes)))
	f.shapes = unsafe.Slice((*C.int64_t)(C.calloc(C.size_t(n), 8)), n)
}

// set makes the slot i one over x's elements. C's memory has their address then: Go's collector does not move them, and they must be kept.
func (f *frame) set(i int, x *tensor.Tensor) error {
	s := &f.slots[i]
	*s = C.slot{rank: C.size_t(x.Rank()), _type: C.int(x.DType().ONNX())}
	if copied(x.DType()) {
		v, err := newCopy(x)
		s.value = v
		return err
	}
	data := x.Bytes()
	s.data, s.bytes = unsafe.Pointer(unsafe.SliceData(data)), C.size_t(len(data))
	if len(data) == 0 {
		s.data = unsafe.Pointer(f.values) // of which nothing is read
	}
	if x.Rank() > 0 {
		s.shape = &f.shapes[f.used]
		for axis := range x.Rank() {
			f.shapes[f.used] = C.int64_t(x.Dim(axis))
			f.used++
		}
	}
	return nil
}

func (s *nativeSession) run(ctx context.Context, c *call) ([]*tensor.Tensor, error) {
	f := s.frame()
	defer s.done(f)
	defer f.cancel.forget()
	out := make([]*tensor.Tensor, len(s.model.outputs))
	made, err := s.once(ctx, f, c, out, true)
	if err != nil && made && ctx.Err() == nil {
		// The shapes may be others than those that the model declares: onnxruntime finds them itself.
		clear(out)
		_, err = s.once(ctx, f, c, out, false)
	}
	if err != nil {
		return nil, err
	}
	return out, s.collect(f, c, out)
}

// once runs the session. If known, it makes tensors for the outputs whose shapes are known before, and reports whether there are any: a copy
// is saved. A shape is known if the inputs of c decide it and an earlier run has shown that the model declares it rightly.
func (s *nativeSession) once(ctx context.Context, f *frame, c *call, out []*tensor.Tensor, known bool) (made bool, err error) {
	n, axes := len(c.in), 0
	for _, x := range c.in {
		axes += x.Rank()
	}
	for i := range s.model.outputs {
		f.slots[n+i] = C.slot{}
		if info := &s.model.outputs[i]; known && s.declared[i].Load() == declaredRight && !copied(info.DType) {
			var ok bool
			if f.dims, ok = c.shape(*info, f.dims[:0]); ok {
				out[i], made = tensor.New(info.DType, f.dims...), true
				axes += len(f.dims)
			}
		}
	}
	f.reserve(axes)
	for i, x := range c.in {
		if err == nil {
			if err = f.set(i, x); err != nil {
				err = fmt.Errorf("the input %v: %w", s.model.inputs[i], err)
			}
		} else {
			f.slots[i] = C.slot{}
		}
	}
	for i, x := range out {
		if x != nil && err == nil {
			err = f.set(n+i, x)
		}
	}
	if err != nil {
		for i := range f.slots {
			if v := f.slots[i].value; v != nil {
				C.release(releaseValue, v)
			}
		}
		return made, err
	}
	options, err := f.cancel.begin(ctx)
	if err != nil {
		return made, err
	}
	err = nativeError(C.run_slots(s.p, options, env.memory, &s.names[0], &f.slots[0], f.values, C.size_t(n), C.size_t(len(out))))
	runtime.KeepAlive(c)
	runtime.KeepAlive(out)
	return made, f.cancel.end(ctx, err)
}

// collect adds to out the outputs that the library made.
func (s *nativeSession) collect(f *frame, c *call, out []*tensor.Tensor) (err error) {
	n := len(c.in)
	for i := range out {
		v := f.slots[n+i].value
		if v == nil {
			continue
		}
		info := s.model.outputs[i]
		if err == nil {
			if out[i], err = copyOf(v); err == nil && out[i].DType() != info.DType {
				err = fmt.Errorf("it came out as %v", out[i])
			}
			if err != nil {
				err = fmt.Errorf("the output %v: %w", info, err)
			} else {
				s.learn(i, f, c, out[i].Shape())
			}
		}
		C.release(releaseValue, v)
	}
	return err
}

// learn notes whether the output i has the shape that the model declares.
func (s *nativeSession) learn(i int, f *frame, c *call, shape []int) {
	var ok bool
	if f.dims, ok = c.shape(s.model.outputs[i], f.dims[:0]); !ok {
		return
	}
	if !slices.Equal(f.dims, shape) {
		s.declared[i].Store(declaredWrong)
	} else {
		s.declared[i].CompareAndSwap(declaredUnknown, declaredRight)
	}
}
