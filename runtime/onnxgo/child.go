package onnxgo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	gtensor "gorgonia.org/tensor"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// childEnv is the environment variable by which a program knows that it is the child, and how many bytes it may use.
const childEnv = "SARDONYX_ONNXGO_CHILD"

// hooked says that this program has called Child.
var hooked atomic.Bool

// Child makes a process that a Session started the child it was meant to be, and then does not return; anywhere else it
// returns at once. A program that runs models with this package must call it before all else, in main and in TestMain.
func Child() {
	hooked.Store(true)
	limit := os.Getenv(childEnv)
	if limit == "" {
		return
	}
	out := os.Stdout
	os.Stdout = os.Stderr // what libraries print is no answer
	if err := child(os.Stdin, out, limit); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child serves one request. The request's pipe stays open while the parent waits for the answer: when it closes, the
// parent is gone, and so is the child.
func child(in io.Reader, out io.Writer, limit string) error {
	bytes, err := strconv.ParseInt(limit, 10, 64)
	if err != nil {
		return fmt.Errorf("%s=%s: %w", childEnv, limit, err)
	}
	if err := limitMemory(bytes); err != nil {
		return fmt.Errorf("limiting memory: %w", err)
	}
	model, err := readFrame(in, maxFrame)
	if err != nil {
		return fmt.Errorf("reading the model: %w", err)
	}
	encoded, err := readFrame(in, maxFrame)
	if err != nil {
		return fmt.Errorf("reading the inputs: %w", err)
	}
	go func() {
		_, _ = in.Read(make([]byte, 1))
		os.Exit(1)
	}()
	inputs, err := safetensors.Decode(encoded)
	if err != nil {
		return err
	}
	outputs, err := evaluate(model, inputs)
	message := ""
	if err != nil {
		message = err.Error()
		if message == "" {
			message = "unknown error"
		}
	}
	if err := writeFrame(out, []byte(message)); err != nil {
		return err
	}
	return writeTensors(out, outputs)
}

// evaluate decodes a model with onnx-go and runs it with its gorgonnx backend. Tensors are named by their place.
func evaluate(model []byte, inputs map[string]*tensor.Tensor) (outputs map[string]*tensor.Tensor, err error) {
	defer func() {
		if r := recover(); r != nil {
			outputs, err = nil, fmt.Errorf("panic: %v", r)
		}
	}()
	backend := gorgonnx.NewGraph()
	m := onnx.NewModel(backend)
	if err := m.UnmarshalBinary(model); err != nil {
		return nil, err
	}
	for i := range len(inputs) {
		x, err := toGorgonia(inputs[strconv.Itoa(i)])
		if err != nil {
			return nil, err
		}
		if err := m.SetInput(i, x); err != nil {
			return nil, err
		}
	}
	if err := backend.Run(); err != nil {
		return nil, err
	}
	got, err := m.GetOutputTensors()
	if err != nil {
		return nil, err
	}
	outputs = make(map[string]*tensor.Tensor, len(got))
	for i, t := range got {
		if outputs[strconv.Itoa(i)], err = fromGorgonia(t); err != nil {
			return nil, fmt.Errorf("output %d: %w", i, err)
		}
	}
	return outputs, nil
}

func toGorgonia(x *tensor.Tensor) (gtensor.Tensor, error) {
	if x == nil {
		return nil, errors.New("an input is missing")
	}
	if x.Rank() == 0 {
		switch d := x.Raw().(type) {
		case []float32:
			return gtensor.New(gtensor.FromScalar(d[0])), nil
		case []float64:
			return gtensor.New(gtensor.FromScalar(d[0])), nil
		}
	}
	switch d := x.Raw().(type) {
	case []float32, []float64:
		return gtensor.New(gtensor.WithShape(x.Shape()...), gtensor.WithBacking(d)), nil
	}
	return nil, fmt.Errorf("elements of type %v cannot be given to onnx-go", x.DType())
}

func fromGorgonia(t gtensor.Tensor) (*tensor.Tensor, error) {
	if t == nil {
		return nil, errors.New("onnx-go has no tensor for it")
	}
	if d, ok := t.(*gtensor.Dense); ok && (d.RequiresIterator() || !d.DataOrder().IsRowMajor()) {
		t = d.Materialize()
	}
	shape := append([]int{}, t.Shape()...)
	n, err := tensor.Count(shape)
	if err != nil {
		return nil, err
	}
	switch d := t.Data().(type) {
	case float32:
		return tensor.Of([]float32{d}, shape...), nil
	case float64:
		return tensor.Of([]float64{d}, shape...), nil
	case []float32:
		if len(d) == n {
			return tensor.Of(d, shape...), nil
		}
	case []float64:
		if len(d) == n {
			return tensor.Of(d, shape...), nil
		}
	}
	return nil, fmt.Errorf("onnx-go gave %v of %v, with %T", t.Shape(), t.Dtype(), t.Data())
}
