package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var normOps = []Sampled{LayerNorm{}, LayerNormGrad{}, BatchNorm{}, BatchNormTrain{}, BatchNormTrainGrad{}}

// LayerNorm normalises the last axis to mean 0 and variance 1, then scales and shifts it (Ba et al. 2016). Arguments: x,
// and optionally scale and bias. ONNX: LayerNormalization.
type LayerNorm struct{ Eps float64 }

// LayerNorm normalises v's last axis; scale and bias, of that axis' size, may each be nil.
func (v *Value) LayerNorm(scale, bias *Value, eps float64) *Value {
	return Apply(LayerNorm{eps}, v, scale, bias)
}

var layerNormArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "scale", DTypes: Floats, Like: "T", Optional: true}, {Name: "bias", DTypes: Floats, Like: "T", Optional: true}}

// Takes is x, and a scale and a bias or not.
func (LayerNorm) Takes() []Arg { return layerNormArgs }

// Infer checks scale and bias.
func (o LayerNorm) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if x.Rank() < 1 {
		return nil, Mistakef("give it at least one axis", "a scalar has no axis to normalise")
	}
	if !(o.Eps >= 0) {
		return nil, Mistakef("a usual choice is 1e-5", "eps is %v", o.Eps)
	}
	return in.One(x.Type, vectors(x, x.Shape()[x.Rank()-1], in.Args[1:]))
}

// vectors checks that each of vs is a vector of n elements of x's dtype.
func vectors(x *Value, n Dim, vs []*Value) error {
	for _, v := range vs {
		if v != nil && (v.DType() != x.DType() || !v.Shape().Equal(Shape{n})) {
			return Mistakef("each has one element for each channel, or for each element of the last axis", "scale, bias and statistics of %v must be %v", x.Type, Type{x.DType(), Shape{n}})
		}
	}
	return nil
}

// VJP is (the gradient through the normalisation of g·scale, the sums of g·x̂ and of g).
func (o LayerNorm) VJP(n *Node, gs []*Value) []*Value {
	g, x, scale, bias := gs[0], n.Args[0], n.Arg(1), n.Arg(2)
	if scale == nil && bias == nil {
		return []*Value{Apply(LayerNormGrad{o.Eps}, x, g)}
	}
	out := []*Value{nil, nil, nil}[:len(n.Args)]
	if scale == nil {
		out[0] = Apply(LayerNormGrad{o.Eps}, x, g)
	} else {
		out[0] = Apply(LayerNormGrad{o.Eps}, x, g.Mul(scale))
		out[1] = sumTo(g.Mul(x.LayerNorm(nil, nil, o.Eps)), scale.Shape())
	}
	if bias != nil {
		out[2] = sumTo(g, bias.Shape())
	}
	return out
}

// Run normalises.
func (o LayerNorm) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, layerNormFloats[float32], layerNormFloats[float64])
}

func layerNormFloats[T kernel.Float](c *kernel.Context, o LayerNorm, out, in []*tensor.Tensor) error {
	var scale, bias []T
	if t := argument(in, 1); t != nil {
		scale = tensor.Data[T](t)
	}
	if t := argument(in, 2); t != nil {
		bias = tensor.Data[T](t)
	}
	kernel.LayerNorm(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), scale, bias, out[0].Dim(-1), T(o.Eps))
	return nil
}

// Forms is LayerNormalization, which wants a scale.
func (LayerNorm) Forms() []Form {
	return []Form{{Operator: "LayerNormalization", Args: 2, Fields: []Field{{Attribute: "axis", Value: -1, Default: -1}, {Attribute: "epsilon", Name: "Eps", Default: 1e-5}}}}
}

// Lower is the definition or, without a scale, a LayerNorm with one of ones.
func (o LayerNorm) Lower(n *Node) []*Value {
	x, scale, bias := n.Args[0], n.Arg(1), n.Arg(2)
	if scale == nil {
		return []*Value{x.LayerNorm(x.fn.Full(x.DType(), 1, x.Dim(-1)), bias, o.Eps)}
	}
	hat, _ := standardized(x, o.Eps)
	return []*Value{affine(hat, scale, bias)}
}

// LowerFast is the definition, without a scale too: its parts, which the gradient has too, are computed once.
func (o LayerNorm) LowerFast(n *Node) []*Value {
	hat, _ := standardized(n.Args[0], o.Eps)
	return []*Value{affine(hat, n.Arg(1), n.Arg(2))}
}

