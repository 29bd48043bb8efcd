package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/bayes"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// bayesCommand runs a command line of a program with both models of naive Bayes; {} is dir.
func bayesCommand(dir, line string) result {
	return commandOf(context.Background(), io.Discard, io.Discard, bayes.Models, strings.ReplaceAll(line, "{}", dir))
}

func mustBayes(t *testing.T, dir, line string) string {
	t.Helper()
	r := bayesCommand(dir, line)
	if r.code != exitOK {
		t.Fatalf("%s: exit code %d: %s", line, r.code, r.err)
	}
	return r.out
}

// writeFiles writes files into a folder.
func writeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// logProbs scores the rows of a CSV file by an exported file.
func logProbs(t *testing.T, dir, model, csv string) []float64 {
	t.Helper()
	mustBayes(t, dir, "run "+model+" --input "+csv+" --output {}/scores.npy")
	x, err := numpy.ReadNPY(filepath.Join(dir, "scores.npy"))
	if err != nil {
		t.Fatal(err)
	}
	return tensor.Data[float64](x)
}

// TestAvatars fits the book's avatars, and has its figures from the exported files in onnxruntime; then again from the avatars as CSV files,
// in which no row has a bun, nor black clothes.
func TestAvatars(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	dir := t.TempDir()
	header := ""
	values := "column,value\n"
	for i, c := range bayes.Model.Columns {
		header += strings.Repeat(",", min(i, 1)) + c.Name
		for _, v := range c.Values {
			values += c.Name + "," + v + "\n"
		}
	}
	fields, _, err := bayes.Model.Train.Generate(bayes.Model.Settings)
	if err != nil {
		t.Fatal(err)
	}
	var rows strings.Builder
	if err := models.Table(bayes.Model.Columns...).Write(&rows, fields[models.Row], 0); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(rows.String(), "\n"); n != 51 {
		t.Fatalf("%d lines, want 50 avatars", n)
	}
	writeFiles(t, dir, map[string]string{"one.csv": header + "\nLongHairStraight,Red,Round,ShirtScoopNeck,White\n", "data/train.csv": rows.String(), "data/values.csv": values})
	for _, c := range []struct{ flags, run, p string }{
		{"--set smoothing=0", "mle", "0.00541460"}, {"", "smooth", "0.00431299"},
		{"--data {}/data --set smoothing=0", "csv-mle", "0.00541460"}, {"--data {}/data", "csv-smooth", "0.00431299"},
	} {
		out := mustBayes(t, dir, "train naivebayes --out {}/"+c.run+" "+c.flags)
		if strings.HasSuffix(c.run, "mle") {
			contains(t, out, "(50 examples)", "best loss 6.8114")
		}
		mustBayes(t, dir, "export naivebayes --run {}/"+c.run)
		contains(t, mustBayes(t, dir, "verify naivebayes --run {}/"+c.run), "score", "draw", "ok")
		if got := fmt.Sprintf("%.8f", math.Exp(logProbs(t, dir, "{}/"+c.run+"/score.onnx", "{}/one.csv")[0])); got != c.p {
			t.Errorf("%s: the avatar has the probability %s, want %s", c.run, got, c.p)
		}
	}
	const n = 20000
	mustBayes(t, dir, fmt.Sprintf("sample naivebayes --count %d --run {}/csv-smooth --out {}/x.csv", n))
	mustBayes(t, dir, fmt.Sprintf("sample naivebayes --count %d --onnx {}/csv-smooth/draw.onnx --out {}/y.csv", n))
	x, err := os.ReadFile(filepath.Join(dir, "x.csv"))
	y, errY := os.ReadFile(filepath.Join(dir, "y.csv"))
	if err != nil || errY != nil || string(x) != string(y) {
		t.Errorf("the run and its file give other samples: %v, %v", err, errY)
	}
	seen := map[string]float64{}
	table := readCSV(t, filepath.Join(dir, "x.csv"))
	if got := strings.Join(table[0], ","); got != header {
		t.Errorf("the columns are %s, want %s", got, header)
	}
	for _, row := range table[1:] {
		for k, v := range row {
			seen[table[0][k]+" "+v]++
		}
	}
	for column, counts := range map[string]map[string]float64{ // χ² at most its 99.9% quantile
		"topType":   {"": 22.458, "NoHair": 7, "LongHairBun": 0, "LongHairCurly": 1, "LongHairStraight": 23, "ShortHairShortWaved": 1, "ShortHairShortFlat": 11, "ShortHairFrizzle": 7},
		"hairColor": {"": 20.515, "Black": 7, "Blonde": 6, "Brown": 2, "PastelPink": 3, "Red": 8, "SilverGray": 24},
	} {
		chi2 := 0.
		for v, count := range counts {
			if v != "" {
				e := n * (count + 1) / (50 + float64(len(counts)-1))
				chi2 += (seen[column+" "+v] - e) * (seen[column+" "+v] - e) / e
			}
		}
		if chi2 > counts[""] {
			t.Errorf("%s: χ² is %.1f, over %v", column, chi2, counts[""])
		}
	}
}

