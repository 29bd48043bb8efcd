package app

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
)

// evaluation of a command line's JSON, with its measures by name.
func evaluateJSON(t *testing.T, line string) (evaluated, map[string]measureOf) {
	t.Helper()
	var r evaluated
	if err := json.Unmarshal([]byte(must(t, "evaluate --json "+line)), &r); err != nil {
		t.Fatal(err)
	}
	by := map[string]measureOf{}
	for _, m := range r.Measures {
		by[m.Name] = m
	}
	return r, by
}

// TestEvaluate compares the command's numbers with the library's, of the files' arrays.
func TestEvaluate(t *testing.T) {
	t.Parallel()
	needSets(t)
	r, by := evaluateJSON(t, "--real {}/sets/real.npz --fake {}/sets/fake.npy --count 30")
	fake, err := numpy.ReadNPY(filepath.Join(shared, "sets", "fake.npy"))
	arrays, err1 := numpy.ReadNPZ(filepath.Join(shared, "sets", "real.npz"))
	if err != nil || err1 != nil {
		t.Fatal(err, err1)
	}
	all := tensor.Data[float32](arrays["image"])
	var real []float32
	for _, row := range pick(30, 40, 1, 0) {
		real = append(real, all[row*16:(row+1)*16]...)
	}
	c := kernel.NewContext(blas.Go(), 1)
	x, y := tensor.Of(real, 30, 16), fake.Reshape(30, 16)
	f, err := metrics.FID(c, x, y)
	p, recall, err1 := metrics.PrecisionRecall(c, x, y, 3)
	d, cov, err2 := metrics.DensityCoverage(c, x, y, 5)
	pixels, err3 := metrics.PixelCorrelation(fake)
	if err := errors.Join(err, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"fid": f.Distance, "precision": p, "recall": recall, "density": d, "coverage": cov, "pixel_correlation": pixels} {
		if got := by[name]; got.Fake == nil || got.Floor == nil || math.Abs(float64(got.Fake.Value)-want) > 1e-9 {
			t.Errorf("%s is %+v, want %v", name, got.Fake, want)
		}
	}
	if k := by["kid"]; k.Fake == nil || k.Fake.Std == nil || k.Floor == nil || k.Floor.Std == nil {
		t.Errorf("KID is %+v, without a spread or a floor", k)
	}
	if r.Real.Examples != 30 || r.Real.Of != 40 || r.Real.Labels != "label" || r.Fake.Type != "f32[1 4 4]" || r.Features.From != "raw pixels" || r.Features.Size != 16 {
		t.Errorf("the report says %+v", r)
	}
	_, other := evaluateJSON(t, "--real {}/sets/real.npz --fake {}/sets/fake.npy --count 30 --seed 2")
	if other["fid"].Fake.Value == by["fid"].Fake.Value {
		t.Error("another seed takes the same examples")
	}
	text := must(t, "evaluate --real {}/sets/real.npz --fake {}/sets/fake.npy --count 30")
	contains(t, text, "real.npz            30 of 40 examples, f32[1 4 4]", "raw pixels", "MEASURE", "FLOOR", "FID", "±", "coverage", "halves of")
	if again := must(t, "evaluate --real {}/sets/real.npz --fake {}/sets/fake.npy --count 30"); again != text {
		t.Errorf("the second time it prints other numbers:\n%s%s", text, again)
	}
}

// TestEvaluateSame sees a set compared with itself.
func TestEvaluateSame(t *testing.T) {
	t.Parallel()
	needSets(t)
	_, by := evaluateJSON(t, "--real {}/sets/fake.npz --fake {}/sets/fake.npy --train {}/sets/fake.npy")
	for name, want := range map[string]float64{"fid": 0, "precision": 1, "recall": 1, "coverage": 1, "memorisation": .5, "memorisation_z": 0} {
		if got := by[name]; got.Fake == nil || math.Abs(float64(got.Fake.Value)-want) > 1e-9 {
			t.Errorf("%s of a set and itself is %+v, want %v", name, got.Fake, want)
		}
	}
	_, by = evaluateJSON(t, "--real {}/sets/real.npz --fake {}/sets/fake.npy --train {}/sets/fake.npy")
	if by["memorisation"].Fake.Value != 1 || by["memorisation_z"].Fake.Value < 3 {
		t.Errorf("copies of the training examples: %+v, %+v", by["memorisation"].Fake, by["memorisation_z"].Fake)
	}
}

