package onnxruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
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
	// Threads is how many threads one node's computation may use, the caller's among them; 0 is GOMAXPROCS.
	Threads int
	// DisableOptimizations runs the graph as it is written, node by node: slower, for finding out where numbers differ.
	DisableOptimizations bool
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
	if o.Threads < 0 {
		return o, fmt.Errorf("%d threads: the number must be positive, or 0 for one a processor", o.Threads)
	}
	return o, nil
}

// ErrClosed is the error of a session that was closed.
var ErrClosed = errors.New("the onnxruntime session is closed")

// A Session is a model loaded to be run. Many goroutines may run it at the same time.
type Session struct {
	model   *model
	options Options
	mu      sync.RWMutex // held for reading while native code runs
	native  native       // nil once closed
	state   *Session     // asks for the inputs that have defaults too; nil until it is wanted
}

// native is the model in the native library. Its inputs are checked, in the order of the model's.
type native interface {
	run(ctx context.Context, in []*tensor.Tensor) ([]*tensor.Tensor, error)
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
	data := m.data
	n, err := load(m, o)
	if err != nil {
		return nil, err
	}
	m.data = nil
	if len(m.state) > 0 {
		m.data = bytes.Clone(data) // for withState
	}
	return &Session{model: m, options: o, native: n}, nil
}

// Inputs are the inputs that Run asks for, in the model's order.
func (s *Session) Inputs() []Info { return slices.Clone(s.model.inputs) }

// State are the inputs that have defaults in the file, in the model's order: a training step's parameters and optimizer
// state. Run takes them too, all or none.
func (s *Session) State() []Info { return slices.Clone(s.model.state) }

// Outputs are the outputs that Run returns, in the model's order.
func (s *Session) Outputs() []Info { return slices.Clone(s.model.outputs) }

// Device is the device that the session was opened on.
func (s *Session) Device() string { return s.options.Device }

// Run runs the model on named inputs and returns its named outputs, which are the caller's to keep. The inputs must not
// change while it runs. All inputs must be given, and fit in dtype and shape; a symbol in the shapes, such as batch, must
// be the same size everywhere it stands. Inputs that have defaults, [Session.State], are given all or none. When ctx ends, the
// run is broken off between two nodes, and its error returned.
func (s *Session) Run(ctx context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(s.model.state, func(i Info) bool { return in[i.Name] != nil }) {
		state, err := s.withState()
		if err != nil {
			return nil, err
		}
		return state.Run(ctx, in)
	}
	ordered, err := s.model.order(in)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", s.model.name(), err)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.native == nil {
		return nil, ErrClosed
	}
	out, err := s.native.run(ctx, ordered)
	if err != nil {
		return nil, fmt.Errorf("running %s on %s: %w", s.model.name(), s.options.Device, oneLine{err})
	}
	named := make(map[string]*tensor.Tensor, len(out))
	for i, info := range s.model.outputs {
		named[info.Name] = out[i]
	}
	return named, nil
}

// withState is the session that asks for the inputs that have defaults too. The names of a native session's inputs are
// fixed, so it is another one.
func (s *Session) withState() (*Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil, ErrClosed
	}
	if s.state == nil {
		state, err := open(s.model.withState(), s.options)
		if err != nil {
			return nil, err
		}
		s.state = state
	}
	return s.state, nil
}

// Close frees the native session, once runs that are under way have ended. A second Close does nothing.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil
	}
	err := s.native.close()
	s.native = nil
	if s.state != nil {
		err = errors.Join(err, s.state.Close())
	}
	return err
}

// order checks named inputs against the model, and returns them in its order.
func (m *model) order(in map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(m.inputs, func(i Info) bool { return i.Name == name }) {
			return nil, fmt.Errorf("there is no input %q; the model has %s", name, list(m.inputs))
		}
	}
	ordered := make([]*tensor.Tensor, len(m.inputs))
	symbols := make(map[string]bound)
	for i, want := range m.inputs {
		x := in[want.Name]
		if x == nil {
			return nil, fmt.Errorf("the input %q is missing; the model has %s", want.Name, list(m.inputs))
		}
		if err := want.accepts(x, symbols); err != nil {
			return nil, err
		}
		ordered[i] = x
	}
	return ordered, nil
}

func list(inputs []Info) string {
	if len(inputs) == 0 {
		return "no inputs"
	}
	text := make([]string, len(inputs))
	for i, info := range inputs {
		text[i] = info.String()
	}
	return strings.Join(text, ", ")
}

// A bound is the size that a symbol got from an input.
type bound struct {
	size  int
	input string
}

// accepts checks one input's dtype and shape. symbols are the sizes so far, which it adds to.
func (i Info) accepts(x *tensor.Tensor, symbols map[string]bound) error {
	if x.DType() != i.DType {
		return fmt.Errorf("the input %q is %v, the model has %v", i.Name, x, i)
	}
	if i.Shape == nil {
		return nil
	}
	if x.Rank() != len(i.Shape) {
		return fmt.Errorf("the input %q is %v, of rank %d, the model has %v, of rank %d", i.Name, x, x.Rank(), i, len(i.Shape))
	}
	for axis, d := range i.Shape {
		n := x.Dim(axis)
		if d.Size >= 0 {
			if int64(n) != d.Size {
				return fmt.Errorf("the input %q is %v, the model has %v: axis %d is %d, not %d", i.Name, x, i, axis, n, d.Size)
			}
			continue
		}
		if d.Symbol == "" {
			continue
		}
		if b, ok := symbols[d.Symbol]; ok && b.size != n {
			return fmt.Errorf("the input %q is %v, the model has %v: %s is %d here and %d in the input %q", i.Name, x, i, d.Symbol, n, b.size, b.input)
		} else if !ok {
			symbols[d.Symbol] = bound{n, i.Name}
		}
	}
	return nil
}
