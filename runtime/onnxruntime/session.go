package onnxruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
)

// The devices that a session can run on.
const (
	CPU  = "cpu"
	CUDA = "cuda"
)

// Devices lists the devices that a session can be asked for; whether this machine has one, [Providers] says.
func Devices() []string { return []string{CPU, CUDA} }

// Options say how a model is run. The zero value runs it on the CPU.
type Options struct {
	// Library is the native library, a file or its folder; "" leaves the choice to [Find]. One library serves a whole
	// process: the first use decides, and another afterwards is an error.
	Library string
	// Device is CPU or CUDA; "" is CPU. A device that cannot be had is an error; no other takes its place. On CUDA,
	// onnxruntime still runs on the CPU the single nodes that it has no CUDA kernel for.
	Device string
	// DeviceID is the number of the CUDA device.
	DeviceID int
	// TF32 lets products of f32 on CUDA round their factors to 10 bits of mantissa, which is faster. MemoryLimit bounds the bytes that
	// onnxruntime takes of the device's memory; 0 is no bound.
	TF32        bool
	MemoryLimit int64
	// CUDAGraphs has an [Engine] on CUDA record what a training step launches in its first runs, and launch it at once from then on. A
	// run then ends before its context does.
	CUDAGraphs bool
	// Threads is how many threads one node's computation may use, the caller's among them; 0 is GOMAXPROCS ([rt.Threads]).
	Threads int
	// DisableOptimizations runs the graph as it is written, node by node: slower, for finding out where numbers differ.
	DisableOptimizations bool
	// Profile, if it is not nil, gets the times of all nodes that sessions run, when these are closed.
	Profile *profile.Recorder

	turns     bool   // a session is an engine's, of which several take turns, each with threads of its own
	graphs    bool   // a session's runs are recorded
	profileTo string // the beginning of the name of the file that onnxruntime writes of them
}

// check rejects options that mean nothing, and returns o with defaults filled in.
func (o Options) check() (Options, error) {
	if o.Device == "" {
		o.Device = CPU
	}
	if !slices.Contains(Devices(), o.Device) {
		return o, fmt.Errorf("device %q is unknown: the devices are %s", o.Device, strings.Join(Devices(), ", "))
	}
	if o.DeviceID < 0 {
		return o, fmt.Errorf("device number %d is negative", o.DeviceID)
	}
	if o.MemoryLimit < 0 {
		return o, fmt.Errorf("a limit of %d bytes of memory is negative", o.MemoryLimit)
	}
	if o.Device != CUDA && (o.TF32 || o.MemoryLimit > 0 || o.CUDAGraphs) {
		return o, fmt.Errorf("TF32, graphs and a limit of memory are for the device %s, and the device is %s", CUDA, o.Device)
	}
	if _, err := rt.Threads(o.Threads); err != nil {
		return o, err
	}
	return o, nil
}

// ErrClosed is the error of a session that was closed.
var ErrClosed = errors.New("the onnxruntime session is closed")

// A Session is a model loaded to be run. Many goroutines may run it at the same time.
type Session struct {
	model     *model
	options   Options
	mu        sync.RWMutex // held for reading while native code runs
	native    native       // nil once closed
	profiling *profiling   // nil if it is not profiled
	state     *Session     // asks for the inputs that have defaults too; nil until it is wanted

	defaultsMu sync.Mutex
	defaults   []*tensor.Tensor // of inputs, as far as they were wanted

	bindingsMu sync.Mutex
	bindings   map[*Binding]bool // those that are open
}

// native is the model in the native library.
type native interface {
	run(ctx context.Context, c *call) ([]*tensor.Tensor, error)
	bind(in, out []*tensor.Tensor) (nativeBinding, error)
	close() error
}

// Open loads the model in the file at path, with weights in files beside it if it has such.
func Open(path string, o Options) (*Session, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	m, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return open(m, o)
}

// OpenBytes loads an encoded model. The session keeps no reference to data.
func OpenBytes(data []byte, o Options) (*Session, error) {
	o, err := o.check()
	if err != nil {
		return nil, err
	}
	m, err := readBytes(data)
	if err != nil {
		return nil, err
	}
	return open(m, o)
}

func open(m *model, o Options) (*Session, error) {
	p, err := newProfiling(m, o.Profile)
	if err != nil {
		return nil, err
	}
	o.profileTo = p.prefix()
	n, err := load(m, o)
	if err != nil {
		return nil, errors.Join(err, p.end(false))
	}
	p.begin()
	if len(m.state) > 0 || m.defaults > 0 {
		m.data = bytes.Clone(m.data) // for withState and readDefaults
	} else {
		m.data = nil
	}
	return &Session{model: m, options: o, native: n, profiling: p}, nil
}

// Inputs are the inputs that must be given, in the model's order.
func (s *Session) Inputs() []Info { return slices.Clone(s.model.inputs) }

// State are the inputs that have defaults in the file, in the model's order. Any of them may be given too; the others keep
// their defaults.
func (s *Session) State() []Info { return slices.Clone(s.model.state) }

// Outputs are the outputs that Run returns, in the model's order.
func (s *Session) Outputs() []Info { return slices.Clone(s.model.outputs) }

// Device is the device that the session was opened on.
func (s *Session) Device() string { return s.options.Device }

// Run runs the model on named inputs and returns its named outputs, which are the caller's to keep. The inputs must not
// change while it runs. All inputs must be given, but for those that have defaults, [Session.State], and fit in dtype and
// shape; a symbol in the shapes, such as batch, must be the same size everywhere it stands. When ctx ends, the run is broken
// off between two nodes, and its error returned.
//
// To run many times on tensors of one shape, [Session.Bind] is faster.
func (s *Session) Run(ctx context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := s.taking(in)
	if err != nil {
		return nil, err
	}
	c := calls.Get().(*call)
	defer c.done()
	if err := s.order(in, c); err != nil {
		return nil, fmt.Errorf("running %s: %w", s.model.name(), err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.native == nil {
		return nil, ErrClosed
	}
	out, err := s.native.run(ctx, c)
	if err != nil {
		return nil, s.runError(err)
	}
	named := make(map[string]*tensor.Tensor, len(out))
	for i, info := range s.model.outputs {
		named[info.Name] = out[i]
	}
	return named, nil
}

func (s *Session) runError(err error) error {
	return fmt.Errorf("running %s on %s: %w", s.model.name(), s.options.Device, oneLine{err})
}

// Close frees the native session and its bindings, once runs that are under way have ended. A second Close does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil
	}
	var errs []error
	for b := range s.bindings {
		errs = append(errs, b.native.close())
		b.native = nil
	}
	s.bindings = nil
	errs = append(errs, s.native.close(), s.profiling.end(true))
	s.native = nil
	if s.state != nil {
		errs = append(errs, s.state.Close())
	}
	return errors.Join(errs...)
}
