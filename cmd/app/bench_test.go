package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
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
		if !(own.Spread >= 0) || own.Memory != b.Memory || own.PerSecond != 2/own.Median*1e3 || own.OfPeak != own.Rate/b.PeakRate {
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

// TestBenchMarkdown puts the table into a page, twice, and leaves the rest of it as it is.
func TestBenchMarkdown(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("GODEBUG", "cpu.none=off")
	before, after := "# Page\n\n<!-- bench own -->\n", "<!-- end of bench own -->\n\nThe end.\n"
	if err := os.WriteFile("page.md", []byte(before+"old\n"+after), 0o666); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		must(t, "bench step-vae --engine gorgonia --blas go --batch 2 --rounds 1 --turns 1 --threads 1 --markdown page.md#own --png bars.png --against", `a, b=echo '{"ms": 2000, "version": "v|1"}'`)
	}
	text := readText(t, "page.md")
	inside, ok := strings.CutPrefix(text, before)
	inside, ok2 := strings.CutSuffix(inside, after)
	if !ok || !ok2 || strings.Contains(inside, "old") || strings.Count(inside, "step-vae") != 2 {
		t.Fatalf("the page is\n%s", text)
	}
	contains(t, inside, blas.Vectors(), "; 1 thread each.", "    GODEBUG=cpu.none=off sardonyx bench step-vae --engine gorgonia", "| `step-vae`, batch 2 | gorgonia, pure Go", "|  | v\\|1 | 2000 | ±0% | 1.00 |", "floor: the products alone", "GB/s", "![ratios](bars.png)")
	if strings.Contains(inside, "in a hundred") {
		t.Error("there is a column without a cell")
	}
}

