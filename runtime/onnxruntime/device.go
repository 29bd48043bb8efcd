package onnxruntime

import (
	"context"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A device is where an Engine keeps tensors and runs sessions on them, without a copy to host memory. It and what comes from it are for
// one goroutine at a time.
type device interface {
	// host reports whether the device computes in host memory, so that what wrap returns can be an argument of a run.
	host() bool
	// alloc returns a tensor in the device's memory, of undefined elements.
	alloc(t tensor.DType, shape ...int) (deviceTensor, error)
	// wrap returns x itself, in host memory, as a value; x must not go before it.
	wrap(x *tensor.Tensor) (deviceTensor, error)
	// copy copies the elements of from[i] to to[i]. All of from are in one place, the device or host memory, and all of to.
	copy(to, from []deviceTensor) error
	// open loads a model.
	open(model []byte, o opening) (deviceSession, error)
	close() error
}

// An opening says how a model is loaded.
type opening struct {
	inputs, outputs []string       // their names, in the order in which runs have them
	sizes           map[string]int // of symbols, as far as they are given
	graphs          bool           // whether a run is recorded for each number that runs have, and replayed in the next with that number
}

// A deviceTensor is a tensor of the native library.
type deviceTensor interface {
	// tensor is a copy of it in host memory, of any shape; the value is in host memory too.
	tensor() (*tensor.Tensor, error)
	free()
}

// A deviceSession is a model loaded on a device.
type deviceSession interface {
	// run computes the outputs from the inputs. An output that is nil is made by the run, in host memory; it is the caller's to free. When
	// ctx ends, the run is broken off between two nodes, if it is not recorded. Runs that are recorded have a number from 0 on: those of
	// one number must have the same tensors.
	run(ctx context.Context, number int, in, out []deviceTensor) error
	// nodes are those of the model after the first optimizations, on a device apart, with what runs them.
	nodes() ([]placedNode, error)
	close() error
}

// A placedNode is a node of a session's graph, and the execution provider that runs it.
type placedNode struct{ name, operator, provider string }