// TestEvaluateFloor sees which real examples the floor is of.
func TestEvaluateFloor(t *testing.T) {
	t.Parallel()
	needSets(t)
	tests := []struct {
		line, from string
		examples   int
	}{
		{"--real {}/sets/real.npz --fake {}/sets/fake.npy", "halves of {}/sets/real.npz", 15},
		{"--real {}/sets/real.npz --fake {}/sets/fake.npy --count 20", "the rest of {}/sets/real.npz", 20},
		{"--real {}/sets/real.npz --fake {}/sets/fake.npy --count 21", "halves of {}/sets/real.npz", 10},
		{"--real {}/sets/real.npz --fake {}/sets/fake.npy --train {}/sets/fake.npz", "{}/sets/fake.npz", 30},
		{"--real {}/sets/parts:test --fake {}/sets/fake.npy", "{}/sets/parts:train", 13},
		{"--real {}/sets/parts:train --fake {}/sets/fake.npy", "halves of {}/sets/parts:train", 7},
		{"--real {}/sets/parts:train --fake {}/sets/parts:test", "{}/sets/parts:test", 13},
	}
	for _, tt := range tests {
		r, by := evaluateJSON(t, tt.line)
		if want := strings.ReplaceAll(tt.from, "{}", shared); r.Floor.From != want || r.Floor.Examples != tt.examples {
			t.Errorf("%s: the floor is %+v, want %d of %s", tt.line, r.Floor, tt.examples, want)
		}
		if v := by["fid"].Floor; v == nil || v.Value <= 0 {
			t.Errorf("%s: the floor of FID is %+v: the same examples on both sides", tt.line, v)
		}
	}
}

// TestFloorRows sees that the floor's examples are not those that they are compared with.
func TestFloorRows(t *testing.T) {
	t.Parallel()
	for _, n := range []int{12, 13, 20, 21, 40} {
		images, _ := quadrants(1, 40)
		set := dataSetOf(t, images)
		e := &evaluation{real: &examples{set: set, from: "real"}, realRows: pick(n, 40, 1, 0)}
		e.chooseFloor(n, 1)
		against := e.againstRows
		if against == nil {
			against = e.realRows
		}
		if len(against) != len(e.floorRows) || len(against) != e.report.Floor.Examples {
			t.Errorf("%d of 40: %d examples against %d, reported %+v", n, len(e.floorRows), len(against), e.report.Floor)
		}
		for _, row := range e.floorRows {
			if slices.Contains(against, row) {
				t.Errorf("%d of 40: example %d is on both sides", n, row)
			}
		}
	}
}

