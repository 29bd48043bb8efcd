package onnxruntime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
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

// cudaError is an error of the CUDA provider, err, as what this machine lacks for it; where it lacks nothing that can be
// looked for, it is err with a guess.
func cudaError(lib Library, err error) error {
	dir := filepath.Dir(lib.Path)
	var files, lacks []string
	for _, name := range cudaFiles(runtime.GOOS) {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			files = append(files, name)
		}
	}
	if files != nil {
		lacks = append(lacks, fmt.Sprintf("%s lacks the CUDA provider of onnxruntime %s (%s)", dir, lib.Version, strings.Join(files, ", ")))
	}
	if driver := cudaDriver(runtime.GOOS); driver == "" {
		lacks = append(lacks, "there is no NVIDIA driver for "+runtime.GOOS)
	} else if loadable(driver) != nil {
		lacks = append(lacks, "this machine lacks the NVIDIA driver ("+driver+")")
	}
	why := strings.Join(lacks, ", and ")
	if lacks == nil {
		why = fmt.Sprintf("%v; the provider's files and the driver are there, so a CUDA or cuDNN library may be missing or of another version", oneLine{err})
	}
	return &cudaUnusable{why, err}
}

// A cudaUnusable says why the device cuda cannot be used.
type cudaUnusable struct {
	why string
	err error
}

func (e *cudaUnusable) Error() string {
	return fmt.Sprintf("the device cuda cannot be used: %s; --device cpu works", e.why)
}

func (e *cudaUnusable) Unwrap() error { return e.err }

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

// cudaFiles are the provider's files, which must lie beside the library and be of its version.
func cudaFiles(goos string) []string {
	if goos == "windows" {
		return []string{"onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"}
	}
	return []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}
}

// cudaDriver is the library that comes with the driver, "" where there is no driver.
func cudaDriver(goos string) string {
	switch goos {
	case "linux", "freebsd":
		return "libcuda.so.1"
	case "windows":
		return "nvcuda.dll"
	}
	return ""
}
