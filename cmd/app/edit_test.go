package app

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/faces"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

var editModels = []models.Model{faces.Model, classifier.AttributesModel, vae.Model}

// edits runs a command line of a program with models that edit.
func edits(line string) result {
	return commandOf(context.Background(), io.Discard, io.Discard, editModels, line)
}

// writeDiscs writes a data set of 16×16 pictures of discs, in a folder with attributes: big or not, their colour, and how far to the
// right they are.
func writeDiscs(dir string) error {
	r := rand.New(rand.NewPCG(7, 8))
	colours := []string{"blue", "green", "red"}
	lines := []string{"file,big,colour,right,split"}
	for i := range 900 {
		split := "train"
		if i >= 700 {
			split = "test"
		}
		big, colour, right := r.IntN(2), r.IntN(3), r.Float64()
		file := fmt.Sprintf("%03d.png", i)
		lines = append(lines, fmt.Sprintf("%s,%s,%s,%.3f,%s", file, []string{"no", "yes"}[big], colours[colour], right, split))
		img := image.NewRGBA(image.Rect(0, 0, 16, 16))
		radius, x0, y0 := 2.5+2*float64(big)+.5*r.Float64(), 6+4*right, 7+2*r.Float64()
		for y := range 16 {
			for x := range 16 {
				c := [3]float64{.1, .1, .1}
				if dx, dy := float64(x)-x0, float64(y)-y0; dx*dx+dy*dy < radius*radius {
					c[2-colour] = .9
				}
				img.Set(x, y, color.RGBA{uint8(255 * c[0]), uint8(255 * c[1]), uint8(255 * c[2]), 255})
			}
		}
		if err := writePNG(filepath.Join(dir, file), img); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "attributes.csv"), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
}

func writePNG(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, img); err != nil {
		return err
	}
	return f.Close()
}

// needEditor makes, once, {}/discs, a data set, {}/editor, a run of the VAE of faces on it, {}/labeller, a run of the classifier of
// attributes, exported, {}/plain, images without attributes, and {}/wide.png, one of another size.
func needEditor(t testing.TB) {
	t.Helper()
	needRuntime(t)
	if err := makeEditor(); err != nil {
		t.Fatal(err)
	}
}

var makeEditor = sync.OnceValue(func() error {
	dir := filepath.Join(shared, "discs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := writeDiscs(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(shared, "plain"), 0o755); err != nil {
		return err
	}
	if err := writePNG(filepath.Join(shared, "plain", "one.png"), image.NewRGBA(image.Rect(0, 0, 16, 16))); err != nil {
		return err
	}
	if err := writePNG(filepath.Join(shared, "wide.png"), image.NewRGBA(image.Rect(0, 0, 24, 20))); err != nil {
		return err
	}
	for _, line := range []string{
		"train faces --data {}/discs --set size=16 --set first=12 --set width=24 --set latent=8 --set weight=10000 --set lr=5e-3 --set steps=516 --batch 16 --epochs 12 --no-report --seed 2 --out {}/editor",
		"train attributes --data {}/discs --set side=16 --set columns=5 --set steps=210 --batch 16 --epochs 5 --no-report --out {}/labeller",
		"export attributes --run {}/labeller --func classify",
		"edit faces --run {}/editor --image {}/discs/000.png --add big=1 --out {}/first.png", // which measures the directions
	} {
		if r := edits(line); r.code != exitOK {
			return fmt.Errorf("sardonyx %s: exit code %d: %s", line, r.code, r.err)
		}
	}
	return nil
})

