package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// A net is layers, one after the other.
type net struct{ Net nn.Sequential }

func (n *net) Apply(x *graph.Value) *graph.Value { return n.Net.Apply(x) }

// dcgan is a toy of the convolutional GAN of Radford et al. (2016), of 8×8 grey images, as a person would define it.
var dcgan = models.Model{
	Name: "dcgan", Doc: "a toy GAN", Settings: models.Settings{"width": 4},
	Define: func(s models.Settings) (*compiler.Program, error) {
		width, batch := s.Int("width"), graph.Sym("batch")
		gen := &net{nn.Sequential{&nn.Dense{Units: width * 4}, nn.Reshape(graph.Dim(width), 2, 2), nn.ReLU,
			&nn.ConvTranspose2D{Filters: width, Kernel: 4, Stride: 2, Same: true}, &nn.BatchNorm{}, nn.ReLU,
			&nn.ConvTranspose2D{Filters: 1, Kernel: 4, Stride: 2, Same: true}, nn.Sigmoid}}
		critic := &net{nn.Sequential{&nn.Conv2D{Filters: width, Kernel: 4, Stride: 2, Same: true}, nn.LeakyReLU(.2), nn.Flatten, &nn.Dense{Units: 1}}}
		adam := optim.Adam{LR: 2e-3, Beta1: .5}
		b := compiler.New("dcgan")
		b.Model("gen", gen)
		b.Model("critic", critic)
		b.Func("generate", func(f *graph.Func) { f.Output("image", gen.Apply(f.Input("z", graph.F32, batch, 3))) })
		b.Step("critic", adam, critic, func(f *graph.Func) *graph.Value {
			real := critic.Apply(f.Input("image", graph.F32, batch, 1, 8, 8))
			fake := critic.Apply(gen.Apply(f.RandomNormal(graph.F32, batch, 3)).Detach())
			f.Output("real", real.Sigmoid().Mean())
			return real.Neg().Softplus().Add(fake.Softplus()).Mean()
		})
		b.Step("gen", adam, gen, func(f *graph.Func) *graph.Value {
			f.Input("image", graph.F32, batch, 1, 8, 8) // says how many to draw
			return critic.Apply(gen.Apply(f.RandomNormal(graph.F32, batch, 3))).Neg().Softplus().Mean()
		})
		return b.Compile()
	},
	Train: models.Training{
		Rhythm: models.Rhythm{{Step: "critic", Times: 5, Fresh: true}, {Step: "gen"}}, Epochs: 4, Batch: 8, DropLast: true,
	},
	Sample: models.Sampling{Func: "generate", Noise: "z", Image: "image"},
}

// modelCommand runs a command of a program whose model is m.
func modelCommand(m models.Model, line string, args ...string) result {
	return commandOf(context.Background(), io.Discard, io.Discard, []models.Model{m}, line, args...)
}

// mustModel is must for a program whose model is m.
func mustModel(t testing.TB, m models.Model, line string, args ...string) string {
	t.Helper()
	r := modelCommand(m, line, args...)
	if r.code != exitOK {
		t.Fatalf("sardonyx %s %v: exit code %d: %s", line, args, r.code, r.err)
	}
	return r.out
}

// needSmall makes, once, {}/small.npz, 60 images of 8×8 pixels.
func needSmall(t testing.TB) {
	t.Helper()
	if err := makeSmall(); err != nil {
		t.Fatal(err)
	}
}

var makeSmall = sync.OnceValue(func() error {
	images := tensor.New(tensor.F32, 60, 1, 8, 8)
	for i := range images.Len() {
		images.Set(i, float64(i*i%251)/250)
	}
	return numpy.WriteNPZ(filepath.Join(shared, "small.npz"), map[string]*tensor.Tensor{"image": images})
})

// TestTrainRhythm trains a GAN by the command, whole and interrupted within a rhythm: seven batches an epoch, of which the critic
// takes five for one of the generator.
func TestTrainRhythm(t *testing.T) {
	t.Parallel()
	needSmall(t)
	dir := t.TempDir()
	whole := filepath.Join(dir, "whole")
	contains(t, mustModel(t, dcgan, "train dcgan --data {}/small.npz --out "+whole), "training dcgan", "batch 8, 4 epochs")
	records, err := train.ReadHistory(train.Folder(whole).Metrics())
	if err != nil || len(records) != 4 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	for _, r := range records {
		if len(r.Train) != 5 || r.Train["critic"] == 0 || r.Train["gen"] == 0 || r.Train["critic.real"] == 0 || !(r.Train["critic.grad_norm"] > 0) || !(r.Train["gen.grad_norm"] > 0) {
			t.Errorf("epoch %d has the metrics %v, want critic, critic.real, gen, and the norms of both gradients", r.Epoch, r.Train)
		}
	}
	if _, err := os.Stat(train.Folder(whole).Samples(4)); err != nil {
		t.Error(err)
	}
	for i, at := range []string{"epoch 1/4", "epoch 2/4"} { // after 7 and after 14 batches: two and four into a rhythm
		ctx, cancel := context.WithCancel(t.Context())
		line := fmt.Sprintf("train dcgan --data {}/small.npz --out %s/run%d", dir, i)
		r := commandOf(ctx, io.Discard, cancelAt{at, cancel}, []models.Model{dcgan}, line)
		if r.code != exitError || !strings.Contains(r.err, "--resume") {
			t.Fatalf("interrupted: exit code %d: %s", r.code, r.err)
		}
		mustModel(t, dcgan, line+" --resume")
		if got, want := checkpoints(t, fmt.Sprintf("%s/run%d", dir, i)), checkpoints(t, whole); !slices.Equal(got, want) {
			t.Errorf("interrupted in %s, the run ends with %v, the unbroken one with %v", at, got, want)
		}
	}
	other := dcgan
	other.Train.Rhythm = models.Rhythm{{Step: "critic", Times: 2, Fresh: true}, {Step: "gen"}}
	if r := modelCommand(other, "train --data {}/small.npz --resume --out "+whole); r.code != exitError || !strings.Contains(r.err, "step was ") {
		t.Errorf("a run of another rhythm is resumed: %s", r.err)
	}

	// It has no best checkpoint: the last one is exported.
	contains(t, mustModel(t, dcgan, "export --run "+whole), "generate.onnx")
	if r := modelCommand(dcgan, "export --checkpoint best --run "+whole); r.code != exitError || !strings.Contains(r.err, "has not saved it yet") {
		t.Errorf("a best checkpoint: %s", r.err)
	}
	needRuntime(t)
	mustModel(t, dcgan, "verify --run "+whole)
	mustModel(t, dcgan, "sample --count 4 --png "+dir+"/x.png --run "+whole)
}

