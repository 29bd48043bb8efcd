package onnxruntime

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestLeaks runs, fails, opens, binds and closes many times, and watches the memory of the process.
func TestLeaks(t *testing.T) {
	g := linear()
	g.nodes = append(g.nodes, nd("Cast", "y", "h", "to", int64(wire.Float16)), nd("ReduceSum", "y", "sum", "keepdims", int64(0)),
		nd("Gather", "b i", "picked"))
	g.in = append(g.in, vi("i", wire.Int64))
	g.out = append(g.out, vi("h", wire.Float16, "batch", 3), vi("sum", wire.Float), unranked("picked", wire.Float))
	s := openTest(t, g)
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 64, 2), "i": tensor.Scalar(int64(2))}
	bad := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 64, 2), "i": tensor.Scalar(int64(9))}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	round := func() {
		for range 500 {
			if _, err := s.Run(ctx, in); err != nil {
				t.Fatal(err)
			}
		}
		for range 50 {
			if _, err := s.Run(ctx, bad); err == nil {
				t.Fatal("an index beyond the end was accepted")
			}
		}
		for range 10 {
			other, err := OpenBytes(g.encode(t), Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			for range 100 {
				b, err := other.Bind(context.Background(), in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Run(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 4 {
		round()
	}
	before := resident(t)
	for range 20 {
		round()
	}
	if grown := resident(t) - before; grown > 8<<20 {
		t.Errorf("10000 runs, 1000 failures, 200 sessions and 20000 bindings left %d bytes", grown)
	}
}

// resident is the memory of this process in bytes, after a collection.
func resident(t *testing.T) int {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("the system does not tell a process its memory")
	}
	var size, pages int
	if _, err := fmt.Sscan(string(data), &size, &pages); err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
