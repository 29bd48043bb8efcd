package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

var (
	runFlag        = &cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}
	funcFlag       = &cli.StringSliceFlag{Name: "func", Usage: "the function `NAME`; may be repeated (default: all)"}
	checkpointFlag = &cli.StringFlag{Name: "checkpoint", Value: "best", Usage: "which checkpoint of the run: best or last; where none is known to be the best, the last"}
)

// maxBatch is the largest fixed batch: a mistyped one must not fill the memory.
const maxBatch = 1 << 16

// The values of --random.
const (
	randomInputs = "inputs"
	randomSeed   = "seed"
	randomNative = "native"
)

// exportCommand writes ONNX files.
func (a *app) exportCommand() *cli.Command {
	return &cli.Command{
		Name: "export", Usage: "write a trained model's functions as ONNX files", ArgsUsage: a.modelUsage(),
		Description: "Writes one file a function, with the parameters' names, a dynamic batch, the training's summary, and test vectors\n" +
			"that `verify FILE.onnx` replays on any machine.\n" +
			"With --steps, a training step STEP becomes STEP.onnx, whose state (parameters, the optimizer's, counters) is inputs, and\n" +
			"outputs named NAME.next to be fed to the next run; STEP.state.npz, the values to begin with; and STEP.md, which says\n" +
			"what each input and output is, with a program in Python that trains by it." +
			a.example("export "+a.exampleModel()+" --run runs/"+a.exampleModel()),
		Flags: []cli.Flag{
			runFlag, funcFlag, checkpointFlag,
			&cli.PathFlag{Name: "out", Usage: "the folder `DIR` to write to (default: the run's folder)"},
			&cli.IntFlag{Name: "opset", Value: onnx.DefaultOpset, Usage: fmt.Sprintf("ai.onnx opset, %d to %d", onnx.MinOpset, onnx.MaxOpset)},
			&cli.StringFlag{Name: "profile", Value: profileNames[0], Usage: "the reader that the files are for: " + profileNames[0] + " (any) or " + profileNames[1] + " (its few operators, weights in other shapes, NAME." + profileNames[1] + ".onnx)"},
			&cli.IntFlag{Name: "batch", Value: 1, Usage: "the fixed size `N` of the batch, with --profile " + profileNames[1]},
			&cli.StringFlag{Name: "random", Value: randomInputs, Usage: "random numbers: inputs (the caller gives them), seed (the file draws what sample would, by an input seed) or native (the runtime draws its own)"},
			&cli.BoolFlag{Name: "steps", Usage: "write the training steps too, with their state and a description beside them"},
			&cli.StringFlag{Name: "device", Value: onnx.CPU, Usage: "what the steps are to be fast on, " + onnx.CPU + " or " + onnx.CUDA + "; they run on both"},
			&cli.BoolFlag{Name: "no-vectors", Usage: "make no test vectors: a smaller file, which verify cannot compare by itself"},
			jsonFlag,
		},
		Action: a.export,
	}
}

