//go:build cgo

package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

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
	cuda    bool           // the CUDA provider's library is registered
	pages   unsafe.Pointer // an allocator that is registered; nil before an engine wants it
	lib     Library
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
	ort.SetSharedLibraryPath(lib.Path)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		return Library{}, fmt.Errorf("starting %v: %w", lib, err)
	}
	if err := ort.DisableTelemetry(); err != nil {
		return Library{}, errors.Join(fmt.Errorf("starting %v: %w", lib, err), ort.DestroyEnvironment())
	}
	if err := startAPI(lib); err != nil {
		return Library{}, errors.Join(fmt.Errorf("starting %v: %w", lib, err), ort.DestroyEnvironment())
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

// A nativeSession is a session of the native library, and how its outputs are got.
type nativeSession struct {
	session *ort.DynamicAdvancedSession
	model   *model
	device  string
	inputs  []string // names, as the session was made with
	outputs []string // names, those of all fetches
	fetches []fetch
	// declared are what runs have shown of the outputs' declared shapes.
	declared []atomic.Int32
	scratch  sync.Pool // of *values
}

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
	fetches, suffix, err := m.adapt()
	if err != nil {
		return nil, err
	}
	options, err := sessionOptions(o, lib)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()

	var inputs, outputs []string
	for _, i := range m.inputs {
		inputs = append(inputs, i.Name)
	}
	if len(inputs) == 0 {
		inputs = []string{unusedInput}
	}
	for _, f := range fetches {
		outputs = append(outputs, f.names...)
	}
	session, err := create(m, suffix, inputs, outputs, options)
	if err != nil {
		err = fmt.Errorf("loading %s into onnxruntime %s on %s: %w", m.name(), lib.Version, o.Device, oneLine{err})
		if o.Device == CUDA {
			err = cudaError(lib, err)
		}
		return nil, err
	}
	return &nativeSession{session: session, model: m, device: o.Device, inputs: inputs, outputs: outputs, fetches: fetches,
		declared: make([]atomic.Int32, len(m.outputs))}, nil
}

func create(m *model, suffix []byte, inputs, outputs []string, options *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
	if m.path != "" && len(suffix) == 0 && m.places == nil {
		return ort.NewDynamicAdvancedSession(m.path, inputs, outputs, options)
	}
	data := m.data
	if m.path != "" {
		read, err := regularfile.Read(m.path, wire.MaxSize)
		if err != nil {
			return nil, err
		}
		data = read
		folder, err := filepath.Abs(filepath.Dir(m.path))
		for _, place := range m.places {
			folder = filepath.Dir(place) // of all of them
		}
		if err == nil && m.places != nil {
			data, err = wire.Relocate(read, func(location string) string { return filepath.Base(m.places[location]) })
		}
		if err != nil {
			return nil, err
		}
		if err := options.AddSessionConfigEntry("session.model_external_initializers_file_folder_path", folder); err != nil {
			return nil, err
		}
	}
	if len(suffix) > 0 {
		data = append(data[:len(data):len(data)], suffix...)
	}
	return ort.NewDynamicAdvancedSessionWithONNXData(data, inputs, outputs, options)
}

// sessionOptions turns o into native options, which the caller destroys.
func sessionOptions(o Options, lib Library) (*ort.SessionOptions, error) {
	if o.Device == CUDA {
		if err := readyForCUDA(lib); err != nil {
			return nil, err
		}
	}
	options, err := ort.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("onnxruntime session options: %w", err)
	}
	s := o.settings()
	errs := []error{
		options.SetIntraOpNumThreads(s.threads), options.SetInterOpNumThreads(s.interThreads),
		options.SetGraphOptimizationLevel(ort.GraphOptimizationLevel(s.level)), options.SetLogSeverityLevel(ort.LoggingLevel(s.log)),
	}
	for key, v := range s.entries {
		errs = append(errs, options.AddSessionConfigEntry(key, v))
	}
	if s.profileTo != "" {
		errs = append(errs, options.EnableProfiling(s.profileTo))
	}
	if err = errors.Join(errs...); err == nil && s.cuda != nil {
		if err = appendCUDA(options, s.cuda); err != nil {
			err = cudaError(lib, err)
		}
	}
	if err != nil {
		options.Destroy()
		return nil, err
	}
	return options, nil
}

// appendCUDA has sessions run on CUDA, by these options of the provider.
func appendCUDA(options *ort.SessionOptions, provider map[string]string) error {
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer cuda.Destroy()
	if err := cuda.Update(provider); err != nil {
		return err
	}
	return options.AppendExecutionProviderCUDA(cuda)
}

func (s *nativeSession) close() error { return s.session.Destroy() }

// values are the native values of one run.
type values struct {
	in, out []ort.Value
	dims    []int
}

