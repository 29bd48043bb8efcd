//go:build linux || darwin

package kernel

import (
	"syscall"
	"testing"
	"unsafe"
)

// TestVectorBounds runs the vector loops on operands behind which no memory may be touched: one element too far ends the
// test with a fault.
func TestVectorBounds(t *testing.T) {
	out, a, b := guarded(t), guarded(t), guarded(t)
	for _, v := range levels {
		withLoops(v.vectorLoops, func() {
			for _, f := range vectorKernels {
				for n := range 41 {
					at := len(out) - n
					f(out[at:], a[at:], b[at:])
				}
			}
		})
	}
	for n := range 70 {
		Uniform(NewContext(nil, 1), Draw{}, out[len(out)-n:])
		Normal(NewContext(nil, 1), Draw{}, out[len(out)-n:])
	}
	for rows := 1; rows < 20; rows++ {
		for cols := 1; cols < 20; cols++ {
			Transpose(rows, cols, out[len(out)-rows*cols:], cols, a[len(a)-rows*cols:], rows)
		}
	}
	for n := 1; n < 41; n++ {
		last := func(x []float32, n int) []float32 { return x[len(x)-n:] }
		maxFours(last(out, n), last(a, 2*n), last(b, 2*n))
		for _, d := range [][2][]float32{{a, out}, {out, a}} {
			scatterFours(last(d[0], 2*n), last(d[1], 2*n), last(b, 2*n), last(b, 2*n), last(b, n))
		}
	}
	for n := range 41 {
		if !Finite(a[len(a)-n:]) {
			t.Errorf("%d zeros are not finite", n)
		}
	}
}

// guarded is a page of float32 with a page behind it that may not be touched.
func guarded(t *testing.T) []float32 {
	t.Helper()
	size := syscall.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 2*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(mem); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mprotect(mem[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&mem[0])), size/4)
}
