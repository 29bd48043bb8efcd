package runtime

import (
	"fmt"
	"runtime"
)

// fewThreads is how many threads an engine may have on any machine, and perCPU how many for each processor of a larger one.
const (
	fewThreads = 64
	perCPU     = 4
)

// Threads is how many threads an engine has that is asked for n: n, or one a processor if n is 0. Fewer than none are an error, and so many
// that they only wait for one another: with a hundred on each processor onnxruntime takes minutes for what one does in a second.
func Threads(n int) (int, error) {
	all := runtime.GOMAXPROCS(0)
	if most := max(fewThreads, perCPU*runtime.NumCPU(), all); n < 0 || n > most {
		return 0, fmt.Errorf("%d threads: want from 1 to %d on this machine, or 0 for one a processor", n, most)
	}
	if n == 0 {
		n = all
	}
	return n, nil
}