// TestBenchThreads: several numbers of threads take turns in the same rounds, each with its own command, and stand apart in all that is written.
func TestBenchThreads(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("page.md", []byte("<!-- bench steps -->\n<!-- end of bench steps -->\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	args := "bench step-vae --engine gorgonia --blas go --batch 2 --rounds 3 --turns 1 --threads 1 --threads 2"
	out := must(t, args+" --json --markdown page.md --png bars.png --against", `echo {threads} >> runs; echo '{"ms": {threads}}'`)
	var list []benchOf
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 {
		t.Fatalf("it is of %+v", list)
	}
	for i, b := range list {
		own, against := b.Times[0], b.Times[1]
		if b.Threads != i+1 || len(b.Times) != 2 || len(own.Rounds) != 3 || against.Median != float64(i+1) || float64(own.Ratio) != own.Median/against.Median {
			t.Errorf("%d threads: %+v", b.Threads, b.Times)
		}
		if !(b.PeakRate > 0) || b.Floor != 2*b.MultiplyAdds/b.PeakRate/1e6 {
			t.Errorf("%d threads: a peak of %v, a floor of %v ms", b.Threads, b.PeakRate, b.Floor)
		}
	}
	if got := strings.Fields(readText(t, "runs")); !slices.Equal(got, strings.Fields("1 2 1 2 1 2")) {
		t.Errorf("the commands ran on %v threads", got)
	}
	page := readText(t, "page.md")
	contains(t, page, "| `step-vae`, batch 2, 1 thread |", "| `step-vae`, batch 2, 2 threads |")
	if strings.Contains(page, " each.") {
		t.Error("the page says how many threads each has")
	}
	contains(t, must(t, args), "batch 2, 1 thread,", "batch 2, 2 threads,")
}

// TestBenchBars names bars by what tells them apart.
func TestBenchBars(t *testing.T) {
	one, two := []timesOf{{Name: "a", Ratio: 1}}, []timesOf{{Name: "a", Ratio: 2}, {Name: "b", Ratio: 3}}
	for _, c := range []struct {
		all  []benchOf
		want []string
	}{
		{[]benchOf{{Model: "m", Batch: 2, Threads: 2, Times: one}, {Model: "n", Batch: 4, Threads: 2, Times: two}}, []string{"m", "n"}},
		{[]benchOf{{Model: "m", Batch: 2, Threads: 2, Times: one}, {Model: "m", Batch: 4, Threads: 2, Times: two}}, []string{"m, 2", "m, 4"}},
		{[]benchOf{{Model: "m", Batch: 2, Threads: 1, Times: one}, {Model: "m", Batch: 2, Threads: 2, Times: two}}, []string{"m, 1 thread", "m, 2 threads"}},
		{[]benchOf{{Model: "m", Batch: 2, Threads: 1, Times: one}, {Model: "m", Batch: 4, Threads: 2, Times: two}}, []string{"m, 2, 1 thread", "m, 4, 2 threads"}},
	} {
		chart := benchChart(c.all)
		if !slices.Equal(chart.Names, c.want) || len(chart.Series) != 2 || chart.Series[0].Values[1] != 2 || !math.IsNaN(chart.Series[1].Values[0]) {
			t.Errorf("%+v, want the names %v", chart, c.want)
		}
	}
}

// TestBenchResident runs the program again for the memory of each engine: more than is planned, and alike for one batch and another of its
// size only.
func TestBenchResident(t *testing.T) {
	t.Setenv(asCommand, "1")
	var list []benchOf
	out := must(t, "bench step-gpt --set depth=1 --engine gorgonia --blas go --threads 1 --batch 1 --batch 16 --rounds 1 --turns 1 --resident --json --against", `echo '{"ms": 1}'`)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if rt.PeakResident() == 0 {
		t.Skip("this system does not tell the memory of processes")
	}
	small, large := list[0].Times[0], list[1].Times[0]
	if small.Resident < small.Memory || large.Resident < large.Memory || large.Resident-small.Resident < (large.Memory-small.Memory)/2 || list[0].Times[1].Resident != 0 {
		t.Errorf("planned are %d and %d bytes, resident %d and %d", small.Memory, large.Memory, small.Resident, large.Resident)
	}
}

// TestBenchReferences compares with two commands: one that is run in each round, and one that stays and is faster.
func TestBenchReferences(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, "bench step-vae --engine gorgonia --blas go --batch 2 --batch 3 --rounds 2 --turns 1 --json --against", `slow, one=echo run >> runs; echo '{"ms": 4000}'`,
		"--against", `stays=echo start >> starts; echo '{"ready": true}'; while read line; do echo '{"ms": 2000, "bytes": 7, "resident": 9, "p99_ms": 2500, "version": "v{batch}"}'; done; echo end >> ends`)
	var list []benchOf
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for i, batch := range []int{2, 3} {
		b := list[i]
		slow, stays := b.Times[1], b.Times[2]
		if b.Batch != batch || slow.Name != "slow, one" || slow.Ratio != 2 || stays.Ratio != 1 || math.Abs(float64(b.Times[0].Ratio)/b.Times[0].Median*2000-1) > 1e-9 {
			t.Errorf("batch %d: %+v", b.Batch, b.Times)
		}
		if !stays.Reference || stays.Memory != 7 || stays.Resident != 9 || stays.P99 != 2500 || stays.Version != fmt.Sprint("v", batch) {
			t.Errorf("it says %+v", stays)
		}
	}
	for file, lines := range map[string]int{"runs": 4, "starts": 2, "ends": 2} {
		if text, err := os.ReadFile(file); err != nil || strings.Count(string(text), "\n") != lines {
			t.Errorf("%s has %q, %v; want %d lines", file, text, err, lines)
		}
	}
}

// TestBenchInfer times a function at two batches in the engines and, from a file, in onnxruntime, bound and unbound, and in a command.
func TestBenchInfer(t *testing.T) {
	needRuntime(t)
	t.Chdir(t.TempDir())
	out := must(t, "bench vae --infer --func decode --func log_weights --blas go --batch 1 --batch 3 --size draws=2 --rounds 1 --turns 2 --json --png bars.png --against",
		`cp {file} {func}.onnx; echo '{"ms": 1, "version": "{sizes}"}'`)
	var list []benchOf
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 4 {
		t.Fatalf("it is of %+v", list)
	}
	for i, want := range []struct{ name, sizes string }{{"decode", "batch=1"}, {"decode", "batch=3"}, {"log_weights", "batch=1 draws=2"}, {"log_weights", "batch=3 draws=2"}} {
		b := list[i]
		if b.Func != want.name || len(b.Times) != 4 || b.Times[3].Version != want.sizes || !(b.Times[1].Median > 0) || !(b.Times[0].Memory > 0) || b.State < 1<<20 {
			t.Errorf("%+v", b)
		}
		for _, ran := range b.Times[:3] {
			if !(ran.P99 >= ran.Median) {
				t.Errorf("one of a hundred calls takes %v ms, one of two %v", ran.P99, ran.Median)
			}
		}
		if _, err := os.Stat(want.name + ".onnx"); err != nil {
			t.Error(err)
		}
	}
	if a, b := list[0].MultiplyAdds, list[1].MultiplyAdds; 3*a != b {
		t.Errorf("three examples take %v multiply-adds, one %v", b, a)
	}
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

// TestReferences reads the names of commands: what sets a variable of the environment is no name.
func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		"python3 steps.py": "against: python3 steps.py", "eager=python3 steps.py": "eager: python3 steps.py", "torch-2.9+cpu=true": "torch-2.9+cpu: true",
		"OMP_NUM_THREADS=1 python3 steps.py": "against: OMP_NUM_THREADS=1 python3 steps.py", "PATH=. true": "against: PATH=. true", "_A1=2 true": "against: _A1=2 true",
		"one=OMP_NUM_THREADS=1 true": "one: OMP_NUM_THREADS=1 true", "Torch=true": "Torch: true", "MKL-1=true": "MKL-1: true", "2=true": "2: true",
		"python, bound=python3 steps.py --a=b": "python, bound: python3 steps.py --a=b", "a,b, c=true": "a,b, c: true", "größe=true": "größe: true",
		"env A=1 true": "against: env A=1 true", "env -i a=1 true": "against: env -i a=1 true", "python3 steps.py --threads=2": "against: python3 steps.py --threads=2",
		"./steps=2": "against: ./steps=2", "a , b=true": "against: a , b=true", "a,=true": "against: a,=true", "-a=true": "against: -a=true",
	} {
		var list []reference
		app := &cli.App{
			DisableSliceFlagSeparator: true, // as ours is, for names with commas

			Flags:  []cli.Flag{&cli.StringSliceFlag{Name: "against"}, &cli.IntFlag{Name: "turns"}},
			Action: func(c *cli.Context) (err error) { list, err = references(c); return err },
		}
		if err := app.Run([]string{"bench", "--against=" + text}); err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if got := list[0].name + ": " + list[0].command; got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestBenchEnds: when a context ends, so do the commands, with what they have started.
func TestBenchEnds(t *testing.T) {
	for name, command := range map[string]string{
		"before it is ready": `sleep 60; echo`, "after": `echo '{"ready": true}'; sleep 60; echo`, "deaf": `trap '' INT TERM; echo '{"ready": true}'; sleep 60; sleep 60`,
	} {
		t.Run(name, func(t *testing.T) {
			r := &reference{command: command}
			ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer stop()
			begin := time.Now()
			_, err := r.turns(ctx, 1)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(begin); took > 30*time.Second || r.cmd != nil {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestBadBench asks for what cannot be.
func TestBadBench(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("empty.md", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	one := "bench step-vae --engine gorgonia --blas go --batch 1 --rounds 1 --turns 1"
	for _, c := range []struct {
		args    string
		against string // "" is none
		code    int
		want    string
	}{
		{"bench frob", "", exitError, "frob"},
		{"bench --set width=3", "", exitUsage, "name it"},
		{"bench vae --func encode", "", exitUsage, "--func is for --infer"},
		{"bench --infer --func encode", "", exitUsage, "--func is of one model"},
		{"bench --infer vae --func frob", "", exitError, "encode, decode"},
		{"bench --infer step-vae", "", exitError, "no functions"},
		{"bench step-vae --against a=true --against a=false", "", exitUsage, "two commands are called a"},
		{"bench step-vae --against a=", "", exitUsage, "want a command"},
		{"bench step-vae --markdown none.md", "", exitError, "none.md"},
		{"bench step-vae --markdown empty.md#x", "", exitUsage, "<!-- bench x -->"},
		{"bench --infer vae --markdown empty.md", "", exitUsage, "<!-- bench functions -->"},
		{"bench --infer vae --resident", "", exitUsage, "--resident is of training steps"},
		{"bench step-vae --threads -1", "", exitUsage, "--threads: -1 threads: want from 1 to "},
		{"bench --infer vae --threads 1 --threads 100000", "", exitUsage, "--threads: 100000 threads: want from 1 to "},
		{"bench step-vae --threads 1 --threads 2 --threads 1", "", exitUsage, "1 threads are asked for twice"},
		{"bench step-vae --turns -1", "", exitUsage, "--turns -1"},
		{"bench step-vae --rounds 0", "", exitUsage, "--rounds 0"},
		{"bench step-vae --batch -1", "", exitUsage, "--batch -1"},
		{"bench step-vae --png x.jpg", "", exitUsage, ".png"},
		{"bench step-vae --engine frob", "", exitUsage, "gorgonia or onnxruntime"},
		{"bench step-vae --blas frob", "", exitError, "frob"},
		{"bench step-gpt --set depth=0", "", exitError, "depth"},
		{one, "echo fast", exitError, `want a JSON object with "ms"`},
		{one, `echo '{"ms": 0}'`, exitError, "above 0"},
		{one, "echo broken >&2; exit 3", exitError, "broken"},
		{one, "exit 4", exitError, "exit status 4\n"},
		{one, "yes | tr -d '\\n'", exitError, "it printed a line of more than 1048576 bytes"},
		{one, `echo '{"ready": true}'; read x; yes | tr -d '\n'`, exitError, "it printed a line of more than 1048576 bytes"},
		{one, "head -c 5000000 /dev/zero | tr '\\0' x >&2; echo '{\"ms\": 0}'", exitError, "above 0"},
		{one, "head -c 5000000 /dev/zero | tr '\\0' x >&2; exit 5", exitError, "exit status 5\nxxxxx"},
		{one, `echo '{"ready": true}'; read x; echo gone >&2`, exitError, "gone"},
		{one, `echo '{"ready": true}'; read x; echo fast; read x`, exitError, `want a JSON object with "ms"`},
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
