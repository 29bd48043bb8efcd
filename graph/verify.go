package graph

import (
	"errors"
	"fmt"
	"slices"
)

// Verify checks what every Func must keep: arguments before users and within the Func, types that inference confirms,
// outputs and updates that exist, names used once. Passes are verified with it; an error is a bug in the rewrite, not in
// the user's model.
func (f *Func) Verify() error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("verify %q: "+format, append([]any{f.Name}, args...)...))
	}
	late, told := f.Late(), map[*Node]bool{}
	next := 0
	for i, n := range f.Nodes {
		if n == nil || n.fn != f || len(n.Results) == 0 {
			fail("node %d is nil, or belongs elsewhere, or has no results", i)
			continue
		}
		ok := true
		for k, v := range n.Results {
			if v == nil || v.Node != n || v.Index != k || v.ID != next || !f.owns(v) || v.bad {
				fail("result %d of node %d, %s, stands elsewhere than at v%d, or is poisoned", k, i, OpName(n.Op), next)
				ok = false
			}
			next++
		}
		if !ok {
			continue
		}
		for _, b := range n.Bodies {
			if err := b.Verify(); err != nil {
				errs = append(errs, err)
			}
		}
		v := n.Results[0]
		for _, from := range late.needs(n) {
			if !told[from] {
				fail("%s: it has a size that only %s tells, later", v.Text(), from.Results[0].Text())
			}
		}
		told[n] = true
		for k, a := range n.Args {
			if a == nil && optional(n.Op, k) {
				continue
			}
			if !f.owns(a) || a.ID >= v.ID {
				fail("%s: argument %d is not an earlier value", v.Text(), k)
				ok = false
			}
		}
		if !ok {
			continue
		}
		types, err := (&Node{Op: n.Op, Args: n.Args, Bodies: n.Bodies, fn: f, fresh: n.fresh}).infer()
		if err != nil {
			fail("%s: %v", v.Text(), err)
			continue
		}
		if len(types) != len(n.Results) {
			fail("%s: inference says %d results, there are %d", v.Text(), len(types), len(n.Results))
			continue
		}
		for k, t := range types {
			if v := n.Results[k]; !t.Equal(v.Type) {
				fail("%s: inference says %v", v.Text(), t)
			}
		}
	}
	if next != len(f.Values) {
		fail("there are %d values, and %d results of nodes", len(f.Values), next)
	}
	seen := map[string]bool{}
	for _, v := range slices.Concat(f.Inputs, f.Params) {
		if !f.owns(v) || seen[v.Name] {
			fail("input or parameter %q is foreign or named twice", v.Name)
		}
		seen[v.Name] = true
	}
	clear(seen)
	for _, o := range f.Outputs {
		if !f.owns(o.Value) || seen[o.Name] {
			fail("output %q is foreign or named twice", o.Name)
		}
		seen[o.Name] = true
	}
	clear(seen)
	for _, u := range f.Updates {
		p := f.byName[u.Name]
		if !f.owns(u.Value) || seen[u.Name] || p == nil || !p.Type.Equal(u.Value.Type) {
			fail("update of %q is foreign, double, or of another type", u.Name)
		}
		seen[u.Name] = true
	}
	return errors.Join(errs...)
}

func (f *Func) owns(v *Value) bool {
	return v != nil && v.ID >= 0 && v.ID < len(f.Values) && f.Values[v.ID] == v
}
