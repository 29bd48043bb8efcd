// Package blas finds a BLAS for the kernels: OpenBLAS (or Accelerate on macOS) where the machine has it, opened at run
// time without cgo, or a pure Go one, which always works: gonum's, with vector instructions for float32 on amd64. Of those, the
// faster one is taken, as measured on the machine.
package blas

import (
	"errors"
	"fmt"
	"math"
	"os"

	"gonum.org/v1/gonum/blas"
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
// interface. Unset or empty, the fastest found is used: see [Candidates].
const Env = "SARDONYX_BLAS"

type pureGo struct{ gonum.Implementation }

func (pureGo) Name() string { return "gonum, pure Go" }

// Go returns the BLAS without a native library: gonum's, with float32 products of its own where the CPU has AVX2 or
// AVX-512. All of these multiply to the same bits.
func Go() Impl {
	if n := len(levels); n > 0 {
		return vectorGo{level: levels[n-1]}
	}
	return pureGo{}
}

// Default returns the BLAS that [Env] asks for, or the fastest found.
func Default() (Impl, error) { return Find(os.Getenv(Env)) }

// Find returns the BLAS called choice: "" for the fastest of [Candidates], "go", "openblas", or a library's path.
func Find(choice string) (Impl, error) {
	switch choice {
	case "":
		return Candidates()[0].Impl, nil
	case "go":
		return Go(), nil
	case "openblas":
		lib, err := openFirst()
		if err != nil {
			return nil, fmt.Errorf("no OpenBLAS on this machine: install it (Debian: libopenblas0-pthread), or set %s=go: %w", Env, err)
		}
		return lib, nil
	}
	lib, err := open(choice)
	if err != nil {
		return nil, fmt.Errorf("%q is neither go nor openblas nor a BLAS that can be opened: %w", choice, err)
	}
	return lib, nil
}

// openFirst opens the first library of libraryNames that is there.
func openFirst() (*library, error) {
	var tried []error
	for _, name := range libraryNames {
		lib, err := open(name)
		if err == nil {
			return lib, nil
		}
		tried = append(tried, err)
	}
	return nil, errors.Join(tried...)
}

// check panics where the library would read or write past a slice, as gonum does.
func check(tA, tB blas.Transpose, m, n, k, a, lda, b, ldb, c, ldc int) {
	rowsA, colsA := m, k
	if tA != blas.NoTrans {
		rowsA, colsA = k, m
	}
	rowsB, colsB := k, n
	if tB != blas.NoTrans {
		rowsB, colsB = n, k
	}
	fits := func(length, rows, cols, ld int) bool {
		return ld >= max(1, cols) && (rows == 0 || cols == 0 || length >= (rows-1)*ld+cols)
	}
	if m < 0 || n < 0 || k < 0 || !fits(a, rowsA, colsA, lda) || !fits(b, rowsB, colsB, ldb) || !fits(c, m, n, ldc) {
		panic(fmt.Sprintf("blas: a product of %dx%d by %dx%d does not fit its slices of %d, %d and %d elements", rowsA, colsA, rowsB, colsB, a, b, c))
	}
	if max(m, n, k, lda, ldb, ldc) > math.MaxInt32 {
		panic(fmt.Sprintf("blas: a product of %dx%d by %dx%d has a side above 2³¹", rowsA, colsA, rowsB, colsB))
	}
}

// checkVector is check for a matrix of m rows and n columns, or its transpose, and a vector.
func checkVector(tA blas.Transpose, m, n, a, lda, x, incX, y, incY int) {
	if tA != blas.NoTrans {
		m, n = n, m
	}
	check(tA, blas.NoTrans, m, 1, n, a, lda, x, incX, y, incY)
}
