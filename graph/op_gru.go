package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// GRU is a gated recurrent unit over sequences (Cho et al. 2014), in one direction or both: z, r = σ(x·wᵀ + h·rᵀ + b),
// n = tanh(x·wᵀ + (r·h)·rᵀ + b) or, where Linear is set, tanh(x·wᵀ + b + r·(h·rᵀ + b)) as in PyTorch and cuDNN, h ← (1−z)·n + z·h.
// Arguments: x [seq batch in], w [dirs 3·hidden in], r [dirs 3·hidden hidden], and optionally b [dirs 6·hidden], first those added to x·wᵀ
// and then those added to h·rᵀ, how many places each example has, i32[batch], and the first h, [dirs batch hidden]. Results: h at each place
// [seq dirs batch hidden], zeros where an example has none, and the last h. The thirds of w, r and b are those of z, r and n, as in ONNX;
// PyTorch's are of r, z and n. ONNX: GRU.
type GRU struct {
	Hidden    int    // the elements of a state; 0 is as many as r is for
	Direction string // "forward", which "" is too, "reverse" or "bidirectional"
	Linear    bool   // the reset gate stands after the product: ONNX's linear_before_reset
}

// GRU runs o over v [seq batch in], and gives h at each place and the last h; b, lengths and h may be nil.
func (v *Value) GRU(w, r, b, lengths, h *Value, o GRU) (y, lastH *Value) {
	n := ApplyNode(o, nil, v, w, r, b, lengths, h)
	return n.Result(0), n.Result(1)
}

func (o GRU) normalize(in []*Value) Op {
	o.Hidden, o.Direction = normalRecurrence(o.Direction, in)
	return o
}

// Takes is x, the weights, and what may be left out.
func (GRU) Takes() []Arg { return recurrentArgs }

// Infer checks the shapes.
func (o GRU) Infer(in *Infer) ([]Type, error) {
	t, err := inferRecurrence(in, 3, o.Hidden, o.Direction, in.Arg(5))
	return []Type{t.y, t.state}, err
}

// VJP is a GRUGrad.
func (o GRU) VJP(n *Node, g []*Value) []*Value {
	args := append(arguments(n, 6), n.Results[0], g[0], g[1])
	back := ApplyNode(GRUGrad(o), nil, args...).first(5)
	return slices.Insert(back, 4, nil)[:len(n.Args)] // lengths have none
}

// Run runs each direction.
func (o GRU) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, gruFloats[float32], gruFloats[float64])
}

func gruFloats[T kernel.Float](c *kernel.Context, o GRU, out, in []*tensor.Tensor) error {
	copyOr0[T](out[1], argument(in, 5))
	return eachDirection(o.Direction, in, func(p direction[T]) {
		wb, rb := p.biases(argument(in, 3))
		kernel.GRU(c, p.Recurrence, o.Linear, p.along(out[0]), p.of(out[1]), tensor.Data[T](in[0]), p.of(in[1]), p.of(in[2]), wb, rb)
	})
}

// Forms is GRU. In onnxruntime's CPU provider it is there for f32.
func (GRU) Forms() []Form {
	return []Form{{Operator: "GRU", DTypes: 1 << F32, Fields: append(recurrentFields(), Field{Attribute: "linear_before_reset", Name: "Linear"})}}
}

// Lower is a Scan for each direction.
func (o GRU) Lower(n *Node) []*Value {
	var ys, hs []*Value
	for _, t := range turns(n, o.Direction, 1) {
		last, y := t.scan("GRU", false, t.state, []*Value{t.inputs()}, func(s, x []*Value, live keep) (next, ys []*Value) {
			z, _, m, _ := t.gruGates(o.Linear, x[0], s[0])
			h := m.Add(z.Mul(s[0].Sub(m)))
			return []*Value{live(h, s[0])}, []*Value{live(h, h.Scalar(0))}
		})
		ys, hs = append(ys, y[0]), append(hs, last[0])
	}
	return []*Value{stack(1, ys), stack(0, hs)}
}

// gruGates are the gates z, r and n, of what the places bring to them and the state before. q is what r is multiplied with: h·rᵀ + rb
// for the candidate, if linear, or else h.
func (t turn) gruGates(linear bool, inputs, h *Value) (z, r, m, q *Value) {
	n := int(t.r.Dim(1))
	x := inputs.Split(-1, 3)
	if linear {
		past := plus(h.MatMul(t.r.T()), t.rb).Split(-1, 3)
		z, r, q = x[0].Add(past[0]).Sigmoid(), x[1].Add(past[1]).Sigmoid(), past[2]
		return z, r, x[2].Add(r.Mul(q)).Tanh(), q
	}
	rb := []*Value{nil, nil}
	if t.rb != nil {
		rb = []*Value{t.rb.Slice(0, 0, 2*n), t.rb.Slice(0, 2*n, 3*n)}
	}
	past := plus(h.MatMul(t.r.Slice(0, 0, 2*n).T()), rb[0]).Split(-1, 2)
	z, r = x[0].Add(past[0]).Sigmoid(), x[1].Add(past[1]).Sigmoid()
	return z, r, x[2].Add(plus(r.Mul(h).MatMul(t.r.Slice(0, 2*n, 3*n).T()), rb[1])).Tanh(), h
}

// Samples covers the directions, lengths, each argument left out, and both places of the reset gate.
func (GRU) Samples() []Sample {
	return gruSamples(recurrentSamples, func(hidden int, direction string, linear bool) Op { return GRU{hidden, direction, linear} })
}

