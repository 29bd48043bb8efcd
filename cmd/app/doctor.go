package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/cache"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxgo"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// A finding is one line of doctor.
type finding struct {
	What   string `json:"what"`
	OK     bool   `json:"ok"`
	Needed bool   `json:"needed"` // by the commands, whatever the model
	Text   string `json:"text"`   // what was found, or why nothing was
}

// mark begins a finding's line.
func (f finding) mark() string {
	switch {
	case f.OK:
		return "ok"
	case f.Needed:
		return "!!"
	}
	return "--"
}

// doctorCommand tells what was found on this machine.
func (a *app) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "tell what was found on this machine: onnxruntime, onnx-go, BLAS, data", ArgsUsage: " ",
		Description: "Each line begins with ok, with -- where something is absent that can be done without, or with !! where something\n" +
			"is missing that commands need; then the exit code is 1.",
		Flags: []cli.Flag{jsonFlag, dataDirFlag, libraryFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			list := examine(c)
			var err error
			if c.Bool("json") {
				err = a.writeJSON(list)
			} else {
				var rows [][]string
				for _, f := range list {
					first, rest, more := strings.Cut(f.Text, "\n")
					rows = append(rows, []string{f.mark(), f.What, first})
					for more {
						first, rest, more = strings.Cut(rest, "\n")
						rows = append(rows, []string{"", "", first})
					}
				}
				err = a.table(rows)
			}
			if err != nil {
				return err
			}
			var missing []string
			for _, f := range list {
				if f.Needed && !f.OK {
					missing = append(missing, f.What)
				}
			}
			if missing != nil {
				return fmt.Errorf("missing or not working: %s", strings.Join(missing, ", "))
			}
			return nil
		},
	}
}

func examine(c *cli.Context) []finding {
	var list []finding
	need := func(what string, err error, text string) {
		if err != nil {
			text = err.Error()
		}
		list = append(list, finding{What: what, OK: err == nil, Needed: true, Text: text})
	}
	v, _ := version()
	need("version", nil, fmt.Sprintf("%s, %s, %s/%s, %d CPUs", v, runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU()))
	text, err := cacheFolder()
	need("cache", err, text)
	text, err = blasFound()
	need("blas", err, text)
	list = append(list, blasRates()...)
	list = append(list, machineRates()...)
	lib, err := onnxruntime.Find(c.Path("onnxruntime"))
	need("onnxruntime", err, lib.String())
	if err == nil {
		providers, err := onnxruntime.Providers(c.Path("onnxruntime"))
		if err != nil {
			need("providers", err, "")
		}
		for _, p := range providers {
			need("device "+p.Device, p.Err, p.Name)
			list[len(list)-1].Needed = p.Device == onnxruntime.CPU
		}
	}
	text, err = onnxGoFound(c.Context)
	need("onnx-go", err, text)
	list[len(list)-1].Needed = false
	sets, err := data.List(c.Path("data-dir"))
	if err != nil {
		list = append(list, finding{What: "data", Text: err.Error()})
	}
	for _, s := range sets {
		if s.Drawn {
			continue
		}
		text := s.Path
		if text == "" {
			text = "absent: " + s.Get
		}
		list = append(list, finding{What: "data " + s.Name, OK: s.Path != "", Text: text})
	}
	return list
}

// onnxGoFound runs a small model in onnx-go, and says which version that is.
func onnxGoFound(ctx context.Context) (string, error) {
	f := graph.NewFunc("one", false)
	f.Output("y", f.Input("x", graph.F32, 1).Scale(2))
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, nil, onnx.Options{Profile: onnx.OnnxGo}); err != nil {
		return "", err
	}
	s, err := onnxgo.OpenBytes(file.Bytes(), onnxgo.Options{})
	if err != nil {
		return "", err
	}
	defer s.Close()
	out, err := s.Run(ctx, map[string]*tensor.Tensor{"x": tensor.Of([]float32{3}, 1)})
	if err != nil {
		return "", err
	}
	if y := out["y"].At(0); y != 6 {
		return "", fmt.Errorf("it says that 2·3 is %v", y)
	}
	return onnxgo.Version() + ", runs in a child process (verify and run --engine onnx-go)", nil
}

// cacheFolder is the cache folder, which need not be there yet.
func cacheFolder() (string, error) {
	dir, err := cache.Dir()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return dir + " (made when it is needed)", nil
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is not a folder", dir)
	}
	return dir, nil
}

// blasFound says which BLAS training uses, and why that one.
func blasFound() (string, error) {
	b, err := blas.Default()
	if err != nil {
		return "", err
	}
	list := blas.Candidates()
	why := fmt.Sprintf("the fastest here (%s chooses another)", blas.Env)
	if choice := os.Getenv(blas.Env); choice != "" {
		why = fmt.Sprintf("chosen by %s=%s", blas.Env, choice)
	} else if slices.ContainsFunc(list, func(c blas.Candidate) bool { return c.Rate > list[0].Rate }) {
		why = fmt.Sprintf("since no library is faster by a tenth (%s chooses another)", blas.Env)
	}
	return b.Name() + ", " + why, nil
}

// machineRates says what all CPUs together do now: a large product, and memory.
func machineRates() []finding {
	b, err := blas.Default()
	if err != nil {
		return nil // blasFound says it
	}
	m := newMeter([]blas.Candidate{{Impl: b}}, cpus)
	return []finding{
		{What: "products", OK: true, Text: fmt.Sprintf("%.0f GFLOP/s on %d threads with %s, as of now; the CPU has %s", m.peak(), cpus, b.Name(), blas.Vectors())},
		{What: "memory", OK: true, Text: fmt.Sprintf("%.1f GB/s on %d threads, as of now: two large arrays read and one written", m.bandwidth(), cpus)},
	}
}

// blasRates says what each BLAS does here.
func blasRates() []finding {
	var list []finding
	for _, c := range blas.Candidates() {
		f := finding{What: "blas go", OK: c.Err == nil}
		if c.Path != "" {
			f.What, f.Text = "blas openblas", c.Path+", "
		}
		f.Text += c.Name() + ": "
		if c.Err != nil {
			f.Text += c.Err.Error()
		} else {
			f.Text += fmt.Sprintf("%.0f GFLOP/s on one thread, measured %s", c.Rate, c.When.Format(time.DateOnly))
		}
		list = append(list, f)
	}
	if len(list) == 1 {
		list = append(list, finding{What: "blas openblas", Text: "absent; it may be faster (Debian: libopenblas0-pthread)"})
	}
	return list
}