// TestTables takes a person's own table through the commands, with the same words in the samples, and sees what is said of tables
// that cannot be.
func TestTables(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const good = "pet,legs,\"home, sweet\"\ncat,4,yes\nbird,2,no\ncat,4,no\n\"ant, red\",6,no\n"
	writeFiles(t, dir, map[string]string{
		"good.csv": good, "short.csv": "pet,legs\ncat,4\nbird\n", "empty.csv": "pet,legs\ncat,4\nbird,\n", "const.csv": "pet,legs\ncat,4\nbird,4\n",
		"float.csv": "pet,legs\ncat,4\nbird,2.5\n", "new.csv": "pet,legs,\"home, sweet\"\nfish,4,yes\n", "legs.csv": "pet,legs,\"home, sweet\"\ncat,5,yes\n",
		"other.csv": "pet,home,legs\ncat,yes,4\n", "words/train.csv": good, "words/test.csv": "pet,legs,\"home, sweet\"\nfish,4,yes\n",
		"numbers/train.csv": good, "numbers/test.csv": "pet,legs,\"home, sweet\"\ncat,5,yes\n",
		"odd/train.csv": good, "odd/values.csv": "column,value\nage,5\n", "odder/train.csv": good, "odder/values.csv": "pet\nfish\n",
		"mle/train.csv": good, "mle/test.csv": "pet,legs,\"home, sweet\"\nfish,4,yes\n", "mle/values.csv": "column,value\npet,fish\n",
	})
	for _, c := range []struct{ data, want string }{
		{"short.csv", "line 3 has 1 columns, and the first line names 2: pet, legs"},
		{"empty.csv", "line 3: the column legs is empty"},
		{"const.csv", "the training part as a table: the column legs is 4 in every row, and tells nothing"},
		{"float.csv", "the field legs f32[] is no column of categories"},
		{"words", `test.csv: line 2: the column pet is "fish": it is none of ant, red, bird, cat`},
		{"numbers", `the test part as a table: row 1: the column legs is "5", which the training data do not have: they have 2, 4, 6`},
		{"odd", "it has no column age, which values.csv names"},
		{"odder", "its columns are pet, want column, value"},
		{"mle --set smoothing=0", "an example may have the probability 0"},
	} {
		r := bayesCommand(dir, "train naivebayes --out {}/bad --data {}/"+c.data)
		os.RemoveAll(filepath.Join(dir, "bad"))
		if r.code != exitError || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit code %d: %s, want %q", c.data, r.code, r.err, c.want)
		}
	}
	mustBayes(t, dir, "train naivebayes --data {}/mle --out {}/smooth")
	mustBayes(t, dir, "train naivebayes --data {}/good.csv --out {}/run")
	contains(t, mustBayes(t, dir, "train naivebayes --data {}/good.csv --out {}/run --resume"), "best loss")
	if r := bayesCommand(dir, "train naivebayes --data {}/mle --out {}/run --resume"); r.code != exitError || !strings.Contains(r.err, "columns was") {
		t.Errorf("another table: %s", r.err)
	}
	mustBayes(t, dir, "export naivebayes --run {}/run")
	needRuntime(t)
	mustBayes(t, dir, "verify naivebayes --run {}/run")
	mustBayes(t, dir, "sample naivebayes --run {}/run --count 300 --out {}/x.csv")
	table := readCSV(t, filepath.Join(dir, "x.csv"))
	seen := map[string]bool{}
	for _, row := range table[1:] {
		for _, v := range row {
			seen[v] = true
		}
	}
	for _, v := range []string{"cat", "bird", "ant, red", "2", "4", "6", "yes", "no"} {
		if !seen[v] {
			t.Errorf("no sample has %s", v)
		}
		delete(seen, v)
	}
	if strings.Join(table[0], "|") != "pet|legs|home, sweet" || len(seen) > 0 {
		t.Errorf("the samples have the columns %q, and the values %v too", table[0], seen)
	}
	p := logProbs(t, dir, "{}/run/score.onnx", "{}/good.csv")
	if want := math.Log(3. / 7 * 3 / 7 * 2 / 6); len(p) != 4 || math.Abs(p[0]-want) > 1e-12 {
		t.Errorf("the rows have ln p %v, want %v and three more", p, want)
	}
	for csv, want := range map[string]string{
		"new.csv": `line 2: the column pet is "fish": it is none of`, "legs.csv": `line 2: the column legs is "5": it is none of 2, 4, 6`,
		"other.csv": "its columns are pet, home, legs, and those of the training part pet, legs, home, sweet", "short.csv": "line 3 has 1 columns",
	} {
		if r := bayesCommand(dir, "run {}/run/score.onnx --input {}/"+csv); r.code != exitError || !strings.Contains(r.err, want) {
			t.Errorf("run %s: %s, want %q", csv, r.err, want)
		}
	}
	needRun(t)
	if r := command("run {}/run/decode.onnx --input z=" + dir + "/good.csv"); r.code != exitError || !strings.Contains(r.err, "does not say that its inputs are rows of a table") {
		t.Errorf("rows for a file that takes none: %s", r.err)
	}
}

