package onnxruntime_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// tested is the device that ops and steps are compared on: the CPU, or what SARDONYX_TEST_DEVICE names.
var tested = os.Getenv("SARDONYX_TEST_DEVICE")

// onTested are o on the device that is tested.
func onTested(o onnxruntime.Options) onnxruntime.Options {
	o.Device = tested
	return o
}

// far is how far results may be from our kernels on the device that is tested, where tol is so on the CPU: a GPU adds up in other orders,
// and has faster functions.
func far(tol float64) float64 {
	if tested == onnxruntime.CUDA {
		return max(50*tol, 1e-5)
	}
	return tol
}

// skipUnimplemented skips what the device that is tested, or the CPU beside it, has no kernel for. The CPU's alone are listed.
func skipUnimplemented(t *testing.T, err error) {
	t.Helper()
	if err != nil && tested == onnxruntime.CUDA && (strings.Contains(err.Error(), "Could not find an implementation") || strings.Contains(err.Error(), "Failed to find kernel")) {
		t.Skip(err)
	}
}
