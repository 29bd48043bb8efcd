package graph

import "maps"

// Rewrite returns a copy of f in which visit may replace values. It goes through the values in order; visit gets the copy
// under construction, the old value and its new arguments, and returns the new value, or nil for a plain copy. Inputs and
// parameters are always kept, so the result has the same interface as f.
func Rewrite(f *Func, visit func(out *Func, v *Value, args []*Value) *Value) *Func {
	out := NewFunc(f.Name, f.Training)
	to := make([]*Value, len(f.Values))
	for i, v := range f.Values {
		args := make([]*Value, len(v.Args))
		for k, a := range v.Args {
			args[k] = to[a.ID]
		}
		out.As(v, func() {
			switch v.Op.(type) {
			case Input, Param:
				to[i] = out.Copy(v)
				to[i].Name = v.Name
				out.named(to[i])
			default:
				if to[i] = visit(out, v, args); to[i] == nil {
					to[i] = out.Copy(v, args...)
				}
			}
		})
	}
	f.finish(out, to)
	out.Diags = append(out.Diags, f.Diags...)
	return out
}

// named lists v if it is an input or state of f.
func (f *Func) named(v *Value) {
	switch v.Op.(type) {
	case Input:
		f.Inputs = append(f.Inputs, v)
	case Param:
		f.Params = append(f.Params, v)
		f.byName[v.Name] = v
	}
}

// finish gives a copy of f, whose values by f's IDs are to, f's doc, names, outputs, updates and random state.
func (f *Func) finish(out *Func, to []*Value) {
	out.Doc = f.Doc
	added := out.names
	out.names = maps.Clone(f.names)
	maps.Copy(out.names, added)
	for _, o := range f.Outputs {
		out.Outputs = append(out.Outputs, Output{o.Name, to[o.Value.ID], o.Pos})
	}
	for _, u := range f.Updates {
		out.Updates = append(out.Updates, Update{u.Name, to[u.Value.ID], u.Pos})
	}
	if f.random != nil {
		out.random = to[f.random.ID]
	}
	out.draws = f.draws
}

// Prune returns a copy of f without the values that no output and no update needs. Inputs stay, since callers give them, but for one
// that is the size of what is an axis of another; parameters that nothing uses go.
func Prune(f *Func) *Func {
	axis := map[string]bool{}
	for _, in := range f.Inputs {
		for _, d := range in.Shape() {
			axis[d.String()] = true
		}
	}
	live := make([]bool, len(f.Values))
	for _, o := range f.Outputs {
		live[o.Value.ID] = true
	}
	for _, u := range f.Updates {
		live[u.Value.ID] = true
		live[f.byName[u.Name].ID] = true
	}
	for i := len(f.Values) - 1; i >= 0; i-- {
		v := f.Values[i]
		if o, ok := v.Op.(Input); ok {
			live[i] = !o.Size || !axis[o.Name]
		}
		if live[i] {
			for _, a := range v.Args {
				live[a.ID] = true
			}
		}
	}
	out := NewFunc(f.Name, f.Training)
	to := make([]*Value, len(f.Values))
	for i, v := range f.Values {
		if !live[i] {
			continue
		}
		c := *v
		c.ID, c.fn, c.Args = len(out.Values), out, make([]*Value, len(v.Args))
		for k, a := range v.Args {
			c.Args[k] = to[a.ID]
		}
		to[i] = &c
		out.Values = append(out.Values, &c)
		out.named(&c)
	}
	f.finish(out, to)
	return out
}
