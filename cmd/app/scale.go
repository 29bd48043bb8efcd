package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/graph"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// A scaleSeries is how a model's training step grows with one of its sizes, as measured.
type scaleSeries struct {
	Model    string          `json:"model"`
	Settings models.Settings `json:"settings"` // that are other than the model's
	Batch    int             `json:"batch"`    // unless it is what grows
	Vary     string          `json:"vary"`     // a setting, or batch
	Values   []int           `json:"-"`
	Points   []scalePoint    `json:"points"`
	Time     exponent        `json:"time"`   // of the CPU time of a turn
	Memory   exponent        `json:"memory"` // of what of the values is in the arena
}

// A scalePoint is what was measured of a training step, one go through the model's rhythm.
type scalePoint struct {
	Value        int     `json:"value"`
	Params       int     `json:"params"`
	MultiplyAdds float64 `json:"multiply_adds"`
	Compile      float64 `json:"compile_ms"` // of the CPUs, from the definition to the plan
	Turn         float64 `json:"ms"`         // the least
	CPU          float64 `json:"cpu_ms"`     // the least that all threads together had of the CPUs; the time where that is not known
	Arena        int     `json:"arena"`      // bytes of values, as planned
	Live         int     `json:"live"`       // of the arena, what is needed at once
	Peak         int     `json:"peak"`       // of all that a run takes, as predicted
	Heap         int     `json:"heap"`       // that the step took more, as measured; 0 where as much or more of others was freed meanwhile
	TooLarge     string  `json:"too_large,omitempty"`
}

// An exponent is k in size^k, fitted.
type exponent struct {
	Measured number `json:"measured"`
	Expected number `json:"expected"`
}

// scaled are the series of `scale` without a model: with batch, width, depth and length of a transformer, the last two also where blocks are
// computed again, and with the batch of the others.
func scaled() []scaleSeries {
	gpt := func(batch int, vary string, s models.Settings, values ...int) scaleSeries {
		return scaleSeries{Model: "step-gpt", Batch: batch, Vary: vary, Settings: s, Values: values}
	}
	marked := models.Settings{yardstick.Checkpoint: 1}
	batches := []int{1, 4, 16, 64, 256, 1024}
	return []scaleSeries{
		gpt(0, "batch", nil, batches...),
		{Model: "step-vae", Vary: "batch", Values: batches},
		{Model: "step-cnn", Vary: "batch", Values: batches},
		gpt(4, "width", nil, 64, 128, 256, 512, 1024),
		gpt(4, "depth", nil, 2, 4, 8, 16, 32, 64),
		gpt(4, "depth", marked, 2, 4, 8, 16, 32, 64),
		gpt(1, "context", nil, 128, 256, 512, 1024, 2048, 4096),
		gpt(1, "context", marked, 128, 256, 512, 1024, 2048, 4096),
	}
}

// scaleCommand measures how steps grow.
func (a *app) scaleCommand() *cli.Command {
	return &cli.Command{
		Name: "scale", Usage: "measure how time and memory of a training step grow with its sizes", ArgsUsage: "[MODEL]",
		Description: "Without MODEL, of the models that bench has: step-gpt with batch, width, depth and length, the last two also with blocks that are\n" +
			"computed again for the backward pass, and step-vae and step-cnn with the batch; some minutes and 6 GB of memory. What does not\n" +
			"fit this machine is left out. Each size is compiled, planned and run on the gorgonia engine with random inputs. Of some turns the\n" +
			"least time is printed, and the least that all threads together had of the CPUs; memory as planned and as the heap grows.\n" +
			"Exponents are fitted to the larger half of the sizes, three at least, beside those expected: of the CPU time that of the\n" +
			"multiply-adds, of the values that where parameters take little." +
			a.example("scale --png docs", "scale step-gpt --vary batch=1,2 --set width=768 --set heads=12 --set depth=12 --set context=1024"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "vary", Usage: "of MODEL, what grows, batch or a setting, and the sizes, `NAME=N,N,...`"},
			&cli.IntFlag{Name: "batch", Usage: "examples a step (default: the model's)"},
			setFlag,
			&cli.IntFlag{Name: "threads", Usage: "CPU threads; 0 means all"},
			&cli.IntFlag{Name: "rounds", Value: 3, Usage: "how many turns are timed of each size, at least"},
			&cli.PathFlag{Name: "png", Usage: "draw what grows with each size into `FOLDER`, as scale_NAME.png"},
			jsonFlag,
		},
		Action: a.scale,
	}
}

