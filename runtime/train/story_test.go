package train

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"image/gif"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// drawing is config with pictures, in a new folder.
func drawing(t testing.TB) Config {
	t.Helper()
	c := config(t, filepath.Join(t.TempDir(), "run"))
	x, err := dataset(t, 6, 9).Take(0, 1, 2, 3, 4, 5)
	if err != nil {
		t.Fatal(err)
	}
	c.OnEpoch = []Callback{Samples("draw", "image", models.Images, 3, map[string]*tensor.Tensor{"x": x["x"]})}
	c.Doc, c.Command = "a <small> net", "sardonyx train net --seed 7"
	return c
}

// TestReport looks for all that a report must say in that of a run, and makes the same one from the folder.
func TestReport(t *testing.T) {
	c := drawing(t)
	r := fit(t, t.Context(), c)
	page := read(t, string(c.Dir.Report()))
	want := map[string]string{
		"the title":        "<h1>net</h1>",
		"the doc":          "a &lt;small&gt; net",
		"the status":       "finished: 3 of 3 epochs, 15 steps",
		"the best":         fmt.Sprintf("%.5g in epoch %d", r.Best.Value, r.Best.Epoch),
		"parameters":       "<dt>parameters</dt><dd>68</dd>", // 3·8+8 + 8·4+4
		"a layer":          "<tr><td>out</td><td>",
		"its numbers":      "<td>36</td>",
		"the command":      "<td>sardonyx train net --seed 7</td>",
		"a setting":        "<tr><td>settings.width</td><td>8</td></tr>",
		"the data":         "<tr><td>train</td><td>37 × (",
		"the batch":        "<tr><td>batch</td><td>8</td></tr>",
		"the seed":         "<tr><td>seed</td><td>7</td></tr>",
		"the engine":       "<tr><td>engine</td><td>" + c.Engine.Name(),
		"Go":               "<td>" + runtime.Version() + "</td>",
		"an epoch's curve": "validation</text>",
	}
	for _, name := range []string{Loss, "mae"} {
		want["the curve of "+name] = ">" + name + "</text>"
		last := r.History[len(r.History)-1]
		want["the last training "+name] = "<td>" + name + "</td><td>training</td><td>"
		want["the last validation "+name] = "<td>" + digits(last.Validate[name]) + "</td>"
	}
	for epoch := range 3 {
		want[fmt.Sprint("picture ", epoch)] = "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte(read(t, c.Dir.Samples(epoch+1))))
	}
	animation := read(t, c.Dir.Animation())
	want["the animation"] = "data:image/gif;base64," + base64.StdEncoding.EncodeToString([]byte(animation))
	plain := strings.ReplaceAll(page, "&#43;", "+")
	for what, text := range want {
		if !strings.Contains(plain, text) {
			t.Errorf("the report lacks %s: %.100q", what, text)
		}
	}
	if regexp.MustCompile(`(?i)<script|(src|href)="(?:[^d]|d[^a])`).MatchString(page) || strings.Contains(page, `http-equiv="refresh"`) {
		t.Error("the report asks for something, or loads itself again")
	}
	g, err := gif.DecodeAll(strings.NewReader(animation))
	if err != nil || len(g.Image) != 3 {
		t.Fatalf("an animation of %v", err)
	}
	for i, f := range g.Image {
		img, err := png.Decode(strings.NewReader(read(t, c.Dir.Samples(i+1))))
		if err != nil {
			t.Fatal(err)
		}
		a, _, _, _ := img.At(50, 50).RGBA() // the pictures are grey and small: each pixel is the animation's
		b, _, _, _ := f.At(50, 50).RGBA()
		if a != b || f.Rect.Size() != img.Bounds().Size() {
			t.Errorf("frame %d is %v, and has %d where the picture, %v, has %d", i, f.Rect, b, img.Bounds(), a)
		}
	}

	for _, path := range []string{c.Dir.Report(), c.Dir.Animation()} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := WriteReport(c.Dir, c.Program); err != nil {
		t.Fatal(err)
	}
	if read(t, c.Dir.Report()) != page || read(t, c.Dir.Animation()) != animation {
		t.Error("from the folder another report is made")
	}
	if err := WriteReport(c.Dir, nil); err != nil || strings.Contains(read(t, c.Dir.Report()), "Parameters") {
		t.Errorf("without a program: %v", err)
	}
	if err := WriteReport(Folder(t.TempDir()), nil); !errors.Is(err, ErrNoRun) {
		t.Errorf("no run: %v", err)
	}
}

