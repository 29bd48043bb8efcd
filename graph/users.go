package graph

// Users says of each value of f, by ID, which nodes read it, one as often as it does, and whether it is an output or an update.
func Users(f *Func) (users [][]*Node, kept []bool) {
	users, kept = make([][]*Node, len(f.Values)), make([]bool, len(f.Values))
	for _, n := range f.Nodes {
		for _, a := range n.Args {
			if a != nil {
				users[a.ID] = append(users[a.ID], n)
			}
		}
	}
	for _, o := range f.Outputs {
		kept[o.Value.ID] = true
	}
	for _, u := range f.Updates {
		kept[u.Value.ID] = true
	}
	return users, kept
}
