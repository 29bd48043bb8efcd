//go:build !(darwin || linux || freebsd || windows)

package onnxruntime

import (
	"fmt"
	"runtime"
)

// probe cannot load libraries here.
func probe(string) (version, where string, err error) {
	return "", "", fmt.Errorf("onnxruntime has no library for %s/%s", runtime.GOOS, runtime.GOARCH)
}

// loadable cannot load libraries here.
func loadable(name string) error {
	return fmt.Errorf("%s cannot be loaded on %s/%s", name, runtime.GOOS, runtime.GOARCH)
}
