// Package blas finds a BLAS for the kernels: OpenBLAS (or Accelerate on macOS) where the machine has it, opened at run
// time without cgo, else gonum's, which is pure Go and always works.
package blas

import (
	"errors"
	"fmt"
	"os"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
)

// An Impl is a BLAS that says which it is.
type Impl interface {
	kernel.BLAS
	// Name says which BLAS, and its version where it tells: "OpenBLAS 0.3.21".
	Name() string
}

// Env is the environment variable that chooses the BLAS: "go", "openblas", or the path of a library with the CBLAS
// interface. Unset or empty, the best found is used.
const Env = "SARDONYX_BLAS"

type pureGo struct{ gonum.Implementation }

func (pureGo) Name() string { return "gonum, pure Go" }

// Go returns gonum's BLAS.
func Go() Impl { return pureGo{} }

// Default returns the BLAS that [Env] asks for, or the best there is.
func Default() (Impl, error) { return Find(os.Getenv(Env)) }

// Find returns the BLAS called choice: "" for the best there is, "go", "openblas", or a library's path. Only "" falls back.
func Find(choice string) (Impl, error) {
	switch choice {
	case "go":
		return Go(), nil
	case "", "openblas":
		var tried []error
		for _, name := range libraryNames {
			lib, err := open(name)
			if err == nil {
				return lib, nil
			}
			tried = append(tried, err)
		}
		if choice == "" {
			return Go(), nil
		}
		return nil, fmt.Errorf("no OpenBLAS on this machine: install it (Debian: libopenblas0-pthread), or set %s=go: %w", Env, errors.Join(tried...))
	}
	lib, err := open(choice)
	if err != nil {
		return nil, fmt.Errorf("%s=%s: %w", Env, choice, err)
	}
	return lib, nil
}
