package models

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
)

// A Rhythm is the Steps that training runs in turn, again and again. Five updates of a critic, each on a batch of its own, and then
// one of the generator on the last of these (Gulrajani et al. 2017, algorithm 1) are
//
//	models.Rhythm{{Step: "critic", Times: 5, Fresh: true}, {Step: "gen"}}
//
// Each run of a Step draws its random numbers anew.
type Rhythm []Turn

// A Turn of a [Rhythm] runs one Step, some times in a row.
type Turn struct {
	Step  string
	Times int // 0 is once
	// Setting is the model's setting that says it instead of Times; [Model.With] looks it up.
	Setting string
	Fresh   bool // each of these runs has a batch of its own; else it has that of the run before. The first run of all has a new batch anyway.
}

// maxRuns bounds the runs of a Rhythm: more would be a mistyped number.
const maxRuns = 10000

// Check says what in r cannot be, of the Steps of prog.
func (r Rhythm) Check(prog *compiler.Program) error {
	runs := 0
	for _, t := range r {
		switch {
		case t.Step == "":
			return fmt.Errorf("a Turn of its Rhythm has no Step: there are %s", entries(prog.Steps()))
		case prog.Step(t.Step) == nil:
			return fmt.Errorf("its Rhythm has the step %q, which it does not define: it has %s", t.Step, entries(prog.Steps()))
		case t.Times < 0:
			return fmt.Errorf("its Rhythm runs the step %q %d Times", t.Step, t.Times)
		case t.Setting != "":
			return fmt.Errorf("its Rhythm runs the step %q as often as the setting %q says, which is not looked up: Model.With does", t.Step, t.Setting)
		case t.Times > maxRuns-runs:
			return fmt.Errorf("its Rhythm has more than %d runs, with %d of the step %q", maxRuns, t.Times, t.Step)
		}
		runs += max(t.Times, 1)
	}
	return nil
}

// Batches are the Steps to run on each of the batches that one go through r takes, in order.
func (r Rhythm) Batches() [][]string {
	var out [][]string
	for _, t := range r {
		for range max(t.Times, 1) {
			if t.Fresh || len(out) == 0 {
				out = append(out, nil)
			}
			last := len(out) - 1
			out[last] = append(out[last], t.Step)
		}
	}
	return out
}

// Steps are the Steps of r, each once, in the order in which they first run.
func (r Rhythm) Steps() []string {
	var out []string
	for _, t := range r {
		if !slices.Contains(out, t.Step) {
			out = append(out, t.Step)
		}
	}
	return out
}

// String is r for people: "5 critic, each on a new batch; gen".
func (r Rhythm) String() string {
	var turns []string
	for _, t := range r {
		s := t.Step
		if t.Times > 1 {
			s = fmt.Sprintf("%d %s", t.Times, s)
		}
		switch {
		case t.Fresh && t.Times > 1:
			s += ", each on a new batch"
		case t.Fresh:
			s += " on a new batch"
		}
		turns = append(turns, s)
	}
	return strings.Join(turns, "; ")
}