// TestEvaluateNetwork sees features and classes of a network, whose answers are known.
func TestEvaluateNetwork(t *testing.T) {
	t.Parallel()
	needSets(t)
	needRuntime(t)
	sets := "--real {}/sets/real.npz --fake {}/sets/fake.npz "
	_, raw := evaluateJSON(t, sets)
	r, by := evaluateJSON(t, sets+"--features {}/sets/net.onnx --output features --classes logits")
	if got, want := float64(by["fid"].Fake.Value), 4*float64(raw["fid"].Fake.Value); math.Abs(got-want) > 1e-4*want {
		t.Errorf("the FID of twice the pixels is %v, want %v", got, want)
	}
	if by["precision"].Fake.Value != raw["precision"].Fake.Value {
		t.Errorf("the precision of twice the pixels is %v, not %v", by["precision"].Fake.Value, raw["precision"].Fake.Value)
	}
	if m := by["modes"].Fake; m.Value != 4 || m.Of != 4 || by["mode_divergence"].Fake.Value < 0 || by["inception_score"].Fake.Value <= 1 {
		t.Errorf("modes %+v, divergence %+v, score %+v", m, by["mode_divergence"].Fake, by["inception_score"].Fake)
	}
	if r.Features.Scores != "logits" || r.Features.Output != "features" || len(r.Classifier) != 2 {
		t.Fatalf("the report is of %+v, with %d labelled sets", r.Features, len(r.Classifier))
	}
	wrong := 0 // of the examples that were taken
	for _, row := range pick(30, 40, 1, 0) {
		if row < 4 {
			wrong++
		}
	}
	real, fake := r.Classifier[0], r.Classifier[1]
	if want := 1 - float64(wrong)/30; real.Set != "real" || math.Abs(float64(real.Accuracy)-want) > 1e-9 || wrong == 0 {
		t.Errorf("the accuracy on %s is %v, want %v", real.Set, real.Accuracy, want)
	}
	if fake.Set != "fake" || fake.Accuracy != 1 || fake.CalibrationError <= 0 {
		t.Errorf("on %s: %+v, want all right and not certain", fake.Set, fake)
	}
	mistakes, counted := 0, 0
	for _, m := range real.Confused {
		if mistakes += m.Examples; m.Label == m.Predicted || m.Examples != real.Confusion[m.Label][m.Predicted] {
			t.Errorf("the mistake %+v is not in the confusion matrix %v", m, real.Confusion)
		}
	}
	for _, b := range real.Reliability {
		counted += b.Examples
	}
	if mistakes != wrong || counted != 30 || len(fake.Confused) != 0 {
		t.Errorf("%d mistakes, want %d; %d examples in the reliability table, want 30; of right predictions the mistakes %v", mistakes, wrong, counted, fake.Confused)
	}
	for i, row := range fake.Confusion {
		for j, n := range row {
			if (n == 0) != (i != j) {
				t.Errorf("the confusion matrix of right predictions is %v", fake.Confusion)
			}
		}
	}
	_, missing := evaluateJSON(t, "--real {}/sets/fake.npy --fake {}/sets/two.npz --features {}/sets/net.onnx --output features --classes logits")
	if m := missing["modes"]; m.Fake.Value != 2 || m.Floor.Value != 4 || missing["mode_divergence"].Fake.Value <= .3 ||
		missing["rarest_mode"].Fake.Value != 0 || missing["commonest_mode"].Fake.Value < 1.5 {
		t.Errorf("of two modes %v are covered, at the floor %v, with divergence %v", m.Fake.Value, m.Floor.Value, missing["mode_divergence"].Fake.Value)
	}
	if s, _ := evaluateJSON(t, "--real {}/sets/two.npz --fake {}/sets/two.npz --features {}/sets/net.onnx --output features --classes logits"); s.Classifier != nil {
		t.Errorf("numbers in f32 are taken for labels: %+v", s.Classifier)
	}
	contains(t, must(t, "evaluate --json --real {}/sets/two.npz --fake {}/sets/fake.npy --features {}/sets/net.onnx --output features --classes logits"),
		`"value": "+Inf"`) // modes that the real examples have not
	for _, same := range []string{"pair.onnx --output features --classes logits", "fixed.onnx --output features --classes logits", "flat.onnx --output features --classes probabilities"} {
		s, other := evaluateJSON(t, sets+"--features {}/sets/"+same)
		for name, m := range by {
			if d := math.Abs(float64(other[name].Fake.Value - m.Fake.Value)); d > 1e-5*max(1, math.Abs(float64(m.Fake.Value))) {
				t.Errorf("%s: %s is %v, not %v", same, name, other[name].Fake.Value, m.Fake.Value)
			}
		}
		if d := s.Classifier[0].CalibrationError - real.CalibrationError; math.Abs(float64(d)) > 1e-6 {
			t.Errorf("%s: the calibration error is %v, not %v", same, s.Classifier[0].CalibrationError, real.CalibrationError)
		}
	}
	contains(t, must(t, "evaluate "+sets+"--features {}/sets/net.onnx --output features --classes logits"), "features, 16, on cpu",
		"score of classes", "4 of 4", "classifier on the labels of", "accuracy           1.0000", "LABEL \\ PREDICTED")
	contains(t, must(t, "evaluate "+sets+"--features {}/sets/double.onnx"), "y, 16, on cpu")
	contains(t, must(t, "evaluate --real {}/sets/parts:test --fake {}/sets/parts:train --features {}/sets/net.onnx --output features"), "f32[1 4 4]")
}