// TestEdit holds that what is added appears, by a classifier trained on real examples, and that the rest stays.
func TestEdit(t *testing.T) {
	t.Parallel()
	needEditor(t)
	last, err := train.ReadHistory(train.Folder(filepath.Join(shared, "labeller")).Metrics())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"accuracy.big", "accuracy.colour"} {
		if v := last[len(last)-1].Validate[name]; v < .97 {
			t.Errorf("%s is %v after training", name, v)
		}
	}
	if v, ok := last[len(last)-1].Validate["accuracy.right"]; ok {
		t.Errorf("the accuracy of a number is %v", v)
	}
	small := 0 // held-out discs
	for _, line := range strings.Split(string(readFile(t, filepath.Join(shared, "discs", "attributes.csv"))), "\n") {
		if strings.Contains(line, ",no,") && strings.HasSuffix(line, ",test") {
			small++
		}
	}
	for add, least := range map[string]number{
		"--add big=3": .95, "--add colour=green:4": .95, "--add big=-3": .95, "--add big=3 --add colour=blue": .95,
		"--add colour=red": .8, // as far as the mean of the red ones
	} {
		for _, method := range []string{"regression", "means"} {
			r := edits("edit faces --run {}/editor --measure --json --classifier {}/labeller/classify.onnx --vectors " + method + " " + add)
			if r.code != exitOK {
				t.Fatalf("%s: exit code %d: %s", add, r.code, r.err)
			}
			var m measuredEdit
			if err := json.Unmarshal([]byte(r.out), &m); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s by %s: %d examples, changed %+v, kept %+v", add, method, m.Examples, m.Changed, m.Kept)
			if add == "--add big=3" && (m.Without != small || m.Examples < small*9/10) {
				t.Errorf("%d of %d held-out examples are edited, and %d are small", m.Examples, m.Without, small)
			}
			for _, c := range m.Changed {
				if c.Raised < least {
					t.Errorf("%s by %s: %s is raised in %.0f%% of %d examples", add, method, c.Column, 100*c.Raised, m.Examples)
				}
			}
			for _, k := range m.Kept {
				if k.Kept < .95 || k.Untouched < .95 {
					t.Errorf("%s by %s: %s is kept in %.0f%%", add, method, k.Attribute, 100*k.Kept)
				}
			}
		}
	}
}

// TestEditFiles looks at the files that edit writes: the strip, each of its images, and the directions, which are measured once.
func TestEditFiles(t *testing.T) {
	t.Parallel()
	needEditor(t)
	dir := t.TempDir()
	run := func(line string) result {
		t.Helper()
		r := edits(strings.ReplaceAll("edit faces --run {}/editor "+line, "OUT", dir))
		if r.code != exitOK {
			t.Fatalf("edit %s: exit code %d: %s", line, r.code, r.err)
		}
		return r
	}
	contains(t, run("--examples 699 --image {}/discs/000.png --example 3 --add big=2 --add colour=red:-1 --steps 4 --out OUT/a.png --each").err, "measuring attributes over 699 examples", "kept in")
	again := run("--examples 699 --image {}/discs/000.png --example 3 --add big=2 --add colour=red:-1 --steps 4 --out OUT/b.png")
	if again.err != "" {
		t.Errorf("the directions are measured again: %s", again.err)
	}
	a, b := readFile(t, filepath.Join(dir, "a.png")), readFile(t, filepath.Join(dir, "b.png"))
	if string(a) != string(b) {
		t.Error("the same edit again gives another picture")
	}
	for row := range 2 {
		for col := range 5 {
			img := readPicture(t, filepath.Join(dir, fmt.Sprintf("a-%d-%d.png", row, col)))
			if img.Bounds().Dx() != 16 || img.Bounds().Dy() != 16 {
				t.Errorf("image %d-%d is %v", row, col, img.Bounds())
			}
		}
	}
	if got, want := readPicture(t, filepath.Join(dir, "a-0-0.png")), readPicture(t, filepath.Join(shared, "discs", "000.png")); !samePixels(got, want) {
		t.Error("the first image of the strip is not the one that was given")
	}
	if _, err := os.Stat(filepath.Join(dir, "a-0-5.png")); err == nil {
		t.Error("there is a sixth column")
	}

	// A morph ends with what the model makes of the second image, and with that image.
	run("--image {}/discs/000.png --to {}/discs/001.png --steps 3 --out OUT/m.png --each")
	run("--image {}/discs/001.png --to {}/discs/000.png --steps 3 --out OUT/n.png --each")
	for i := range 5 {
		a, b := readPicture(t, filepath.Join(dir, fmt.Sprintf("m-0-%d.png", i))), readPicture(t, filepath.Join(dir, fmt.Sprintf("n-0-%d.png", 4-i)))
		if !nearPixels(a, b, 1) {
			t.Errorf("image %d of the morph is not image %d of that in the other direction", i, 4-i)
		}
	}
	run("--image {}/wide.png --resize --add big=1 --out OUT/w.png")
	vectors, err := filepath.Glob(filepath.Join(shared, "editor", "vectors-regression-*.npz"))
	if err != nil || len(vectors) == 0 {
		t.Fatalf("there are no directions in the run's folder: %v", err)
	}
}

