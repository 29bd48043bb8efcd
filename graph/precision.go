package graph

// Mixed precision (Micikevicius et al. 2018): products are made of numbers of 16 bits, which devices have fast units for, while
// parameters and all that adds up small things stay in f32. It is a choice of the Func that is traced, so models do not know of it, and
// gradients follow: they go through the same casts.

// product is op over args, products of f32 in f.Products: the arguments are rounded to it, and the result is f32 again. Of any other op
// and dtype it is nil.
func (f *Func) product(op Op, args []*Value) *Value {
	t := f.outermost().Products
	if t == F32 {
		return nil
	}
	if _, ok := op.(Counted); !ok {
		return nil
	}
	narrow := make([]*Value, len(args))
	for i, a := range args {
		switch {
		case a == nil:
		case !a.OK():
			return nil
		case a.DType() == F32:
			a = a.Cast(t)
		case a.DType().Float():
			return nil
		}
		narrow[i] = a
	}
	y := f.ApplyNode(op, nil, narrow...).Result(0)
	if !y.OK() || y.DType() != t {
		return y
	}
	return y.Cast(F32)
}
