package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// trainCommand trains a model.
func (a *app) trainCommand() *cli.Command {
	return &cli.Command{
		Name: "train", Usage: "train a model on gorgonia, or in onnxruntime", ArgsUsage: a.modelUsage(),
		Description: "Leaves a folder with checkpoints (safetensors), metrics.jsonl, the loss curve as PNG and, of each epoch, samples, always\n" +
			"drawn from the same noise; report.html, one page with curves, samples and all that tells how the run was made; the samples as\n" +
			"an animation, samples.gif; and events for `tensorboard --logdir DIR`.\n" +
			"Ctrl-C, as SIGTERM and SIGHUP, saves a checkpoint and stops; --resume goes on, and ends as if it had not been stopped.\n" +
			"With --profile, tables of what each op and each layer takes in the first batches are printed, forward and backward together, with\n" +
			"the lines of the model; the optimizer is a layer of its own. Training goes on after that." +
			a.example("train "+a.exampleModel()+" --epochs 3 --seed 7", "train "+a.exampleModel()+" --data my.npz --out runs/mine"),
		Flags: append(sessionFlags(profileFlags("turns of the model's steps")...),
			&cli.StringFlag{Name: "data", Usage: "a data set's `NAME`, or the path of one's own: an image folder, with a subfolder for each class or none, or with the folders train, val and test; idx files, .npy, .npz or .csv (default: the model's)"},
			dataDirFlag,
			&cli.IntFlag{Name: "epochs", Usage: "how often to go through the data", DefaultText: "the model's"},
			&cli.IntFlag{Name: "batch", Usage: "examples a step", DefaultText: "the model's"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the weights, the noise and the order of examples"},
			setFlag, augmentFlag,
			&cli.PathFlag{Name: "out", Usage: "the run's folder `DIR` (default: runs/MODEL)"},
			&cli.BoolFlag{Name: "resume", Usage: "go on with the run in the folder"},
			&cli.IntFlag{Name: "patience", Usage: "stop after this many epochs without a better one, by the validation loss or what the model says instead; 0 never does"},
			&cli.IntFlag{Name: "log-every", Usage: "record the metrics every `N` steps too, for finer curves; 0 only after each epoch"},
			&cli.BoolFlag{Name: "no-report", Usage: "leave out report.html, samples.gif and the events for TensorBoard, which has each epoch's picture of samples once more"},
			&cli.IntFlag{Name: "limit", Usage: "train on the first `N` examples only; 0 takes all"},
			&cli.IntFlag{Name: "threads", Usage: "CPU threads to use; 0 means all"},
			&cli.StringFlag{Name: "engine", Usage: "what trains: " + strings.Join(trainerNames, " or "), DefaultText: engineGorgonia + ", with a flag of onnxruntime that, or what a resumed run had"},
			fp16Flag, bf16Flag, cudaGraphsFlag,
			&cli.StringFlag{Name: "blas", Usage: "of gorgonia: go, openblas, or a library's path (default: the fastest, as doctor shows; a resumed run takes the one that it had)", EnvVars: []string{blas.Env}},
		),
		Action: finishing(a.train),
	}
}

// closedBatch is the batch in which a model in closed form is validated, if it does not say it.
const closedBatch = 256

func (a *app) train(c *cli.Context) error {
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	cfg, from, err := a.trainConfig(c, m)
	if errors.Is(err, train.ErrHasRun) {
		return hasRun(err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "training %s: %d parameters, on %s (%d examples), batch %d, %d epochs\n", m.Name, cfg.Program.ParamCount(), from, cfg.Train.Len(), cfg.Batch, cfg.Epochs)
	fmt.Fprintf(a.out, "engine: %s\n", cfg.Engine.Name())

	r, err := train.Fit(c.Context, cfg)
	switch {
	case errors.Is(err, train.ErrInterrupted):
		return fmt.Errorf("%w; go on with: %s", err, resuming(a.args))
	case errors.Is(err, train.ErrHasRun):
		return hasRun(err)
	case err != nil:
		return err
	}
	if r.Best != nil {
		fmt.Fprintf(a.out, "best %s %.4f, after epoch %d\n", cmp.Or(cfg.Monitor, train.Loss), r.Best.Value, r.Best.Epoch)
	}
	made := "checkpoints, metrics.jsonl, loss.png"
	if len(cfg.OnEpoch) > 0 {
		made += ", samples"
	}
	if !cfg.NoReport {
		made += ", report.html, tensorboard"
	}
	fmt.Fprintf(a.out, "the run is in %s: %s\n", cfg.Dir, made)
	return nil
}

// hasRun adds to err, a [train.ErrHasRun], what can be done.
func hasRun(err error) error {
	return fmt.Errorf("%w (--resume goes on with it, --out DIR chooses another folder)", err)
}

// trainConfig is what the flags ask for, and where the data is from.
func (a *app) trainConfig(c *cli.Context, m models.Model) (train.Config, string, error) {
	s, err := settings(c, m)
	if err != nil {
		return train.Config{}, "", err
	}
	m, table, err := readTable(c, m)
	if err != nil {
		return train.Config{}, "", err
	}
	products, err := trainPrecision(c, m)
	if err != nil {
		return train.Config{}, "", err
	}
	prog, err := defineIn(m, s, products)
	if err != nil {
		return train.Config{}, "", err
	}
	if c.Bool("resume") {
		if setup, err := runFolder(c, m).Setup(); err == nil && setup.Program != prog.Name() {
			return train.Config{}, "", fmt.Errorf("%s is a run of %s, not of %s: name its model", runFolder(c, m), setup.Program, prog.Name())
		}
	}
	if m, err = m.With(s); err != nil {
		return train.Config{}, "", err
	}
	augment, err := augmentations(c, m)
	if err != nil {
		return train.Config{}, "", err
	}
	cfg := train.Config{
		Program: prog, Seed: c.Uint64("seed"), Settings: s, Out: a.err,
		Rhythm: m.Train.Turns(), Epochs: m.Train.Epochs, Batch: m.Train.Batch, DropLast: m.Train.DropLast,
		Inputs: m.Train.Inputs, Augment: augment,
		Validate: m.Train.Validate, Measures: m.Train.Measures, Monitor: m.Train.Best, Highest: m.Train.Highest,
		LogEvery: c.Int("log-every"), NoReport: c.Bool("no-report"), Doc: m.Doc, Command: shellWords(append([]string{a.name}, a.args[1:]...)),
		Patience: c.Int("patience"), Dir: runFolder(c, m), Resume: c.Bool("resume"),
	}
	if err := m.Trainable(cfg.Program); err != nil {
		return cfg, "", err
	}
	if fit := m.Train.Fit; fit != nil {
		cfg.Solve = func(ctx context.Context, state models.State, train models.Examples) (map[string]float64, error) {
			return fit(ctx, s, state, train)
		}
		if c.IsSet("epochs") {
			return cfg, "", usagef(c, "--epochs %d: the model is fitted in closed form, in one go through the data", c.Int("epochs"))
		}
		cfg.Epochs, cfg.Batch = 1, cmp.Or(cfg.Batch, closedBatch)
	}
	for _, f := range []struct {
		name string
		to   *int
	}{{"epochs", &cfg.Epochs}, {"batch", &cfg.Batch}} {
		if c.IsSet(f.name) {
			*f.to = c.Int(f.name)
		} else if *f.to == 0 {
			return cfg, "", usagef(c, "the model's Training does not say it: give --%s N", f.name)
		}
		if *f.to < 1 {
			return cfg, "", usagef(c, "--%s %d: want 1 or more", f.name, *f.to)
		}
	}
	for _, name := range []string{"patience", "log-every", "limit"} {
		if c.Int(name) < 0 {
			return cfg, "", usagef(c, "--%s %d: want 0 or more", name, c.Int(name))
		}
	}
	if err := checkThreads(c, c.Int("threads")); err != nil {
		return cfg, "", err
	}
	if err := cfg.Dir.Ready(cfg.Resume); err != nil {
		return cfg, "", err
	}
	spareSlot()
	if cfg.Engine, err = trainEngine(c, cfg, nil); err != nil {
		return cfg, "", err
	}
	if cfg.Profile, err = a.trainProfile(c, cfg); err != nil {
		return cfg, "", err
	}
	splits, from, err := a.trainingData(c, m, cfg.Program, s, table)
	if err != nil {
		return cfg, "", err
	}
	cfg.Data, cfg.Train, cfg.Test = from, splits.Train, cmp.Or(splits.Validation, splits.Test)
	if cfg.Test == nil {
		cfg.Validate = ""
		cfg.Measures = slices.DeleteFunc(slices.Clone(cfg.Measures), func(m models.Measure) bool { return !m.Train })
	}
	if splits.Validation != nil && splits.Test != nil {
		fmt.Fprintf(a.err, "validating on the validation part (%d examples); the test part (%d) is left out of training\n", splits.Validation.Len(), splits.Test.Len())
	}
	if err := setLength(c, m, &cfg, s); err != nil {
		return cfg, "", err
	}
	draw, err := sampleCallback(m, cfg.Program, cfg.Seed, cfg.Train.Classes)
	if err != nil {
		return cfg, "", fmt.Errorf("model %s: %w", m.Name, err)
	}
	if draw != nil {
		cfg.OnEpoch = append(cfg.OnEpoch, draw)
	}
	return cfg, from, nil
}

// runFolder is the run's folder: what --out says, or runs/MODEL.
func runFolder(c *cli.Context, m models.Model) train.Folder {
	return train.Folder(cmp.Or(c.Path("out"), filepath.Join("runs", m.Name)))
}

// trainPrecision is the precision of the steps: what the flags ask for, or, of a run that is resumed, what it had.
func trainPrecision(c *cli.Context, m models.Model) (graph.DType, error) {
	t, err := precision(c)
	switch {
	case err != nil:
		return t, err
	case t != graph.F32 && m.Train.Fit != nil:
		return t, usagef(c, "--%s: the model is fitted in closed form, without steps that have products", map[graph.DType]string{graph.F16: "fp16", graph.BF16: "bf16"}[t])
	case t == graph.F32 && c.Bool("resume"):
		if old, err := runFolder(c, m).Setup(); err == nil {
			return precisionNamed(old.Precision)
		}
	}
	return t, nil
}

// setLength sets the setting that is the length of the whole training, if the model has one that --set does not choose, and builds the
// program for it. A run that is resumed keeps the length that it had, whatever its --epochs are now: its schedule must not jump.
func setLength(c *cli.Context, m models.Model, cfg *train.Config, s models.Settings) error {
	name := m.Train.Length
	if name == "" || slices.ContainsFunc(c.StringSlice(setFlag.Name), func(text string) bool { return strings.HasPrefix(text, name+"=") }) {
		return nil
	}
	if _, ok := s[name]; !ok {
		return fmt.Errorf("model %s: the Length of its Training is the setting %q, which it does not have: it has %s", m.Name, name, s)
	}
	batches := cfg.Train.Len() / cfg.Batch
	if !cfg.DropLast && cfg.Train.Len()%cfg.Batch > 0 {
		batches++
	}
	if batches > 0 {
		s[name] = float64(cfg.Epochs) * float64(batches)
	}
	if old, err := cfg.Dir.Setup(); err == nil && cfg.Resume {
		if v, ok := old.Settings[name]; ok {
			s[name] = v
		}
	}
	prog, err := defineIn(m, s, cfg.Program.Precision())
	if err != nil {
		return err
	}
	cfg.Program = prog
	return nil
}

// The values of --engine of what trains.
const engineGorgonia = "gorgonia"

var trainerNames = []string{engineGorgonia, engineOnnxruntime}

// trainEngine is the engine that trains: gorgonia, with the BLAS that --blas names or with the fastest, or onnxruntime. A run that is
// resumed goes on with the one that it had, since another gives other bits, unless a flag says otherwise. rec, if it is not nil, records what
// it runs.
func trainEngine(c *cli.Context, cfg train.Config, rec *profile.Recorder) (rt.Engine, error) {
	threads := cmp.Or(c.Int("threads"), cpus)
	name := c.String("engine")
	if name == "" && noSessionFlags(c) != nil {
		name = engineOnnxruntime
	}
	had := ""
	old, err := cfg.Dir.Setup()
	resumed := err == nil && cfg.Resume
	if resumed && strings.HasPrefix(old.Engine, engineOnnxruntime) {
		had = old.Engine
		name = cmp.Or(name, engineOnnxruntime)
	}
	if resumed && name == "" {
		for _, b := range blas.Candidates() {
			e, err := gorgonia.New(observed(gorgonia.Options{BLAS: b.Impl, Threads: threads}, rec))
			if err == nil && e.Name() == old.Engine && c.String("blas") == "" {
				return e, nil
			}
		}
	}
	switch name {
	case engineOnnxruntime:
		o, err := resumedOptions(c, had)
		if err != nil {
			return nil, err
		}
		o.Threads, o.Profile = threads, rec
		return onnxruntime.NewEngine(o)
	case "", engineGorgonia:
		if err := noSessionFlags(c); err != nil {
			return nil, err
		}
		b, err := blas.Find(c.String("blas"))
		if err != nil {
			return nil, err
		}
		return gorgonia.New(observed(gorgonia.Options{BLAS: b, Threads: threads}, rec))
	}
	return nil, usagef(c, "--engine %s: want %s", name, strings.Join(trainerNames, " or "))
}

// trainProfile is the profile that --profile asks for, nil if it does not.
func (a *app) trainProfile(c *cli.Context, cfg train.Config) (*train.Profile, error) {
	rec, err := recorder(c, cfg.Engine.Name())
	if rec == nil || err != nil {
		return nil, err
	}
	if cfg.Solve != nil {
		return nil, usagef(c, "--profile is of training steps: the model is fitted in closed form")
	}
	rec.Only = cfg.Rhythm.Steps()
	engine, err := trainEngine(c, cfg, rec)
	return &train.Profile{
		Engine: engine, Batches: (profileSkip + c.Int("profile-runs")) * len(cfg.Rhythm.Batches()),
		Done: func() error { return a.endProfile(c, rec) },
	}, err
}

// imageOptions are the size and colours of images that the model's steps want, for reading image folders.
func imageOptions(m models.Model, prog *compiler.Program) data.ImageOptions {
	var o data.ImageOptions
	for _, f := range fed(m, prog) {
		for _, v := range f.Inputs {
			if s := v.Shape(); len(s) == 4 && graph.Shape(s[1:]).Static() {
				o = data.ImageOptions{Height: int(s[2]), Width: int(s[3]), Grey: s[1] == 1}
			}
		}
	}
	return o
}

// fed are the entry points that training feeds with data: the Steps or, of a model in closed form, the Func that validates.
func fed(m models.Model, prog *compiler.Program) []*graph.Func {
	var all []*graph.Func
	for _, name := range m.Train.Turns().Steps() {
		all = append(all, prog.Step(name))
	}
	if f := prog.Func(m.Train.Validate); f != nil && m.Train.Fit != nil {
		all = append(all, f)
	}
	return all
}

// trainSamples is how many samples training shows after each epoch.
const trainSamples = 100

// sampleCallback shows samples of fixed inputs after each epoch, if the model says how.
func sampleCallback(m models.Model, prog *compiler.Program, seed uint64, classes []string) (train.Callback, error) {
	if m.Samplable(prog) != nil {
		return nil, nil
	}
	f := prog.Func(m.Sample.Func)
	fed, err := feeder{how: m.Sample, seed: seed, count: trainSamples, classes: classes}.feed(funcInputs(f))
	if err != nil {
		return nil, nil // sample says it
	}
	if f.Lookup(graph.RandomState) != nil {
		fed.in[graph.RandomState] = tensor.Of([]int64{int64(seed), 1}, 2)
	}
	output, kind := m.Sample.Shown()
	return train.Samples(f.Name, output, kind, fed.cols, fed.in), nil
}

// cpus is how many CPUs Go runs on, before spareSlot.
var cpus = goruntime.GOMAXPROCS(0)

// spareSlot gives Go's scheduler one slot more than there are CPUs. It takes the slot from a thread that is in C code for
// some microseconds, as in OpenBLAS, and if no slot is idle it wakes another thread to look for work with it: on the CPU
// that the first one uses.
var spareSlot = sync.OnceFunc(func() { goruntime.GOMAXPROCS(cpus + 1) })

// resuming is the command line args with --resume, as a shell takes it.
func resuming(args []string) string {
	end := len(args)
	if i := slices.Index(args, "--"); i >= 0 {
		end = i // what follows is no flag
	}
	words := slices.Clone(args)
	if !slices.Contains(args[:end], "--resume") {
		words = slices.Insert(words, end, "--resume")
	}
	return shellWords(words)
}

// shellWords is a command line as a shell takes it.
func shellWords(words []string) string {
	words = slices.Clone(words)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n\"'`$&|;<>()*?[]{}#~!\\") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}
