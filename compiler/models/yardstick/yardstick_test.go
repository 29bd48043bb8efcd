package yardstick

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestSizes counts the parameters, trainable ones alone, against those of docs/torch_steps.py, and what a step must compute against
// sums by hand.
func TestSizes(t *testing.T) {
	dense := func(batch int, sizes ...int) (n int) { // forward, the weights' gradients, and the inputs' but the first
		for i := range len(sizes) - 1 {
			n += batch * sizes[i] * sizes[i+1] * 2
			if i > 0 {
				n += batch * sizes[i] * sizes[i+1]
			}
		}
		return n
	}
	const attention = 16 * 4 * 128 * 128 * 32 // of all heads, once
	for name, want := range map[string]struct{ params, products int }{
		"step-vae": {835384, dense(128, 784, 512) + 3*128*512*20*2 + 3*128*20*512 + 3*128*512*784},
		"step-cnn": {421642, 64*(28*28*32*9*2+14*14*64*32*9*3) + 3*64*(3136*128+128*10)},
		// Of attention two products forward and five backward, where the scores are made again; the embeddings are gathered, not multiplied.
		"step-gpt": {834400, 3*16*128*(4*(4*128*128+2*128*512)+128*96) + 4*7*attention},
	} {
		for _, m := range Models {
			if m.Name != name {
				continue
			}
			prog, err := m.Define(m.Settings)
			if err != nil {
				t.Fatal(err)
			}
			f := prog.Step("train")
			n, err := graph.MultiplyAdds(f, f.BindAll(m.Train.Batch))
			if err != nil {
				t.Fatal(err)
			}
			if prog.ParamCount() != want.params || n != float64(want.products) {
				t.Errorf("%s has %d parameters and takes %v multiply-adds, want %d and %d", name, prog.ParamCount(), n, want.params, want.products)
			}
		}
	}
	prog, err := DCGAN(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := prog.ParamCount(), 1072515+662977; got != want {
		t.Errorf("step-dcgan has %d parameters, want %d", got, want)
	}
}

// TestLosses sees that each step's first loss is near what a guess has: ln 2 a pixel and a judgement, ln n of n classes.
func TestLosses(t *testing.T) {
	guess := map[string]float64{
		"step-vae/train": 784 * math.Ln2, "step-cnn/train": math.Log(10), "step-gpt/train": math.Log(96),
		"step-dcgan/critic": 2 * math.Ln2, "step-dcgan/generator": math.Ln2,
	}
	for _, m := range Models {
		prog, err := m.Define(m.Settings)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(1, 2))
		for _, turn := range m.Train.Rhythm {
			f := prog.Step(turn.Step)
			b := f.BindAll(2)
			in := modelstest.State(t, prog, r)
			for _, v := range f.Inputs {
				shape, err := v.Sizes(b)
				if err != nil {
					t.Fatal(err)
				}
				x := tensor.New(v.DType(), shape...)
				for i := range x.Len() {
					if v.DType() == graph.F32 {
						x.Set(i, .1*r.Float64())
					} else {
						x.Set(i, float64(r.IntN(10)))
					}
				}
				if v.IsSize() {
					x = tensor.Scalar(int64(2))
				}
				in[v.Name] = x
			}
			_, out := modelstest.Run(t, f, in)
			want := guess[m.Name+"/"+turn.Step]
			if l := out["loss"].At(0); !(math.Abs(l-want) < .35*want) {
				t.Errorf("%s: the first loss of %s is %v, where a guess has %v", m.Name, turn.Step, l, want)
			}
		}
	}
}
