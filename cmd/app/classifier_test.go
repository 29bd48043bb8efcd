package app

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// strokes are the classes of the toy data set: a stroke's pixel i places from its middle.
var strokes = []struct {
	name string
	at   func(i int) image.Point
}{
	{"across", func(i int) image.Point { return image.Pt(i, 0) }},
	{"down", func(i int) image.Point { return image.Pt(0, i) }},
	{"falling", func(i int) image.Point { return image.Pt(i, i) }},
	{"rising", func(i int) image.Point { return image.Pt(i, -i) }},
}

// writeStrokes writes a data set of 12×12 grey pictures in noise, a folder for each class: n of each to train on, and 30 to test.
func writeStrokes(t *testing.T, dir string, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	for part, count := range map[string]int{"train": n, "test": 30} {
		for _, s := range strokes {
			sub := filepath.Join(dir, part, s.name)
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
			for k := range count {
				img := image.NewGray(image.Rect(0, 0, 12, 12))
				for i := range img.Pix {
					img.Pix[i] = uint8(r.IntN(90))
				}
				middle := image.Pt(5+r.IntN(3), 5+r.IntN(3))
				for i := -4; i <= 4; i++ {
					p := middle.Add(s.at(i))
					img.SetGray(p.X, p.Y, color.Gray{uint8(150 + r.IntN(100))})
				}
				f, err := os.Create(filepath.Join(sub, fmt.Sprintf("%03d.png", k)))
				if err != nil {
					t.Fatal(err)
				}
				if err := png.Encode(f, img); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestClassifiers trains each classifier on strokes to an accuracy, exports it, verifies the file, which names the classes, and
// has the file measured as evaluate does: its accuracy must be that of the training's validation.
func TestClassifiers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data := filepath.Join(dir, "strokes")
	writeStrokes(t, data, 64)
	for _, m := range classifier.Models {
		t.Run(m.Name, func(t *testing.T) {
			run := filepath.Join(dir, m.Name)
			mustModel(t, m, "train "+m.Name+" --seed 3 --batch 16 --epochs 4 --set side=12 --set classes=4 --set steps=64 --data "+data+" --out "+run)
			records, err := train.ReadHistory(train.Folder(run).Metrics())
			if err != nil {
				t.Fatal(err)
			}
			last := records[len(records)-1].Validate
			if last["accuracy"] < .9 {
				t.Errorf("after training, the validation is %v, want an accuracy of 0.9", last)
			}
			if _, ok := last["top5"]; ok {
				t.Error("of four classes, the label is among five")
			}
			mustModel(t, m, "export "+m.Name+" --run "+run)
			file := filepath.Join(run, "classify.onnx")
			contains(t, mustModel(t, m, "inspect "+file), `["across","down","falling","rising"]`, "probabilities", "features")
			needRuntime(t)
			mustModel(t, m, "verify "+file)
			out := mustModel(t, m, "evaluate --real "+data+":test --fake "+data+":test --train "+data+":train --features "+file+" --output features --classes probabilities")
			contains(t, out, fmt.Sprintf("accuracy           %.4f", last["accuracy"]), "calibration error", "falling")
		})
	}
}

// TestClassifierSettings has settings that make no classifier: each is refused in one line that names it.
func TestClassifierSettings(t *testing.T) {
	for _, c := range []struct {
		model models.Model
		set   string
		want  string
	}{
		{classifier.MLPModel, "classes=0", "Units"},
		{classifier.CNNModel, "side=0", "image"},
		{classifier.CNNModel, "channels=-1", "image"},
		{classifier.CNNModel, "classes=2.5", "classes"},
		{classifier.LeNetModel, "side=4", "Conv2D: a filter of 5×5"},
		{classifier.TwoConvModel, "steps=0", "Steps"},
		{classifier.ResNetModel, "blocks=0", "setting blocks is 0, want 1 to 200"},
		{classifier.ResNetModel, "blocks=1e9", "setting blocks is 1000000000, want 1 to 200"},
	} {
		r := modelCommand(c.model, "train "+c.model.Name+" --set "+c.set+" --out "+t.TempDir())
		if r.code == exitOK {
			t.Errorf("%s --set %s trains", c.model.Name, c.set)
		}
		contains(t, r.err, c.want)
	}
}
