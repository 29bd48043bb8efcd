//go:build cgo

package onnxruntime

import (
	"path/filepath"
	"slices"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

func TestOneLibrary(t *testing.T) {
	openTest(t, linear())
	path := writeTemp(t, LibraryName(), []byte("another"))
	_, err := OpenBytes(linear().encode(t), Options{Library: path})
	wantError(t, err, path, "only one")
	for _, same := range []string{env.lib.Path, filepath.Dir(env.lib.Path)} {
		if s, err := OpenBytes(linear().encode(t), Options{Library: same}); err != nil {
			t.Errorf("the same library again: %v", err)
		} else if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSettingsNumbers: the library's numbers are those that its headers have.
func TestSettingsNumbers(t *testing.T) {
	have := []int{int(ort.GraphOptimizationLevelDisableAll), int(ort.GraphOptimizationLevelEnableAll), int(ort.LoggingLevelFatal)}
	if want := []int{optimizeNothing, optimizeAll, logFatal}; !slices.Equal(have, want) {
		t.Errorf("they are %v, want %v", have, want)
	}
}
