package graph

// Rectified returns a copy of f in which the [Step] of what a [ReLU] or [LeakyReLU] takes, which their gradients have, is that of its result,
// where nothing else reads what it takes: the one is above 0 where the other is. So a training step keeps one value from its forward to its
// backward half, and not two. Every number stays the same, bit for bit. It is for engines, after differentiation.
func Rectified(f *Func) *Func {
	f = InBodies(f, Rectified)
	u := newUsage(f)
	to := make([]*Value, len(f.Values)) // what a rectifier's argument has the sign of in the copy, by its ID in f
	return Rewrite(f, func(out *Func, n *Node, in []*Value) []*Value {
		if _, ok := n.Op.(Step); ok {
			if y := to[n.Args[0].ID]; y != nil {
				return []*Value{y.Step()}
			}
		}
		if rectifies(n.Op) && u.signed(n.Args[0]) {
			y := out.Apply(n.Op, in...)
			to[n.Args[0].ID] = y
			return []*Value{y}
		}
		return nil
	})
}

// rectifies reports whether op's result is above 0 just where its argument is.
func rectifies(op Op) bool {
	if leaky, ok := op.(LeakyReLU); ok {
		return leaky.Alpha >= 0
	}
	_, ok := op.(ReLU)
	return ok
}

// signed reports whether v is read by one rectifier and by Steps behind it alone.
func (u *usage) signed(v *Value) bool {
	if u.kept[v.ID] || len(u.users[v.ID]) < 2 || !rectifies(u.users[v.ID][0].Op) {
		return false
	}
	switch v.Op.(type) {
	case Input, Param, Const: // they stay anyway
		return false
	}
	for _, n := range u.users[v.ID][1:] {
		if _, ok := n.Op.(Step); !ok {
			return false
		}
	}
	return true
}
