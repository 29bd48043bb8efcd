// Package profile tells what the ops of runs take, by op and by layer with the line of the model that each is from, and writes it as a
// trace that chrome://tracing and ui.perfetto.dev show. Engines report to a [Recorder]; what they report are [Event]s.
package profile

import (
	"cmp"
	"slices"
	"time"
)

// An Event is a run of an entry point, or an op in one.
type Event struct {
	Entry   string   // the Func or Step; of a run and of its ops
	Run     int      // which of the entry's runs that were recorded, from 1 on
	Op      string   // what is computed: "Conv", "Fused(Add, ReLU)"; "" of a run
	Name    string   // of the op, if it has one of its own, such as a file's node
	Origins []Origin // where it is from; of a fused op, one for each that it was made of
	Types   string   // of its results: "f32[128 512]"

	Start, Took  time.Duration // Start is since the recorder began
	MultiplyAdds float64       // 0 where they are not known
	Bytes        int           // of arguments and results

	Self  time.Duration // Took without the ops in it; of a run, what is between its ops
	Depth int           // 0 of a run, 1 of its ops, 2 of those in their bodies, ...
	Track int           // events of one track follow one another or nest
}

// An Origin is where in a model an op is from.
type Origin struct {
	Op    string
	Layer string // a dotted path; "" outside layers. The optimizer of a Step is the layer opt.STEP
	At    string // file:line
}

// nest sorts events so that what is within another stands after it, and sets Self, Depth, Entry and Run of all by what they are in. What
// is within no run is left out, and so are the first runs of each entry, as many as skip says.
func nest(events []Event, skip int) []Event {
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.Took, a.Took), cmp.Compare(a.Op, b.Op)) // a run has no op
	})
	var out []Event
	var open []int // indices in out, of what is under way; below 0 of a run that is skipped
	end := func(i int) time.Duration { return out[i].Start + out[i].Took }
	runs, skipped := map[string]int{}, time.Duration(-1)
	for _, e := range events {
		for len(open) > 0 && end(open[len(open)-1]) <= e.Start {
			open = open[:len(open)-1]
		}
		if e.Op == "" {
			open = open[:0]
			if runs[e.Entry]++; runs[e.Entry] <= skip {
				skipped = e.Start + e.Took
				continue
			}
			e.Run = runs[e.Entry] - skip
		} else if e.Start < skipped || len(open) == 0 {
			continue
		} else {
			in := &out[open[len(open)-1]]
			e.Took = min(e.Took, in.Start+in.Took-e.Start) // clocks that count in microseconds round
			e.Entry, e.Run, e.Depth = in.Entry, in.Run, in.Depth+1
			in.Self = max(0, in.Self-e.Took)
		}
		e.Self = e.Took
		open = append(open, len(out))
		out = append(out, e)
	}
	return out
}
