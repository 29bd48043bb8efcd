package onnxruntime_test

import (
	"context"
	"fmt"
	"log"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// A decoder's file is loaded once and run from many goroutines, four at once, with one thread each.
func ExampleSession_Pool() {
	s, err := onnxruntime.Open("runs/vae/decode.onnx", onnxruntime.Options{Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	in, err := s.Zeros(map[string]int{"batch": 1}) // z f32[1 20]
	if err != nil {
		log.Fatal(err)
	}
	pool, err := s.Pool(context.Background(), 4, in)
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()

	var wg sync.WaitGroup
	for k := range 100 {
		wg.Go(func() {
			err := pool.Do(context.Background(), func(b *onnxruntime.Binding) error {
				tensor.Data[float32](b.Input("z"))[0] = float32(k) / 50
				if err := b.Run(context.Background()); err != nil {
					return err
				}
				pixels := tensor.Data[float32](b.Output("image")) // for the next run to overwrite
				fmt.Println(k, len(pixels), pixels[0])
				return nil
			})
			if err != nil {
				log.Print(err)
			}
		})
	}
	wg.Wait()
}