func (a *app) scale(c *cli.Context) error {
	for name, least := range map[string]int{"batch": 0, "rounds": 1} {
		if c.Int(name) < least {
			return usagef(c, "--%s %d: want %d or more", name, c.Int(name), least)
		}
	}
	if err := checkThreads(c, c.Int("threads")); err != nil {
		return err
	}
	list, err := a.scaledSeries(c)
	if err != nil {
		return err
	}
	if dir := c.Path("png"); dir != "" {
		for _, s := range list {
			if err := writable("png", scalePath(dir, s.Vary)); err != nil {
				return err
			}
		}
	}
	engine, err := gorgonia.New(gorgonia.Options{Threads: c.Int("threads")})
	if err != nil {
		return err
	}
	for i := range list {
		s := &list[i]
		m, err := a.withYardsticks().model(s.Model)
		if err != nil {
			return err
		}
		for _, v := range s.Values {
			p, err := s.point(c.Context, m, engine, v, c.Int("rounds"))
			if err != nil {
				return fmt.Errorf("%s with %s %d: %w", s.Model, s.Vary, v, err)
			}
			s.Points = append(s.Points, p)
		}
		s.fit()
		if !c.Bool("json") {
			if err := a.printScale(*s, i); err != nil {
				return err
			}
		}
	}
	if dir := c.Path("png"); dir != "" {
		files, err := drawScale(list, dir)
		if err != nil {
			return err
		}
		if !c.Bool("json") {
			fmt.Fprintf(a.out, "\nwrote %s\n", strings.Join(files, ", "))
		}
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	return nil
}

// scaledSeries are the series that the arguments ask for.
func (a *app) scaledSeries(c *cli.Context) ([]scaleSeries, error) {
	if c.NArg() == 0 {
		for _, name := range []string{"vary", "set", "batch"} {
			if c.IsSet(name) {
				return nil, usagef(c, "--%s is of one model: name it", name)
			}
		}
		return scaled(), nil
	}
	if c.NArg() > 1 {
		return nil, usagef(c, "want one model, have %d", c.NArg())
	}
	m, err := a.withYardsticks().model(c.Args().First())
	if err != nil {
		return nil, err
	}
	name, text, ok := strings.Cut(c.String("vary"), "=")
	if _, setting := m.Settings[name]; !ok || name != "batch" && !setting {
		return nil, usagef(c, "--vary %q: want NAME=N,N,... with batch or one of %s's settings: %v", c.String("vary"), m.Name, m.Settings)
	}
	s := scaleSeries{Model: m.Name, Vary: name, Batch: c.Int("batch"), Settings: models.Settings{}}
	for _, word := range strings.Split(text, ",") {
		v, err := strconv.Atoi(word)
		if err != nil || v < 1 {
			return nil, usagef(c, "--vary %s: want whole numbers from 1, separated by commas", c.String("vary"))
		}
		s.Values = append(s.Values, v)
	}
	all, err := settings(c, m)
	if err != nil {
		return nil, err
	}
	for k, v := range all {
		if v != m.Settings[k] {
			s.Settings[k] = v
		}
	}
	return []scaleSeries{s}, nil
}

// point measures one size.
func (s *scaleSeries) point(ctx context.Context, m models.Model, e rt.Engine, value, rounds int) (p scalePoint, err error) {
	p.Value = value
	changes, batch := models.Settings{}, s.Batch
	maps.Copy(changes, s.Settings)
	if s.Vary != "batch" {
		changes[s.Vary] = float64(value)
	} else {
		batch = value
	}
	all, err := m.Settings.With(changes)
	if err != nil {
		return p, err
	}
	start := cpuTime()
	prog, err := define(m, all)
	if err != nil {
		return p, err
	}
	if m, err = m.With(all); err != nil {
		return p, err
	}
	if err := m.Trainable(prog); err != nil {
		return p, err
	}
	if batch == 0 {
		batch = m.Train.Batch
	}
	if s.Vary != "batch" {
		s.Batch = batch
	}
	p.Params = prog.ParamCount()
	rhythm, sizes := m.Train.Turns(), graph.Binding{}
	for _, name := range rhythm.Steps() {
		maps.Copy(sizes, prog.Step(name).BindAll(1))
	}
	sizes["batch"] = batch
	for _, name := range rhythm.Steps() {
		plan, err := gorgonia.Memory(prog.Step(name), sizes)
		if err != nil {
			return p, err
		}
		p.Arena, p.Live, p.Peak = max(p.Arena, plan.Arena), max(p.Live, plan.Live), max(p.Peak, gorgonia.Peak(plan))
	}
	for _, name := range slices.Concat(rhythm.Batches()...) {
		n, err := graph.MultiplyAdds(prog.Step(name), sizes)
		if err != nil {
			return p, err
		}
		p.MultiplyAdds += n
	}
	p.Compile = cpuTime() - start
	if err := rt.Fits(float64(p.Peak)); err != nil {
		p.TooLarge = err.Error()
		return p, nil
	}
	t, err := newTurn(prog, rhythm, sizes, classesOf(all))
	if err != nil {
		return p, err
	}
	before := heapInUse()
	r, err := t.on(s.Model, e)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if _, err := r.turns(ctx, 1); err != nil { // plans, pages
		return p, err
	}
	p.Turn, p.CPU = math.Inf(1), math.Inf(1)
	for begun := time.Now(); rounds > 0 || time.Since(begun) < scaleTime; rounds-- {
		before := cpuTime()
		ms, err := r.turns(ctx, 1)
		if err != nil {
			return p, err
		}
		p.Turn, p.CPU = min(p.Turn, ms), min(p.CPU, cpuTime()-before)
	}
	p.Heap = max(0, heapInUse()-before)
	return p, nil
}

// scaleTime is how long turns of one size are timed, at least.
const scaleTime = 500 * time.Millisecond

// heapInUse is what of the heap is in use, when finalizers have run: gorgonia's machines have some. The rest is given back, so that one
// size does not run in what the last one had.
func heapInUse() int {
	for range 2 {
		done := make(chan bool)
		runtime.SetFinalizer(&struct{ c chan bool }{done}, func(s *struct{ c chan bool }) { close(s.c) })
		runtime.GC()
		<-done
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// ran are the points that were run.
func (s *scaleSeries) ran() []scalePoint {
	return slices.DeleteFunc(slices.Clone(s.Points), func(p scalePoint) bool { return p.TooLarge != "" })
}

// fit finds the exponents, of the larger half of the sizes.
func (s *scaleSeries) fit() {
	list := s.ran()
	if n := len(list); n > 3 {
		list = list[min(n/2, n-3):]
	}
	of := func(get func(p scalePoint) float64) number {
		var x, y []float64
		for _, p := range list {
			x, y = append(x, float64(p.Value)), append(y, get(p))
		}
		return number(power(x, y))
	}
	s.Time = exponent{of(func(p scalePoint) float64 { return p.CPU }), of(func(p scalePoint) float64 { return p.MultiplyAdds })}
	law, ok := memoryLaws[s.Vary]
	if !ok {
		law = math.NaN()
	}
	s.Memory = exponent{of(func(p scalePoint) float64 { return float64(p.Arena) }), number(law)}
}

// memoryLaws is how the values of a step grow with a size where they are far larger than its parameters, and attention keeps no scores.
var memoryLaws = map[string]float64{"batch": 1, "width": 1, "depth": 1, "context": 1}

// power is k of the c·x^k that is nearest to y: the slope of the line of least squares through the logarithms. It is NaN for fewer than
// two sizes.
func power(x, y []float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for i := range x {
		a, b := math.Log(x[i]), math.Log(y[i])
		n, sx, sy, sxx, sxy = n+1, sx+a, sy+b, sxx+a*a, sxy+a*b
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// scalePath is where the picture of what grows with a size is put.
func scalePath(dir, vary string) string { return filepath.Join(dir, "scale_"+vary+".png") }
