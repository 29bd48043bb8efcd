package app

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// verifyCommand compares our kernels with onnxruntime.
func (a *app) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "compare onnxruntime with our own kernels on seeded inputs, or replay an ONNX file's test vectors", ArgsUsage: a.modelUsage() + "|FILE.onnx",
		Description: "With a model and its run, each function is run by our kernels and, as the ONNX file that export wrote or would\n" +
			"write, by onnxruntime, at two batch sizes; the compiler's passes are checked numerically too. With an ONNX file,\n" +
			"its weights are held to their digest, and the test vectors in it are replayed. The exit code is 1 if an output is further off than the tolerance." +
			a.example("verify "+a.exampleModel()+" --run runs/"+a.exampleModel(), "verify decode.onnx --json"),
		Flags: sessionFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, funcFlag, checkpointFlag,
			&cli.Float64Flag{Name: "tolerance", Value: 1e-5, Usage: "largest difference allowed, `T` + T·|value|", DefaultText: "1e-05; for a FILE.onnx, what its test vectors say"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the inputs"}, jsonFlag,
		),
		Action: a.verify,
	}
}

func (a *app) verify(c *cli.Context) error {
	if t := c.Float64("tolerance"); !(t >= 0) {
		return usagef(c, "--tolerance %v: want 0 or more", t)
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	var list []comparison
	if c.NArg() == 1 && filepath.Ext(c.Args().First()) == ".onnx" {
		list, err = a.replay(c, c.Args().First(), o)
	} else {
		list, err = a.verifyRun(c, o)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = a.writeJSON(list)
	} else {
		rows := [][]string{{"FUNCTION", "BATCH", "OUTPUT", "MAX ABS", "MAX REL"}}
		for _, d := range list {
			verdict := "ok"
			if !d.OK {
				verdict = "DIFFERS"
			}
			rows = append(rows, []string{d.Func, strconv.Itoa(d.Batch), d.Output, fmt.Sprintf("%.3g", d.Abs), fmt.Sprintf("%.3g", d.Rel), verdict})
		}
		err = a.table(rows)
	}
	if err != nil {
		return err
	}
	for _, d := range list {
		if !d.OK {
			return fmt.Errorf("output %q of %s differs by %.3g, more than the tolerance allows", d.Output, d.Func, d.Abs)
		}
	}
	checked := map[string]bool{}
	for _, d := range list { // the inputs may leave a changed weight without effect
		if d.file != "" && !checked[d.file] {
			if err := onnx.CheckWeights(d.file); err != nil {
				return err
			}
			checked[d.file] = true
		}
	}
	return nil
}

// replay runs the test vectors of an ONNX file.
func (a *app) replay(c *cli.Context, path string, o onnxruntime.Options) ([]comparison, error) {
	for _, name := range []string{"run", "func", "checkpoint", "seed"} {
		if c.IsSet(name) {
			return nil, usagef(c, "--%s is for models; %s is a file", name, path)
		}
	}
	sum, err := onnx.Inspect(path)
	if err != nil {
		return nil, err
	}
	if len(sum.Vectors) == 0 {
		return nil, fmt.Errorf("%s has no test vectors: export writes none for training steps, nor for what draws its own random numbers", path)
	}
	s, err := onnxruntime.Open(path, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var list []comparison
	for _, v := range sum.Vectors {
		got, err := s.Run(c.Context, v.Inputs)
		if err != nil {
			return nil, err
		}
		for _, name := range sortedKeys(v.Outputs) {
			if got[name] == nil {
				return nil, fmt.Errorf("%s gave no output %q", path, name)
			}
			abs, rel := v.ATol, v.RTol
			if c.IsSet("tolerance") {
				abs, rel = c.Float64("tolerance"), c.Float64("tolerance")
			}
			d := compare(v.Outputs[name], got[name], abs, rel)
			d.Func, d.Output, d.file = sum.Graph, name, path
			for _, in := range v.Inputs {
				if in.Rank() > 0 {
					d.Batch = in.Dim(0)
				}
			}
			list = append(list, d)
		}
	}
	return list, nil
}

// verifyBatches are the batch sizes at which functions are compared.
var verifyBatches = []int{1, 3}

// verifyRun compares each function of a run in onnxruntime with our kernels, and each pass with what it was given.
func (a *app) verifyRun(c *cli.Context, o onnxruntime.Options) ([]comparison, error) {
	m, err := a.modelArg(c)
	if err != nil {
		return nil, err
	}
	if c.Path("run") == "" {
		return nil, usagef(c, "say what to verify: a model with --run DIR, or an ONNX file")
	}
	r, err := openRun(c, m)
	if err != nil {
		return nil, err
	}
	fs, err := r.funcs(c)
	if err != nil {
		return nil, err
	}
	var list []comparison
	for _, f := range fs {
		if err := checkPasses(r.prog.Traced(f.Name), c.Uint64("seed")); err != nil {
			return nil, err
		}
		ds, err := r.verifyFunc(c, f, o)
		if err != nil {
			return nil, err
		}
		list = append(list, ds...)
	}
	return list, nil
}

func checkPasses(f *graph.Func, seed uint64) error {
	ctx, err := gorgonia.KernelContext(gorgonia.Options{})
	if err != nil {
		return err
	}
	for _, n := range verifyBatches {
		b := graph.Binding{}
		for _, v := range f.Inputs {
			for _, d := range v.Shape() {
				for _, s := range d.Symbols() {
					b[s] = n
				}
			}
		}
		if err := pass.Check(ctx, f, b, seed); err != nil {
			return err
		}
	}
	return nil
}

// verifyFunc compares one function at each batch size.
func (r *trained) verifyFunc(c *cli.Context, f *graph.Func, o onnxruntime.Options) ([]comparison, error) {
	s, file, err := r.open(c, f, o)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	pure, noise := onnx.HoistRandom(f)
	for _, n := range noise {
		if !slices.ContainsFunc(s.Inputs(), func(in onnxruntime.Info) bool { return in.Name == n.Input }) {
			return nil, fmt.Errorf("%s draws its own random numbers, so its outputs cannot be compared: export it with --random %s, or choose other functions with --func", r.from(c, file), randomInputs)
		}
	}
	var list []comparison
	for _, n := range verifyBatches {
		in, err := seededInputs(pure, noise, n, c.Uint64("seed"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		want, err := r.evaluate(pure, in)
		if err != nil {
			return nil, err
		}
		got, err := s.Run(c.Context, in)
		if err != nil {
			return nil, fmt.Errorf("%s in onnxruntime: %w", f.Name, err)
		}
		for _, name := range sortedKeys(want) {
			if got[name] == nil {
				return nil, fmt.Errorf("%s in onnxruntime gave no output %q", f.Name, name)
			}
			d := compare(want[name], got[name], c.Float64("tolerance"), c.Float64("tolerance"))
			d.Func, d.Batch, d.Output, d.file = f.Name, n, name, file
			list = append(list, d)
		}
	}
	return list, nil
}

// A comparison is how far an output is from another computation of it.
type comparison struct {
	Func   string `json:"func"`
	Batch  int    `json:"batch,omitempty"`
	Output string `json:"output"`
	Abs    number `json:"max_abs"`
	Rel    number `json:"max_rel"` // of elements larger than 1e-3 of the largest
	OK     bool   `json:"ok"`
	file   string // the ONNX file it came from, if any
}

// compare finds the largest absolute and relative differences of got from want. They agree if each element is within
// abs + rel·|want|.
func compare(want, got *tensor.Tensor, abs, rel float64) comparison {
	var d comparison
	if want.DType() != got.DType() || !slices.Equal(want.Shape(), got.Shape()) {
		d.Abs, d.Rel = number(math.Inf(1)), number(math.Inf(1))
		return d
	}
	top := 0.0
	for i := range want.Len() {
		if v := math.Abs(want.At(i)); !math.IsInf(v, 0) {
			top = max(top, v)
		}
	}
	d.OK = true
	for i := range want.Len() {
		w, g := want.At(i), got.At(i)
		e := math.Abs(w - g)
		if want.DType().Integer() { // two may round to one float
			e = math.Abs(float64(want.Int(i) - got.Int(i)))
		}
		if e == 0 || w == g && math.IsInf(w, 0) || math.IsNaN(w) && math.IsNaN(g) {
			continue
		}
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		d.Abs = max(d.Abs, number(e))
		if math.Abs(w) > 1e-3*top {
			d.Rel = max(d.Rel, number(e/math.Abs(w)))
		}
		d.OK = d.OK && !math.IsInf(e, 0) && e <= abs+rel*math.Abs(w)
	}
	return d
}
