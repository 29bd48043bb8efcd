package profile

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Recorder gathers what engines report, from its making on.
type Recorder struct {
	// Skip is how many of the first runs of each entry point are left out: they make plans and fill caches.
	Skip int
	// Only are the entry points whose runs count; nil are all.
	Only []string
	// Nodes are those of the file that a graph was read from, whose layers are their names; nil of others.
	Nodes map[string]Origin

	began  time.Time
	mu     sync.Mutex
	engine string
	raw    []record
	tracks [][]Event
}

// New returns a Recorder of the engine called so.
func New(engine string) *Recorder { return &Recorder{began: time.Now(), engine: engine} }

// Since is the time of t on the recorder's clock.
func (r *Recorder) Since(t time.Time) time.Duration { return t.Sub(r.began) }

// Wants reports whether the runs of an entry point count.
func (r *Recorder) Wants(entry string) bool { return r.Only == nil || slices.Contains(r.Only, entry) }

// Add takes what an engine has recorded itself, in one place: a track of its own. Of the events it takes no Run, Self, Depth and Track.
func (r *Recorder) Add(events []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tracks = append(r.tracks, nest(slices.Clone(events), r.Skip))
}

// A record is an op, or a run of a Func, that our kernels have computed.
type record struct {
	of          any // *graph.Node or *graph.Func
	out, in     [][]int
	bytes       int
	start, took time.Duration
}

// Observe is for [kernel.Context]: it records ops, and with what is a [graph.Func] a run.
func (r *Recorder) Observe(of any, out, args []*tensor.Tensor) (done func()) {
	e := record{of: of}
	e.out, e.bytes = shapes(out, 0)
	e.in, e.bytes = shapes(args, e.bytes)
	r.mu.Lock()
	if r.raw == nil {
		r.raw = make([]record, 0, 1<<14)
	}
	i := len(r.raw)
	r.raw = append(r.raw, e)
	r.mu.Unlock()
	start := time.Now()
	return func() {
		took := time.Since(start)
		r.mu.Lock()
		r.raw[i].start, r.raw[i].took = r.Since(start), took
		r.mu.Unlock()
	}
}

// shapes are those of tensors, and bytes with what these take added.
func shapes(list []*tensor.Tensor, bytes int) ([][]int, int) {
	out := make([][]int, len(list))
	for i, t := range list {
		if t != nil {
			out[i] = t.Shape()
			bytes += t.Len() * t.DType().Size()
		}
	}
	return out, bytes
}

// event is e for people.
func (e record) event() Event {
	switch of := e.of.(type) {
	case *graph.Func:
		return Event{Entry: of.Name, Start: e.start, Took: e.took}
	case *graph.Node:
		v := Event{Op: graph.OpName(of.Op), Origins: []Origin{{graph.OpName(of.Op), of.Scope, of.Pos.String()}}, Start: e.start, Took: e.took, Bytes: e.bytes}
		if f, ok := of.Op.(graph.Fused); ok {
			v.Origins = nil
			var names []string
			for _, s := range f.Steps {
				v.Origins = append(v.Origins, Origin{graph.OpName(s.Op), s.Scope, s.Pos.String()})
				names = append(names, graph.OpName(s.Op))
			}
			v.Op = fmt.Sprintf("Fused(%s)", strings.Join(names, ", "))
		}
		if c, ok := of.Op.(graph.Counted); ok {
			v.MultiplyAdds = c.MultiplyAdds(e.out, e.in)
		}
		var types []string
		for i, y := range of.Results {
			types = append(types, fmt.Sprintf("%v%v", y.DType(), e.out[i]))
		}
		v.Types = strings.Join(types, ", ")
		return v
	}
	return Event{Op: fmt.Sprintf("%T", e.of), Start: e.start, Took: e.took}
}

// Profile is what was recorded so far.
func (r *Recorder) Profile() *Profile {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := make([]Event, len(r.raw))
	for i, e := range r.raw {
		own[i] = e.event()
		for k, o := range own[i].Origins {
			if n, ok := r.Nodes[o.Layer]; ok {
				own[i].Name, own[i].Origins[k] = o.Layer, Origin{o.Op, n.Layer, n.At}
			}
		}
	}
	p := &Profile{Engine: r.engine}
	for i, track := range append(r.tracks[:len(r.tracks):len(r.tracks)], nest(own, r.Skip)) {
		for _, e := range track {
			if e.Track = i + 1; r.Wants(e.Entry) {
				p.Events = append(p.Events, e)
			}
		}
	}
	return p
}