// gruSamples are samples with the reset gate before the product and after it.
func gruSamples(samples func(gates, states int, op func(hidden int, direction string) Op) []Sample, op func(hidden int, direction string, linear bool) Op) []Sample {
	var out []Sample
	for _, linear := range []bool{false, true} {
		out = append(out, samples(3, 1, func(hidden int, direction string) Op { return op(hidden, direction, linear) })...)
	}
	return out
}

// GRUGrad is the gradient of a GRU with respect to its arguments but the lengths, b and the first state too where they were left out: from
// its arguments, h at each place, and the gradients of its results, each of which may be left out. The states that the steps began with are
// taken from h, so that the gates at all places are computed again by a product or two. ONNX: smaller operators, in a Scan what goes from
// place to place.
type GRUGrad struct {
	Hidden    int
	Direction string
	Linear    bool
}

func (o GRUGrad) normalize(in []*Value) Op { return GRUGrad(GRU(o).normalize(in).(GRU)) }

var gruGradArgs = slices.Concat(recurrentArgs, []Arg{{Name: "y", DTypes: Floats, Like: "T"}}, floatArgs("the gradient of y", "the gradient of h"))

// Takes is the arguments of the GRU, h at each place, and gradients.
func (GRUGrad) Takes() []Arg { return gruGradArgs }

// Infer checks the shapes.
func (o GRUGrad) Infer(in *Infer) ([]Type, error) {
	t, err := inferRecurrence(in, 3, o.Hidden, o.Direction, in.Arg(5), in.Arg(8))
	if err == nil {
		err = t.places(in.Args[6], in.Arg(7))
	}
	return []Type{in.Args[0].Type, in.Args[1].Type, in.Args[2].Type, t.b, t.state}, err
}

// Run runs each direction.
func (o GRUGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, gruGradFloats[float32], gruGradFloats[float64])
}

func gruGradFloats[T kernel.Float](c *kernel.Context, o GRUGrad, out, in []*tensor.Tensor) error {
	copyOr0[T](out[4], argument(in, 8))
	return eachDirection(o.Direction, in, func(p direction[T]) {
		wb, rb := p.biases(argument(in, 3))
		dwb, drb := p.biases(out[3])
		kernel.GRUGradient(c, p.Recurrence, o.Linear, tensor.Data[T](out[0]), p.d > 0, p.of(out[1]), p.of(out[2]), dwb, drb, p.of(out[4]), p.along(argument(in, 7)),
			tensor.Data[T](in[0]), p.of(in[1]), p.of(in[2]), wb, rb, p.of(argument(in, 5)), p.along(in[6]))
	})
}

// Lower computes the gates of all places at once, and goes back over them for the gradients.
func (o GRUGrad) Lower(n *Node) []*Value {
	var dx *Value
	var dws, drs, dbs, dhs []*Value
	for d, t := range turns(n, o.Direction, 1) {
		hs := t.before("GRUGrad", along(n.Args[6], d))
		z, r, m, q := t.gruGates(o.Linear, t.inputs(), hs)
		hidden := int(t.r.Dim(1))
		// what the state after a step has from what was added up for z and n, and what n has from that for r; of that before, z is the rest
		slope := func(sigmoid *Value) *Value { return sigmoid.Sub(sigmoid.Square()) }
		xs := []*Value{hs.Sub(m).Mul(slope(z)), m.Square().Neg().Shift(1).Mul(z.Neg().Shift(1)), q.Mul(slope(r)), z, r}
		if g := along(n.Arg(7), d); g != nil {
			xs = append(xs, g)
		}
		of := func(from, to int) *Value { return t.r.Slice(0, from*hidden, to*hidden) }
		last, ys := t.scan("GRUGrad", true, []*Value{ended(n.Arg(8), d, t.state[0])}, xs, func(s, x []*Value, live keep) (next, ys []*Value) {
			dh := s[0]
			if n.Arg(7) != nil {
				dh = dh.Add(x[5])
			}
			dz, dm, reset := dh.Mul(x[0]), dh.Mul(x[1]), x[4]
			dh = dh.Mul(x[3])
			var dr, past *Value
			if o.Linear {
				dr, past = dm.Mul(x[2]), dm.Mul(reset)
				dh = dh.Add(Join(-1, dz, dr, past).MatMul(t.r))
			} else {
				by := dm.MatMul(of(2, 3))
				dr, past = by.Mul(x[2]), dm
				dh = dh.Add(by.Mul(reset)).Add(Join(-1, dz, dr).MatMul(of(0, 2)))
			}
			zeros := dm.Scalar(0)
			return []*Value{live(dh, s[0])}, []*Value{live(Join(-1, dz, dr), zeros), live(dm, zeros), live(past, zeros)}
		})
		zr, dm, past := ys[0], ys[1], ys[2]
		dg := Join(-1, zr, dm)
		from := hs // what the candidate's weights are multiplied with
		if !o.Linear {
			from = r.Mul(hs)
		}
		dx = plus(dx, dg.MatMul(t.w))
		dws, drs = append(dws, product(dg, t.x)), append(drs, Join(0, product(zr, hs), product(past, from)))
		dbs, dhs = append(dbs, Join(0, dg.Sum(0, 1), zr.Sum(0, 1), past.Sum(0, 1))), append(dhs, last[0])
	}
	return []*Value{dx, stack(0, dws), stack(0, drs), stack(0, dbs), stack(0, dhs)}
}

// Samples covers the directions, lengths, each argument left out, and both places of the reset gate.
func (GRUGrad) Samples() []Sample {
	return gruSamples(recurrentGradSamples, func(hidden int, direction string, linear bool) Op { return GRUGrad{hidden, direction, linear} })
}