// TestAveragedGAN trains a conditional GAN of the zoo of three classes, whose generator's average weights are state, and draws by
// them: whole and interrupted within a rhythm, from the run and from the file alone, which says how many classes there are.
func TestAveragedGAN(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	images, labels := tensor.New(tensor.F32, 48, 1, 8, 8), tensor.New(tensor.I64, 48)
	for i := range images.Len() {
		images.Set(i, float64(i*i%251)/250)
	}
	for i := range labels.Len() {
		labels.Set(i, float64(i%3))
	}
	if err := numpy.WriteNPZ(filepath.Join(dir, "small.npz"), map[string]*tensor.Tensor{"image": images, "label": labels}); err != nil {
		t.Fatal(err)
	}
	settings := " --set size=8 --set width=4 --set latent=3 --set classes=3 --set ratio=2 --set lr=0.01 --set pac=4"
	line := "train cgan --data " + dir + "/small.npz --batch 16 --epochs 3" + settings + " --out " + dir
	whole := dir + "/whole"
	mustModel(t, gan.CGAN, line+"/whole --set ema=.9")
	ctx, cancel := context.WithCancel(t.Context())
	if r := commandOf(ctx, io.Discard, cancelAt{"epoch 2/3", cancel}, []models.Model{gan.CGAN}, line+"/broken --set ema=.9"); r.code != exitError {
		t.Fatalf("interrupted: exit code %d: %s", r.code, r.err)
	}
	mustModel(t, gan.CGAN, line+"/broken --set ema=.9 --resume")
	if got, want := checkpoints(t, dir+"/broken"), checkpoints(t, whole); !slices.Equal(got, want) {
		t.Errorf("interrupted, the run ends with %v, the unbroken one with %v", got, want)
	}
	contains(t, mustModel(t, gan.CGAN, "export --run "+whole), "generate.onnx", "label i64[batch]")

	needRuntime(t)
	contains(t, mustModel(t, gan.CGAN, "verify --run "+whole), "generate")
	draw := func(flags string) *tensor.Tensor {
		mustModel(t, gan.CGAN, "sample --count 6 --npy "+dir+"/x.npy "+flags)
		x, err := numpy.ReadNPY(dir + "/x.npy")
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	of, alone := draw("--run "+whole), draw("--onnx "+whole+"/generate.onnx")
	if !slices.Equal(of.Float64s(), alone.Float64s()) || slices.Equal(of.Float64s(), draw("--label 1 --run "+whole).Float64s()) {
		t.Error("the run, its file and the label 1 alone draw otherwise than they should")
	}
	// The same training without averages ends with the weights of which the others are averages.
	mustModel(t, gan.CGAN, line+"/plain --set ema=0")
	if slices.Equal(of.Float64s(), draw("--run "+dir+"/plain").Float64s()) {
		t.Error("averaged weights draw what the last ones do")
	}
	for _, from := range []string{"--run " + whole, "--onnx " + whole + "/generate.onnx"} {
		if r := modelCommand(gan.CGAN, "sample --label 3 --npy "+dir+"/x.npy "+from); r.code != exitError || !strings.Contains(r.err, `there is no class "3": want 0 to 2`) {
			t.Errorf("label 3 of 3 classes, %s: exit code %d: %s", from, r.code, r.err)
		}
	}
	if r := modelCommand(gan.CGAN, line+"/packed --set pac=17"); r.code != exitError || !strings.Contains(r.err, "the setting pac is 17, and a batch must have so many examples at least: it is 16") || strings.Count(r.err, "\n") != 1 {
		t.Errorf("packs larger than the batch: %s", r.err)
	} else if _, err := os.Stat(dir + "/packed"); err == nil {
		t.Error("packs larger than the batch leave a folder")
	}
	if r := modelCommand(gan.CGAN, line+"/four --set classes=1"); r.code != exitError || !strings.Contains(r.err, "setting classes is 1, want a whole number from 2 to 10000") {
		t.Errorf("one class: %s", r.err)
	}
}
