package app

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// sessionFlags choose how onnxruntime runs.
func sessionFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.StringFlag{Name: "device", Value: onnxruntime.CPU, Usage: "where onnxruntime runs: " + strings.Join(onnxruntime.Devices(), " or ")},
		&cli.BoolFlag{Name: "tf32", Usage: "let products of f32 on --device " + onnxruntime.CUDA + " round their factors to 10 bits, which is faster"},
		deviceMemoryFlag,
		libraryFlag,
	)
}

// sessionFlagNames are those that mean nothing to another engine.
var sessionFlagNames = []string{"device", "tf32", deviceMemoryFlag.Name, "onnxruntime", cudaGraphsFlag.Name}

// cudaGraphsFlag is of what trains.
var cudaGraphsFlag = &cli.BoolFlag{Name: "cuda-graphs", Usage: "record what a step launches on --device " + onnxruntime.CUDA + " in its first runs, and launch it at once from then on"}

// deviceMemoryFlag bounds what onnxruntime takes of a device's memory.
var deviceMemoryFlag = &cli.StringFlag{Name: "device-memory", Usage: "the most that onnxruntime takes of the memory of --device " + onnxruntime.CUDA +
	" for a model, in training for the state and for each step and function, `SIZE` as 8GB, 500MB or 8GiB (default: no bound)"}

