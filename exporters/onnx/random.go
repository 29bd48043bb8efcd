package onnx

import (
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Random says what becomes of the ops that draw random numbers.
type Random int

const (
	// RandomInputs makes each random op an input noise.<stream> that the caller fills: the file computes a pure function,
	// and the same numbers give the same result on every runtime.
	RandomInputs Random = iota
	// RandomNative writes the runtime's own random nodes. What they draw differs from runtime to runtime.
	RandomNative
	// RandomSeed writes our own generator, Philox, in integer operators: the file has an input, seed, and draws by it what our
	// kernels draw, to the bit, but for normal numbers, which take the runtime's logarithm, sine and cosine; see [pass.SeedRandom]. A
	// training step draws from its random state, as ours does. It needs SeedOpset.
	RandomSeed
)

// SeedOpset is the first opset whose operators can draw by a seed.
const SeedOpset = 18

// noiseText says, for people, how noise is distributed.
func noiseText(distribution string) string {
	if distribution == pass.Normal {
		return "random numbers of the standard normal distribution"
	}
	return "random numbers uniform in [0, 1)"
}

// inputDoc describes an input that stands for random numbers, or that they are drawn by.
func (x *exporter) inputDoc(v *graph.Value) string {
	if n, ok := x.noiseOf(v.Name); ok {
		return noiseText(n.Distribution)
	}
	switch {
	case x.seeded && v.Name == pass.SeedInput:
		return "what the random numbers are drawn by: the same seed draws the same"
	case v.IsSize():
		return "the size " + v.Name + ": how many random numbers are drawn"
	}
	return ""
}
