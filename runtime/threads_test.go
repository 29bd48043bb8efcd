package runtime

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestThreads: as many as there are processors, and any number that a machine can use, but no more.
func TestThreads(t *testing.T) {
	all := runtime.GOMAXPROCS(0)
	for n, want := range map[int]int{0: all, 1: 1, all: all, runtime.NumCPU(): runtime.NumCPU(), 64: 64} {
		if got, err := Threads(n); got != want || err != nil {
			t.Errorf("%d: %d, %v, want %d", n, got, err, want)
		}
	}
	for _, n := range []int{-1, 100_000_000} {
		if _, err := Threads(n); err == nil || !strings.Contains(err.Error(), fmt.Sprint(n, " threads: want from 1 to ")) {
			t.Errorf("%d: %v", n, err)
		}
	}
}
