package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// benchOf is what bench measured of one model.
type benchOf struct {
	Model        string    `json:"model"`
	Batch        int       `json:"batch"`
	Rhythm       string    `json:"rhythm"`        // of the Steps that are one turn
	MultiplyAdds float64   `json:"multiply_adds"` // of a turn, in matrix products and convolutions
	Memory       int       `json:"bytes"`         // planned, of the largest Step: values, new state and constants
	Threads      int       `json:"threads"`       // of each engine
	PeakRate     float64   `json:"peak_gflops"`   // of a large matrix product, the fastest BLAS, measured in the same rounds
	Times        []timesOf `json:"times"`         // of each engine, and of the command to compare with
	Floor        float64   `json:"floor_ms"`      // of the products alone, at the peak rate
}

// timesOf are the times of a turn.
type timesOf struct {
	Name   string    `json:"name"`
	Median float64   `json:"median_ms"`
	Least  float64   `json:"least_ms"`
	Most   float64   `json:"most_ms"`
	Ratio  number    `json:"ratio"` // to the command to compare with or, without one, the first engine: the median of the rounds' ratios
	Rounds []float64 `json:"rounds_ms"`
}

// benchCommand times training steps.
func (a *app) benchCommand() *cli.Command {
	var yardsticks []string
	for _, m := range yardstick.Models {
		yardsticks = append(yardsticks, m.Name)
	}
	return &cli.Command{
		Name: "bench", Usage: "time training steps on each engine, in turn, beside a command of your own", ArgsUsage: "[MODEL...]",
		Description: "Without MODEL, of " + strings.Join(yardsticks, ", ") + ", whose twins in PyTorch are docs/torch_steps.py; any model that\n" +
			"trains by steps can be named. Inputs are random. Each round runs a block of turns on each engine after the other, so that\n" +
			"what else the machine does hits all alike; of the rounds the median, the least and the most are printed, and the\n" +
			"median of the rounds' ratios. The floor is the time of the matrix products and convolutions alone, at the rate that a large\n" +
			"product reaches in the same rounds.\n\n" +
			"The command of --against is run in each round by sh, with {model}, {batch} and {threads} replaced; the last line that it prints is a\n" +
			"JSON object with the number \"ms\", the milliseconds of a turn." +
			a.example("bench", "bench step-gpt --blas go --threads 1 --rounds 9", "bench --against 'python3 docs/torch_steps.py {model} --threads {threads}' --png steps.png"),
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "engine", Usage: "`NAME` of an engine: " + strings.Join(trainerNames, " or ") + "; may be repeated (default: all that are here)"},
			&cli.StringSliceFlag{Name: "blas", Usage: "`NAME` of a BLAS for gorgonia as of train, go or openblas; may be repeated (default: go and, where there is one, the fastest library)"},
			&cli.IntFlag{Name: "threads", Usage: "CPU threads of each engine; 0 means all"},
			&cli.IntFlag{Name: "batch", Usage: "examples a step (default: the model's)"},
			&cli.IntFlag{Name: "rounds", Value: 5, Usage: "how often all take turns"},
			&cli.IntFlag{Name: "turns", Value: 10, Usage: "how many turns of the model's steps are a block"},
			setFlag,
			&cli.StringFlag{Name: "against", Usage: "a `COMMAND` that times the same steps elsewhere, for the ratio"},
			&cli.PathFlag{Name: "png", Usage: "draw the ratios as bars into `FILE`"},
			jsonFlag,
		},
		Action: a.bench,
	}
}

func (a *app) bench(c *cli.Context) error {
	png := c.Path("png")
	if png != "" {
		if ext := filepath.Ext(png); ext != ".png" {
			return usagef(c, "--png %s: want the name of a .png file", png)
		}
		if err := writable("png", png); err != nil {
			return err
		}
	}
	for _, name := range []string{"threads", "batch"} {
		if c.Int(name) < 0 {
			return usagef(c, "--%s %d: want 0 or more", name, c.Int(name))
		}
	}
	for _, name := range []string{"rounds", "turns"} {
		if c.Int(name) < 1 {
			return usagef(c, "--%s %d: want 1 or more", name, c.Int(name))
		}
	}
	list, err := a.benched(c)
	if err != nil {
		return err
	}
	libraries, err := benchLibraries(c)
	if err != nil {
		return err
	}
	engines, err := benchEngines(c, libraries)
	if err != nil {
		return err
	}
	var all []benchOf
	for _, m := range list {
		b, err := a.benchModel(c, m, libraries, engines)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		all = append(all, b)
	}
	if png != "" {
		if err := drawBench(all, png); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return a.writeJSON(all)
	}
	if err := a.printBench(all); err != nil {
		return err
	}
	if png != "" {
		fmt.Fprintf(a.out, "\nwrote %s\n", png)
	}
	return nil
}

