//go:build darwin || linux || freebsd

package onnxruntime

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// probe loads the library at path, or of that bare name, and returns the version it states and the file it came from.
// The library stays loaded: unloading C++ libraries that have started threads is not safe.
func probe(path string) (version, where string, err error) {
	handle, err := purego.Dlopen(path, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	if err != nil {
		return "", "", err
	}
	symbol, err := purego.Dlsym(handle, "OrtGetApiBase")
	if err != nil {
		return "", "", fmt.Errorf("it is not an onnxruntime library: %w", err)
	}
	var getBase func() *apiBase
	purego.RegisterFunc(&getBase, symbol)
	base := getBase()
	if base == nil || base.getVersionString == 0 {
		return "", "", errors.New("its OrtGetApiBase returned nothing")
	}
	var getVersion func() string
	purego.RegisterFunc(&getVersion, base.getVersionString)
	return getVersion(), fileOf(symbol), nil
}

// fileOf is the path of the library that holds symbol, or "" where the system does not say.
func fileOf(symbol uintptr) string {
	addr, err := purego.Dlsym(purego.RTLD_DEFAULT, "dladdr")
	if err != nil {
		return ""
	}
	var dladdr func(uintptr, *dlInfo) int32
	purego.RegisterFunc(&dladdr, addr)
	var info dlInfo
	if dladdr(symbol, &info) == 0 || info.name == nil {
		return ""
	}
	n := 0
	for *(*byte)(unsafe.Add(unsafe.Pointer(info.name), n)) != 0 {
		n++
	}
	return string(unsafe.Slice(info.name, n))
}

// apiBase is OrtApiBase of onnxruntime_c_api.h.
type apiBase struct{ getAPI, getVersionString uintptr }

// dlInfo is Dl_info of dlfcn.h.
type dlInfo struct {
	name           *byte
	base           uintptr
	symbol         *byte
	symbolLocation uintptr
}

// loadable says why the library of that name cannot be loaded, nil if it can.
func loadable(name string) error {
	_, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
	return err
}