// TestEvaluateConfusion draws the classes of one and of two labelled sets, by the names of folders.
func TestEvaluateConfusion(t *testing.T) {
	t.Parallel()
	needSets(t)
	needRuntime(t)
	dir := t.TempDir()
	images, labels := quadrants(5, 24)
	for k, name := range []string{"a b", "c", "d", "e"} {
		var some []float32
		for i := range 24 {
			if int(labels.At(i)) == k {
				some = append(some, tensor.Data[float32](images)[i*16:(i+1)*16]...)
			}
		}
		if err := writePictures(filepath.Join(dir, "photos", name), tensor.Of(some, len(some)/16, 1, 4, 4), len(some)/16); err != nil {
			t.Fatal(err)
		}
	}
	by := " --features {}/sets/net.onnx --output features --classes logits --confusion " + dir
	one := must(t, "evaluate --real "+dir+"/photos --fake {}/sets/fake.npy"+by+"/one.png")
	contains(t, one, "a b", "wrote "+dir+"/one.png")
	two := must(t, "evaluate --json --real "+dir+"/photos --fake {}/sets/fake.npz"+by+"/two.png")
	if strings.Contains(two, "wrote") {
		t.Errorf("what is no JSON: %s", two)
	}
	a, b := readPicture(t, dir+"/one.png").Bounds(), readPicture(t, dir+"/two.png").Bounds()
	if a.Dx() != a.Dy() || b.Dy() < a.Dy()-1 || b.Dx() < 2*b.Dy()-1 {
		t.Errorf("one matrix has a picture of %v, two have one of %v", a, b)
	}
	badInput(t, "evaluate --real {}/sets/bytes.npy --fake {}/sets/bytes.npy --features {}/sets/net.onnx --output features --classes logits --confusion "+dir+"/x.png", exitError, "the network")
	badInput(t, "evaluate --real {}/sets/two.npz --fake {}/sets/fake.npy"+by+"/x.png", exitError, "has labels, whole numbers in a field \"label\": --labels names another")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Errorf("there are %v; %v", files, err)
	}
}

// TestEvaluateStacked sees that the classes of channels make modes.
func TestEvaluateStacked(t *testing.T) {
	t.Parallel()
	needSets(t)
	needRuntime(t)
	for _, network := range []string{"net.onnx", "fixed.onnx", "pair.onnx", "flat.onnx"} {
		r, by := evaluateJSON(t, "--real {}/sets/stacked.npy --fake {}/sets/stacked.npy --stacked --output features --classes logits --features {}/sets/"+network)
		images, _ := quadrants(1, 40)
		modes := map[[3]int]bool{}
		for i := range 30 {
			var m [3]int
			for ch := range 3 {
				m[ch] = brightest(images, (3*i+ch)%40)
			}
			modes[m] = true
		}
		if m := by["modes"].Fake; m == nil || int(m.Value) != len(modes) || m.Of != 64 || r.Features.Size != 48 {
			t.Errorf("%s: modes %+v, want %d of 64; %d features", network, m, len(modes), r.Features.Size)
		}
		if by["inception_score"].Fake != nil || r.Classifier != nil {
			t.Errorf("%s: stacked examples have a score of classes or a classifier", network)
		}
	}
}

// TestPlace sees that more features than memory should hold are refused before they are allocated, and so are rows of another length.
func TestPlace(t *testing.T) {
	t.Parallel()
	var to *tensor.Tensor
	row := tensor.New(tensor.F32, 1, 16)
	if err := place(&to, row, 1, 0, maxFeatures/16+1); err == nil || !strings.Contains(err.Error(), "at most 4.3 are kept") || to != nil {
		t.Errorf("4 GB of features: %v", err)
	}
	if err := place(&to, row, 1, 0, 3); err != nil || to.Dim(0) != 3 {
		t.Errorf("three rows: %v, %v", to, err)
	}
	if err := place(&to, tensor.New(tensor.F32, 1, 15), 1, 1, 3); err == nil || !strings.Contains(err.Error(), "some examples have 16 features, others 15") {
		t.Errorf("a shorter row: %v", err)
	}
}

// brightest is the quadrant with the largest sum in image i.
func brightest(images *tensor.Tensor, i int) int {
	var sum [4]float64
	for p := range 16 {
		sum[p/8*2+p%4/2] += images.At(i*16 + p)
	}
	return slices.Index(sum[:], slices.Max(sum[:]))
}

