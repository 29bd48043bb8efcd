package app

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// sessionFlags choose how onnxruntime runs.
func sessionFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "device", Value: "cpu", Usage: "where onnxruntime runs: cpu or cuda"},
		&cli.PathFlag{Name: "onnxruntime", Usage: "onnxruntime's shared library `FILE`", EnvVars: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH"}},
	)
}

func sessionOptions(c *cli.Context) onnxruntime.Options {
	return onnxruntime.Options{Library: c.Path("onnxruntime"), Device: c.String("device")}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readArrays reads a .npy file, as one array called after the file, or a .npz file.
func readArrays(path string) (map[string]*tensor.Tensor, error) {
	if filepath.Ext(path) == ".npz" {
		return data.ReadNPZ(path)
	}
	t, err := data.ReadNPY(path)
	if err != nil {
		return nil, err
	}
	return map[string]*tensor.Tensor{strings.TrimSuffix(filepath.Base(path), ".npy"): t}, nil
}

// runCommand runs an ONNX file.
func (a *app) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run an ONNX file in onnxruntime on arrays from .npy and .npz files", ArgsUsage: "FILE.onnx",
		Description: "Inputs are given as --input name=array.npy, or --input arrays.npz with the inputs' names in it.\n" +
			"Without --output, the outputs' shapes and ranges are printed.",
		Flags: sessionFlags(
			&cli.StringSliceFlag{Name: "input", Aliases: []string{"i"}, Usage: "`NAME=FILE.npy`, or FILE.npz; may be repeated"},
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the outputs to `FILE`: .npz, or .npy if there is one output"},
			jsonFlag,
		),
		Action: a.run,
	}
}

func (a *app) run(c *cli.Context) error {
	path, err := oneArg(c, "the ONNX file")
	if err != nil {
		return err
	}
	in := map[string]*tensor.Tensor{}
	for _, spec := range c.StringSlice("input") {
		name, file, named := strings.Cut(spec, "=")
		if !named {
			file = spec
		}
		arrays, err := readArrays(file)
		if err != nil {
			return err
		}
		if named {
			if len(arrays) != 1 {
				return fmt.Errorf("--input %s: the file has %d arrays (%s); name inputs only from .npy files", spec, len(arrays), strings.Join(sortedKeys(arrays), ", "))
			}
			for _, t := range arrays {
				in[name] = t
			}
			continue
		}
		maps.Copy(in, arrays)
	}
	out := c.Path("output")
	if ext := filepath.Ext(out); out != "" && ext != ".npz" && ext != ".npy" {
		return usagef(c, "--output %s: want a name that ends in .npz or .npy", out)
	}
	s, err := onnxruntime.Open(path, sessionOptions(c))
	if err != nil {
		return err
	}
	defer s.Close()
	got, err := s.Run(c.Context, in)
	if err != nil {
		return err
	}
	switch filepath.Ext(out) {
	case ".npz":
		err = data.WriteNPZ(out, got)
	case ".npy":
		if len(got) != 1 {
			return fmt.Errorf("%s has %d outputs (%s): give --output a .npz file", path, len(got), strings.Join(sortedKeys(got), ", "))
		}
		for _, t := range got {
			err = data.WriteNPY(out, t)
		}
	}
	if err != nil {
		return err
	}
	return a.describe(c, got)
}

// describe prints outputs' shapes and ranges.
func (a *app) describe(c *cli.Context, got map[string]*tensor.Tensor) error {
	type output struct {
		Name  string `json:"name"`
		Type  string `json:"type"`
		Min   number `json:"min"`
		Mean  number `json:"mean"`
		Max   number `json:"max"`
		Empty bool   `json:"empty,omitempty"`
	}
	var list []output
	for _, name := range sortedKeys(got) {
		t := got[name]
		o := output{Name: name, Type: t.String(), Empty: t.Len() == 0}
		if !o.Empty {
			all := t.Float64s()
			o.Min, o.Max = number(slices.Min(all)), number(slices.Max(all))
			for _, v := range all {
				o.Mean += number(v / float64(len(all)))
			}
		}
		list = append(list, o)
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "OUTPUT\tTYPE\tMIN\tMEAN\tMAX")
	for _, o := range list {
		fmt.Fprintf(w, "%s\t%s\t%.5g\t%.5g\t%.5g\n", o.Name, o.Type, o.Min, o.Mean, o.Max)
	}
	return w.Flush()
}