// TestReportStatus: while it runs, stopped, failed, resumed and finished, a run's report says so; without reports there is none.
func TestReportStatus(t *testing.T) {
	has := func(t *testing.T, c Config, want string, live bool) {
		t.Helper()
		page := read(t, c.Dir.Report())
		if !strings.Contains(page, want) || strings.Contains(page, `http-equiv="refresh"`) != live {
			_, status, _ := strings.Cut(page, `<p class="status">`)
			t.Errorf("the report says %.200q, want %q; live %v", status, want, live)
		}
	}
	c := drawing(t)
	c.OnEpoch = append(c.OnEpoch, func(_ context.Context, e EpochEnd) error {
		if e.Record.Epoch == 2 {
			has(t, c, "training: 1 of 3 epochs, 5 steps so far", true)
		}
		return nil
	})
	ctx, stopped := stopAfter(t, c, 12)
	if _, err := Fit(ctx, stopped); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	has(t, c, "interrupted after step 12, in epoch 3 of 3", false)
	if _, err := os.Stat(c.Dir.Animation()); err == nil {
		t.Error("there is an animation before the end")
	}

	failing := c
	failing.Resume = true
	do := RunStep(c.Program.Step("train"))
	failing.Update = func(ctx context.Context, x rt.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		if step == 13 {
			return nil, errors.New("<no more>")
		}
		return do(ctx, x, step, in)
	}
	if _, err := Fit(t.Context(), failing); err == nil {
		t.Fatal("it did not fail")
	}
	has(t, c, "failed: train: after step 13, in epoch 3 of 3: &lt;no more&gt;", false)

	resumed := failing
	resumed.Update, resumed.Command = do, "sardonyx train net --resume"
	fit(t, t.Context(), resumed)
	has(t, c, "finished: 3 of 3 epochs, 15 steps", false)
	has(t, c, "<td>sardonyx train net --seed 7</td>", false)

	c = drawing(t)
	c.Patience, c.MinDelta, c.Epochs = 1, 1e9, 9
	fit(t, t.Context(), c)
	early := "stopped early: 2 of 9 epochs, 10 steps; no better loss for 1 epoch"
	has(t, c, early, false)
	if err := WriteReport(c.Dir, c.Program); err != nil {
		t.Fatal(err)
	}
	has(t, c, early, false)

	c = drawing(t)
	c.OnEpoch = append(c.OnEpoch, func(_ context.Context, e EpochEnd) error { return WriteReport(c.Dir, nil) })
	ctx, stopped = stopAfter(t, c, 12)
	if _, err := Fit(ctx, stopped); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if err := WriteReport(c.Dir, c.Program); err != nil {
		t.Fatal(err)
	}
	has(t, c, "interrupted: 2 of 3 epochs, 12 steps", false)

	c = drawing(t)
	c.NoReport = true
	fit(t, t.Context(), c)
	for _, path := range []string{c.Dir.Report(), c.Dir.Animation(), c.Dir.TensorBoard()} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is there", path)
		}
	}
	if _, err := os.Stat(c.Dir.Curve()); err != nil {
		t.Error(err)
	}
}

