//go:build darwin || freebsd || linux

package cudatest

import (
	"unsafe"

	"github.com/ebitengine/purego"
)

// Counts are what the stand-ins have been asked for in this process, by what is counted.
func Counts() (counts [4]int, err error) {
	lib, err := purego.Dlopen("libcudart.so.13", purego.RTLD_LAZY)
	if err != nil {
		return counts, err
	}
	at, err := purego.Dlsym(lib, "stub_cuda_count")
	if err != nil {
		return counts, err
	}
	for i, n := range *(*[4]int)(*(*unsafe.Pointer)(unsafe.Pointer(&at))) {
		counts[i] = n
	}
	return counts, nil
}
