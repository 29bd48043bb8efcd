package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// someRuns is a folder with the run a, one like it of other settings in more/b, one that is damaged, and a folder of another program's.
func someRuns(t *testing.T) string {
	t.Helper()
	needRun(t)
	dir := t.TempDir()
	for _, to := range []string{"a", "more/b", "c"} {
		if err := os.CopyFS(filepath.Join(dir, to), os.DirFS(filepath.Join(shared, "run"))); err != nil {
			t.Fatal(err)
		}
	}
	change := func(file, from, to string) {
		path := filepath.Join(dir, file)
		b, err := os.ReadFile(path)
		if err == nil {
			if !strings.Contains(string(b), from) {
				t.Fatalf("%s has no %s", file, from)
			}
			err = os.WriteFile(path, []byte(strings.Replace(string(b), from, to, 1)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change("more/b/config.json", `"latent": 4`, `"latent": 5`)
	change("more/b/config.json", `"epochs": 3`, `"epochs": 9`)
	change("c/metrics.jsonl", `"kind"`, "\"\x1b[2J\"")
	if err := os.MkdirAll(filepath.Join(dir, "web"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "web", "config.json"), []byte(`{"version": "1.0.0"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRuns lists runs wherever they lie, says which are damaged, and compares two.
func TestRuns(t *testing.T) {
	t.Parallel()
	dir := someRuns(t)
	r := command("runs", dir)
	if r.code != exitOK || strings.Contains(r.out+r.err, "\x1b") {
		t.Fatalf("exit code %d:\n%s%s", r.code, r.out, r.err)
	}
	lines := strings.Split(r.out, "\n")
	for i, want := range []string{"run model data state epochs best time size", "/a vae", "/c vae", "/more/b vae", "/web"} {
		if got := strings.Join(strings.Fields(lines[i]), " "); !strings.Contains(got, want) {
			t.Errorf("line %d is %q, want %q", i+1, got, want)
		}
	}
	contains(t, lines[1], "finished", "3/3", "loss ", "images.npz")
	contains(t, lines[2], "broken")
	contains(t, lines[3], "interrupted", "3/9")
	contains(t, lines[4], "broken")
	contains(t, r.err, "note: read metrics "+dir+"/c/metrics.jsonl: line 1", "note: read "+dir+"/web/config.json: it is damaged or of another program")

	file := filepath.Join(t.TempDir(), "curves.png")
	both := must(t, "runs", filepath.Join(dir, "a"), filepath.Join(dir, "more/b"), "--png", file)
	contains(t, both, "what differs     a  more/b\n", "settings.latent  4  5\n", "epochs           3  9\n", "training loss", "training grad_norm", "wrote "+file)
	if strings.Contains(both, "seed") || strings.Contains(both, "fingerprint") {
		t.Errorf("what does not differ is told:\n%s", both)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := png.Decode(f); err != nil {
		t.Error(err)
	}

	var list []struct {
		Dir, State, Problem string
		Epochs, Of          int
		Settings            map[string]float64
		Best                *struct{ Metric string }
		Train               map[string]float64
	}
	if err := json.Unmarshal([]byte(must(t, "runs --json", dir)), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 || list[0].State != "finished" || list[0].Best == nil || list[0].Best.Metric != "loss" || list[0].Train["loss"] == 0 ||
		list[1].State != "broken" || list[1].Problem == "" || list[2].Settings["latent"] != 5 || list[2].Of != 9 {
		t.Errorf("%+v", list)
	}
	if one := must(t, "runs", filepath.Join(dir, "a"), filepath.Join(dir, "c")); strings.Contains(one, "of epoch") {
		t.Errorf("a run is compared with one that cannot be read:\n%s", one)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err == nil { // where there are links
		contains(t, must(t, "runs", link), link+"/a ", link+"/more/b ")
		if r := command("runs", link+"/a"); strings.Contains(r.out, " 0 B") {
			t.Errorf("a run through a link has no size:\n%s", r.out)
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "more")); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]struct {
		code int
		text string
	}{
		"runs " + dir + "/nowhere":                        {exitError, "nowhere"},
		"runs " + t.TempDir():                             {exitError, "has no run, nor have the folders in it"},
		"runs " + dir + "/a/config.json":                  {exitError, "is no folder"},
		"runs " + dir + "/a --png OUT/x.jpg":              {exitUsage, "want the name of a .png file"},
		"runs " + dir + "/a --png OUT/frob/x.png":         {exitError, "the folder OUT/frob is not there"},
		"runs " + dir + "/a --png OUT/x.png --metric fid": {exitError, `no run has the metric "fid" in a finished epoch: they have loss, `},
		"runs " + dir + " --metric fid":                   {exitUsage, "--metric is for --png FILE"},
	} {
		badInput(t, line, want.code, want.text)
	}
}

// syncBuffer is a buffer for a writer and a reader at once.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// watching begins `watch`, and gives the lines that it has printed so far and a channel with its exit code. The command is not run by
// command, which lets only one run at a time.
func watching(ctx context.Context, dir string) (printed func() string, code chan int) {
	var out syncBuffer
	code = make(chan int, 1)
	a := &app{name: "sardonyx", out: &out, err: io.Discard}
	go func() {
		if err := a.follow(ctx, dir, watchOptions{every: leastInterval, epochs: 10, wait: true}); err != nil {
			code <- exitError
		} else {
			code <- exitOK
		}
	}()
	return out.String, code
}

// TestWatch follows a run that is not begun, begins, is interrupted, and is resumed.
func TestWatch(t *testing.T) {
	t.Parallel()
	needRun(t)
	if _, known := filelock.Held(os.Args[0]); !known {
		t.Skip("locks cannot be seen here")
	}
	dir := filepath.Join(t.TempDir(), "run")
	printed, code := watching(t.Context(), dir)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	line := "train vae " + tiny + " --out " + dir
	if r := commandContext(ctx, io.Discard, cancelAt{"epoch 1/3", cancel}, line); r.code != exitError {
		t.Fatalf("interrupted: exit code %d: %s", r.code, r.err)
	}
	if r := command("watch " + dir); r.code != exitOK || !strings.Contains(r.out, "interrupted: train --resume goes on with it") {
		t.Errorf("of an interrupted run: exit code %d: %s%s", r.code, r.out, r.err)
	}
	must(t, line+" --resume")
	select {
	case c := <-code:
		if c != exitOK {
			t.Errorf("exit code %d", c)
		}
	case <-time.After(time.Minute):
		t.Fatalf("watch does not end:\n%s", printed())
	}
	contains(t, printed(), "vae, finished, 3 of 3 epochs", "epoch 1  step ", "epoch 3  step ", "finished after 3 epochs: best loss ")
	if n := strings.Count(printed(), "epoch 2  step "); n != 1 {
		t.Errorf("epoch 2 is told %d times:\n%s", n, printed())
	}

	ctx, cancel = context.WithCancel(t.Context())
	printed, code = watching(ctx, filepath.Join(t.TempDir(), "never"))
	cancel()
	if c := <-code; c != exitOK {
		t.Errorf("left by Ctrl-C: exit code %d: %s", c, printed())
	}
	badInput(t, "watch "+t.TempDir(), exitError, "the folder has no run; --wait waits for one")
	badInput(t, "watch", exitUsage, "the run's folder is missing")
	badInput(t, "watch x --interval 1ms", exitUsage, "want 50ms or more")
	badInput(t, "watch x --interval 3", exitUsage, "interval")
	badInput(t, "watch x --epochs 0", exitUsage, "want 1 or more")
}

// TestWatchTerminal draws on a terminal in place of what it drew before, no line wider than that.
func TestWatchTerminal(t *testing.T) {
	var out bytes.Buffer
	w := &watcher{out: &out, size: func() (int, int) { return 40, 24 }, epochs: 2}
	s := train.Status{Dir: "runs/\x1b[2J", Setup: train.Setup{Program: "vae", Epochs: 4, Monitor: "loss"}, Standing: train.Running, Best: &train.Score{Value: 1, Epoch: 2},
		Live: &train.Live{Phase: "epoch 4/4", Done: 50, Total: 200, Rate: 10, Metrics: train.Metrics{"loss": 1.5}, Time: time.Now()}}
	for i := range 3 {
		s.Records = append(s.Records, train.Record{Kind: train.KindEpoch, Epoch: i + 1, Train: train.Metrics{"loss": 3 - float64(i)}})
	}
	w.show(s)
	first := out.String()
	contains(t, first, `runs/\x1b[2J: vae, running`, "epoch 4/4  [#####...............]  25%", "loss █▅▁ 1", "\n* epoch 2 ", "\n  epoch 3 ")
	if strings.Contains(first, "epoch 1 ") {
		t.Errorf("more epochs than asked:\n%s", first)
	}
	for l := range strings.Lines(first) {
		if n := len([]rune(strings.NewReplacer("\x1b[K", "", "\x1b[J", "", "\n", "").Replace(l))); n >= 40 {
			t.Errorf("a line of %d characters: %q", n, l)
		}
	}
	out.Reset()
	w.show(s)
	if got := out.String(); got != "\x1b[5A\r"+first {
		t.Errorf("the second picture is %q", got)
	}
}

// TestClip cuts at columns: of wide characters, of letters with accents of their own, and of a picture of several characters.
func TestClip(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"abc", 0, ""}, {"abc", -1, ""}, {"", 2, ""}, {"▁█…x", 3, "▁█…"},
		{"実験/vae", 5, "実験/"}, {"実験", 3, "実"}, {"e\u0301te\u0301", 2, "e\u0301t"}, {"👩‍👧x", 2, "👩‍👧"}, {"👩‍👧x", 1, ""},
	} {
		if got := clip(tt.text, tt.n); got != tt.want {
			t.Errorf("%q in %d columns is %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

// TestLowTerminal holds that a picture has fewer lines than the terminal, whose last one the cursor is on, and says what it leaves out:
// the epochs that are longest ago.
func TestLowTerminal(t *testing.T) {
	s := train.Status{Dir: "runs/vae", Setup: train.Setup{Program: "vae"}, Standing: train.Running, Live: &train.Live{Phase: "epoch 8", Time: time.Now()}}
	for i := range 7 {
		s.Records = append(s.Records, train.Record{Kind: train.KindEpoch, Epoch: i + 1, Train: train.Metrics{"loss": 3}})
	}
	const head = "runs/vae: vae|epoch 8|loss "
	for height, want := range map[int]string{
		9:  head + "|  epoch 3|  epoch 4|  epoch 5|  epoch 6|  epoch 7",
		8:  head + "|  … 2 of 5 epochs are left out: the terminal has 8 lines|  epoch 5|  epoch 6|  epoch 7",
		6:  head + "|  … 4 of 5 epochs are left out|  epoch 7",
		5:  head + "|  … 5 of 5 epochs are left out",
		4:  head,
		3:  "runs/vae: vae|epoch 8",
		2:  "runs/vae: vae",
		1:  "runs/vae: vae",
		50: head + "|  epoch 3|  epoch 4|  epoch 5|  epoch 6|  epoch 7",
	} {
		var out bytes.Buffer
		w := &watcher{out: &out, size: func() (int, int) { return 80, height }, epochs: 5, lines: 30} // what was there is higher
		w.show(s)
		text, ok := strings.CutPrefix(out.String(), fmt.Sprintf("\x1b[%dA\r", min(30, max(height-1, 1))))
		lines := strings.Split(strings.TrimSuffix(text, "\x1b[J"), "\x1b[K\n")
		parts := strings.Split(want, "|")
		if lines = lines[:len(lines)-1]; !ok || len(lines) != len(parts) {
			t.Errorf("of %d lines, %d are drawn, want %d: %q", height, len(lines), len(parts), out.String())
			continue
		}
		for i, l := range lines {
			if !strings.HasPrefix(l, parts[i]) {
				t.Errorf("of %d lines, the one below %d is %q, want %q", height, i, l, parts[i])
			}
		}
	}
}

// TestSparkline has hostile values.
func TestSparkline(t *testing.T) {
	for want, values := range map[string][]float64{
		"▁█":  {-math.MaxFloat64, math.MaxFloat64},
		"▁▁▁": {5, 5, 5},
		"▁ █": {0, math.NaN(), 1},
		" ":   {math.Inf(1)},
		"█▁":  {9, 9, 0, 0},
		"":    nil,
	} {
		width := 2
		if len(values) == 3 {
			width = 3
		}
		if got := sparkline(values, width); got != want {
			t.Errorf("%v: %q, want %q", values, got, want)
		}
	}
}