// standardized is x with mean 0 and variance 1 along its last axis, and what it was multiplied by for that.
func standardized(x *Value, eps float64) (hat, r *Value) {
	d := x.Sub(x.MeanKeep(-1))
	r = d.Square().MeanKeep(-1).Shift(eps).Sqrt().Reciprocal()
	return d.Mul(r), r
}

// affine is x, times scale and plus bias where they are there.
func affine(x, scale, bias *Value) *Value {
	if scale != nil {
		x = x.Mul(scale)
	}
	if bias != nil {
		x = x.Add(bias)
	}
	return x
}

// Samples covers ranks, with and without scale and bias.
func (LayerNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{5}, {3, 4}, {2, 3, 2}, {1, 2, 1, 2, 3}} {
		out = append(out, affineSamples(LayerNorm{1e-2}, s, s[len(s)-1])...)
	}
	return out
}

// affineSamples tries op on x of a shape, with and without a scale and a bias of n elements.
func affineSamples(op Op, shape []int, n int) []Sample {
	var out []Sample
	x, v, none := SampleInput{Shape: shape}, SampleInput{Shape: []int{n}}, SampleInput{Absent: true}
	for _, in := range [][]SampleInput{{x}, {x, v, v}, {x, v}, {x, none, v}} {
		out = append(out, Sample{Op: op, In: in})
	}
	return out
}

// LayerNormGrad is the gradient of LayerNorm without scale and bias, from x and the gradient u of its result: along the last
// axis (u − mean u − x̂·mean(u·x̂))/σ, where x̂ = (x − mean x)/σ is the normalised x. ONNX: ReduceMean and
// arithmetic.
type LayerNormGrad struct{ Eps float64 }

// Takes is x and the gradient.
func (LayerNormGrad) Takes() []Arg { return twoFloats }

// Infer checks that x and u have one type.
func (o LayerNormGrad) Infer(in *Infer) ([]Type, error) {
	if x, u := in.Args[0], in.Args[1]; !x.Shape().Equal(u.Shape()) {
		return nil, Mistakef("it is the gradient of the normalised value", "the gradient is %v, want %v", u.Type, x.Type)
	}
	return LayerNorm(o).Infer(&Infer{Args: in.Args[:1]})
}

// VJP differentiates v·y. As a map of u the op is its own adjoint, so u gets the same op of v. With a = mean(u·x̂),
// b = mean(v·x̂) and c = mean(u·v) − mean u·mean v − a·b, v·y is n·c/σ; x gets −c·x̂/σ² − (b·y + a·(the same op of v))/σ.
func (o LayerNormGrad) VJP(n *Node, gs []*Value) []*Value {
	y, v := n.Results[0], gs[0]
	x, u := n.Args[0], n.Args[1]
	yv := Apply(o, x, v)
	hat := x.LayerNorm(nil, nil, o.Eps)
	r := x.Sub(x.MeanKeep(-1)).Square().MeanKeep(-1).Shift(o.Eps).Sqrt().Reciprocal()
	a, b := u.Mul(hat).MeanKeep(-1), v.Mul(hat).MeanKeep(-1)
	c := u.Mul(v).MeanKeep(-1).Sub(u.MeanKeep(-1).Mul(v.MeanKeep(-1))).Sub(a.Mul(b))
	dx := c.Mul(r).Mul(hat).Add(b.Mul(y)).Add(a.Mul(yv)).Mul(r).Neg()
	return []*Value{dx, yv}
}

// Run runs the kernel.
func (o LayerNormGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, layerNormGradFloats[float32], layerNormGradFloats[float64])
}

func layerNormGradFloats[T kernel.Float](c *kernel.Context, o LayerNormGrad, out, in []*tensor.Tensor) error {
	kernel.LayerNormGrad(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]), out[0].Dim(-1), T(o.Eps))
	return nil
}

// Lower is the definition.
func (o LayerNormGrad) Lower(n *Node) []*Value {
	x, u := n.Args[0], n.Args[1]
	hat, r := standardized(x, o.Eps)
	along := hat.Mul(u.Mul(hat).MeanKeep(-1))
	return []*Value{u.Sub(u.MeanKeep(-1)).Sub(along).Mul(r)}
}

// Samples covers ranks.
func (LayerNormGrad) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{5}, {3, 4}, {2, 3, 2}, {1, 2, 1, 2, 3}} {
		out = append(out, Sample{Op: LayerNormGrad{1e-2}, In: []SampleInput{{Shape: s}, {Shape: s}}})
	}
	return out
}
