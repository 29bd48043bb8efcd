package app

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// A bench is one run of the command.
type bench struct {
	c     *cli.Context
	teams []team
	all   []benchOf
}

// A team is the engines on so many threads, and what measures what the machine does on these.
type team struct {
	threads int
	engines []benchEngine
	meter   *meter
}

// A heat is what a team does: its racers, and the words in commands that stand for what it is of.
type heat struct {
	team
	of      benchOf
	racers  []racer
	replace map[string]string

	blocks                 []int       // turns of each racer's block
	rounds, middles, tails [][]float64 // of each racer
}

// A racer runs turns, n in a row, and says how many milliseconds one took.
type racer struct {
	name  string
	turns func(ctx context.Context, n int) (ms float64, err error)
	bytes int // that a turn needs at once besides the state, 0 if that is not known
	stop  func() error
	took  func(share float64) float64 // how long this share of the last block's turns took at most, in milliseconds; nil if that is not known
	*reference
}

func (r racer) close() error {
	if r.stop == nil {
		return nil
	}
	return r.stop()
}

// model times the steps or functions of m, at each batch.
func (b *bench) model(m models.Model) error {
	s, err := settings(b.c, m)
	if err != nil {
		return err
	}
	products, err := precision(b.c)
	if err != nil {
		return err
	}
	prog, err := defineIn(m, s, products)
	if err != nil {
		return err
	}
	if m, err = m.With(s); err != nil {
		return err
	}
	if b.c.Bool("infer") {
		return b.functions(m, prog, s)
	}
	if err := m.Trainable(prog); err != nil {
		return err
	}
	batches := b.c.IntSlice("batch")
	if len(batches) == 0 {
		if m.Train.Batch == 0 {
			return usagef(b.c, "the model's Training does not say its batch: give --batch N")
		}
		batches = []int{m.Train.Batch}
	}
	for _, batch := range batches {
		if err := b.steps(m, prog, s, batch); err != nil {
			return err
		}
	}
	return nil
}

// settle is how long a command has to come to rest after a block: the threads of OpenMP look out for work for 200 ms by default
// (KMP_BLOCKTIME), and take a CPU from who comes next.
const settle = 300 * time.Millisecond

// sizes are those of the symbols in the shapes of some of prog's entry points, at a batch.
func (b *bench) sizes(m models.Model, prog *compiler.Program, entries []*graph.Func, batch int) (graph.Binding, error) {
	all, err := sizesOf(b.c, m, slices.Concat(prog.Funcs(), prog.Steps()))
	if err != nil {
		return nil, err
	}
	sizes := graph.Binding{}
	for _, f := range entries {
		for name := range f.BindAll(1) {
			if sizes[name] = all[name]; name == "batch" {
				sizes[name] = batch
			}
		}
	}
	return sizes, nil
}

// blockTime is how long a block takes, where no flag says how many turns it has.
const blockTime = 200 * time.Millisecond