// values returns memory for the values of a run.
func (s *nativeSession) values() *values {
	if v, ok := s.scratch.Get().(*values); ok {
		return v
	}
	return &values{in: make([]ort.Value, len(s.inputs)), out: make([]ort.Value, len(s.outputs))}
}

// release destroys the values and keeps their memory for another run.
func (s *nativeSession) release(v *values) {
	destroy(v.in)
	destroy(v.out)
	s.scratch.Put(v)
}

func destroy(list []ort.Value) {
	for i, v := range list {
		if v != nil {
			v.Destroy()
			list[i] = nil
		}
	}
}

func (s *nativeSession) run(ctx context.Context, c *call) ([]*tensor.Tensor, error) {
	v := s.values()
	defer s.release(v)
	cancel := canceller{make: newRunOptions}
	defer cancel.close()
	if err := s.setInputs(v.in, c.in); err != nil {
		return nil, err
	}
	out := make([]*tensor.Tensor, len(s.fetches))
	made, err := s.prepare(v, c, out)
	if err != nil {
		return nil, err
	}
	err = s.runCancellable(ctx, &cancel, v.in, v.out)
	if err != nil && made && ctx.Err() == nil {
		// The shapes may be others than those that the model declares: onnxruntime finds them itself.
		destroy(v.out)
		clear(out)
		if _, err := s.prepare(v, nil, out); err != nil {
			return nil, err
		}
		err = s.runCancellable(ctx, &cancel, v.in, v.out)
	}
	if err != nil {
		return nil, err
	}
	return out, s.collect(v, c, out)
}

// setInputs makes native values over the inputs' elements.
func (s *nativeSession) setInputs(to []ort.Value, in []*tensor.Tensor) (err error) {
	if len(in) == 0 {
		to[0], err = toValue(tensor.New(tensor.F32, 1)) // unusedInput
		return err
	}
	for i, x := range in {
		if to[i], err = toValue(x); err != nil {
			return fmt.Errorf("the input %v: %w", s.model.inputs[i], err)
		}
	}
	return nil
}

// prepare makes tensors for the outputs whose shapes are known before the run, and reports whether there are any: two
// allocations of the bindings and a copy of the output are saved. A shape is known if the inputs of c decide it and an
// earlier run has shown that the model declares it rightly; with a nil c, none is.
func (s *nativeSession) prepare(v *values, c *call, out []*tensor.Tensor) (made bool, err error) {
	at := 0
	for i, f := range s.fetches {
		info := s.model.outputs[i]
		switch {
		case f.how == fetchScalar:
			v.out[at], err = toValue(tensor.New(info.DType))
		case f.how == fetchPlain && info.DType != tensor.String && c != nil && s.declared[i].Load() == declaredRight:
			var ok bool
			if v.dims, ok = c.shape(info, v.dims[:0]); ok {
				out[i], made = tensor.New(info.DType, v.dims...), true
				v.out[at], err = toValue(out[i])
			}
		}
		if err != nil {
			return false, fmt.Errorf("the output %v: %w", info, err)
		}
		at += len(f.names)
	}
	return made, nil
}

// runCancellable runs the session, and breaks the run off when ctx ends.
func (s *nativeSession) runCancellable(ctx context.Context, c *canceller, in, out []ort.Value) error {
	if ctx.Done() == nil {
		return s.session.Run(in, out)
	}
	options, err := c.begin(ctx)
	if err != nil {
		return err
	}
	return c.end(ctx, s.session.RunWithOptions(in, out, options.(*ort.RunOptions)))
}

// newRunOptions are options of runs.
func newRunOptions() (breaker, error) {
	o, err := ort.NewRunOptions()
	if err != nil {
		return nil, err
	}
	return o, nil
}

// collect adds to out the outputs that prepare made no tensors for.
func (s *nativeSession) collect(v *values, c *call, out []*tensor.Tensor) error {
	at := 0
	for i, f := range s.fetches {
		info := s.model.outputs[i]
		if out[i] == nil {
			x, err := fromValue(v.out[at])
			if err == nil && f.how == fetchFlat {
				var shape *tensor.Tensor
				if shape, err = fromValue(v.out[at+1]); err == nil {
					x, err = unflatten(x, shape, info.DType)
				}
			}
			if err == nil && x.DType() != info.DType {
				err = fmt.Errorf("it came out as %v", x)
			}
			if err != nil {
				return fmt.Errorf("the output %v: %w", info, err)
			}
			out[i] = x
			s.learn(i, v, c, x.Shape())
		}
		at += len(f.names)
	}
	return nil
}

// learn notes whether the output i has the shape that the model declares.
func (s *nativeSession) learn(i int, v *values, c *call, shape []int) {
	var ok bool
	if v.dims, ok = c.shape(s.model.outputs[i], v.dims[:0]); !ok {
		return
	}
	if !slices.Equal(v.dims, shape) {
		s.declared[i].Store(declaredWrong)
	} else {
		s.declared[i].CompareAndSwap(declaredUnknown, declaredRight)
	}
}
