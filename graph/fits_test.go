package graph_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestFits: what the sizes of a run tell of it before it has any data, and the sizes that are taken in place of such as it cannot have.
func TestFits(t *testing.T) {
	batch, seq, rows := graph.Sym("batch"), graph.Sym("seq"), graph.Sym("rows")
	places := func(f *graph.Func, table string, n int, axis graph.Dim) *graph.Value {
		return f.Param(table, nil, graph.Dim(n), 2).Gather(f.Arange(axis).InRange(n, "at most "+table), 0)
	}
	for _, c := range []struct {
		name  string
		build func(f *graph.Func) *graph.Value
		n     int
		fault string // of n everywhere
		near  string
	}{
		{"any sizes", func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, batch, seq) }, 32, "", "batch=32 seq=32"},
		{"a table of places", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, batch, seq, 2).Add(places(f, "table", 16, seq))
		}, 32, "at most table: element [16] is 16", "batch=32 seq=16"},
		{"what the table has", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, batch, seq, 2).Add(places(f, "table", 16, seq))
		}, 16, "", "batch=16 seq=16"},
		{"places that nothing refuses", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, batch, seq, 2).Add(f.Param("table", nil, 5, 2).Gather(f.Arange(seq), 0))
		}, 32, "element 5 of an axis of 5", "batch=32 seq=4"},
		{"places from the end", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, seq, 2).Add(f.Param("table", nil, 5, 2).Gather(f.Arange(seq).Neg(), 0))
		}, 8, "element -6 of an axis of 5", "seq=4"},
		{"two tables", func(f *graph.Func) *graph.Value {
			x := f.Input("x", graph.F32, batch, seq, 2).Add(places(f, "short", 3, seq))
			return graph.Join(1, x, f.Input("y", graph.F32, batch, rows, 2).Add(places(f, "long", 9, rows)))
		}, 32, "at most short", "batch=32 rows=8 seq=2"},
		{"a sum of sizes", func(f *graph.Func) *graph.Value {
			x := graph.Join(1, f.Input("x", graph.F32, batch, seq, 2), f.Input("y", graph.F32, batch, rows, 2))
			return x.Add(places(f, "table", 40, seq.Plus(rows)))
		}, 32, "at most table", "batch=32 rows=8 seq=32"},
		{"images too small", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, batch, 1, rows, seq).Conv2D(f.Param("w", nil, 1, 1, 5, 5), graph.Conv2D{})
		}, 1, "the size rows-4 is -3", "batch=1 rows=8 seq=8"},
		{"an axis that would be empty", func(f *graph.Func) *graph.Value {
			return f.Input("x", graph.F32, batch, seq).SliceDims(1, 1, seq, 1)
		}, 1, "", "batch=1 seq=2"},
		{"what data decide", func(f *graph.Func) *graph.Value {
			x := f.Input("x", graph.I64, seq)
			return f.Param("table", nil, 5, 2).Gather(x.Assert(x.Less(f.Arange(seq)), "rising"), 0)
		}, 32, "", "seq=32"},
		{"more than memory has", func(f *graph.Func) *graph.Value { return f.Input("x", graph.F32, batch, seq) }, 1 << 62, "no size", "batch=4503599627370496 seq=64"},
		{"nothing fits", func(f *graph.Func) *graph.Value {
			x := f.Arange(seq).Add(f.FullInt(graph.I64, 100))
			return f.Input("x", graph.I64, seq).Add(x.InRange(100, "never"))
		}, 4, "never", "seq=4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			f.Output("out", c.build(f))
			if err := f.Verify(); err != nil || len(f.Diags) > 0 {
				t.Fatal(err, f.Diags)
			}
			err := f.Fits(f.BindAll(c.n))
			var run *graph.RunError
			if (err == nil) != (c.fault == "") || err != nil && (!errors.As(err, &run) || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("at %d: %v, want %q", c.n, err, c.fault)
			}
			if got := f.BindNear(c.n).String(); got != c.near {
				t.Errorf("near %d: %s, want %s", c.n, got, c.near)
			}
		})
	}
}
