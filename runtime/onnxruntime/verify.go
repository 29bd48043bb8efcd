package onnxruntime

import (
	"context"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// Verify tells whether the ONNX file path still computes in onnxruntime what was exported, within the tolerances that its test
// vectors state: see [verify.File].
func Verify(ctx context.Context, path string, o Options) ([]verify.Comparison, error) {
	return verify.File(ctx, path, opener(o), verify.Stated)
}

// VerifyWithin is [Verify] with another tolerance: each element may differ by tol + tol·|element|.
func VerifyWithin(ctx context.Context, path string, o Options, tol float64) ([]verify.Comparison, error) {
	return verify.File(ctx, path, opener(o), verify.Within(tol))
}

func opener(o Options) func(path string) (verify.Session, error) {
	return func(path string) (verify.Session, error) { return Open(path, o) }
}

// VerifyFunc compares s, the session of f exported with the given weights, with f run by our own kernels, at two sizes of the
// batch: see [verify.Func].
func VerifyFunc(ctx context.Context, s *Session, f *graph.Func, weights onnx.Weights, seed uint64, tol float64) ([]verify.Comparison, error) {
	var inputs []string
	for _, in := range s.Inputs() {
		inputs = append(inputs, in.Name)
	}
	return verify.Func(ctx, s, inputs, f, weights, verify.Sizes, seed, tol)
}