// deviceMemory is the size that the flag names in bytes, 0 if it is not given.
func deviceMemory(c *cli.Context) (int64, error) {
	if !c.IsSet(deviceMemoryFlag.Name) {
		return 0, nil
	}
	text := c.String(deviceMemoryFlag.Name)
	m := sizeText.FindStringSubmatch(text)
	if m == nil {
		return 0, usagef(c, "--%s %s: want a number with its unit, %s", deviceMemoryFlag.Name, text, strings.Join(sortedKeys(sizeUnits), ", "))
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if n *= sizeUnits[m[2]]; err != nil || n < 1 || n > 1<<50 {
		return 0, usagef(c, "--%s %s: want from 1 byte to 1 million GB", deviceMemoryFlag.Name, text)
	}
	return int64(n), nil
}

var (
	sizeText  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(B|[kMG]B|[KMG]iB)$`)
	sizeUnits = map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)

// noSessionFlags is a usage error if one of them is given.
func noSessionFlags(c *cli.Context) error {
	for _, flag := range sessionFlagNames {
		if c.IsSet(flag) {
			return usagef(c, "--%s is for --engine %s", flag, engineOnnxruntime)
		}
	}
	return nil
}

var libraryFlag = &cli.PathFlag{Name: "onnxruntime", Usage: "onnxruntime's shared library `FILE` (default: $" + onnxruntime.EnvLibrary + ", else the cache's, else the system's)"}

// sessionOptions are what the flags ask for.
func sessionOptions(c *cli.Context) (onnxruntime.Options, error) { return resumedOptions(c, "") }

// resumedOptions are what the flags ask for and, where they leave it open, what an engine had that is called had, if that is not "".
func resumedOptions(c *cli.Context, had string) (onnxruntime.Options, error) {
	old := onnxruntime.Options{}.OfName(had)
	memory, err := deviceMemory(c)
	if err != nil {
		return onnxruntime.Options{}, err
	}
	o := onnxruntime.Options{Library: c.Path("onnxruntime"), Device: c.String("device"), TF32: c.Bool("tf32"), CUDAGraphs: c.Bool(cudaGraphsFlag.Name), MemoryLimit: memory}
	if old.Device != "" && !c.IsSet("device") {
		o.Device = old.Device
	}
	if o.Device == old.Device {
		o.TF32 = o.TF32 || old.TF32 && !c.IsSet("tf32")
		o.CUDAGraphs = o.CUDAGraphs || old.CUDAGraphs && !c.IsSet(cudaGraphsFlag.Name)
	}
	if !slices.Contains(onnxruntime.Devices(), o.Device) {
		return o, usagef(c, "--device %s: want %s", o.Device, strings.Join(onnxruntime.Devices(), " or "))
	}
	for name, set := range map[string]bool{"tf32": o.TF32, cudaGraphsFlag.Name: o.CUDAGraphs, deviceMemoryFlag.Name: o.MemoryLimit > 0} {
		if set && o.Device != onnxruntime.CUDA {
			return o, usagef(c, "--%s is for --device %s", name, onnxruntime.CUDA)
		}
	}
	return o, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readArrays reads a .npy file, as one array called after the file, or a .npz file.
func readArrays(path string) (map[string]*tensor.Tensor, error) {
	if filepath.Ext(path) == ".npz" {
		return numpy.ReadNPZ(path)
	}
	t, err := numpy.ReadNPY(path)
	if err != nil {
		return nil, err
	}
	return map[string]*tensor.Tensor{strings.TrimSuffix(filepath.Base(path), ".npy"): t}, nil
}

// runCommand runs an ONNX file.
func (a *app) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "run an ONNX file on arrays from .npy and .npz files", ArgsUsage: "FILE.onnx",
		Description: "Inputs are given as --input name=array.npy, or --input arrays.npz with the inputs' names in it. A file that export\n" +
			"wrote of a model of tables takes the rows of a CSV file with its columns too, --input rows.csv, as its input row. An input\n" +
			"of pictures takes one as PNG, JPEG or GIF, --input image=boot.png, in [0, 1] as in training. A whole number, --input seed=7, is\n" +
			"an i64 scalar.\n" +
			"The outputs' types and ranges are printed; --output keeps the outputs themselves. A file that carries a digest of its\n" +
			"weights, as those of export do, is held to it first. With --top, the most probable classes of each example are printed\n" +
			"instead, by the names that export left in a classifier's file.\n" +
			"With --profile it is run many times: tables of what each operator and each layer takes are printed, with the lines of the model\n" +
			"that an exported file carries, and a trace is written." +
			a.example("run decode.onnx --input z=z.npy --output images.npz", "run classify.onnx --input image=boot.png --top 3", "run decode.onnx --input z=z.npy --profile trace.json"),
		Flags: engineFlags(append(profileFlags("runs"),
			&cli.StringSliceFlag{Name: "input", Aliases: []string{"i"}, Usage: "`NAME=FILE.npy`, FILE.npz, NAME=FILE.png (or .jpg, .gif), NAME=NUMBER, or FILE.csv of a table's rows; may be repeated"},
			resizeFlag, topFlag,
			&cli.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the outputs to `FILE`: .npz, or .npy if there is one output"},
			jsonFlag,
		)...),
		Action: a.run,
	}
}

func (a *app) run(c *cli.Context) error {
	path, err := oneArg(c, "the ONNX file")
	if err != nil {
		return err
	}
	out := c.Path("output")
	if ext := filepath.Ext(out); out != "" && ext != ".npz" && ext != ".npy" {
		return usagef(c, "--output %s: want a name that ends in .npz or .npy", out)
	}
	if err := writable("output", out); err != nil {
		return err
	}
	if n := c.Int("top"); c.IsSet("top") && n < 1 {
		return usagef(c, "--top %d: want 1 or more", n)
	}
	rec, err := recorder(c, c.String("engine"))
	if err != nil {
		return err
	}
	eng, err := chosenEngine(c, rec)
	if err != nil {
		return err
	}
	model := inspectOnce(path)
	var classes []string
	if c.IsSet("top") {
		if classes, err = model.namedClasses(); err != nil {
			return err
		}
	}
	in, err := readInputs(c, model)
	if err != nil {
		return err
	}
	s, err := eng.open(path)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := checkDigest(path); err != nil {
		return err
	}
	if filepath.Ext(out) == ".npy" && len(s.outputs) != 1 {
		return fmt.Errorf("%s has %d outputs (%s): give --output a .npz file", path, len(s.outputs), strings.Join(s.outputs, ", "))
	}
	if err := model.checkStateGiven(in); err != nil {
		return err
	}
	got, err := s.Run(c.Context, in)
	if err != nil {
		return err
	}
	if rec != nil {
		for range profileSkip + c.Int("profile-runs") - 1 {
			if _, err := s.Run(c.Context, in); err != nil {
				return err
			}
		}
		if err := s.Close(); err != nil { // onnxruntime says what it took at the end
			return err
		}
		if err := a.endProfile(c, rec); err != nil {
			return err
		}
	}
	var top []predicted
	if classes != nil {
		if top, err = predictions(got, classes, c.Int("top")); err != nil {
			return fmt.Errorf("--top of %s: %w", path, err)
		}
	}
	switch filepath.Ext(out) {
	case ".npz":
		err = numpy.WriteNPZ(out, got)
	case ".npy":
		for _, t := range got {
			err = numpy.WriteNPY(out, t)
		}
	}
	if err != nil {
		return err
	}
	if classes != nil {
		err = a.printPredictions(c, top)
	} else {
		err = a.printArrays(c, "OUTPUT", got)
	}
	if err != nil || out == "" || c.Bool("json") {
		return err
	}
	fmt.Fprintf(a.out, "wrote %s\n", out)
	return nil
}

// A modelFile is an ONNX file that is looked into when something is first asked of it, and once.
type modelFile struct {
	path    string
	summary func() (*onnx.Summary, error)
}

func inspectOnce(path string) modelFile {
	return modelFile{path, sync.OnceValues(func() (*onnx.Summary, error) { return onnx.Inspect(path) })}
}

// checkStateGiven says where the state of a training step is to be had, if in lacks some.
func (m modelFile) checkStateGiven(in map[string]*tensor.Tensor) error {
	sum, err := m.summary()
	if err != nil {
		return err
	}
	for _, p := range sum.State {
		if in[p.Input] == nil {
			return fmt.Errorf("%s is a training step, and its state %q is missing: give all of it, for a first step with --input %s",
				m.path, p.Input, onnx.StateFile(m.path))
		}
	}
	return nil
}

// checkDigest refuses an ONNX file that has a digest of its weights and other weights. A training step's first state need not be
// there to run it.
func checkDigest(path string) error {
	if err := onnx.CheckWeights(path); !errors.Is(err, onnx.ErrNoDigest) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writable reports whether the file path, the value of a flag, can be written, "" for none: before the work.
func writable(flag, path string) error {
	if path == "" {
		return nil
	}
	if err := atomicfile.Check(path); err != nil {
		return fmt.Errorf("--%s %s cannot be written: %w", flag, path, err)
	}
	return nil
}

// rows reads a CSV file of the columns that the ONNX file is of, as an array i64[rows columns].
func (m modelFile) rows(file string) (map[string]*tensor.Tensor, error) {
	columns, err := m.tableColumns()
	if err != nil {
		return nil, err
	}
	if columns == nil {
		return nil, fmt.Errorf("%s does not say that its inputs are rows of a table: give it .npy or .npz files, not %s", m.path, file)
	}
	table, err := data.OpenTable(file, models.Row, columns)
	if err != nil {
		return nil, err
	}
	return table.Take(rowsFrom(0, table.Len())...)
}

// readInputs reads the arrays that --input names, for the ONNX file model.
func readInputs(c *cli.Context, model modelFile) (map[string]*tensor.Tensor, error) {
	in := map[string]*tensor.Tensor{}
	for _, spec := range c.StringSlice("input") {
		name, file, named := strings.Cut(spec, "=")
		if !named {
			file = spec
		}
		if file == "" || named && name == "" {
			return nil, usagef(c, "--input %s: want NAME=FILE.npy, FILE.npz, FILE.csv, NAME=FILE.png or NAME=NUMBER", spec)
		}
		read := readArrays
		number, notNumber := strconv.ParseInt(file, 10, 64)
		switch {
		case named && notNumber == nil:
			read = func(string) (map[string]*tensor.Tensor, error) {
				return map[string]*tensor.Tensor{name: tensor.Scalar(number)}, nil
			}
		case filepath.Ext(file) == ".csv":
			read = model.rows
		case data.IsImage(file) && !named:
			return nil, usagef(c, "--input %s: say which input the picture is, NAME=%s", spec, file)
		case data.IsImage(file):
			read = func(file string) (map[string]*tensor.Tensor, error) { return model.picture(c, file, name) }
		}
		arrays, err := read(file)
		if err != nil {
			return nil, err
		}
		if named {
			if len(arrays) != 1 {
				return nil, fmt.Errorf("--input %s: the file has %d arrays (%s); name inputs only from .npy files", spec, len(arrays), strings.Join(sortedKeys(arrays), ", "))
			}
			for _, t := range arrays {
				arrays = map[string]*tensor.Tensor{name: t}
			}
		}
		for n, t := range arrays {
			if in[n] != nil {
				return nil, usagef(c, "--input %s: the input %q is given twice", spec, n)
			}
			in[n] = t
		}
	}
	return in, nil
}

// printArrays prints arrays' types and ranges.
func (a *app) printArrays(c *cli.Context, title string, arrays map[string]*tensor.Tensor) error {
	list := []array{}
	for _, name := range sortedKeys(arrays) {
		list = append(list, newArray(name, arrays[name]))
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	rows := [][]string{{title, "TYPE", "MIN", "MEAN", "MAX"}}
	for _, t := range list {
		row := []string{t.Name, t.Type}
		for _, v := range []*number{t.Min, t.Mean, t.Max} {
			if v == nil {
				row = append(row, "-")
			} else {
				row = append(row, fmt.Sprintf("%.5g", *v))
			}
		}
		rows = append(rows, row)
	}
	return a.table(rows)
}

// checkThreads is a usage error if n, of --threads, is a number of threads that no engine has.
func checkThreads(c *cli.Context, n int) error {
	if _, err := rt.Threads(n); err != nil {
		return usagef(c, "--threads: %v", err)
	}
	return nil
}
