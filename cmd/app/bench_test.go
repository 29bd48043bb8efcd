package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBench times two models beside a command, and reads what it prints of them.
func TestBench(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	out := must(t, "bench step-vae step-dcgan --engine gorgonia --blas go --threads 1 --batch 2 --rounds 3 --turns 1 --json --png bars.png --against",
		`echo started; echo '{"ms": 0.5, "model": "{model} {batch} {threads}"}'`)
	var list []benchOf
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(list) != 2 || list[0].Model != "step-vae" || list[0].Batch != 2 || list[0].Threads != 1 || list[1].Rhythm != "critic; generator" {
		t.Fatalf("it is of %+v", list)
	}
	for _, b := range list {
		if len(b.Times) != 2 || b.Times[1].Name != "against" || b.Times[1].Median != .5 || b.Times[1].Ratio != 1 {
			t.Fatalf("%s: the times are %+v", b.Model, b.Times)
		}
		own := b.Times[0]
		if len(own.Rounds) != 3 || !(own.Least > 0 && own.Least <= own.Median && own.Median <= own.Most) || float64(own.Ratio) != own.Median/.5 {
			t.Errorf("%s: %+v", b.Model, own)
		}
		if !(b.PeakRate > 0) || b.Floor != 2*b.MultiplyAdds/b.PeakRate/1e6 || !(b.MultiplyAdds > 1e5) || b.Memory < 1<<20 {
			t.Errorf("%s: a peak of %v GFLOP/s, %v multiply-adds, a floor of %v ms, %d bytes", b.Model, b.PeakRate, b.MultiplyAdds, b.Floor, b.Memory)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "bars.png")); err != nil || info.Size() < 1000 {
		t.Errorf("the picture: %v, %v", info, err)
	}
	contains(t, must(t, "bench step-vae --engine gorgonia --blas go --batch 2 --rounds 1 --turns 1"), "step-vae: train; batch 2", "OF PEAK", "floor, the products alone")
}

// TestBenchEngines times a step in onnxruntime too.
func TestBenchEngines(t *testing.T) {
	needRuntime(t)
	var list []benchOf
	out := must(t, "bench step-dcgan --blas go --batch 2 --rounds 1 --turns 1 --json")
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if times := list[0].Times; len(times) != 2 || !strings.HasPrefix(times[1].Name, "onnxruntime") || !(times[1].Median > 0) {
		t.Errorf("the times are %+v", times)
	}
}

// TestBadBench asks for what cannot be.
func TestBadBench(t *testing.T) {
	t.Chdir(t.TempDir())
	one := "bench step-vae --engine gorgonia --blas go --batch 1 --rounds 1 --turns 1"
	for _, c := range []struct {
		args    string
		against string // "" is none
		code    int
		want    string
	}{
		{"bench frob", "", exitError, "frob"},
		{"bench --set width=3", "", exitUsage, "name it"},
		{"bench step-vae --rounds 0", "", exitUsage, "--rounds 0"},
		{"bench step-vae --batch -1", "", exitUsage, "--batch -1"},
		{"bench step-vae --png x.jpg", "", exitUsage, ".png"},
		{"bench step-vae --engine frob", "", exitUsage, "gorgonia or onnxruntime"},
		{"bench step-vae --blas frob", "", exitError, "frob"},
		{"bench step-gpt --set depth=0", "", exitError, "depth"},
		{one, "echo fast", exitError, `want a JSON object with "ms"`},
		{one, `echo '{"ms": 0}'`, exitError, "above 0"},
		{one, "echo broken >&2; exit 3", exitError, "broken"},
	} {
		var args []string
		if c.against != "" {
			args = []string{"--against", c.against}
		}
		r := command(c.args, args...)
		if r.code != c.code {
			t.Errorf("%s %v: exit code %d, want %d", c.args, args, r.code, c.code)
		}
		contains(t, r.err, c.want)
	}
}