// TestReportNames has metrics of hostile names, without end, and not finite: the report stands, bounded and safe.
func TestReportNames(t *testing.T) {
	c := drawing(t)
	c.Validate, c.OnEpoch, c.LogEvery = "", nil, 0
	do := RunStep(c.Program.Step("train"))
	c.Update = func(ctx context.Context, x rt.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		m, err := do(ctx, x, step, in)
		m["</svg><script>alert(1)</script>"] = 1
		m["nan"] = math.NaN()
		m[strings.Repeat("long ", 1000)] = 1e300
		for i := range 100 {
			m[fmt.Sprintf("m%03d", i)] = float64(i)
		}
		return m, err
	}
	fit(t, t.Context(), c)
	page := read(t, c.Dir.Report())
	if n := strings.Count(page, "</svg>"); strings.Contains(page, "<script") || n < 40 || n > mostCharts || len(page) > 2<<20 {
		t.Errorf("a page of %d bytes with %d drawings", len(page), n)
	}
	for _, want := range []string{"The curves of 58 more metrics are left out.", "<td>m099</td>", "<td>NaN</td>", "Not all metrics are shown."} {
		if !strings.Contains(page, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
}

// TestReportKinds shows samples that are no pictures, and says which cannot be shown; the run goes on.
func TestReportKinds(t *testing.T) {
	c := drawing(t)
	c.OnEpoch = []Callback{func(_ context.Context, e EpochEnd) error {
		name := []string{"epoch-001.csv", "epoch-002.txt", "epoch-003.png"}[e.Record.Epoch-1]
		if err := os.MkdirAll(filepath.Join(string(e.Dir), "samples"), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(string(e.Dir), "samples", name), []byte("a,<b>\n1,2\n"), 0o644)
	}}
	fit(t, t.Context(), c)
	page := read(t, c.Dir.Report())
	if n := strings.Count(page, "<pre>a,&lt;b&gt;\n1,2\n</pre>"); n != 2 {
		t.Errorf("%d texts", n)
	}
	var samples []string
	for _, e := range eventsOf(t, c.Dir) {
		if _, what, ok := strings.Cut(e, "samples"); ok {
			samples = append(samples, what)
		}
	}
	if len(samples) != 3 || samples[0] != samples[1] || !strings.Contains(eventsOf(t, c.Dir)[12], "unreadable samples") {
		t.Errorf("the events have %q: %q", samples, eventsOf(t, c.Dir))
	}
}

// eventsOf are the events of the last file for TensorBoard in a run's folder; one before it is empty.
func eventsOf(t testing.TB, dir Folder) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir.TensorBoard(), "*"))
	if err != nil || len(files) == 0 || len(files) > 2 || read(t, files[0]) != "" && len(files) > 1 {
		t.Fatalf("the files are %v, %v", files, err)
	}
	last := files[len(files)-1]
	if !regexp.MustCompile(`/events\.out\.tfevents\.\d{10}\.sardonyx$`).MatchString(filepath.ToSlash(last)) {
		t.Errorf("the file is %s", last)
	}
	return readEvents(t, []byte(read(t, last)))
}

// TestEvents holds the events to metrics.jsonl: in a run, within it, and after it was resumed from a checkpoint that lies before the last
// record.
func TestEvents(t *testing.T) {
	holds := func(t *testing.T, dir Folder, pictures bool) {
		t.Helper()
		records, err := ReadHistory(dir.Metrics())
		if err != nil {
			t.Fatal(err)
		}
		got := eventsOf(t, dir)
		if !slices.Equal(got[:2], []string{"0 field 3", "0 field 7"}) || !strings.HasPrefix(got[2], "0 config ") || len(got) != 3+len(records) {
			t.Fatalf("%d events of %d records: %q", len(got), len(records), got)
		}
		for i, r := range records {
			want := fmt.Sprintf("%d loss/steps %v grad_norm/steps %v mae/steps %v", r.Step, float32(r.Train[Loss]), float32(r.Train["grad_norm"]), float32(r.Train["mae"]))
			if r.Kind == KindEpoch {
				want = fmt.Sprintf("%d loss/training %v grad_norm/training %v mae/training %v loss/validation %v mae/validation %v", r.Step,
					float32(r.Train[Loss]), float32(r.Train["grad_norm"]), float32(r.Train["mae"]), float32(r.Validate[Loss]), float32(r.Validate["mae"]))
				if pictures {
					want += " samples ["
				}
			}
			if !strings.HasPrefix(got[3+i], want) {
				t.Errorf("record %d is the event %q, want %q", i, got[3+i], want)
			}
		}
	}
	c := drawing(t)
	c.OnEpoch = append(c.OnEpoch, func(_ context.Context, e EpochEnd) error {
		holds(t, c.Dir, true)
		return nil
	})
	ctx, stopped := stopAfter(t, c, 7)
	if _, err := Fit(ctx, stopped); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	holds(t, c.Dir, true)
	// A process that is killed leaves records and pictures behind its checkpoint.
	late, err := os.OpenFile(c.Dir.Metrics(), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintln(late, `{"kind":"steps","epoch":2,"step":8,"train":{"loss":99},"seconds":1,"examples_per_second":1}`)
	}
	if err = errors.Join(err, late.Close()); err != nil {
		t.Fatal(err)
	}
	c.Resume = true
	c.Update = RunStep(c.Program.Step("train"))
	before, _ := filepath.Glob(filepath.Join(c.Dir.TensorBoard(), "*"))
	c.OnEpoch = append(c.OnEpoch, func(_ context.Context, e EpochEnd) error {
		if after, _ := filepath.Glob(filepath.Join(c.Dir.TensorBoard(), "*")); len(after) != 2 || after[0] != before[0] || after[1] <= before[0] {
			t.Errorf("the files are %v, and were %v: TensorBoard must take the new one for later", after, before)
		}
		return nil
	})
	fit(t, t.Context(), c)
	holds(t, c.Dir, true)
	for range 3 {
		fit(t, t.Context(), c) // nothing is left to do
	}
	holds(t, c.Dir, true)
}

