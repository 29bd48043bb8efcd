package onnxruntime

import (
	"debug/elf"
	"fmt"
	"runtime"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// checkWhole says what is wrong with a library's file before the loader maps it: the process would be killed by the first
// touch of a part that the file does not have. Where libraries are not ELF files, the loader itself looks.
func checkWhole(path string) error {
	file, length, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if runtime.GOOS != "linux" && runtime.GOOS != "freebsd" {
		return nil
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return fmt.Errorf("it is not a library, or only a part of one: %w", err)
	}
	for _, p := range f.Progs {
		if size := uint64(length); p.Filesz > size || p.Off > size-p.Filesz {
			return fmt.Errorf("it is only a part of a library: the file has %d bytes, and should have %d at %d", size, p.Filesz, p.Off)
		}
	}
	return nil
}

// isBare reports whether path is a name for the system's loader to look for.
func isBare(path string) bool { return !strings.ContainsAny(path, `/\`) }