func (a *app) export(c *cli.Context) error {
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	o := onnx.Options{Opset: c.Int("opset"), NoVectors: c.Bool("no-vectors")}
	switch c.String("random") {
	case randomInputs:
	case randomSeed:
		o.Random = onnx.RandomSeed
	case randomNative:
		o.Random = onnx.RandomNative
	default:
		return usagef(c, "--random %s: want %s, %s or %s", c.String("random"), randomInputs, randomSeed, randomNative)
	}
	if n := c.Int("opset"); n < onnx.MinOpset || n > onnx.MaxOpset {
		return usagef(c, "--opset %d: want %d to %d", n, onnx.MinOpset, onnx.MaxOpset)
	}
	switch {
	case o.Random == onnx.RandomSeed && !c.IsSet("opset"):
		o.Opset = onnx.SeedOpset
	case o.Random == onnx.RandomSeed && o.Opset < onnx.SeedOpset:
		return usagef(c, "--opset %d: --random %s takes operators of opset %d", o.Opset, randomSeed, onnx.SeedOpset)
	}
	if o.Profile, err = chosenProfile(c); err != nil {
		return err
	}
	switch o.Batch = c.Int("batch"); {
	case o.Profile == onnx.Plain && c.IsSet("batch"):
		return usagef(c, "--batch is for --profile %s: the plain profile leaves the batch free", onnx.OnnxGo)
	case o.Batch < 1 || o.Batch > maxBatch:
		return usagef(c, "--batch %d: want 1 to %d", o.Batch, maxBatch)
	case c.String("device") != onnx.CPU && c.String("device") != onnx.CUDA:
		return usagef(c, "--device %s: want %s or %s", c.String("device"), onnx.CPU, onnx.CUDA)
	case c.IsSet("device") && !c.Bool("steps"):
		return usagef(c, "--device is for --steps: functions are written in one form for all devices")
	case o.Profile != onnx.Plain && c.Bool("steps"):
		return usagef(c, "--steps is for the plain profile: %s runs no training steps", o.Profile)
	case o.Profile != onnx.Plain && o.Random != onnx.RandomInputs:
		return usagef(c, "--random %s is for the plain profile: %s draws no numbers", c.String("random"), o.Profile)
	}
	r, err := a.openRun(c, m)
	if err != nil {
		return err
	}
	fs, err := r.funcs(c)
	if err != nil {
		return err
	}
	if c.Bool("steps") {
		fs = append(fs, r.prog.Steps()...)
	}
	dir := c.Path("out")
	if dir == "" {
		dir = c.Path("run")
	}
	if err := atomicfile.MkdirAll(dir); err != nil {
		return fmt.Errorf("export to --out %s: %w", dir, err)
	}
	for _, f := range fs {
		if err := writable("out", exportPath(dir, f, o.Profile)); err != nil {
			return err
		}
	}
	list := []exported{}
	var errs []error
	for _, f := range fs { // one that cannot be exported keeps back no other
		fo := o
		fo.Doc = m.Doc
		fo.Metadata, fo.Images = r.metadata(), m.Images(f)
		if fo.Training = f.Training; f.Training {
			fo.Device = c.String("device")
		}
		if o.Random == onnx.RandomSeed {
			fo.Drawn = sampledNoise(r.model, f)
		}
		report, err := onnx.ExportFile(exportPath(dir, f, o.Profile), f, r.state, fo)
		if a.leftOut(c, f, err) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, newExported(f.Name, report))
		if !c.Bool("json") {
			a.printReport(report)
		}
	}
	if len(list) == 0 && joined(errs) == nil {
		return fmt.Errorf("nothing was exported: no function of %s has a form for %s", m.Name, o.Profile)
	}
	if c.Bool("json") {
		errs = append(errs, a.writeJSON(list))
	}
	return joined(errs)
}

// sampledNoise are the inputs of noise of f, as sample draws them, if it is the function that m is sampled by.
func sampledNoise(m models.Model, f *graph.Func) []pass.Noise {
	if f.Name != m.Sample.Func {
		return nil
	}
	var list []pass.Noise
	for stream, name := range m.Sample.Noises() {
		if slices.ContainsFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == name }) {
			list = append(list, pass.Noise{Input: name, Distribution: m.Sample.Feeds()[name].Noise, Stream: stream})
		}
	}
	return list
}

// joined is all of errs, but each text once: what stands in the way of all is said once.
func joined(errs []error) error {
	seen := map[string]bool{}
	return errors.Join(slices.DeleteFunc(errs, func(err error) bool {
		if err == nil || seen[err.Error()] {
			return true
		}
		seen[err.Error()] = true
		return false
	})...)
}

func (a *app) printReport(r *onnx.Report) {
	for i, f := range r.Files {
		opset := ""
		if i == 0 { // the model
			opset = fmt.Sprintf(", opset %d", r.Opset)
		}
		fmt.Fprintf(a.out, "wrote %s (%s%s)\n", f.Path, size(f.Bytes), opset)
	}
	fmt.Fprintf(a.out, "  inputs   %s\n  outputs  %s\n  weights  %d numbers in %d tensors\n", ports(r.Inputs), ports(r.Outputs), r.Params, r.Tensors)
	var nodes []string
	for _, n := range r.Nodes {
		nodes = append(nodes, fmt.Sprintf("%s ×%d", n.Op, n.N))
	}
	fmt.Fprintf(a.out, "  nodes    %s\n", strings.Join(nodes, ", "))
	if r.NoVectors != "" {
		fmt.Fprintf(a.out, "  vectors  %d for `verify FILE.onnx`: %s\n", r.Vectors, r.NoVectors)
	}
}

func ports(ps []onnx.Port) string {
	var out []string
	for _, p := range ps {
		out = append(out, fmt.Sprintf("%s %v", p.Name, p.Type))
	}
	return strings.Join(out, ", ")
}

// size prints a number of bytes.
func size(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// funcs are the functions that --func names, all if it does not.
func (r *trained) funcs(c *cli.Context) ([]*graph.Func, error) {
	want := c.StringSlice("func")
	if len(want) == 0 {
		return r.prog.Funcs(), nil
	}
	var out []*graph.Func
	for _, name := range want {
		f := r.prog.Func(name)
		if f == nil {
			return nil, fmt.Errorf("%s has no function %q: it has %s", r.prog.Name(), name, strings.Join(names(r.prog.Funcs()), ", "))
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out, nil
}
