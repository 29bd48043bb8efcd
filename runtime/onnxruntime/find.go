package onnxruntime

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/cache"
)

// EnvLibrary is the environment variable that names the native library to use: a file, or the folder it is in.
const EnvLibrary = "ONNXRUNTIME_SHARED_LIBRARY_PATH"

// PinnedVersion is the version of onnxruntime that [Install] fetches and that the project is tested with.
const PinnedVersion = "1.29.0"

// minMinor is the oldest usable 1.x release: this package speaks version 24 of the C API, which came with 1.24.
const minMinor = 24

// installCommand is what a person types to get the library.
const installCommand = "sardonyx runtime install"

// installCUDA is what a person types to get the CUDA provider.
const installCUDA = installCommand + " --cuda"

// ErrNotFound is wrapped by the error of [Find] when there is no usable library in any of the places it looks.
var ErrNotFound = errors.New("the onnxruntime library was not found")

// A Source is how a library was found.
type Source string

// The sources, in the order in which [Find] tries them.
const (
	FromCaller Source = "named by the caller"
	FromEnv    Source = "named by " + EnvLibrary
	FromCache  Source = "in the cache folder"
	FromSystem Source = "on the system's library path"
)

// A Library is a native onnxruntime library that can be loaded on this machine.
type Library struct {
	Path    string // a file
	Source  Source
	Version string // as the library itself says, 1.29.0
}

// String is the version, path and source.
func (l Library) String() string {
	return fmt.Sprintf("onnxruntime %s, %s (%s)", l.Version, l.Path, l.Source)
}

// LibraryName is the file name of the library on this platform.
func LibraryName() string { return libraryName(runtime.GOOS) }

func libraryName(goos string) string {
	switch goos {
	case "windows":
		return "onnxruntime.dll"
	case "darwin", "ios":
		return "libonnxruntime.1.dylib"
	}
	return "libonnxruntime.so.1"
}

// systemNames are the bare names to hand to the system's loader.
func systemNames(goos string) []string {
	switch goos {
	case "windows":
		return []string{"onnxruntime.dll"}
	case "darwin", "ios":
		return []string{"libonnxruntime.1.dylib", "libonnxruntime.dylib"}
	}
	return []string{"libonnxruntime.so.1", "libonnxruntime.so"}
}

// CachePath is where [Install] puts the pinned library and [Find] looks for it. The file need not exist.
func CachePath() (string, error) {
	return cache.Dir("onnxruntime", PinnedVersion, runtime.GOOS+"-"+runtime.GOARCH, LibraryName())
}

// Find returns the library to use: explicit if it is not "", else the one that [EnvLibrary] names, else the one in the
// cache folder, else the one the system's loader finds. A place that is named but has no usable library is an error,
// never a reason to look on. When there is none anywhere the error wraps [ErrNotFound] and says where Find looked.
func Find(explicit string) (Library, error) {
	if explicit != "" {
		return named(explicit, FromCaller)
	}
	if path := os.Getenv(EnvLibrary); path != "" {
		return named(path, FromEnv)
	}
	var looked []string
	if path, err := CachePath(); err != nil {
		looked = append(looked, err.Error())
	} else if _, err := os.Stat(path); err != nil {
		looked = append(looked, path)
	} else {
		lib, err := check(path, FromCache)
		if err != nil {
			return Library{}, fmt.Errorf("%w; to check it and repair it: %s", err, installCommand)
		}
		return lib, nil
	}
	for _, name := range systemNames(runtime.GOOS) {
		lib, err := check(name, FromSystem)
		if err == nil {
			return lib, nil
		}
		why := name + " on the system's library path"
		if _, ok := errors.AsType[*versionError](err); ok {
			why = err.Error()
		}
		looked = append(looked, why)
	}
	return Library{}, fmt.Errorf("%w: looked for %s; to fetch onnxruntime %s: %s (or set %s to a library you have)",
		ErrNotFound, strings.Join(looked, ", "), PinnedVersion, installCommand, EnvLibrary)
}

// named checks a library that a person pointed at: a file, or a folder that has one.
func named(path string, from Source) (Library, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return Library{}, fmt.Errorf("onnxruntime library %s, %s: %w", path, from, err)
	}
	info, err := os.Stat(abs)
	if err == nil && info.IsDir() {
		abs = filepath.Join(abs, LibraryName())
		_, err = os.Stat(abs)
	}
	if err != nil {
		return Library{}, fmt.Errorf("onnxruntime library %s: %w; name the file %s or its folder, or fetch the library: %s",
			from, err, LibraryName(), installCommand)
	}
	return check(abs, from)
}

// check loads the library and holds its version to what is needed. path may be a bare name for the loader.
func check(path string, from Source) (Library, error) {
	var version, where string
	var err error
	if !isBare(path) {
		err = checkWhole(path)
	}
	if err == nil {
		version, where, err = probe(path)
	}
	if err != nil {
		return Library{}, fmt.Errorf("onnxruntime library %s (%s) cannot be loaded: %w", path, from, err)
	}
	if where == "" {
		where = path
	}
	if !usable(version) {
		return Library{}, &versionError{path: where, from: from, version: version}
	}
	return Library{Path: where, Source: from, Version: version}, nil
}

// usable reports whether a library of this version has the C API that is asked for.
func usable(version string) bool {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	return errA == nil && errB == nil && (a > 1 || a == 1 && b >= minMinor)
}

// A versionError is a library that loads but is too old.
type versionError struct {
	path    string
	from    Source
	version string
}

func (e *versionError) Error() string {
	return fmt.Sprintf("onnxruntime library %s (%s) is version %s: 1.%d or later is needed; to fetch %s: %s",
		e.path, e.from, e.version, minMinor, PinnedVersion, installCommand)
}
