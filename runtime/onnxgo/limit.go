package onnxgo

import (
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// limitMemory ends this process when the Go heap has more than n bytes. It looks every few milliseconds: what a single large
// allocation may take in between, the system bounds, where it can.
func limitMemory(n int64) error {
	debug.SetMemoryLimit(n) // so the collector works hard before that
	if err := limitAddressSpace(n); err != nil {
		return err
	}
	go func() {
		heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		for range time.Tick(5 * time.Millisecond) {
			metrics.Read(heap)
			if used := heap[0].Value.Uint64(); used > uint64(n) {
				fmt.Fprintf(os.Stderr, "fatal error: out of memory: %d MiB in use\n", used>>20)
				os.Exit(2)
			}
		}
	}()
	return nil
}