// A comparison is how far an output is from another computation of it.
type comparison struct {
	Func   string `json:"func"`
	Batch  int    `json:"batch,omitempty"`
	Output string `json:"output"`
	Abs    number `json:"max_abs"`
	Rel    number `json:"max_rel"` // of elements larger than 1e-3 of the largest
	OK     bool   `json:"ok"`
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
		if w == g || math.IsNaN(w) && math.IsNaN(g) {
			continue
		}
		e := math.Abs(w - g)
		if math.IsNaN(e) {
			e = math.Inf(1)
		}
		d.Abs = max(d.Abs, number(e))
		if math.Abs(w) > 1e-3*top {
			d.Rel = max(d.Rel, number(e/math.Abs(w)))
		}
		d.OK = d.OK && e <= abs+rel*math.Abs(w)
	}
	return d
}

// verifyCommand compares our kernels with onnxruntime.
func (a *app) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "compare onnxruntime with our own kernels on seeded inputs, or replay an ONNX file's test vectors", ArgsUsage: "MODEL|FILE.onnx",
		Description: "With a model and its run, each function is run by our kernels and, as the ONNX file that export wrote or would\n" +
			"write, by onnxruntime, at two batch sizes; the compiler's passes are checked numerically too. With an ONNX file,\n" +
			"the test vectors in it are replayed. The exit code is 1 if an output is further off than the tolerance.",
		Flags: sessionFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, funcFlag, bestFlag,
			&cli.Float64Flag{Name: "tolerance", Value: 1e-5, Usage: "largest difference allowed, T + T·|value| (default for a FILE.onnx: what its test vectors say)"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the inputs"}, jsonFlag,
		),
		Action: a.verify,
	}
}

func (a *app) verify(c *cli.Context) error {
	var list []comparison
	var err error
	if c.NArg() == 1 && filepath.Ext(c.Args().First()) == ".onnx" {
		list, err = a.replay(c, c.Args().First())
	} else {
		list, err = a.verifyRun(c)
	}
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = a.writeJSON(list)
	} else {
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "FUNCTION\tBATCH\tOUTPUT\tMAX ABS\tMAX REL\t")
		for _, d := range list {
			verdict := "ok"
			if !d.OK {
				verdict = "DIFFERS"
			}
			fmt.Fprintf(w, "%s\t%d\t%s\t%.3g\t%.3g\t%s\n", d.Func, d.Batch, d.Output, d.Abs, d.Rel, verdict)
		}
		err = w.Flush()
	}
	if err != nil {
		return err
	}
	for _, d := range list {
		if !d.OK {
			return fmt.Errorf("output %q of %s differs by %.3g, more than the tolerance %g", d.Output, d.Func, d.Abs, c.Float64("tolerance"))
		}
	}
	return nil
}

// replay runs the test vectors of an ONNX file.
func (a *app) replay(c *cli.Context, path string) ([]comparison, error) {
	sum, err := onnx.Inspect(path)
	if err != nil {
		return nil, err
	}
	if len(sum.Vectors) == 0 {
		return nil, fmt.Errorf("%s has no test vectors: export writes them for functions", path)
	}
	s, err := onnxruntime.Open(path, sessionOptions(c))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var list []comparison
	for _, v := range sum.Vectors {
		got, err := s.Run(c.Context, v.Inputs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
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
			d.Func, d.Output = sum.Graph, name
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
