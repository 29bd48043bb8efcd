package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Profile is what was recorded of an engine: events in order, each after what it is within.
type Profile struct {
	Engine string
	Events []Event
}

// A Summary is what a run of one entry point takes, as the mean of the runs.
type Summary struct {
	Entry        string  `json:"entry"`
	Runs         int     `json:"runs"`
	MS           float64 `json:"ms"`
	MultiplyAdds float64 `json:"multiply_adds"`
	Ops          []Row   `json:"ops"`    // by op, the longest first
	Layers       []Row   `json:"layers"` // by layer, forward and backward; what is in no layer, by line
	Between      float64 `json:"between_ms"`
}

// A Row is a line of a Summary. Times are without those of ops within.
type Row struct {
	Name         string  `json:"name"`
	At           string  `json:"at,omitempty"` // file:line where most of the time is
	Lines        int     `json:"lines"`        // how many lines it is from
	Calls        float64 `json:"calls"`
	MS           float64 `json:"ms"`
	Share        float64 `json:"share"` // of the run
	MultiplyAdds float64 `json:"multiply_adds"`
	Bytes        float64 `json:"bytes"`

	at map[string]float64
}

// Rate is the GFLOP/s of the row's products and convolutions; 0 where there are none.
func (r Row) Rate() float64 { return rate(2*r.MultiplyAdds, r.MS) }

// Bandwidth is the GB/s of the row's arguments and results.
func (r Row) Bandwidth() float64 { return rate(r.Bytes, r.MS) }

func rate(n, ms float64) float64 {
	if ms == 0 {
		return 0
	}
	return n / ms / 1e6
}

// Summaries are those of each entry point that was run, in the order of their first runs.
func (p *Profile) Summaries() []Summary {
	var list []*Summary
	rows := map[string]map[string]*Row{} // by entry and kind; then by name
	at := map[string]*Summary{}
	for _, e := range p.Events {
		s := at[e.Entry]
		if s == nil {
			s = &Summary{Entry: e.Entry}
			at[e.Entry], list = s, append(list, s)
			rows[e.Entry+"/op"], rows[e.Entry+"/layer"] = map[string]*Row{}, map[string]*Row{}
		}
		if e.Op == "" {
			s.Runs++
			s.MS += ms(e.Took)
			s.Between += ms(e.Self)
			continue
		}
		s.MultiplyAdds += e.MultiplyAdds
		add(rows[e.Entry+"/op"], e.Op, e, 1)
		for _, o := range e.Origins { // of a fused op, an equal part of each
			name := cmp.Or(o.layer(), o.At)
			part := e
			part.Origins = []Origin{o}
			add(rows[e.Entry+"/layer"], name, part, 1/float64(len(e.Origins)))
		}
	}
	out := make([]Summary, len(list))
	for i, s := range list {
		n := float64(s.Runs)
		s.MS, s.Between, s.MultiplyAdds = s.MS/n, s.Between/n, s.MultiplyAdds/n
		s.Ops, s.Layers = sorted(rows[s.Entry+"/op"], n, s.MS), sorted(rows[s.Entry+"/layer"], n, s.MS)
		out[i] = *s
	}
	return out
}

// layer is the layer whose row o counts to: all that an optimizer does is one.
func (o Origin) layer() string {
	parts := strings.SplitN(o.Layer, ".", 3)
	if parts[0] == optimizers && len(parts) > 1 {
		return optimizers + "." + parts[1]
	}
	return o.Layer
}

// optimizers is what begins the layers of optimizers, opt.STEP, as the compiler calls them.
const optimizers = "opt"

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }

// add adds a part of e to the row called name.
func add(rows map[string]*Row, name string, e Event, part float64) {
	r := rows[name]
	if r == nil {
		r = &Row{Name: name, at: map[string]float64{}}
		rows[name] = r
	}
	r.Calls += part
	r.MS += part * ms(e.Self)
	r.MultiplyAdds += part * e.MultiplyAdds
	r.Bytes += part * float64(e.Bytes)
	for _, o := range e.Origins {
		if o.At != "" {
			r.at[o.At] += part * ms(e.Self) / float64(len(e.Origins))
		}
	}
}

// sorted are the rows of so many runs, the longest first.
func sorted(rows map[string]*Row, runs, total float64) []Row {
	var out []Row
	for _, r := range rows {
		r.Calls, r.MS, r.MultiplyAdds, r.Bytes = r.Calls/runs, r.MS/runs, r.MultiplyAdds/runs, r.Bytes/runs
		if r.Lines = len(r.at); total > 0 {
			r.Share = r.MS / total
		}
		for at, t := range r.at {
			if most := r.at[r.At]; r.At == "" || t > most || t == most && at < r.At {
				r.At = at
			}
		}
		out = append(out, *r)
	}
	slices.SortFunc(out, func(a, b Row) int { return cmp.Or(cmp.Compare(b.MS, a.MS), cmp.Compare(a.Name, b.Name)) })
	return out
}

// Place is the line of r, and how many others there are.
func (r Row) Place() string {
	if r.Lines > 1 {
		return fmt.Sprintf("%s +%d", r.At, r.Lines-1)
	}
	return r.At
}