// benched are the models that the arguments name.
func (a *app) benched(c *cli.Context) ([]models.Model, error) {
	if c.NArg() == 0 {
		if c.IsSet("set") {
			return nil, usagef(c, "--set is of one model: name it")
		}
		return yardstick.Models, nil
	}
	with := &app{models: slices.Concat(a.models, yardstick.Models), name: a.name}
	var list []models.Model
	for _, name := range c.Args().Slice() {
		m, err := with.model(name)
		if err != nil {
			return nil, err
		}
		if m.Train.Turns() == nil {
			return nil, fmt.Errorf("%s has no training step: it is fitted in closed form", name)
		}
		list = append(list, m)
	}
	return list, nil
}

// benchLibraries are the BLAS that --blas names or, without it, ours and the fastest library.
func benchLibraries(c *cli.Context) ([]blas.Impl, error) {
	if names := c.StringSlice("blas"); len(names) > 0 {
		var list []blas.Impl
		for _, name := range names {
			b, err := blas.Find(name)
			if err != nil {
				return nil, err
			}
			list = append(list, b)
		}
		return list, nil
	}
	list := []blas.Impl{blas.Go()}
	for _, candidate := range blas.Candidates() {
		if candidate.Impl != nil && candidate.Impl.Name() != list[0].Name() {
			return append(list, candidate.Impl), nil
		}
	}
	return list, nil
}

// A benchEngine is an engine with its name in the tables.
type benchEngine struct {
	name string
	rt.Engine
}

// benchEngines are the engines that --engine names or, without it, all that are here: gorgonia with each of the libraries, and onnxruntime.
func benchEngines(c *cli.Context, libraries []blas.Impl) ([]benchEngine, error) {
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
				e, err := gorgonia.New(gorgonia.Options{BLAS: b, Threads: c.Int("threads")})
				if err != nil {
					return nil, err
				}
				list = append(list, benchEngine{"gorgonia, " + b.Name(), e})
			}
		case engineOnnxruntime:
			e, err := onnxruntime.NewEngine(onnxruntime.Options{Threads: c.Int("threads")})
			switch {
			case err != nil && names == nil: // it was not asked for
			case err != nil:
				return nil, err
			default:
				list = append(list, benchEngine{e.Name(), e})
			}
		default:
			return nil, usagef(c, "--engine %s: want %s", name, strings.Join(trainerNames, " or "))
		}
	}
	return list, nil
}

// benchModel lets the engines take turns on m's steps.
func (a *app) benchModel(c *cli.Context, m models.Model, libraries []blas.Impl, engines []benchEngine) (benchOf, error) {
	s, err := settings(c, m)
	if err != nil {
		return benchOf{}, err
	}
	prog, err := define(m, s)
	if err != nil {
		return benchOf{}, err
	}
	if m, err = m.With(s); err != nil {
		return benchOf{}, err
	}
	if err := m.Trainable(prog); err != nil {
		return benchOf{}, err
	}
	b := benchOf{Model: m.Name, Batch: cmp.Or(c.Int("batch"), m.Train.Batch), Threads: cmp.Or(c.Int("threads"), runtime.GOMAXPROCS(0)), Rhythm: m.Train.Turns().String()}
	if b.Batch == 0 {
		return b, usagef(c, "the model's Training does not say its batch: give --batch N")
	}
	turn, err := newTurn(prog, m.Train.Turns(), s, b.Batch)
	if err != nil {
		return b, err
	}
	b.MultiplyAdds, b.Memory = turn.multiplyAdds, turn.memory

	var racers []racer
	defer func() {
		for _, r := range racers {
			r.close()
		}
	}()
	for _, e := range engines {
		r, err := turn.on(e.name, e.Engine)
		if err != nil {
			return b, fmt.Errorf("%s: %w", e.name, err)
		}
		racers = append(racers, r)
		if _, err := r.turns(c.Context, 2); err != nil { // warm up: plans, pages, caches
			return b, err
		}
	}
	reference := 0
	if command := c.String("against"); command != "" {
		command = strings.NewReplacer("{model}", m.Name, "{batch}", strconv.Itoa(b.Batch), "{threads}", strconv.Itoa(b.Threads)).Replace(command)
		reference = len(racers)
		racers = append(racers, racer{name: "against", turns: func(ctx context.Context, _ int) (float64, error) { return against(ctx, command) }})
	}
	peak := newPeak(libraries, b.Threads)
	rounds := make([][]float64, len(racers))
	for range c.Int("rounds") {
		for i, r := range racers {
			ms, err := r.turns(c.Context, c.Int("turns"))
			if err != nil {
				return b, err
			}
			rounds[i] = append(rounds[i], ms)
		}
		b.PeakRate = max(b.PeakRate, peak())
	}
	b.Floor = 2 * b.MultiplyAdds / b.PeakRate / 1e6
	for i, r := range racers {
		ratios := make([]float64, len(rounds[i]))
		for k, ms := range rounds[i] {
			ratios[k] = ms / rounds[reference][k]
		}
		b.Times = append(b.Times, timesOf{r.name, median(rounds[i]), slices.Min(rounds[i]), slices.Max(rounds[i]), number(median(ratios)), rounds[i]})
	}
	return b, nil
}

