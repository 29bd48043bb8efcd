package app

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// verifyCommand compares our kernels with an engine that runs ONNX files.
func (a *app) verifyCommand() *cli.Command {
	return &cli.Command{
		Name: "verify", Usage: "compare an engine for ONNX files with our own kernels on seeded inputs, or replay a file's test vectors", ArgsUsage: a.modelUsage() + "|FILE.onnx",
		Description: "With a model and its run, each function is run by our kernels and, as the ONNX file that export wrote or would\n" +
			"write, by the engine, at two batch sizes; the compiler's passes are checked numerically too. With an ONNX file,\n" +
			"the test vectors in it are replayed. Files are searched for faults first, as by inspect --check, and their weights held\n" +
			"to their digest. The exit code is 1 if there is a fault, if nothing was compared, or if an output is further off than\n" +
			"the tolerance." +
			a.example("verify "+a.exampleModel()+" --run runs/"+a.exampleModel(), "verify decode.onnx --json"),
		Flags: engineFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, funcFlag, checkpointFlag,
			&cli.Float64Flag{Name: "tolerance", Value: 1e-5, Usage: "largest difference allowed, `T` + T·|value|", DefaultText: "1e-05; for a FILE.onnx, what its test vectors say"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the inputs"}, jsonFlag,
		),
		Action: a.verify,
	}
}

func (a *app) verify(c *cli.Context) error {
	if t := c.Float64("tolerance"); !(t >= 0) || math.IsInf(t, 0) {
		return usagef(c, "--tolerance %v: want a number, 0 or more", t)
	}
	eng, err := chosenEngine(c, nil)
	if err != nil {
		return err
	}
	var list []verify.Comparison
	if c.NArg() == 1 && filepath.Ext(c.Args().First()) == ".onnx" {
		list, err = a.replay(c, c.Args().First(), eng)
	} else {
		list, err = a.verifyRun(c, eng)
	}
	if len(list) == 0 {
		return err
	}
	if c.Bool("json") {
		return errors.Join(a.writeJSON(comparisons(list)), err)
	}
	rows := [][]string{{"FUNCTION", "BATCH", "OUTPUT", "MAX ABS", "MAX REL"}}
	for _, d := range list {
		verdict := "ok"
		if !d.OK {
			verdict = "DIFFERS"
		}
		rows = append(rows, []string{d.Func, strconv.Itoa(d.Batch), d.Output, fmt.Sprintf("%.3g", d.Abs), fmt.Sprintf("%.3g", d.Rel), verdict})
	}
	return errors.Join(a.table(rows), err)
}

// replay runs the test vectors of an ONNX file.
func (a *app) replay(c *cli.Context, path string, eng engine) ([]verify.Comparison, error) {
	for _, name := range []string{"run", "func", "checkpoint", "seed"} {
		if c.IsSet(name) {
			return nil, usagef(c, "--%s is for models; %s is a file", name, path)
		}
	}
	if err := a.searchFile(path); err != nil {
		return nil, err
	}
	within := verify.Tolerance(verify.Stated)
	if c.IsSet("tolerance") {
		within = verify.Within(c.Float64("tolerance"))
	}
	return verify.File(c.Context, path, func(path string) (verify.Session, error) { return eng.open(path) }, within)
}

// searchFile prints what is found in an ONNX file; a fault is an error.
func (a *app) searchFile(path string) error {
	r, err := onnx.Check(path)
	if err != nil {
		return err
	}
	a.printFindings(a.err, r)
	return faults(path, r)
}

// verifyRun compares each function of a run in the engine with our kernels, and each pass with what it was given.
func (a *app) verifyRun(c *cli.Context, eng engine) ([]verify.Comparison, error) {
	m, err := a.modelArg(c)
	if err != nil {
		return nil, err
	}
	if c.Path("run") == "" {
		return nil, usagef(c, "say what to verify: a model with --run DIR, or an ONNX file")
	}
	r, err := a.openRun(c, m)
	if err != nil {
		return nil, err
	}
	fs, err := r.funcs(c)
	if err != nil {
		return nil, err
	}
	var list []verify.Comparison
	var files []string
	var errs []error
	for _, f := range fs { // one that cannot be compared keeps back no other
		if err := c.Context.Err(); err != nil {
			return list, err
		}
		err := checkPasses(r.prog.Traced(f.Name), c.Uint64("seed"))
		var ds []verify.Comparison
		var file string
		if err == nil {
			ds, file, err = a.verifyFunc(c, r, f, eng)
		}
		list = append(list, ds...)
		if a.leftOut(c, f, err) {
			continue
		}
		errs = append(errs, err)
		if file != "" {
			files = append(files, file)
		}
	}
	if len(list) > 0 || joined(errs) == nil { // if all were left out, nothing was compared
		errs = append(errs, verify.Differing(list))
	}
	for _, file := range files { // the inputs may leave a changed weight without effect
		errs = append(errs, onnx.CheckWeights(file))
	}
	return list, joined(errs)
}

func checkPasses(f *graph.Func, seed uint64) error {
	ctx, err := gorgonia.KernelContext(gorgonia.Options{})
	if err != nil {
		return err
	}
	for _, n := range verify.Sizes {
		if err := pass.Check(ctx, f, f.BindNear(n), seed); err != nil {
			return err
		}
	}
	return nil
}

// verifyFunc compares one function at each batch size. file is the ONNX file that it ran, "" if it was exported in memory.
func (a *app) verifyFunc(c *cli.Context, r *trained, f *graph.Func, eng engine) (list []verify.Comparison, file string, err error) {
	if file, err = r.file(c, f, eng.profile); err != nil {
		return nil, "", err
	}
	compare := func(s *session, err error, sizes ...int) error {
		if err != nil {
			return err
		}
		defer s.Close()
		if s.batch > 0 {
			sizes = []int{s.batch}
		}
		ds, err := verify.Func(c.Context, s, s.inputs, f, r.state, sizes, c.Uint64("seed"), c.Float64("tolerance"))
		list = append(list, ds...)
		return err
	}
	if file == "" {
		exports := [][]int{verify.Sizes}
		if eng.profile != onnx.Plain { // one for each fixed size
			exports = [][]int{verify.Sizes[:1], verify.Sizes[1:]}
		}
		for _, sizes := range exports {
			memory, err := r.export(f, onnx.Options{Profile: eng.profile, Batch: sizes[0], NoVectors: true}) // which looks at it for faults
			if err != nil {
				return list, "", err
			}
			s, err := eng.openBytes(memory)
			if err := compare(s, err, sizes...); err != nil {
				return list, "", err
			}
		}
		return list, "", nil
	}
	if err := a.searchFile(file); err != nil {
		return nil, "", err
	}
	sum, err := onnx.Inspect(file)
	if err == nil && sum.Seed != "" {
		f, err = pass.SeedRandom(f, sum.Drawn...)
	}
	if err != nil {
		return nil, "", err
	}
	s, err := eng.open(file)
	err = compare(s, err, verify.Sizes...)
	if errors.Is(err, verify.ErrDraws) {
		return nil, "", fmt.Errorf("%s: %w: export it with --random %s or %s, or choose other functions with --func", file, err, randomInputs, randomSeed)
	}
	return list, file, err
}
