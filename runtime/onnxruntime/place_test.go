package onnxruntime

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime/cudatest"
)

// hostOperators are, by our ops, the operators that onnxruntime runs in host memory where the rest is on CUDA: those that its provider has no
// kernel for, in the newest opset and in f32, and what computes with sizes only.
var hostOperators = map[string][]string{
	"ELU": {"Elu"}, "InstanceNorm": {"InstanceNormalization"}, "Pad": {"Pad"}, "GRU": {"GRU"}, "Unique": {"Unique"},
	"MaxPoolND": {"MaxPool"}, "MaxPoolScatter": {"MaxPool"}, "MaxPoolGather": {"MaxPool"},
	"BitwiseAnd": {"BitwiseAnd"}, "BitwiseOr": {"BitwiseOr"}, "BitwiseXor": {"BitwiseXor"}, "BitwiseNot": {"BitwiseNot"},
	"BitShiftLeft": {"BitShift"}, "BitShiftRight": {"BitShift"},
	"GroupNorm": {"Concat", "Div"}, // of a shape
}

// CheckHost holds f, of one op, to the operators that are known to run in host memory where f is on CUDA, and returns those that do. An error is
// that of the session.
func CheckHost(t *testing.T, op graph.Op, f *graph.Func) (list []string, err error) {
	t.Helper()
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Opset: onnx.MaxOpset, Device: CUDA}); err != nil {
		t.Fatal(err)
	}
	d, err := newDevice(Options{Device: CUDA, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { err = errors.Join(err, d.close()) }()
	s, err := d.open(file.Bytes(), opening{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	nodes, err := s.nodes()
	for _, n := range nodes {
		if n.provider != onHost {
			continue
		}
		list = append(list, n.operator)
		if !slices.Contains(hostOperators[graph.OpName(op)], n.operator) {
			t.Errorf("%s: its %s runs in host memory, not on the device", graph.OpText(op), n.operator)
		}
	}
	return list, err
}

// TestCUDAPlaces: the samples of all ops are on the device, with stand-ins for NVIDIA's libraries, but for the operators that are known not to be.
func TestCUDAPlaces(t *testing.T) {
	needLibrary(t)
	lib, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	cudatest.Build(t, lib.Path).Run(t, nil, nil, func(t *testing.T) {
		checked := 0
		for _, op := range graph.All() {
			switch op.(type) {
			case graph.Input, graph.Param: // no computation
				continue
			}
			var all []string
			for _, s := range op.Samples() {
				f, _, _ := s.Trace(graph.F32)
				list, err := CheckHost(t, s.Op, f)
				switch {
				case err == nil:
					checked++
				case strings.Contains(err.Error(), "Failed to allocate memory"): // of a size that a kernel would have computed
				default:
					t.Errorf("%s: %v", graph.OpText(s.Op), err)
				}
				all = append(all, list...)
			}
			for _, known := range hostOperators[graph.OpName(op)] {
				if !slices.Contains(all, known) {
					t.Errorf("%s: no %s runs in host memory: take it off the list", graph.OpName(op), known)
				}
			}
		}
		if checked < 300 {
			t.Errorf("%d samples were placed", checked)
		}
	})
}
