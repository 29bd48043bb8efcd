package onnxruntime

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"
)

// probe loads the library at path, or of that bare name, and returns the version it states and the file it came from.
// The library stays loaded: unloading C++ libraries that have started threads is not safe.
func probe(path string) (version, where string, err error) {
	dll, err := syscall.LoadDLL(path)
	if err != nil {
		return "", "", err
	}
	proc, err := dll.FindProc("OrtGetApiBase")
	if err != nil {
		return "", "", fmt.Errorf("it is not an onnxruntime library: %w", err)
	}
	base, _, _ := proc.Call()
	if base == 0 {
		return "", "", errors.New("its OrtGetApiBase returned nothing")
	}
	// OrtApiBase of onnxruntime_c_api.h is two function pointers: GetApi and GetVersionString.
	getVersion := (*[2]uintptr)(*(*unsafe.Pointer)(unsafe.Pointer(&base)))[1]
	text, _, _ := syscall.SyscallN(getVersion)
	p := *(*unsafe.Pointer)(unsafe.Pointer(&text))
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n)), fileOf(dll.Handle), nil
}

// fileOf is the path of a loaded library, or "" where the system does not say.
func fileOf(h syscall.Handle) string {
	proc := syscall.NewLazyDLL("kernel32.dll").NewProc("GetModuleFileNameW")
	buf := make([]uint16, 32768)
	n, _, _ := proc.Call(uintptr(h), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
	return syscall.UTF16ToString(buf[:n])
}

// loadable says why the library of that name cannot be loaded, nil if it can.
func loadable(name string) error {
	_, err := syscall.LoadDLL(name)
	return err
}
