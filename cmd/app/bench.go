package app

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// benchOf is what bench measured of one model's steps, or of one function of it, at one batch.
type benchOf struct {
	Model        string    `json:"model"`
	Func         string    `json:"func,omitempty"` // of --infer
	Batch        int       `json:"batch"`
	Rhythm       string    `json:"rhythm,omitempty"` // of the Steps that are one turn
	MultiplyAdds float64   `json:"multiply_adds"`    // of a turn, in matrix products and convolutions
	State        int       `json:"state_bytes"`      // parameters, moments and statistics that the largest Step reads
	Memory       int       `json:"bytes"`            // planned besides, of the largest Step: values, outputs, constants and new state
	NewState     int       `json:"new_state_bytes"`  // which stands beside the old until a Step has come out finite
	Moved        float64   `json:"moved_bytes"`      // that a turn's ops read and write, once fused; caches may keep much of it from memory
	Threads      int       `json:"threads"`          // of each engine
	PeakRate     float64   `json:"peak_gflops"`      // of a large matrix product, the fastest BLAS, measured in the same rounds
	Bandwidth    float64   `json:"peak_gbytes"`      // of memory, a second: two large arrays read and one written, in the same rounds
	Floor        float64   `json:"floor_ms"`         // of the products alone, at the peak rate
	MovedFloor   float64   `json:"moved_ms"`         // of what is moved, if all of it went through memory
	Times        []timesOf `json:"times"`            // of each engine, and of the commands to compare with
}

// title is what b is of.
func (b benchOf) title() string {
	if b.Func != "" {
		return b.Model + " " + b.Func
	}
	return b.Model
}

// timesOf are the times of a turn.
type timesOf struct {
	Name      string    `json:"name"`
	Reference bool      `json:"reference,omitempty"` // it is a command of --against
	Version   string    `json:"version,omitempty"`   // as the command says it
	Median    float64   `json:"median_ms"`
	Spread    float64   `json:"spread"` // half of what lies between the rounds' quartiles, as a share of the median
	Least     float64   `json:"least_ms"`
	Most      float64   `json:"most_ms"`
	P50       float64   `json:"p50_ms,omitempty"` // what one of two turns takes or more, of single turns: the median of the rounds'
	P99       float64   `json:"p99_ms,omitempty"` // the same of one of a hundred
	Ratio     number    `json:"ratio"`            // to the fastest command or, without one, to the first engine: the median of the rounds' ratios
	Rate      float64   `json:"gflops"`           // in products and convolutions
	OfPeak    float64   `json:"of_peak"`          // Rate as a share of the peak
	PerSecond float64   `json:"per_second"`       // examples
	Memory    int       `json:"bytes,omitempty"`  // the most that a turn needs at once besides the state, as far as it is known
	NewState  int       `json:"new_state_bytes,omitempty"`
	Resident  int       `json:"resident_bytes,omitempty"` // the most that the process had in which it ran alone, its libraries among it; of a command, as it says
	Rounds    []float64 `json:"rounds_ms"`
}

