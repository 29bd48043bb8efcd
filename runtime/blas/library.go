//go:build darwin || linux

package blas

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
	"gonum.org/v1/gonum/blas"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// libraryNames are what the loader is asked for, in order.
var libraryNames = map[bool][]string{
	true:  {"/System/Library/Frameworks/Accelerate.framework/Accelerate"},
	false: {"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0"},
}[runtime.GOOS == "darwin"]

const (
	rowMajor = 101
	noTrans  = 111
	trans    = 112
)

// smallCall is the number of multiply-adds from which on a product is worth a call of C, which takes a microsecond.
const smallCall = 1 << 10

// A library is a BLAS opened at run time. Its products run on the calling goroutine's thread alone: kernels cut the work
// themselves, and two levels of threads would fight for the CPUs.
type library struct {
	name  string
	path  string // of its file, or its name where the system does not tell
	sgemm func(order, tA, tB, m, n, k int32, alpha float32, a *float32, lda int32, b *float32, ldb int32, beta float32, c *float32, ldc int32)
	dgemm func(order, tA, tB, m, n, k int32, alpha float64, a *float64, lda int32, b *float64, ldb int32, beta float64, c *float64, ldc int32)
}

var (
	mu     sync.Mutex
	opened = map[string]*library{}
)

// open loads a library with the CBLAS interface, once.
func open(name string) (*library, error) {
	mu.Lock()
	defer mu.Unlock()
	if l := opened[name]; l != nil {
		return l, nil
	}
	if strings.Contains(name, "/") { // not a name for the loader to look for
		f, _, err := regularfile.Open(name)
		if err == nil {
			err = f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // macOS has libraries that are no files
			return nil, fmt.Errorf("opening %s: %w", name, err)
		}
	}
	h, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", name, err)
	}
	l := &library{name: name}
	for symbol, fn := range map[string]any{"cblas_sgemm": &l.sgemm, "cblas_dgemm": &l.dgemm} {
		addr, err := purego.Dlsym(h, symbol)
		if err != nil {
			return nil, fmt.Errorf("%s is no CBLAS: %w", name, err)
		}
		purego.RegisterFunc(fn, addr)
		l.path = cmp.Or(fileOf(addr), name)
	}
	if addr, err := purego.Dlsym(h, "openblas_set_num_threads"); err == nil {
		var set func(n int32)
		purego.RegisterFunc(&set, addr)
		set(1)
	}
	if addr, err := purego.Dlsym(h, "openblas_get_config"); err == nil {
		var config func() string
		purego.RegisterFunc(&config, addr)
		if f := strings.Fields(config()); len(f) >= 2 {
			l.name = f[0] + " " + f[1] // "OpenBLAS 0.3.21"
		}
		if addr, err := purego.Dlsym(h, "openblas_get_corename"); err == nil {
			var core func() string
			purego.RegisterFunc(&core, addr)
			l.name += " for " + core() // the CPU that its code is for, which gives other bits on another
		}
	} else if runtime.GOOS == "darwin" {
		l.name = "Accelerate"
	}
	opened[name] = l
	return l, nil
}

// fileOf is the path of the file that the symbol at addr was loaded from, "" where the system does not tell.
func fileOf(addr uintptr) string {
	find, err := purego.Dlsym(purego.RTLD_DEFAULT, "dladdr")
	if err != nil {
		return ""
	}
	var info struct { // Dl_info
		path               *byte
		base, symbol, addr uintptr
	}
	if status, _, _ := purego.SyscallN(find, addr, uintptr(unsafe.Pointer(&info))); status == 0 || info.path == nil {
		return ""
	}
	var path []byte
	for p := unsafe.Pointer(info.path); *(*byte)(p) != 0; p = unsafe.Add(p, 1) {
		path = append(path, *(*byte)(p))
	}
	return string(path)
}

func (l *library) Name() string { return l.name }

func flag(t blas.Transpose) int32 {
	if t == blas.NoTrans {
		return noTrans
	}
	return trans
}

// Sgemm is c = alpha·op(a)·op(b) + beta·c in float32.
func (l *library) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if m*n*k < smallCall {
		Go().Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	l.sgemm(rowMajor, flag(tA), flag(tB), int32(m), int32(n), int32(k), alpha, &a[0], int32(lda), &b[0], int32(ldb), beta, &c[0], int32(ldc))
}

// Dgemm is c = alpha·op(a)·op(b) + beta·c in float64.
func (l *library) Dgemm(tA, tB blas.Transpose, m, n, k int, alpha float64, a []float64, lda int, b []float64, ldb int, beta float64, c []float64, ldc int) {
	check(tA, tB, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if m*n*k < smallCall {
		Go().Dgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	l.dgemm(rowMajor, flag(tA), flag(tB), int32(m), int32(n), int32(k), alpha, &a[0], int32(lda), &b[0], int32(ldb), beta, &c[0], int32(ldc))
}
