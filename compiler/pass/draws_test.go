package pass

import (
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestShareDraws sees that of each stream one draw is left, where a backward pass draws again: of noise that a Checkpoint computes again,
// and of the mask that is the gradient's.
func TestShareDraws(t *testing.T) {
	f := graph.NewFunc("f", true)
	x := f.Input("x", graph.F32, 2, 3)
	y := f.Checkpoint(func() *graph.Value {
		return x.Mul(x.NormalLike().Tanh()).Add(x.UniformLike().Mul(x)).Tanh().Dropout(.5).Tanh()
	})
	f.Output("y", y)
	f.Output("g", graph.Grad(y.Sum(), x)[0])
	f, err := Run(f, Options{})
	if err != nil {
		t.Fatal(err)
	}
	drawn := func(f *graph.Func) []int {
		var streams []int
		for _, n := range f.Nodes {
			if _, stream, random := Drawn(n.Op); random {
				streams = append(streams, stream)
			}
		}
		slices.Sort(streams)
		return streams
	}
	// Twice forward, and the mask once more for its gradient.
	if got, want := drawn(f), []int{0, 0, 1, 1, 2, 2, 2}; !slices.Equal(got, want) {
		t.Errorf("streams %v are drawn, want %v", got, want)
	}
	if got, want := drawn(ShareDraws(f)), []int{0, 1, 2}; !slices.Equal(got, want) {
		t.Errorf("streams %v are drawn after ShareDraws, want %v", got, want)
	}
}