// TestEventsFolder: of each beginning only the last file says anything, also in a folder whose name is no pattern.
func TestEventsFolder(t *testing.T) {
	dir := Folder(filepath.Join(t.TempDir(), "rates [.1"))
	for range 3 {
		e, err := openEvents(dir, Setup{}, nil)
		if err = errors.Join(err, e.close()); err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(dir.TensorBoard())
	if err != nil || len(files) != 2 {
		t.Fatalf("the files are %v, %v: want the last two", files, err)
	}
	for i, f := range files {
		if info, err := f.Info(); err != nil || info.Size() > 0 != (i == 1) {
			t.Errorf("%s: %v, %v: want the last alone to say anything", f.Name(), info, err)
		}
	}
}

// TestSamplesOf finds the samples of epochs, in their order, and no others.
func TestSamplesOf(t *testing.T) {
	dir := Folder(t.TempDir())
	if err := os.Mkdir(filepath.Join(string(dir), "samples"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"epoch-1000.png", "epoch-002.png", "epoch-010.csv", "epoch-010.png", "epoch-003.txt", "epoch-1001.png", "epoch-1.png", "epoch-000.png", "epoch-x.png", "other.png", "epoch-004.png.bak"} {
		if err := os.WriteFile(filepath.Join(string(dir), "samples", name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := dir.samples(1000)
	var got []string
	for _, s := range list {
		got = append(got, filepath.Base(s.path))
	}
	if want := []string{"epoch-002.png", "epoch-003.txt", "epoch-010.png", "epoch-1000.png"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if list, err := Folder(t.TempDir()).samples(9); list != nil || err != nil {
		t.Errorf("without samples: %v, %v", list, err)
	}
}

// BenchmarkReport writes the report of a run of 200 epochs of 6 metrics and pictures of 650×650 pixels.
func BenchmarkReport(b *testing.B) {
	s := story{dir: Folder(b.TempDir()), epochs: 200, setup: Setup{Program: "net", Monitor: Loss}}
	if err := os.Mkdir(filepath.Join(string(s.dir), "samples"), 0o755); err != nil {
		b.Fatal(err)
	}
	for i := range s.epochs {
		m := Metrics{Loss: 1 / float64(i+1)}
		for k := range 5 {
			m[fmt.Sprint("m", k)] = float64(i * k)
		}
		s.records = append(s.records, Record{Kind: KindEpoch, Epoch: i + 1, Step: int64(i), Train: m, Validate: m, Time: time.Now()})
		if err := os.WriteFile(s.dir.Samples(i+1), bytes.Repeat([]byte{1}, 500<<10), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := s.write(false); err != nil {
			b.Fatal(err)
		}
	}
}