// median is the middle of some numbers, or the mean of the two in the middle.
func median(list []float64) float64 {
	s := slices.Sorted(slices.Values(list))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// against runs the command, and is what it says of the milliseconds of a turn.
func against(ctx context.Context, command string) (float64, error) {
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	var errs strings.Builder
	cmd.Stderr = &errs
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("--against: %s: %w\n%s", command, err, strings.TrimSpace(errs.String()))
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	var result struct {
		MS *float64 `json:"ms"`
	}
	last := lines[len(lines)-1]
	if err := json.Unmarshal([]byte(last), &result); err != nil || result.MS == nil || !(*result.MS > 0) || math.IsInf(*result.MS, 0) {
		return 0, fmt.Errorf("--against: the last line of what %s printed is %q: want a JSON object with \"ms\", the milliseconds of a turn, above 0", command, last)
	}
	return *result.MS, nil
}

// printBench prints a table for each model.
func (a *app) printBench(all []benchOf) error {
	for i, b := range all {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		fmt.Fprintf(a.out, "%s: %s; batch %d, %d threads, %.3g multiply-adds, %s planned\n", b.Model, b.Rhythm, b.Batch, b.Threads, b.MultiplyAdds, size(int64(b.Memory)))
		rows := [][]string{{"ENGINE", "MS", "LEAST", "MOST", "RATIO", "GFLOP/S", "OF PEAK"}}
		for _, t := range b.Times {
			row := []string{t.Name, fmt.Sprintf("%.3g", t.Median), fmt.Sprintf("%.3g", t.Least), fmt.Sprintf("%.3g", t.Most), fmt.Sprintf("%.2f", float64(t.Ratio))}
			rate := 2 * b.MultiplyAdds / t.Median / 1e6
			rows = append(rows, append(row, fmt.Sprintf("%.3g", rate), fmt.Sprintf("%.0f%%", 100*rate/b.PeakRate)))
		}
		rows = append(rows, []string{"floor, the products alone", fmt.Sprintf("%.3g", b.Floor), "", "", "", fmt.Sprintf("%.3g", b.PeakRate), ""})
		if err := a.table(rows); err != nil {
			return err
		}
	}
	return nil
}

// drawBench draws the ratios.
func drawBench(all []benchOf, path string) error {
	chart := report.BarChart{Title: "time of a training step", Value: "ratio"}
	at := map[string]int{}
	for k, b := range all {
		chart.Names = append(chart.Names, b.Model)
		for _, t := range b.Times {
			i, ok := at[t.Name]
			if !ok {
				i = len(chart.Series)
				at[t.Name] = i
				bars := report.Bars{Name: t.Name, Values: make([]float64, len(all))}
				for j := range bars.Values {
					bars.Values[j] = math.NaN()
				}
				chart.Series = append(chart.Series, bars)
			}
			chart.Series[i].Values[k] = float64(t.Ratio)
		}
	}
	return chart.Write(path)
}