// heats races what of is of, on each number of threads; racers are those of an engine.
func (b *bench) heats(of benchOf, replace map[string]string, racers func(e benchEngine) ([]racer, error)) error {
	var list []*heat
	defer func() { stop(list) }()
	for _, t := range b.teams {
		h := &heat{team: t, of: of, replace: maps.Clone(replace)}
		h.of.Threads, h.replace["{threads}"] = t.threads, strconv.Itoa(t.threads)
		list = append(list, h)
		for _, e := range t.engines {
			r, err := racers(e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			h.racers = append(h.racers, r...)
		}
	}
	return b.race(list)
}

// stop ends all racers.
func stop(list []*heat) {
	for _, h := range list {
		for _, r := range h.racers {
			r.close()
		}
	}
}

// race lets the racers of all heats take turns, in the same rounds, and keeps their times.
func (b *bench) race(heats []*heat) error {
	for _, h := range heats {
		if err := b.ready(h); err != nil {
			return err
		}
	}
	resident := 0 // of this process, if there is nothing else in it
	for round := range b.c.Int("rounds") {
		for _, h := range heats {
			if err := b.round(h); err != nil {
				return err
			}
			if round == 0 && len(b.all) == 0 && len(heats) == 1 && len(h.engines) == len(h.racers) && len(h.racers) == 1 {
				resident = rt.PeakResident()
			}
			h.of.PeakRate, h.of.Bandwidth = max(h.of.PeakRate, h.meter.peak()), max(h.of.Bandwidth, h.meter.bandwidth())
		}
	}
	for _, h := range heats {
		if err := b.finish(h, resident); err != nil {
			return err
		}
	}
	return nil
}

// ready adds the commands to the racers of h, and warms all up: plans, pages, caches, compilers.
func (b *bench) ready(h *heat) error {
	list, err := references(b.c)
	if err != nil {
		return err
	}
	for i := range list {
		r := list[i].with(h.replace)
		h.racers = append(h.racers, racer{name: r.name, turns: r.turns, stop: r.close, reference: r})
	}
	n := len(h.racers)
	h.blocks, h.rounds, h.middles, h.tails = make([]int, n), make([][]float64, n), make([][]float64, n), make([][]float64, n)
	for i, r := range h.racers {
		if r.reference != nil {
			if err := r.start(b.c.Context); err != nil {
				return err
			}
			time.Sleep(settle)
			continue
		}
		if h.blocks[i], err = b.block(r); err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
	}
	return nil
}

// round runs a block of each of the racers of h.
func (b *bench) round(h *heat) error {
	for i, r := range h.racers {
		if r.reference == nil { // the others have had the caches, or the CPU was at rest
			if _, err := r.turns(b.c.Context, max(1, h.blocks[i]/4)); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		ms, err := r.turns(b.c.Context, h.blocks[i])
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		h.rounds[i] = append(h.rounds[i], ms)
		switch {
		case r.took != nil:
			h.middles[i], h.tails[i] = append(h.middles[i], r.took(.5)), append(h.tails[i], r.took(.99))
		case r.reference != nil && r.last.P99 > 0:
			h.middles[i], h.tails[i] = append(h.middles[i], r.last.P50), append(h.tails[i], r.last.P99)
		}
	}
	return nil
}

// finish keeps what came out of h. resident is the most memory that this process had, 0 if that says nothing of an engine.
func (b *bench) finish(h *heat, resident int) (err error) {
	of := h.of
	of.Floor, of.MovedFloor = 2*of.MultiplyAdds/of.PeakRate/1e6, of.Moved/of.Bandwidth/1e6
	fastest := 0
	for i, r := range h.racers {
		if r.reference != nil && (h.racers[fastest].reference == nil || median(h.rounds[i]) < median(h.rounds[fastest])) {
			fastest = i
		}
	}
	for i, r := range h.racers {
		t := times(h.rounds[i], h.rounds[fastest])
		if t.Name, t.Memory = r.name, r.bytes; r.bytes > 0 {
			t.NewState = of.NewState
		}
		t.Resident = resident
		if b.c.Bool("resident") && r.reference == nil {
			if t.Resident, err = b.resident(h.engines[i], of); err != nil {
				return err
			}
		}
		if len(h.tails[i]) > 0 {
			t.P50, t.P99 = median(h.middles[i]), median(h.tails[i])
		}
		if r.reference != nil {
			t.Reference, t.Version, t.Memory, t.Resident = true, r.last.Version, r.last.Bytes, r.last.Resident
		}
		t.Rate = 2 * of.MultiplyAdds / t.Median / 1e6
		t.OfPeak, t.PerSecond = t.Rate/of.PeakRate, float64(of.Batch)/t.Median*1e3
		of.Times = append(of.Times, t)
	}
	b.all = append(b.all, of)
	return nil
}

// block is how many turns of r are a block.
func (b *bench) block(r racer) (int, error) {
	if n := b.c.Int("turns"); n > 0 {
		_, err := r.turns(b.c.Context, min(n, 2))
		return n, err
	}
	if _, err := r.turns(b.c.Context, 1); err != nil {
		return 0, err
	}
	ms, err := r.turns(b.c.Context, 1)
	return max(1, int(math.Ceil(blockTime.Seconds()*1e3/max(ms, 1e-4)))), err
}

// times are of rounds, with the ratio to other ones.
func times(rounds, others []float64) timesOf {
	ratios := make([]float64, len(rounds))
	for k, ms := range rounds {
		ratios[k] = ms / others[k]
	}
	return timesOf{
		Median: median(rounds), Spread: (quantile(rounds, .75) - quantile(rounds, .25)) / 2 / median(rounds),
		Least: slices.Min(rounds), Most: slices.Max(rounds), Ratio: number(median(ratios)), Rounds: rounds,
	}
}

// median is the middle of some numbers, or the mean of the two in the middle.
func median(list []float64) float64 { return quantile(list, .5) }

// quantile is the number below which the share q of list lies, between two by their distance.
func quantile(list []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(list))
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 == len(s) {
		return s[i]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}