// TestBadEvaluation sees that every wrong use is told in one line.
func TestBadEvaluation(t *testing.T) {
	t.Parallel()
	needSets(t)
	const u, e = exitUsage, exitError
	real, both := "evaluate --real {}/sets/real.npz ", "evaluate --real {}/sets/real.npz --fake {}/sets/fake.npy "
	tests := []struct {
		line string
		code int
		want string
	}{
		{"evaluate", u, "--real NAME or PATH, and --fake NAME or PATH"},
		{real, u, "--fake NAME or PATH"},
		{both + "frob", u, "--fake is for comparing two sets, without a model"},
		{both + "--count 11", u, "--count 11: want 12 or more"},
		{both + "--count -1", u, "--count -1"},
		{both + "--seed -1", u, `"-1"`},
		{both + "--output features", u, "--output is of a network: name it with --features"},
		{both + "--classes logits", u, "--classes is of a network"},
		{both + "--stacked", u, "--stacked is of a network"},
		{both + "--confusion OUT/x.png", u, "--confusion needs a classifier of the examples: --features FILE and --classes NAME"},
		{both + "--features {}/sets/net.onnx --classes logits --confusion OUT/x.jpg", u, "want a name that ends in .png"},
		{both + "--features {}/sets/net.onnx --classes logits --stacked --confusion OUT/x.png", u, "leave out --stacked"},
		{both + "--features {}/sets/net.onnx --classes logits --confusion OUT/none/x.png", e, "none is not there"},
		{"evaluate vae --run {}/run --confusion OUT/x.png", u, "--confusion is for comparing two sets"},
		{both + "--features {}/sets/net.onnx --device tpu", u, "want cpu or cuda"},
		{real + "--fake OUT/frob", e, "--fake OUT/frob is neither a data set (binarised-mnist, fashion-mnist, mnist, portraits, portraits-32, stacked-mnist) nor a path that exists"},
		{real + "--fake OUT/frob:test", e, "neither a data set"},
		{real + "--fake OUT", e, "it has no"},
		{real + "--fake {}/sets/net.onnx", e, "net.onnx: it is not a folder"},
		{real + "--fake {}/sets/few.npy", e, "few.npy has 5 examples: want at least 12"},
		{real + "--fake {}/sets/small", e, "has 3 examples: want at least 12"},
		{real + "--fake {}/sets/fake.npy --train {}/sets/few.npy", e, "few.npy has 5 examples"},
		{real + "--fake {}/sets/wide.npy", e, "wide.npy is f32[3 4 4]: they cannot be compared"},
		{real + "--fake {}/sets/fake.npy --train {}/sets/wide.npy", e, "--train"},
		{real + "--fake {}/sets/bytes.npy", e, "bytes.npy is u8[1 4 4]: they cannot be compared"},
		{real + "--fake {}/sets/unnamed.npz", e, `unnamed.npz has no field "image": it is 30 × (a f32[1 4 4], b i64[]); --field names another`},
		{real + "--fake {}/sets/parts", e, "has several parts: say which, "},
		{real + "--fake {}/sets/parts:validation", e, "there is no such part: there is "},
		{real + "--fake {}/sets/fake.npy:test", e, "there is no such part"},
		{both + "--data-dir OUT/frob", e, "no such file"},
		{both + "--features OUT/frob.onnx", e, "--features: opening the model"},
	}
	for _, tt := range tests {
		t.Run(strings.ReplaceAll(tt.line, "{}/", ""), func(t *testing.T) { badInput(t, tt.line, tt.code, tt.want) })
	}
	t.Run("networks", func(t *testing.T) {
		needRuntime(t)
		for _, tt := range []struct{ line, want string }{
			{both + "--features {}/sets/fake.npy", "not a readable ONNX model"},
			{both + "--features {}/sets/net.onnx", "it has the outputs features f32[batch 16], logits f32[batch 4], probabilities f32[batch 4]: say which are the features, --output NAME"},
			{both + "--features {}/sets/net.onnx --output frob", `it has no output "frob"`},
			{both + "--features {}/sets/net.onnx --output features --classes frob", `it has no output "frob"`},
			{both + "--features {}/sets/two.onnx", "it has 2 inputs"},
			{both + "--features {}/sets/map.onnx", "the output y f32[batch 1 4 4] is not [batch d]"},
			{both + "--features {}/sets/tokens.onnx", "its input is x i64[batch 16]: want f32 or f64"},
			{both + "--features {}/sets/nan.onnx", "feature 0 of example 0 of the real features is NaN"},
			{both + "--features {}/sets/net.onnx --output features --stacked", ""},
			{"evaluate --real {}/sets/bytes.npy --fake {}/sets/bytes.npy --features {}/sets/double.onnx", "the network " + filepath.Join(shared, "sets/double.onnx") + " takes x f32[batch 1 4 4]; scale it"},
			{"evaluate --real {}/sets/wide.npy --fake {}/sets/wide.npy --features {}/sets/double.onnx", "wide.npy is f32[3 4 4]: the network"},
		} {
			if tt.want == "" {
				must(t, tt.line) // one channel may be stacked
				continue
			}
			badInput(t, tt.line, exitError, tt.want)
		}
	})
}
