package app

import (
	"encoding/csv"
	"errors"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// clothes are the classes of {}/clothes, in their order.
var clothes = []string{"ankle boot", "bag", "shirt"}

// toy is a model with a Func for each way to sample. Its images are as bright as the label plus a tenth of the noise says; the rest are
// what its noise and conditions were.
func toy(how models.Sampling) models.Model {
	return models.Model{
		Name: "toy", Doc: "a toy",
		Define: func(models.Settings) (*compiler.Program, error) {
			batch := graph.Sym("batch")
			layer := &net{nn.Sequential{nn.Flatten, &nn.Dense{Units: 1}}}
			b := compiler.New("toy")
			b.Model("", layer)
			b.Step("train", optim.SGD{LR: 1e-3}, layer, func(f *graph.Func) *graph.Value {
				return layer.Apply(f.Input("image", graph.F32, batch, 1, 4, 4)).Square().Mean()
			})
			b.Func("cond", func(f *graph.Func) {
				z, label := f.Input("z", graph.F32, batch, 2), f.Input("label", graph.I64, batch)
				mean := label.Cast(graph.F32).Scale(.3).Add(z.Mean(1).Scale(.01)).Shift(.1)
				f.Output("image", mean.Reshape(batch, 1, 1, 1).Add(f.Full(graph.F32, 0, 1, 1, 4, 4)))
			})
			b.Func("onehot", func(f *graph.Func) { f.Output("y", f.Input("label", graph.F32, batch, 3).Scale(1)) })
			b.Func("points", func(f *graph.Func) {
				z, u := f.Input("z", graph.F32, batch, 2), f.Input("u", graph.F32, batch, 2)
				shift := f.Input("shift", graph.F32, batch, 2)
				f.Output("point", z.Scale(.1).Add(u).Add(shift))
			})
			b.Func("own", func(f *graph.Func) { // draws its own noise
				n := f.Input("scale", graph.F32, batch)
				f.Output("token", f.RandomUniform(graph.F32, batch, 3).Mul(n.Reshape(batch, 1)).Floor().Cast(graph.I64))
			})
			return b.Compile()
		},
		Train:  models.Training{Step: "train", Epochs: 1, Batch: 4},
		Sample: how,
	}
}

var (
	condImages = models.Sampling{Func: "cond", Noise: "z", Image: "image", Inputs: map[string]models.Feed{"label": models.Label(3)}}
	toyOneHot  = models.Sampling{Func: "onehot", Inputs: map[string]models.Feed{"label": models.Label(3)}, Output: "y", Kind: models.Table(models.Column{Name: "a"}, models.Column{Name: "b"}, models.Column{Name: "c"})}
	toyPoints  = models.Sampling{Func: "points", Noise: "z", Inputs: map[string]models.Feed{"u": models.Uniform, "shift": models.Condition(2)}, Output: "point", Kind: models.Points}
	toyText    = models.Sampling{Func: "own", Inputs: map[string]models.Feed{"scale": models.Condition(3)}, Output: "token", Kind: models.Text([]string{"x", "y", "z"})}
	toyTable   = models.Sampling{Func: "own", Inputs: map[string]models.Feed{"scale": models.Condition(2)}, Output: "token",
		Kind: models.Table(models.Column{Name: "hair", Values: []string{"short", "long"}}, models.Column{Name: "n"}, models.Column{Name: "m"})}
)

// needToy makes, once, {}/toy: a run of the toy on pictures of clothes.
func needToy(t testing.TB) {
	t.Helper()
	if err := makeToy(); err != nil {
		t.Fatal(err)
	}
}

var makeToy = sync.OnceValue(func() error {
	for _, class := range clothes {
		if err := writePictures(filepath.Join(shared, "clothes", class), tensor.New(tensor.F32, 4, 16), 4); err != nil {
			return err
		}
	}
	for name, x := range map[string]*tensor.Tensor{
		"labels": tensor.Of([]int64{2, 0, 1, 0}, 4), "frob": tensor.Of([]int64{1, 3}, 2), "z": tensor.New(tensor.F32, 3, 2), "none": tensor.New(tensor.F32, 0, 2),
	} {
		if err := numpy.WriteNPY(filepath.Join(shared, "toy-"+name+".npy"), x); err != nil {
			return err
		}
	}
	for _, line := range []string{"train toy --data {}/clothes --out {}/toy", "export toy --run {}/toy"} {
		if r := modelCommand(toy(condImages), line); r.code != exitOK {
			return errors.New(r.err)
		}
	}
	return nil
})

// sampleOf samples the toy's run into files of these extensions, and returns the array.
func sampleOf(t *testing.T, how models.Sampling, flags string, exts ...string) (*tensor.Tensor, string) {
	t.Helper()
	dir := t.TempDir()
	line := "sample --run {}/toy " + flags + " --out " + dir + "/x.npy"
	for _, ext := range exts {
		line += " --out " + dir + "/x" + ext
	}
	mustModel(t, toy(how), line)
	x, err := numpy.ReadNPY(filepath.Join(dir, "x.npy"))
	if err != nil {
		t.Fatal(err)
	}
	return x, dir
}

// TestSampleConditions sees which labels are drawn, in which rows, and how they are chosen.
func TestSampleConditions(t *testing.T) {
	t.Parallel()
	needToy(t)
	needRuntime(t)
	for _, tt := range []struct {
		flags string
		want  string // the labels
	}{
		{"--count 6", "0 0 1 1 2 2"},
		{"--count 7", "0 0 0 1 1 1 2"},
		{"--count 2", "0 1"},
		{"--count 3 --set-input label=2", "2 2 2"},
		{"--set-input label={}/toy-labels.npy", "2 0 1 0"},
		{"--set-input z={}/toy-z.npy --label 1,0", "1 1 0"},
		{"--count 3 --label 1", "1 1 1"},
		{"--count 3 --label bag", "1 1 1"},
		{"--count 3 --label SHIRT", "2 2 2"},
		{"--count 3 --label boot", "0 0 0"}, // an ankle boot
		{"--count 4 --label shirt,bag", "2 2 1 1"},
		{"--count 4 --onnx {}/toy/cond.onnx --label shirt", "2 2 2 2"}, // the file has the names
	} {
		t.Run(strings.ReplaceAll(tt.flags, "{}", "shared"), func(t *testing.T) {
			dir := t.TempDir()
			line := "sample toy --out " + dir + "/x.npy " + tt.flags
			if !strings.Contains(line, "--onnx") {
				line += " --run {}/toy"
			}
			mustModel(t, toy(condImages), line)
			x, err := numpy.ReadNPY(dir + "/x.npy")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range x.Dim(0) {
				got = append(got, fmt.Sprint(int(math.Round((x.At(16*i)-.1)/.3))))
			}
			if g := strings.Join(got, " "); g != tt.want {
				t.Errorf("the labels are %s, want %s", g, tt.want)
			}
		})
	}
	x, dir := sampleOf(t, condImages, "--count 6 --label bag --set-input z=50,150", ".png", ".csv", ".npz")
	if math.Abs(x.At(0)-1.4) > 1e-5 { // .3 + .01·100 + .1
		t.Errorf("with z chosen it is %v, want 1.4", x.At(0))
	}
	f, err := os.Open(filepath.Join(dir, "x.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() != 3*84+4*21 { // 4 pixels, 21 times, and lines: 3 in a row
		t.Errorf("x.png: %v, %v", img.Bounds(), err)
	}
	rows := readCSV(t, filepath.Join(dir, "x.csv"))
	if len(rows) != 7 || len(rows[0]) != 16 || rows[0][3] != "image.3" || rows[1][0] != "1.4" {
		t.Errorf("x.csv has %d rows, the first %v", len(rows), rows[:2])
	}
	if m, err := numpy.ReadNPZ(filepath.Join(dir, "x.npz")); err != nil || m["image"] == nil || m["label"] == nil || !slices.Equal(m["label"].Float64s(), []float64{1, 1, 1, 1, 1, 1}) {
		t.Errorf("x.npz has %v: %v", m, err)
	}
	y, dir := sampleOf(t, toyOneHot, "--count 4", ".csv")
	if got := fmt.Sprint(tensor.Data[float32](y)); got != "[1 0 0 1 0 0 0 1 0 0 1 0]" {
		t.Errorf("one-hot labels are %s", got)
	}
	if rows := readCSV(t, filepath.Join(dir, "x.csv")); fmt.Sprint(rows[:2]) != "[[a b c] [1 0 0]]" {
		t.Errorf("x.csv: %v", rows)
	}
}

func readCSV(t *testing.T, path string) [][]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestSampleKinds writes points, text, a table, and what a family adds; a seed gives in onnxruntime what our engine draws.
func TestSampleKinds(t *testing.T) {
	t.Parallel()
	needToy(t)
	needRuntime(t)
	x, dir := sampleOf(t, toyPoints, "--count 50", ".png", ".csv")
	if x.At(0) < 1 || x.At(0) > 4 {
		t.Errorf("a point is %v", x.At(0))
	}
	f, err := os.Open(filepath.Join(dir, "x.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() < 300 {
		t.Errorf("x.png: %v", err)
	}
	moved, _ := sampleOf(t, toyPoints, "--count 50 --set-input shift=3,2")
	if math.Abs(moved.At(0)-x.At(0)-1) > 1e-5 || math.Abs(moved.At(1)-x.At(1)) > 1e-5 {
		t.Errorf("a shift by 3,2 in place of 2,2 moves (%v, %v) to (%v, %v)", x.At(0), x.At(1), moved.At(0), moved.At(1))
	}

	two := toyPoints
	two.Inputs = map[string]models.Feed{"u": models.Normal, "shift": models.Condition(2)}
	y, _ := sampleOf(t, two, "--count 50 --seed 3")
	z, u := make([]float32, 100), make([]float32, 100)
	kernel.Normal(kernel.NewContext(nil, 1), kernel.Draw{Seed: 3}, z)
	kernel.Normal(kernel.NewContext(nil, 1), kernel.Draw{Seed: 3, Stream: 1}, u)
	for i := range y.Len() {
		if want := .1*z[i] + u[i] + 2; math.Abs(y.At(i)-float64(want)) > 1e-5 {
			t.Fatalf("number %d is %v, want %v of streams 0 and 1", i, y.At(i), want)
		}
	}

	tokens, dir := sampleOf(t, toyText, "--count 5 --seed 7", ".txt")
	text, err := os.ReadFile(filepath.Join(dir, "x.txt"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 5 || len(lines[0]) != 3 || lines[0][0] != "xyz"[int(tokens.At(0))] {
		t.Errorf("x.txt: %q for %v", text, tensor.Data[int64](tokens))
	}
	if got := ourTokens(t, 5, 7); !slices.Equal(got, tensor.Data[int64](tokens)) {
		t.Errorf("onnxruntime gives the tokens %v, and our engine %v", tensor.Data[int64](tokens), got)
	}
	_, dir = sampleOf(t, toyTable, "--count 5", ".csv")
	if rows := readCSV(t, filepath.Join(dir, "x.csv")); len(rows) != 6 || rows[0][0] != "hair" || rows[1][0] != "short" && rows[1][0] != "long" {
		t.Errorf("x.csv: %v", rows)
	}

	own := toyText
	own.Kind = models.Kind{Name: "sums", Ext: ".sum", Write: func(w io.Writer, x *tensor.Tensor, cols int) error {
		_, err := fmt.Fprintln(w, x.Dim(0), cols)
		return err
	}}
	_, dir = sampleOf(t, own, "--count 9", ".sum")
	if text, err := os.ReadFile(filepath.Join(dir, "x.sum")); err != nil || string(text) != "9 3\n" {
		t.Errorf("x.sum: %q, %v", text, err)
	}
}

// ourTokens are the tokens of toyText as our engine draws them.
func ourTokens(t *testing.T, n int, seed int64) []int64 {
	t.Helper()
	m := toy(toyText)
	prog, err := m.Define(nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		t.Fatal(err)
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	scale := tensor.New(tensor.F32, n)
	for i := range n {
		scale.Set(i, 3)
	}
	out, err := runtime.Run(t.Context(), x, "own", map[string]*tensor.Tensor{"scale": scale, graph.RandomState: tensor.Of([]int64{seed, 1}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(tensor.Data[int64](out["token"]))
}

// TestSampleWords chooses conditions by the words of a table's columns: of the one with the input's name, or of those in their places.
func TestSampleWords(t *testing.T) {
	t.Parallel()
	needToy(t)
	needRuntime(t)
	dir := t.TempDir()
	sample := func(how models.Sampling, columns []models.Column, chosen string) result {
		m := toy(how)
		m.Columns = columns
		return modelCommand(m, "sample --run {}/toy --count 2 --seed 3 --out "+dir+"/x.npy --set-input", chosen)
	}
	hair, size := models.Column{Name: "hair", Values: []string{"long", "none", "short, red"}}, models.Column{Name: "size"}
	scale := models.Column{Name: "scale", Values: []string{"1", "Nought", "a, b"}}
	label := models.Column{Name: "label", Values: []string{"no", "yes", "perhaps"}}
	for _, tt := range []struct {
		how     models.Sampling
		columns []models.Column
		words   string
		numbers string
	}{
		{toyPoints, []models.Column{hair, size}, "shift=none,7.5", "shift=1,7.5"},
		{toyPoints, []models.Column{size, hair}, "shift=-3,LONG", "shift=-3,0"},
		{toyPoints, []models.Column{hair, hair}, "shift=none,2", "shift=1,2"},
		{toyText, []models.Column{hair, scale}, "scale=nought", "scale=1"},
		{toyText, []models.Column{scale, hair}, "scale=1", "scale=0"}, // a word that is a number is a word
		{toyText, []models.Column{scale, hair}, "scale=a, b", "scale=2"},
		{condImages, []models.Column{label, hair}, "label=perhaps", "label=2"},
	} {
		var x [2]*tensor.Tensor
		for i, c := range []struct {
			columns []models.Column
			chosen  string
		}{{tt.columns, tt.words}, {nil, tt.numbers}} {
			if r := sample(tt.how, c.columns, c.chosen); r.code != exitOK {
				t.Fatalf("%s: %s", c.chosen, r.err)
			}
			var err error
			if x[i], err = numpy.ReadNPY(dir + "/x.npy"); err != nil {
				t.Fatal(err)
			}
		}
		if !slices.Equal(x[0].Float64s(), x[1].Float64s()) {
			t.Errorf("%s gives %v, %s %v", tt.words, x[0].Float64s(), tt.numbers, x[1].Float64s())
		}
	}
	for chosen, want := range map[string]string{
		"shift=grey,1": `--set-input shift=grey,1: there is no value "grey": want 0 to 2 or long, none, short, red`,
		"shift=3,1":    `there is no value "3": want 0 to 2`,
		"shift=0.5,1":  `there is no value "0.5"`,
		"shift=0,long": `"long" is no number`,
		"shift=long":   `"long" is no number`, // one for both
	} {
		if r := sample(toyPoints, []models.Column{hair, size}, chosen); r.code != exitError || !strings.Contains(r.err, want) {
			t.Errorf("%s: exit code %d: %q, want %q", chosen, r.code, r.err, want)
		}
	}
}

// TestBadSample sees what is said of conditions that cannot be.
func TestBadSample(t *testing.T) {
	t.Parallel()
	needToy(t)
	needRun(t)
	needRuntime(t)
	const e, u = exitError, exitUsage
	for _, tt := range []struct {
		how  models.Sampling
		line string
		code int
		want string
	}{
		{condImages, "--out OUT/x.png --label boots", e, `there is no class "boots": want 0 to 2 or ankle boot, bag, shirt`},
		{condImages, "--out OUT/x.png --label boots", e, `: --label boots: there is no class`},
		{condImages, "--out OUT/x.png --set-input label=boots", e, `: --set-input label=boots: there is no class`},
		{condImages, "--out OUT/x.png --label b", e, `"b" may be each of ankle boot, bag`},
		{condImages, "--out OUT/x.png --label 3", e, `there is no class "3"`},
		{condImages, "--out OUT/x.png --set-input label=-1", e, `there is no class "-1"`},
		{condImages, "--out OUT/x.png --set-input label=1,frob", e, `there is no class "frob"`},
		{condImages, "--out OUT/x.png --set-input label", u, "want INPUT=VALUE"},
		{condImages, "--out OUT/x.png --set-input label=1 --set-input label=2", u, "is set twice"},
		{condImages, "--out OUT/x.png --set-input label=1 --label 2", u, "is set by --set-input too"},
		{condImages, "--out OUT/x.png --set-input frob=1", e, `cond has no input "frob" to set: it has label (a label of 3 classes), z (normal noise)`},
		{condImages, "--out OUT/x.png --set-input label={}/toy-labels.npy --count 3", e, "toy-labels.npy: it is i64[4]: want a row for each of 3 samples"},
		{condImages, "--out OUT/x.png --set-input label={}/toy-frob.npy", e, "toy-frob.npy: there is no class 3: want 0 to 2"},
		{condImages, "--out OUT/x.png --set-input z={}/toy-labels.npy", e, "toy-labels.npy: it is i64[4], and the input takes f32[4 2] for 4 samples"},
		{condImages, "--out OUT/x.png --set-input z={}/nowhere.npy", e, "nowhere.npy: "},
		{condImages, "--out OUT/x.png --set-input label={}/toy-labels.npy --set-input z={}/toy-z.npy", e, "toy-z.npy: it is f32[3 2]: want a row for each of 4 samples"},
		{condImages, "--out OUT/x.png --set-input z={}/toy-none.npy", e, "toy-none.npy: it is f32[0 2]: want a row for each sample, 1 to "},
		{condImages, "--out OUT/x.png --set-input z=a", e, `"a" is no number`},
		{condImages, "--out OUT/x.png --set-input z=NaN", e, `"NaN" is no number`},
		{condImages, "--out OUT/x.png --set-input z=1,2,3", e, "3 numbers, and a sample takes 2, or one for all"},
		{condImages, "--out OUT/x.txt", u, "want a name that ends in .png, .npy, .npz, .csv: the samples are images"},
		{toyText, "--out OUT/x.png", u, "ends in .txt, .npy, .npz, .csv: the samples are text"},
		{toyTable, "--out OUT/x.png", u, "ends in .csv, .npy, .npz: the samples are a table"},
		{toyPoints, "--out OUT/x.png --label 1", e, "--label 1: the model has no label: the inputs of its function points are shift (a condition, 2 by default), u (uniform noise), z (normal noise)"},
		{toyText, "--out OUT/x.txt --set-input scale=9 --count 50", e, "and the vocabulary has 3"},
		{toyTable, "--out OUT/x.csv --set-input scale=9 --count 50", e, "the column hair is"},
	} {
		t.Run(strings.ReplaceAll(tt.line, "{}", ""), func(t *testing.T) {
			out := t.TempDir()
			r := modelCommand(toy(tt.how), strings.ReplaceAll("sample --run {}/toy "+tt.line, "OUT", out))
			if r.code != tt.code || !strings.Contains(r.err, tt.want) {
				t.Errorf("exit code %d, want %d and %q: %s", r.code, tt.code, tt.want, r.err)
			}
			if left, err := os.ReadDir(out); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
	badInput(t, "sample vae --run {}/run --out OUT/x.png --label 7", e, "--label 7: the model has no label: the inputs of its function decode are z (normal noise)")
}

// TestForeignLabel refuses a file whose label is not the model's.
func TestForeignLabel(t *testing.T) {
	t.Parallel()
	f := feeder{how: toyOneHot, count: 3}
	label := onnxruntime.Info{Name: "label", DType: tensor.F32, Shape: []onnxruntime.Dim{{Size: -1, Symbol: "batch"}, {Size: 3}}}
	if _, err := f.feed([]onnxruntime.Info{label}); err != nil {
		t.Error(err)
	}
	label.Shape[1].Size = 2
	if _, err := f.feed([]onnxruntime.Info{label}); err == nil || !strings.Contains(err.Error(), "is not a label of 3 classes") {
		t.Errorf("2 classes of 3: %v", err)
	}
}

// TestUnheld refuses numbers that the input's dtype cannot hold.
func TestUnheld(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		dtype tensor.DType
		text  string
		ok    bool
	}{
		{tensor.U8, "255", true}, {tensor.U8, "256", false}, {tensor.U8, "-1", false}, {tensor.I64, "1.5", false}, {tensor.I64, "1e30", false},
		{tensor.I32, "-7", true}, {tensor.F32, "0.1", true}, {tensor.F32, "1e300", false}, {tensor.F64, "1e300", true},
	} {
		err := feeder{}.setNumbers(tensor.New(tt.dtype, 2), "x", tt.text, 0, true)
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "--set-input x="+tt.text+": the input is "+tt.dtype.String()) {
			t.Errorf("%v of %s: %v", tt.dtype, tt.text, err)
		}
	}
}

// TestTrainSamples sees what training shows of models that are sampled otherwise than by images.
func TestTrainSamples(t *testing.T) {
	t.Parallel()
	needToy(t)
	for name, how := range map[string]models.Sampling{"epoch-001.txt": toyText, "epoch-001.png": toyPoints, "epoch-001.csv": toyTable} {
		dir := t.TempDir() + "/run"
		mustModel(t, toy(how), "train toy --data {}/clothes --out "+dir)
		if info, err := os.Stat(filepath.Join(dir, "samples", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
		page := readText(t, filepath.Join(dir, "report.html"))
		if picture := filepath.Ext(name) == ".png"; strings.Contains(page, "data:image/png") != picture || strings.Contains(page, "<pre>") == picture {
			t.Errorf("%s is not shown in the report", name)
		}
	}
}
