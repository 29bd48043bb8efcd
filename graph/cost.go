package graph

// A Counted op says how much arithmetic it is: what a compute-bound run cannot do without. Others, which move or map elements, count as
// none; their cost is memory traffic. It is also what mixed precision computes in 16 bits ([Func].Products).
type Counted interface {
	// MultiplyAdds is the number of multiplications that are added up, for arguments and results of the given shapes. An absent
	// argument is nil.
	MultiplyAdds(out, in [][]int) float64
}

// elements is the number of elements of a shape.
func elements(shape []int) float64 {
	n := 1.
	for _, d := range shape {
		n *= float64(d)
	}
	return n
}

// MultiplyAdds is how many multiplications that are added up a run of f takes in its matrix products and convolutions, under the
// binding b: two floating-point operations each. Of ops made of smaller ones, the smaller count; a body counts once for each
// iteration of a [Scan], and once else.
func MultiplyAdds(f *Func, b Binding) (float64, error) {
	f = Lower(f, func(n *Node) bool {
		_, ok := n.Op.(Counted)
		return ok
	})
	total := 0.
	for _, n := range f.Nodes {
		op, counted := n.Op.(Counted)
		if !counted && len(n.Bodies) == 0 {
			continue
		}
		in, err := shapesOf(n.Args, b)
		if err != nil {
			return 0, err
		}
		if counted {
			out, err := shapesOf(n.Results, b)
			if err != nil {
				return 0, err
			}
			total += op.MultiplyAdds(out, in)
		}
		for _, body := range n.Bodies {
			inner, err := MultiplyAdds(body, b)
			if err != nil {
				return 0, err
			}
			if s, ok := n.Op.(Scan); ok {
				inner *= float64(in[s.States][0])
			}
			total += inner
		}
	}
	return total, nil
}

// shapesOf are the shapes of values under b; of a nil one nil.
func shapesOf(values []*Value, b Binding) ([][]int, error) {
	shapes := make([][]int, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		s, err := v.Sizes(b)
		if err != nil {
			return nil, err
		}
		shapes[i] = s
	}
	return shapes, nil
}
