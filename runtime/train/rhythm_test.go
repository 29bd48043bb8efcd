package train

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// withNoise adds the Step tune, whose output noise is a number drawn in it.
func withNoise(b *compiler.Builder, m *net) {
	b.Step("tune", optim.SGD{LR: 1e-3}, m, func(f *graph.Func) *graph.Value {
		f.Output("noise", f.RandomNormal(graph.F32, 1).Mean())
		return m.apply(f.Input("x", graph.F32, batch, 3)).Square().Mean()
	})
}

// watched is an engine that tells of each run of a Step, with the first number of its input x.
func watched(e runtime.Engine, ran func(entry string, x float64, c runtime.Call)) hooked {
	return hooked{Engine: e, after: func(c runtime.Call) { ran(c.Func().Name, c.Input("x").At(0), c) }}
}

// TestRhythm sees which Step runs on which batch, that each run draws anew, and what the metrics are called.
func TestRhythm(t *testing.T) {
	for _, tt := range []struct {
		rhythm models.Rhythm
		want   string // of two epochs of five batches, a to j
	}{
		{models.Rhythm{{Step: "train"}}, "a b c d e f g h i j"},
		{models.Rhythm{{Step: "tune", Times: 2}, {Step: "train"}}, "A A a B B b C C c D D d E E e F F f G G g H H h I I i J J j"},
		{models.Rhythm{{Step: "tune", Times: 3, Fresh: true}, {Step: "train"}}, "A B C c D E F f G H I i J"},
		{models.Rhythm{{Step: "tune"}, {Step: "train", Fresh: true}}, "A b C d E f G h I j"},
		{models.Rhythm{{Step: "tune", Times: 2, Fresh: true}, {Step: "train", Times: 2}, {Step: "tune", Fresh: true}}, "A B b b C D E e e F G H h h I J"},
	} {
		t.Run(tt.rhythm.String(), func(t *testing.T) {
			c := config(t, "")
			c.Program, c.Rhythm, c.Epochs, c.Validate = program(t, 8, optim.Adam{LR: 1e-2}, withNoise), tt.rhythm, 2, ""
			var got []string
			var seen, noise []float64
			c.Engine = watched(c.Engine, func(entry string, x float64, run runtime.Call) {
				if len(seen) == 0 || seen[len(seen)-1] != x {
					seen = append(seen, x)
				}
				letter := string(rune('a' + len(seen) - 1))
				if entry == "tune" {
					letter = strings.ToUpper(letter)
					out, err := run.Output("noise")
					if err != nil {
						t.Fatal(err)
					}
					if slices.Contains(noise, out.At(0)) {
						t.Error("a run of a Step draws what another drew")
					}
					noise = append(noise, out.At(0))
				}
				got = append(got, letter)
			})
			res := fit(t, t.Context(), c)
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("ran %s\nwant %s", g, tt.want)
			}
			want := []string{"train", "train.grad_norm", "train.mae", "tune", "tune.grad_norm", "tune.noise"}
			if len(tt.rhythm) == 1 {
				want = []string{"grad_norm", "loss", "mae"}
			}
			if g := slices.Sorted(maps.Keys(res.History[len(res.History)-1].Train)); !slices.Equal(g, want) {
				t.Errorf("the metrics are %v, want %v", g, want)
			}
		})
	}
}

// TestResumeRhythm interrupts a run at every point of a rhythm of four batches, which epochs of five cut anywhere.
func TestResumeRhythm(t *testing.T) {
	base := config(t, "")
	base.Program = program(t, 8, optim.Adam{LR: 1e-2}, withNoise)
	base.Rhythm = models.Rhythm{{Step: "tune", Times: 3, Fresh: true}, {Step: "train", Times: 2}, {Step: "tune", Fresh: true}}
	whole := base
	whole.Dir = Folder(filepath.Join(t.TempDir(), "whole"))
	want := fit(t, t.Context(), whole)
	for n := 1; n <= 8; n++ {
		t.Run(fmt.Sprintf("batch %d", n), func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			c := base
			c.Dir = Folder(filepath.Join(t.TempDir(), "run"))
			batches, last := 0, 0.
			c.Engine = watched(base.Engine, func(_ string, x float64, _ runtime.Call) {
				if x != last {
					batches, last = batches+1, x
				}
				if batches == n { // at the first of the batch's runs: it has all of them
					cancel()
				}
			})
			if _, err := Fit(ctx, c); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			resumed := base
			resumed.Dir, resumed.Resume = c.Dir, true
			res := fit(t, t.Context(), resumed)
			if bits(t, res.State) != bits(t, want.State) || res.Step != want.Step {
				t.Error("the state differs")
			}
			compareLeft(t, "folder", left(t, string(c.Dir)), left(t, string(whole.Dir)))
		})
	}
}
