package onnxgo

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// Options limit what running a model may take. The zero value is good for most.
type Options struct {
	Memory  int64         // bytes that the child process may allocate; 0 means half of this machine's memory
	Timeout time.Duration // how long a run may take; 0 means 5 minutes
}

func (o Options) withDefaults() (Options, error) {
	if o.Memory < 0 || o.Timeout < 0 {
		return o, fmt.Errorf("a limit of %d bytes and %v: limits are positive, or 0 for the default", o.Memory, o.Timeout)
	}
	const unknown = 2 << 30 // for machines that do not tell their memory
	o.Memory = cmp.Or(o.Memory, int64(runtime.Memory()/2), unknown)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	return o, nil
}

// A Session is a model that onnx-go can run. Many goroutines may run it at the same time.
type Session struct {
	name    string                 // what errors call it
	data    atomic.Pointer[[]byte] // nil once closed
	plan    *plan
	options Options
}

// ErrClosed is the error of a session that was closed.
var ErrClosed = errors.New("the onnx-go session is closed")

// Open reads the model in the file path, and refuses it if onnx-go cannot run it right.
func Open(path string, o Options) (*Session, error) {
	data, err := regularfile.Read(path, wire.MaxSize)
	if err != nil {
		return nil, err
	}
	return open(path, data, o)
}

// OpenBytes is Open for an encoded model, which must not change while the Session is in use.
func OpenBytes(data []byte, o Options) (*Session, error) { return open("the model", data, o) }

func open(name string, data []byte, o Options) (*Session, error) {
	if !hooked.Load() {
		return nil, errHook
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := wire.DecodeFrom(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p, err := check(m, o.Memory)
	if err != nil {
		return nil, fmt.Errorf("onnx-go cannot run %s: %w", name, err)
	}
	s := &Session{name: name, plan: p, options: o}
	s.data.Store(&data)
	return s, nil
}

// Inputs are the types of the inputs that Run asks for, in the model's order.
func (s *Session) Inputs() []Port { return slices.Clone(s.plan.inputs) }

// Outputs are the types of the outputs that Run returns, in the model's order.
func (s *Session) Outputs() []Port { return slices.Clone(s.plan.outputs) }

// Run runs the model in a child process on named inputs, and returns its named outputs. All inputs must be given, and have
// the types that the model declares. When ctx ends, so does the child.
func (s *Session) Run(ctx context.Context, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	ordered, err := s.order(in)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", s.name, err)
	}
	data := s.data.Load()
	if data == nil {
		return nil, ErrClosed
	}
	got, err := runChild(ctx, *data, ordered, len(s.plan.outputs), s.plan.outputBytes(), s.options)
	if err != nil {
		return nil, fmt.Errorf("running %s in onnx-go: %w", s.name, err)
	}
	out := make(map[string]*tensor.Tensor, len(got))
	for i, p := range s.plan.outputs {
		if t := got[i]; t == nil || t.DType() != p.DType || !slices.Equal(t.Shape(), p.Shape) {
			return nil, fmt.Errorf("running %s in onnx-go: output %q came back as %v, the model has %v", s.name, p.Name, t, p)
		}
		out[p.Name] = got[i]
	}
	return out, nil
}

// Close lets go of the model. Runs that are under way go on to their end.
func (s *Session) Close() error {
	s.data.Store(nil)
	return nil
}

func (s *Session) order(in map[string]*tensor.Tensor) ([]*tensor.Tensor, error) {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(s.plan.inputs, func(p Port) bool { return p.Name == name }) {
			return nil, fmt.Errorf("there is no input %q; the model has %s", name, list(s.plan.inputs))
		}
	}
	var ordered []*tensor.Tensor
	for _, p := range s.plan.inputs {
		x := in[p.Name]
		if x == nil {
			return nil, fmt.Errorf("the input %q is missing; the model has %s", p.Name, list(s.plan.inputs))
		}
		if x.DType() != p.DType || !slices.Equal(x.Shape(), p.Shape) {
			return nil, fmt.Errorf("the input %q is %v, the model has %v", p.Name, x, p)
		}
		ordered = append(ordered, x)
	}
	return ordered, nil
}

func list(ports []Port) string {
	if len(ports) == 0 {
		return "no inputs"
	}
	var text []string
	for _, p := range ports {
		text = append(text, p.String())
	}
	return strings.Join(text, ", ")
}

// A Port is an input or output of a model.
type Port struct {
	Name  string
	DType tensor.DType
	Shape []int
}

// String is the name, dtype and shape: x f32[1 784].
func (p Port) String() string { return fmt.Sprintf("%s %v%v", p.Name, p.DType, p.Shape) }
