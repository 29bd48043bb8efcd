// Package onnxgo runs ONNX models with github.com/owulveryck/onnx-go and its gorgonnx backend: a reader that shares no code with
// our exporter, kernels or onnxruntime, in pure Go.
//
//	func main() {
//		onnxgo.Child() // before all else
//		...
//		s, err := onnxgo.Open("decode.onnx-go.onnx", onnxgo.Options{})
//		out, err := s.Run(ctx, inputs)
//
// onnx-go knows 41 operators, computes some of them wrong, and lets a file end its process. So a model is first held to what
// measurements say that it computes right, operator by operator and in how values are shared ([Open] names the node and the
// reason); then it runs in a child process, this program again, under limits of memory and time. Whatever becomes of the child is
// one error in the parent. A run decodes the model anew: gorgonia overwrites weights.
//
// Most files need to be written for it: exporters/onnx has a profile that does so.
package onnxgo

import "runtime/debug"

// Version is the version of onnx-go in the running program.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == "github.com/owulveryck/onnx-go" {
				return m.Version
			}
		}
	}
	return "of unknown version"
}
