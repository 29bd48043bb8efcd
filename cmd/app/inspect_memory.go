package app

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// memoryUse is what a run of an entry point takes, in bytes.
type memoryUse struct {
	Entry string        `json:"entry"`
	Sizes graph.Binding `json:"sizes"`
	State int           `json:"state"` // that it reads
	Kept  int           `json:"kept"`  // outputs, constants and new state
	Arena int           `json:"arena"` // all other values
	Live  int           `json:"live"`  // of the arena, what is needed at once
	Peak  int           `json:"peak"`
	Late  int           `json:"late,omitempty"` // values whose sizes only a run tells, which the bytes leave out
}

var sizeFlag = &cli.StringSliceFlag{Name: "size", Usage: "with --memory, what a symbol in the shapes is, `NAME=N`; may be repeated (default: the model's batch for batch, 1 for others)"}

// defaultBatch is what --memory takes where the model leaves its batch open.
const defaultBatch = 128

// inspectMemory tells what the entry points of a model's program take of memory.
func (a *app) inspectMemory(c *cli.Context, m models.Model, prog *compiler.Program) error {
	entries := slices.Concat(prog.Funcs(), prog.Steps())
	sizes, err := sizesOf(c, m, entries)
	if err != nil {
		return err
	}
	list := make([]memoryUse, len(entries))
	for i, f := range entries {
		own := graph.Binding{}
		for name := range f.BindAll(1) {
			own[name] = sizes[name]
		}
		p, err := gorgonia.Memory(f, own)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		list[i] = memoryUse{f.Name, own, p.State, p.Fixed, p.Arena, p.Live, gorgonia.Peak(p), p.Late}
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	rows := [][]string{{"ENTRY", "SIZES", "STATE", "KEPT", "ARENA", "LIVE", "PEAK"}}
	late := slices.ContainsFunc(list, func(u memoryUse) bool { return u.Late > 0 })
	if late {
		rows[0] = append(rows[0], "BESIDES")
	}
	for _, u := range list {
		var own []string
		for _, name := range slices.Sorted(maps.Keys(u.Sizes)) {
			own = append(own, fmt.Sprintf("%s=%d", name, u.Sizes[name]))
		}
		row := []string{u.Entry, strings.Join(own, " ")}
		for _, n := range []int{u.State, u.Kept, u.Arena, u.Live, u.Peak} {
			row = append(row, size(int64(n)))
		}
		if late {
			row = append(row, fmt.Sprintf("%d values of sizes that only a run tells", u.Late))
		}
		rows = append(rows, row)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, u := range list {
		if err := rt.Fits(float64(u.Peak)); err != nil {
			fmt.Fprintf(a.out, "%s: %v: smaller batches take less, and so do blocks that a training step computes again (nn.Checkpoint)\n", u.Entry, err)
		}
	}
	return nil
}

// sizesOf are the sizes of all symbols of entries: what --size says, or the model's batch, or 1.
func sizesOf(c *cli.Context, m models.Model, entries []*graph.Func) (graph.Binding, error) {
	sizes := graph.Binding{}
	for _, f := range entries {
		maps.Copy(sizes, f.BindAll(1))
	}
	if _, ok := sizes["batch"]; ok {
		if sizes["batch"] = m.Train.Batch; m.Train.Batch == 0 {
			sizes["batch"] = defaultBatch
		}
	}
	for _, s := range c.StringSlice("size") {
		name, value, _ := strings.Cut(s, "=")
		if _, ok := sizes[name]; !ok {
			return nil, usagef(c, "--size %s: %s has %s", s, m.Name, cmp.Or(strings.Join(slices.Sorted(maps.Keys(sizes)), ", "), "no symbols in its shapes"))
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > math.MaxInt32 {
			return nil, usagef(c, "--size %s: want NAME=N with a whole number from 0 to %d", s, math.MaxInt32)
		}
		sizes[name] = n
	}
	return sizes, nil
}
