// Package onnxruntime runs ONNX models in the native onnxruntime library, on the CPU or on a CUDA device.
//
// [Find] says where the library is, [Install] fetches the pinned version into the cache, and [Open] loads a model into
// a [Session], whose Run takes and returns named tensors. [Session.Bind] fixes the tensors once, for many runs, and [Session.Pool] does
// so for runs from many goroutines. What a caller gets wrong (a name, a dtype, a shape) is an error before native code sees it.
//
// The library is loaded at the first use, once in a process. In a binary built without cgo the package compiles and
// finds and installs the library as usual, but Open is an error: see [Available].
package onnxruntime
