package onnxruntime

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// BenchmarkPool runs a decoder from as many goroutines as there are runs at once, by sessions of so many threads: what is printed is the
// time between two results, so that the shares of processors are used best where it is least.
func BenchmarkPool(b *testing.B) {
	needLibrary(b)
	for _, batch := range []int{1, 64} {
		for _, c := range []struct{ threads, runs int }{{1, 1}, {2, 1}, {1, 2}, {2, 2}, {1, 4}, {2, 4}} {
			b.Run(fmt.Sprintf("batch %d/threads %d/runs %d", batch, c.threads, c.runs), func(b *testing.B) {
				s, err := OpenBytes(decoder().encode(b), Options{Threads: c.threads})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				p, err := s.Pool(context.Background(), c.runs, map[string]*tensor.Tensor{"z": tensor.New(tensor.F32, batch, 20)})
				if err != nil {
					b.Fatal(err)
				}
				defer p.Close()
				var failed atomic.Bool
				left := atomic.Int64{}
				left.Store(int64(b.N))
				done := make(chan struct{})
				b.ResetTimer()
				for range c.runs {
					go func() {
						defer func() { done <- struct{}{} }()
						for left.Add(-1) >= 0 {
							if err := p.Do(context.Background(), func(b *Binding) error { return b.Run(context.Background()) }); err != nil {
								failed.Store(true)
								return
							}
						}
					}()
				}
				for range c.runs {
					<-done
				}
				if failed.Load() {
					b.Error("a run failed")
				}
			})
		}
	}
}