// TestPixelBayes fits pixels that all go with their neighbours, of which samples keep nothing.
func TestPixelBayes(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	dir := t.TempDir()
	const n, side = 400, 8
	x := tensor.New(tensor.F32, n, 1, side, side)
	for i := range n { // the left half is white, or the right
		for p := range side * side {
			if (p%side < side/2) == (i%2 == 0) {
				x.Set(i*side*side+p, 1)
			}
		}
	}
	if err := numpy.WriteNPZ(filepath.Join(dir, "halves.npz"), map[string]*tensor.Tensor{"image": x}); err != nil {
		t.Fatal(err)
	}
	contains(t, mustBayes(t, dir, "train pixelbayes --data {}/halves.npz --set side=8 --set smoothing=0 --out {}/run"), "best loss 44.3614") // 64 ln 2
	mustBayes(t, dir, "export pixelbayes --run {}/run")
	mustBayes(t, dir, "verify pixelbayes --run {}/run")
	mustBayes(t, dir, "sample pixelbayes --run {}/run --count 400 --out {}/x.npy --out {}/x.png")
	out := mustBayes(t, dir, "evaluate --real {}/halves.npz --fake {}/x.npy --json")
	var report struct{ Measures []measureOf }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Measures, func(m measureOf) bool { return m.Name == "pixel_correlation" })
	if i < 0 {
		t.Fatalf("there is no correlation of pixels in %s", out)
	}
	m := report.Measures[i]
	if fake, real := float64(m.Fake.Value), float64(m.Floor.Value); math.Abs(fake) > .05 || real < .8 {
		t.Errorf("neighbours have the correlation %v in samples, want 0, and %v in the data, want most of 1", fake, real)
	}
}