// TestEditChangedData measures directions anew if the data in a folder have changed, and only then: with yes and no exchanged they point
// the other way.
func TestEditChangedData(t *testing.T) {
	t.Parallel()
	needEditor(t)
	dir := t.TempDir()
	if err := writeDiscs(dir); err != nil {
		t.Fatal(err)
	}
	draw := func(name string, measures bool) string {
		t.Helper()
		r := edits("edit faces --run {}/editor --image {}/discs/000.png --examples 64 --data " + dir + " --add big=3 --vectors means --out " + dir + "/" + name)
		if r.code != exitOK || strings.Contains(r.err, "measuring attributes over 64 examples") != measures {
			t.Fatalf("%s: exit code %d, %q; measures anew: want %v", name, r.code, r.err, measures)
		}
		defer os.Remove(filepath.Join(dir, name)) // which would be a change
		return string(readFile(t, filepath.Join(dir, name)))
	}
	first := draw("a.png", true)
	if draw("b.png", false) != first {
		t.Error("the same edit again gives another picture")
	}
	table := filepath.Join(dir, "attributes.csv")
	swapped := strings.NewReplacer(",yes,", ",no,", ",no,", ",yes,").Replace(string(readFile(t, table)))
	if err := os.WriteFile(table, []byte(swapped), 0o644); err != nil {
		t.Fatal(err)
	}
	if draw("c.png", true) == first {
		t.Error("other attributes give the same picture")
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readPicture(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func samePixels(a, b image.Image) bool { return nearPixels(a, b, 0) }

// nearPixels reports whether no 8-bit colour differs by more than most.
func nearPixels(a, b image.Image, most int) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range []int{int(r>>8) - int(r2>>8), int(g>>8) - int(g2>>8), int(bl>>8) - int(b2>>8)} {
				if d > most || d < -most {
					return false
				}
			}
		}
	}
	return true
}

