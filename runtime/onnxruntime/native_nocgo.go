//go:build !cgo

package onnxruntime

import "errors"

var errNoCgo = errors.New("this binary was built without cgo, which running models in onnxruntime needs: build it with CGO_ENABLED=1 and a C compiler")

// Available reports whether this binary can run models: whether it was built with cgo. The native library may still be
// missing; that, [Find] says.
func Available() bool { return false }

// Version is the version of the native library that this process has loaded, "" if it has loaded none.
func Version() string { return "" }

func load(*model, Options) (native, error) { return nil, errNoCgo }

func start(string) (Library, error) { return Library{}, errNoCgo }

func newDevice(Options) (device, error) { return nil, errNoCgo }
