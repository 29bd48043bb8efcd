// Package onnx writes a traced graph as an ONNX file, and tells what is in one.
//
//	report, err := onnx.ExportFile("vae.onnx", prog.Func("decode"), state, onnx.Options{})
//
// Names are the model's own: an initializer has the name of its parameter, inputs and outputs those that the model
// declares, a node the path of the layer it belongs to, with the Go file and line in its doc string. A symbolic dimension
// becomes a dim_param. The same program, weights and options give the same bytes, and no path of the machine is in them.
//
// What is about to be written is searched for faults by package check: a file that breaks a rule of the format is an error, and is not
// written. [Check] does that for any file.
//
// The metadata tells whether a file still computes what was exported: test vectors ([Vector]), which the exporter makes, for any
// runtime to replay, and a digest of the weights, for [CheckWeights].
//
// A random op becomes an input noise.<stream> that the caller fills ([RandomInputs]), the runtime's own random node
// ([RandomNative]), or our generator in integer operators, which draws our numbers by an input seed ([RandomSeed]). A training step may be
// written too ([Options.Training]): its state goes in as inputs and comes out as outputs, the metadata says which belong together
// ([State]), and the first state and a description stand beside the model.
package onnx
