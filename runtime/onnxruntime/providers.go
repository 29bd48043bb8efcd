package onnxruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Provider is a device as onnxruntime sees it here.
type Provider struct {
	Device string // CPU or CUDA
	Name   string // the execution provider's own name
	Err    error  // why the device cannot be used; nil if a model ran on it
}

// Providers runs a one-node model on each of the [Devices], with the library that library names as in [Options], and
// says how that went. It is an error if the library itself cannot be loaded.
func Providers(library string) ([]Provider, error) {
	if _, err := start(library); err != nil {
		return nil, err
	}
	list := []Provider{{Device: CPU, Name: "CPUExecutionProvider"}, {Device: CUDA, Name: "CUDAExecutionProvider"}}
	for i := range list {
		list[i].Err = try(Options{Library: library, Device: list[i].Device, Threads: 1})
	}
	return list, nil
}

// onePlusOne is a model of one node, x + x.
func onePlusOne() ([]byte, error) {
	one := &wire.ValueInfo{Name: "x", Type: &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{{Value: 1}}}}
	sum := &wire.ValueInfo{Name: "y", Type: one.Type}
	var buf bytes.Buffer
	err := (&wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: &wire.Graph{Name: "probe",
		Nodes:  []*wire.Node{{OpType: "Add", Inputs: []string{"x", "x"}, Outputs: []string{"y"}}},
		Inputs: []*wire.ValueInfo{one}, Outputs: []*wire.ValueInfo{sum}}}).Encode(&buf)
	return buf.Bytes(), err
}

// try adds 1 to 1.
func try(o Options) error {
	model, err := onePlusOne()
	if err != nil {
		return err
	}
	s, err := OpenBytes(model, o)
	if err != nil {
		return err
	}
	out, err := s.Run(context.Background(), map[string]*tensor.Tensor{"x": tensor.Of([]float32{1}, 1)})
	if err == nil && out["y"].At(0) != 2 {
		err = fmt.Errorf("1+1 came out as %g", out["y"].At(0))
	}
	return errors.Join(err, s.Close())
}

// oneLine is an error of the native library as one line, without the place in the library's source that it starts with.
type oneLine struct{ err error }

func (e oneLine) Error() string {
	text := strings.Join(strings.Fields(e.err.Error()), " ")
	if at := nativeCode.FindAllStringIndex(text, -1); at != nil {
		text = text[at[len(at)-1][1]:]
	}
	return text
}

func (e oneLine) Unwrap() error { return e.err }

// nativeCode is how the library marks its own errors, before what they say.
var nativeCode = regexp.MustCompile(`\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : `)