// benchCommand times training steps and functions.
func (a *app) benchCommand() *cli.Command {
	var yardsticks []string
	for _, m := range yardstick.Models {
		yardsticks = append(yardsticks, m.Name)
	}
	return &cli.Command{
		Name: "bench", Usage: "time training steps, or functions, on each engine, in turn, beside commands of your own", ArgsUsage: "[MODEL...]",
		Description: "Without MODEL, the training steps of " + strings.Join(yardsticks, ", ") + ", whose twins in PyTorch are\n" +
			"docs/torch_steps.py; any model that trains by steps can be named. With --infer, the functions of the models instead, all without\n" +
			"MODEL, in the engines and, from a file as export writes it, in onnxruntime: how long a call takes with one example, and how many\n" +
			"examples a second go through with many. Inputs and weights are random.\n\n" +
			"Each round runs a block of turns on each engine after the other, so that what else the machine does hits all alike. Of the rounds\n" +
			"the median is printed, half the distance of the quartiles, the least and the most, the median of what one of a hundred turns\n" +
			"took or more, and the median of the rounds' ratios. The floor is the time of the matrix products and convolutions alone, at the rate that a large product reaches in the same rounds.\n\n" +
			"A command of --against is run by sh, with {model}, {func}, {batch}, {sizes}, {threads}, {turns} and, with --infer, {file} replaced.\n" +
			"The last line that it prints is a JSON object with the number \"ms\", the milliseconds of a turn; \"bytes\", which a turn needs at\n" +
			"once, \"resident\", the most that the process had, \"p50_ms\" and \"p99_ms\" of single turns, and \"version\" may stand there too. It is run in each round, unless it prints\n" +
			"{\"ready\": true} first: then it is run once, and measures and prints such a line for each line that it reads. Ratios are to the\n" +
			"fastest of the commands." +
			a.example("bench", "bench step-gpt --blas go --threads 1 --rounds 9",
				"bench --against 'eager=python3 docs/torch_steps.py {model} --threads {threads} --serve' --png steps.png", a.exampleOf("bench --infer MODEL", func(models.Model) bool { return true })),
		Flags: sessionFlags(
			&cli.StringSliceFlag{Name: "engine", Usage: "`NAME` of an engine: " + strings.Join(trainerNames, " or ") + "; may be repeated (default: all that are here)"},
			&cli.StringSliceFlag{Name: "blas", Usage: "`NAME` of a BLAS for gorgonia as of train, go or openblas; may be repeated (default: go and, where there is one, the fastest library)"},
			&cli.IntSliceFlag{Name: "threads", Usage: "CPU threads of each engine, `N`; 0 means all; may be repeated, and all then take turns in the same rounds (default: 0)"},
			&cli.IntSliceFlag{Name: "batch", Usage: "examples a turn, `N`; may be repeated (default: the model's, with --infer 1 and 64)"},
			&cli.StringSliceFlag{Name: "size", Usage: "what another symbol in the shapes is, `NAME=N`; may be repeated (default: 1)"},
			&cli.IntFlag{Name: "rounds", Value: 5, Usage: "how often all take turns"},
			&cli.IntFlag{Name: "turns", Usage: "how many turns are a block; 0 means as many as take a fifth of a second"},
			&cli.BoolFlag{Name: "infer", Usage: "time functions, not training steps"},
			&cli.StringSliceFlag{Name: "func", Usage: "with --infer, the function `NAME`; may be repeated (default: all)"},
			setFlag, fp16Flag, bf16Flag, cudaGraphsFlag,
			&cli.StringSliceFlag{Name: "against", Usage: "`NAME=COMMAND` that times the same elsewhere, for the ratio; without NAME= it is called against; may be repeated. A NAME is a word of letters, digits and _.+-, or several with commas between them; capitals, digits and _ alone are no NAME but a variable of the command's environment"},
			&cli.BoolFlag{Name: "resident", Usage: "run each engine once more in a process of its own, for the most memory that this has"},
			&cli.PathFlag{Name: "png", Usage: "draw the ratios as bars into `FILE`"},
			&cli.PathFlag{Name: "markdown", Usage: "put the table, with date, machine, versions and command line, into the page `FILE.md#NAME`, between its lines <!-- bench NAME --> and <!-- end of bench NAME --> (default NAME: steps, with --infer functions)"},
			jsonFlag,
		),
		Action: finishing(a.bench), // files and commands of its own
	}
}

