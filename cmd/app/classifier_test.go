package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
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
			right := 0
			for _, s := range strokes {
				picture := filepath.Join(data, "test", s.name, "000.png")
				var top [][]struct {
					Class       string
					Probability float64
				}
				if err := json.Unmarshal([]byte(mustModel(t, m, "run "+file+" --input image="+picture+" --top 9 --json")), &top); err != nil {
					t.Fatal(err)
				}
				sum := 0.0
				for i, p := range top[0] {
					if sum += p.Probability; i > 0 && p.Probability > top[0][i-1].Probability {
						t.Errorf("the predictions %v are not in order", top)
					}
				}
				if len(top) != 1 || len(top[0]) != len(strokes) || math.Abs(sum-1) > 1e-5 {
					t.Fatalf("the predictions are %v, want all four classes of one example", top)
				}
				if top[0][0].Class == s.name {
					right++
				}
			}
			if right < 3 {
				t.Errorf("%d of 4 pictures get their own names", right)
			}
			out := mustModel(t, m, "evaluate --real "+data+":test --fake "+data+":test --train "+data+":train --features "+file+" --output features --classes probabilities")
			contains(t, out, fmt.Sprintf("accuracy           %.4f", last["accuracy"]), "calibration error", "falling", "PROBABILITY", "CONFIDENCE")
		})
	}
}

// TestPredictErrors has pictures and files that --top cannot do with: each is refused in one line that says why.
func TestPredictErrors(t *testing.T) {
	needRuntime(t)
	t.Parallel()
	dir := t.TempDir()
	writeStrokes(t, filepath.Join(dir, "strokes"), 16)
	m := classifier.MLPModel
	set := " --set side=12 --set classes=4 --epochs 1 --batch 16 --limit 32"
	mustModel(t, m, "train mlp --data "+filepath.Join(dir, "strokes")+set+" --out "+dir+"/named")
	mustModel(t, m, "export mlp --run "+dir+"/named")
	images, labels := tensor.New(tensor.F32, 32, 1, 12, 12), tensor.New(tensor.I64, 32)
	if err := numpy.WriteNPZ(dir+"/plain.npz", map[string]*tensor.Tensor{"image": images, "label": labels}); err != nil {
		t.Fatal(err)
	}
	mustModel(t, m, "train mlp --data "+dir+"/plain.npz"+set+" --out "+dir+"/plain")
	mustModel(t, m, "export mlp --run "+dir+"/plain")
	wide := image.NewGray(image.Rect(0, 0, 20, 10))
	f, err := os.Create(dir + "/wide.png")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(png.Encode(f, wide), f.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/text.png", []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	named, fits := "run "+dir+"/named/classify.onnx", " --input image="+dir+"/strokes/test/down/000.png"
	out := mustModel(t, m, named+" --input image="+dir+"/wide.png --resize --top 2")
	contains(t, out, "EXAMPLE", "PROBABILITY")
	contains(t, mustModel(t, m, "run "+dir+"/plain/classify.onnx"+fits), "probabilities") // names are for --top only
	file, err := os.ReadFile(dir + "/plain/classify.onnx")
	if err != nil {
		t.Fatal(err)
	}
	other, err := wire.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range other.Metadata {
		if other.Metadata[i].Key == "Image.NominalPixelRange" {
			other.Metadata[i].Value = "NominalRange_0_255"
		}
	}
	var changed bytes.Buffer
	if err := errors.Join(other.Encode(&changed), os.WriteFile(dir+"/bytes.onnx", changed.Bytes(), 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"run " + dir + "/bytes.onnx" + fits, exitError, "bytes.onnx takes pixels of the range NominalRange_0_255, and a picture is given in [0, 1]: give an array"},
		{named + " --top 2 --input image=" + dir + "/wide.png", exitError, "it is 10×20 pixels (height × width), and the input takes 12×12: --resize scales it"},
		{named + " --top 2 --input image=" + dir + "/text.png", exitError, "not a readable image"},
		{named + " --top 2 --input image=" + dir + "/none.png", exitError, "none.png"},
		{named + " --top 2 --input x=" + dir + "/wide.png", exitError, "has no input of that name"},
		{named + " --top 2 --input " + dir + "/wide.png", exitUsage, "say which input the picture is"},
		{named + " --top 0" + fits, exitUsage, "--top 0: want 1 or more"},
		{"run " + dir + "/plain/classify.onnx --top 2" + fits, exitError, "does not name its classes"},
	} {
		r := modelCommand(m, c.line)
		if r.code != c.code || strings.Count(strings.TrimSpace(r.err), "\n") > 1 {
			t.Errorf("%s: exit code %d, %q", c.line, r.code, r.err)
		}
		contains(t, r.err, c.want)
	}
}

// TestTrainingLength has the schedule as long as the training, unless --set says otherwise; a resumed run keeps its own.
func TestTrainingLength(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeStrokes(t, filepath.Join(dir, "strokes"), 9) // 36 examples: of 16, two whole batches
	line := "train mlp --data " + filepath.Join(dir, "strokes") + " --set side=12 --set classes=4 --batch 16 --no-report --out " + dir
	steps := func(run string, m models.Model, more string, want float64) {
		t.Helper()
		mustModel(t, m, line+run+more)
		setup, err := train.Folder(dir + run).Setup()
		if err != nil {
			t.Fatal(err)
		}
		if got := setup.Settings["steps"]; got != want {
			t.Errorf("%s%s: the schedule has %v steps, want %v", run, more, got, want)
		}
	}
	whole := classifier.MLPModel
	whole.Train.DropLast = false
	steps("/a", classifier.MLPModel, " --epochs 10", 20)
	steps("/a", classifier.MLPModel, " --epochs 12 --resume", 20)
	steps("/b", whole, " --epochs 10", 30)
	steps("/c", classifier.MLPModel, " --epochs 1 --set steps=64", 64)
	r := modelCommand(classifier.MLPModel, line+"/c --epochs 2 --resume")
	if r.code != exitOK {
		t.Errorf("a run whose length was chosen is not resumed without it: %s", r.err)
	}
	lacking := classifier.MLPModel
	lacking.Train.Length = "frob"
	contains(t, modelCommand(lacking, line+"/d").err, `is the setting "frob", which it does not have`)
}

// TestClassifierSettings has settings that make no classifier: each is refused in one line that names it.
func TestClassifierSettings(t *testing.T) {
	for _, c := range []struct {
		model models.Model
		set   string
		want  string
	}{
		{classifier.MLPModel, "classes=0", "setting classes is 0, want"},
		{classifier.CNNModel, "side=0", "setting side is 0, want"},
		{classifier.CNNModel, "channels=-1", "setting channels is -1, want"},
		{classifier.CNNModel, "classes=2.5", "classes"},
		{classifier.LeNetModel, "side=4", "Conv: a filter of 5×5"},
		{classifier.TwoConvModel, "steps=0", "Steps"},
		{classifier.ResNetModel, "blocks=0", "setting blocks is 0, want a whole number from 1 to 200"},
		{classifier.ResNetModel, "blocks=1e9", "setting blocks is 1e+09, want a whole number from 1 to 200"},
	} {
		r := modelCommand(c.model, "train "+c.model.Name+" --set "+c.set+" --out "+t.TempDir())
		if r.code == exitOK {
			t.Errorf("%s --set %s trains", c.model.Name, c.set)
		}
		contains(t, r.err, c.want)
	}
}