// TestEditErrors holds that what a person gets wrong is told in one line, with the right exit code, and leaves no file.
func TestEditErrors(t *testing.T) {
	t.Parallel()
	needEditor(t)
	needRun(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text.png"), []byte("no picture"), 0o644); err != nil {
		t.Fatal(err)
	}
	const e, u = exitError, exitUsage
	const editor, picture = "edit faces --run {}/editor ", "edit faces --run {}/editor --image {}/discs/000.png --out OUT/x.png "
	const measure = editor + "--measure --classifier {}/labeller/classify.onnx "
	for _, test := range []struct {
		line string
		code int
		want string
	}{
		{"edit", u, "the model is missing"},
		{"edit frob --run {}/editor", e, `no model is called "frob"`},
		{"edit attributes --run {}/labeller", e, "model attributes cannot edit images: its Editing, which names the functions that encode and decode, is empty"},
		{"edit faces --image {}/discs/000.png --add big=1", u, "say which training run: --run DIR"},
		{"edit faces --run {}/labeller --image {}/discs/000.png --add big=1 --out OUT/x.png", e, "is a run of attributes, not of faces"},
		{editor + "--add big=1", u, "say what to edit: --image FILE, or --example N of the data"},
		{editor + "--image {}/discs/000.png", u, "say what to do: --add NAME=K, or --to FILE"},
		{picture + "--add big", u, "--add big: want NAME=K, NAME=VALUE or NAME=VALUE:K"},
		{picture + "--add big=", u, "--add big=: want NAME=K"},
		{picture + "--add =2", u, "--add =2: want NAME=K"},
		{picture + "--add big=NaN", u, "--add big=NaN: want a number from -1000 to 1000"},
		{picture + "--add big=-inf", u, "--add big=-inf: want a number from -1000 to 1000"},
		{picture + "--add big=1e999", u, "want a number from -1000 to 1000"},
		{picture + "--add colour=red:1e4", u, "want a number from -1000 to 1000"},
		{picture + "--add colour=red:frob", u, `"frob" is no number`},
		{picture + "--add big=1 --add big=2", u, "--add big=2: big is added twice"},
		{picture + "--examples 5 --add frob=2", e, `--add frob=2: the data have no attribute "frob", or all of them alike: they have big, colour, right`},
		{picture + "--add colour=pink", e, `--add colour=pink: colour has no value "pink": it has blue, green, red`},
		{picture + "--add colour=2", e, "--add colour=2: colour has several values: say which, colour=blue or another of blue, green, red"},
		{picture + "--add big=frob", e, `--add big=frob: "frob" is no number, and big has no values to name: want big=K`},
		{picture + "--add big=1 --steps 1", u, "--steps 1: want 2 to 100"},
		{picture + "--add big=1 --examples 1", u, "--examples 1: want 2 or more"},
		{picture + "--add big=1 --vectors frob", u, "--vectors frob: want regression or means"},
		{picture + "--add big=1 --to {}/discs/001.png", u, "do one at a time"},
		{picture + "--add big=1 --json", u, "--classifier and --json are for --measure"},
		{picture + "--to {}/wide.png", e, "wide.png: it is 20×24 pixels (height × width), and faces takes 16×16: --resize cuts out its middle and scales it"},
		{picture + "--add big=1 --data {}/images.npz", e, "an example of " + shared + "/images.npz is f32[1 28 28], and faces takes f32[3 16 16]"},
		{picture + "--add big=1 --data OUT/frob", e, "OUT/frob is neither a data set"},
		{picture + "--add big=1 --examples 3 --data {}/plain", e, "/plain has no attributes: name data that have"},
		{editor + "--image {}/wide.png --add big=1 --out OUT/x.png", e, "it is 20×24 pixels (height × width), and faces takes 16×16"},
		{editor + "--image OUT/text.png --add big=1 --out OUT/x.png", e, "not a readable image"},
		{editor + "--image OUT/none.png --add big=1 --out OUT/x.png", e, "no such file"},
		{editor + "--image {}/discs/000.png --add big=1 --out OUT/x.jpg", u, "want a name that ends in .png"},
		{editor + "--image {}/discs/000.png --add big=1 --out OUT/none/x.png", e, "the folder OUT/none is not there"},
		{editor + "--example 200 --add big=1 --out OUT/x.png", e, "--example 200: " + shared + "/discs has 200 examples, from 0"},
		{editor + "--example -1 --add big=1 --out OUT/x.png", e, "--example -1"},
		{editor + "--measure --add big=1", u, "--measure needs a classifier of the attributes: --classifier FILE.onnx"},
		{measure, u, "say what to measure: --add NAME=K"},
		{measure + "--add big=1 --out OUT/x.png", u, "writes no pictures"},
		{measure + "--add right=1", e, "--add right=1: right is a number, and the classifier judges what an example has or has not"},
		{measure + "--add big=1 --add colour=red --add colour=green --add colour=blue", e, "held-out examples of " + shared + "/discs begins without what is added"},
		{editor + "--measure --add big=1 --classifier {}/run/decode.onnx", e, "decode.onnx: it has the outputs"},
		{editor + "--measure --add big=1 --classifier OUT/none.onnx", e, "no such file"},
	} {
		r := edits(strings.ReplaceAll(test.line, "OUT", dir))
		want := strings.ReplaceAll(test.want, "OUT", dir)
		first, rest, _ := strings.Cut(r.err, "\n")
		if r.code != test.code || !strings.Contains(first, want) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", test.line, r.code, r.err, test.code, want)
		}
		if rest != "" && !strings.HasPrefix(rest, "run sardonyx") {
			t.Errorf("%s: more than one line: %q", test.line, r.err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Errorf("mistakes leave %v; %v", files, err)
	}
}
