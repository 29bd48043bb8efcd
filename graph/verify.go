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
	for i, v := range f.Values {
		if v == nil {
			fail("value %d is nil", i)
			continue
		}
		if v.ID != i || v.fn != f || v.bad {
			fail("v%d stands at %d, or belongs elsewhere, or is poisoned", v.ID, i)
			continue
		}
		ok := true
		for k, a := range v.Args {
			if !f.owns(a) || a.ID >= v.ID {
				fail("%s: argument %d is not an earlier value", v.Text(), k)
				ok = false
			}
		}
		if !ok {
			continue
		}
		if t, err := v.Op.Infer(v.Args); err != nil {
			fail("%s: %v", v.Text(), err)
		} else if t.DType != v.Type.DType || !t.Shape.Equal(v.Type.Shape) {
			fail("%s: inference says %v", v.Text(), t)
		}
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
		if !f.owns(u.Value) || seen[u.Name] || p == nil || !p.Type.Shape.Equal(u.Value.Type.Shape) || p.DType() != u.Value.DType() {
			fail("update of %q is foreign, double, or of another type", u.Name)
		}
		seen[u.Name] = true
	}
	return errors.Join(errs...)
}

func (f *Func) owns(v *Value) bool {
	return v != nil && v.ID >= 0 && v.ID < len(f.Values) && f.Values[v.ID] == v
}