func (a *app) bench(c *cli.Context) error {
	if err := checkBench(c); err != nil {
		return err
	}
	page, err := benchPage(c)
	if err != nil {
		return err
	}
	list, err := a.benched(c)
	if err != nil {
		return err
	}
	libraries, err := benchLibraries(c)
	if err != nil {
		return err
	}
	b := &bench{c: c}
	for _, n := range benchThreads(c) {
		engines, err := benchEngines(c, libraries, n)
		if err != nil {
			return err
		}
		b.teams = append(b.teams, team{n, engines, newMeter(libraries, n)})
	}
	for _, m := range list {
		if err := b.model(m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if len(b.all) == 0 {
		return fmt.Errorf("there is nothing to time: the models have no functions")
	}
	var wrote []string
	png := c.Path("png")
	if png != "" {
		if err := drawBench(b.all, png); err != nil {
			return err
		}
		wrote = append(wrote, png)
	}
	if page != nil {
		if err := page.write(a.markdownBench(b.all, png, page.path)); err != nil {
			return err
		}
		wrote = append(wrote, page.path)
	}
	if c.Bool("json") {
		return a.writeJSON(b.all)
	}
	if err := a.printBench(b.all); err != nil {
		return err
	}
	if wrote != nil {
		fmt.Fprintf(a.out, "\nwrote %s\n", strings.Join(wrote, " and "))
	}
	return nil
}

// checkBench refuses flags that mean nothing, before the work.
func checkBench(c *cli.Context) error {
	if png := c.Path("png"); png != "" {
		if ext := filepath.Ext(png); ext != ".png" {
			return usagef(c, "--png %s: want the name of a .png file", png)
		}
		if err := writable("png", png); err != nil {
			return err
		}
	}
	if n := c.Int("turns"); n < 0 {
		return usagef(c, "--turns %d: want 0 or more", n)
	}
	for i, n := range benchThreads(c) {
		if err := checkThreads(c, n); err != nil {
			return err
		}
		if slices.Contains(benchThreads(c)[:i], n) {
			return usagef(c, "--threads: %d threads are asked for twice", n)
		}
	}
	if n := c.Int("rounds"); n < 1 {
		return usagef(c, "--rounds %d: want 1 or more", n)
	}
	for _, n := range c.IntSlice("batch") {
		if n < 1 {
			return usagef(c, "--batch %d: want 1 or more", n)
		}
	}
	if c.Bool("infer") && c.Bool("resident") {
		return usagef(c, "--resident is of training steps")
	}
	if c.Bool("infer") && (c.Bool("fp16") || c.Bool("bf16")) {
		return usagef(c, "--fp16 and --bf16 are for training steps: functions are in f32")
	}
	if !c.Bool("infer") && c.IsSet("func") {
		return usagef(c, "--func is for --infer: training steps take turns as the model says")
	}
	_, err := references(c)
	return err
}

// benched are the models that the arguments name.
func (a *app) benched(c *cli.Context) ([]models.Model, error) {
	if c.NArg() == 0 {
		for _, name := range []string{"set", "func"} {
			if c.IsSet(name) {
				return nil, usagef(c, "--%s is of one model: name it", name)
			}
		}
		if c.Bool("infer") {
			return a.models, nil
		}
		return yardstick.Models, nil
	}
	with := a.withYardsticks()
	var list []models.Model
	for _, name := range c.Args().Slice() {
		m, err := with.model(name)
		if err != nil {
			return nil, err
		}
		if m.Train.Turns() == nil && !c.Bool("infer") {
			return nil, fmt.Errorf("%s has no training step: it is fitted in closed form", name)
		}
		list = append(list, m)
	}
	return list, nil
}

// withYardsticks is a that knows the yardsticks by name too.
func (a *app) withYardsticks() *app {
	return &app{models: slices.Concat(a.models, yardstick.Models), name: a.name}
}

// benchLibraries are the BLAS that --blas names or, without it, ours and the fastest library. Their paths are as --blas names them.
func benchLibraries(c *cli.Context) ([]blas.Candidate, error) {
	if names := c.StringSlice("blas"); len(names) > 0 {
		var list []blas.Candidate
		for _, name := range names {
			b, err := blas.Find(name)
			if err != nil {
				return nil, err
			}
			list = append(list, blas.Candidate{Impl: b, Path: name})
		}
		return list, nil
	}
	list := []blas.Candidate{{Impl: blas.Go(), Path: "go"}}
	for _, candidate := range blas.Candidates() {
		if candidate.Impl != nil && candidate.Path != "" {
			return append(list, candidate), nil
		}
	}
	return list, nil
}

// benchThreads are the numbers of threads that --threads asks for, all without it.
func benchThreads(c *cli.Context) []int {
	list := slices.Clone(c.IntSlice("threads"))
	if len(list) == 0 {
		list = []int{0}
	}
	for i, n := range list {
		list[i] = cmp.Or(n, runtime.GOMAXPROCS(0))
	}
	return list
}

// A benchEngine is an engine with its name in the tables.
type benchEngine struct {
	name string
	rt.Engine
	session *onnxruntime.Options // with which files are run, of onnxruntime
	flags   []string             // that choose it alone
}

// benchEngines are the engines that --engine names or, without it, all that are here: gorgonia with each of the libraries, and onnxruntime; on
// so many threads.
func benchEngines(c *cli.Context, libraries []blas.Candidate, threads int) ([]benchEngine, error) {
	var list []benchEngine
	names := c.StringSlice("engine")
	all := names
	if names == nil {
		all = trainerNames
	}
	for _, name := range all {
		switch name {
		case engineGorgonia:
			for _, b := range libraries {
				e, err := gorgonia.New(gorgonia.Options{BLAS: b.Impl, Threads: threads})
				if err != nil {
					return nil, err
				}
				list = append(list, benchEngine{name: "gorgonia, " + b.Name(), Engine: e, flags: []string{"--engine", name, "--blas", b.Path}})
			}
		case engineOnnxruntime:
			o, err := sessionOptions(c)
			if err != nil {
				return nil, err
			}
			o.Threads = threads
			e, err := onnxruntime.NewEngine(o)
			switch {
			case err != nil && names == nil && noSessionFlags(c) == nil: // it was not asked for
			case err != nil:
				return nil, err
			default:
				flags := []string{"--engine", name}
				for _, flag := range sessionFlagNames {
					if c.IsSet(flag) {
						flags = append(flags, fmt.Sprintf("--%s=%v", flag, c.Value(flag)))
					}
				}
				list = append(list, benchEngine{e.Name(), e, &o, flags})
			}
		default:
			return nil, usagef(c, "--engine %s: want %s", name, strings.Join(trainerNames, " or "))
		}
	}
	return list, nil
}
