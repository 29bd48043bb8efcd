//go:build !(darwin || linux)

package blas

import "fmt"

// libraryNames is empty: on this platform only the pure Go BLAS is used.
var libraryNames []string

// A library is never opened on this platform.
type library struct {
	Impl
	path string
}

func open(name string) (*library, error) {
	return nil, fmt.Errorf("opening %s: loading a BLAS is not supported on this platform", name)
}
