package graph

var groupNormOps = []Sampled{GroupNorm{}, InstanceNorm{}, RMSNorm{}}

// GroupNorm normalises, for each example, Groups groups of channels, axis 1, over all places to mean 0 and variance 1, then scales and
// shifts each channel (Wu and He 2018). Arguments: x [batch channels ...], and a scale and a bias [channels], or nil. ONNX:
// GroupNormalization from opset 21 on, if there are both, else LayerNormalization.
type GroupNorm struct {
	Groups int
	Eps    float64
}

// GroupNorm normalises groups of v's channels; scale and bias, of the channels, may each be nil.
func (v *Value) GroupNorm(groups int, scale, bias *Value, eps float64) *Value {
	return Apply(GroupNorm{groups, eps}, v, scale, bias)
}

// Takes is x, and a scale and a bias or not.
func (GroupNorm) Takes() []Arg { return layerNormArgs }

// Infer checks the groups, scale and bias.
func (o GroupNorm) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if err := normalised(x, 2, o.Eps); err != nil {
		return nil, err
	}
	c := x.Dim(1)
	if o.Groups < 1 || c.Symbolic() || int(c)%o.Groups != 0 {
		return nil, Mistakef("the channels must be a number and a multiple of the groups", "%d groups of %v channels", o.Groups, c)
	}
	return in.One(x.Type, vectors(x, c, in.Args[1:]))
}

// normalised checks that x has channels and, with a rank of 3 or more, places, and that eps is one.
func normalised(x *Value, rank int, eps float64) error {
	switch {
	case x.Rank() < rank && rank == 2:
		return Mistakef("channels are axis 1", "needs [batch channels ...], has %v", x.Type)
	case x.Rank() < rank:
		return Mistakef("channels are axis 1, places the axes after it", "needs [batch channels places ...], has %v", x.Type)
	case !(eps >= 0):
		return Mistakef("a usual choice is 1e-5", "eps is %v", eps)
	}
	return nil
}

// Lower is a LayerNorm of each group, and arithmetic.
func (o GroupNorm) Lower(n *Node) []*Value {
	x, scale, bias := n.Args[0], n.Arg(1), n.Arg(2)
	size := append(Shape{x.Dim(1) / Dim(o.Groups)}, x.Shape()[2:]...).Size()
	y := x.Reshape(x.Dim(0), Dim(o.Groups), size).LayerNorm(nil, nil, o.Eps).Reshape(x.Shape()...)
	return []*Value{eachChannel(y, scale, bias)}
}

// eachChannel scales and shifts the channels of y, axis 1, by vectors that may each be nil.
func eachChannel(y, scale, bias *Value) *Value {
	if scale != nil {
		y = y.Mul(perChannel(scale, y.Rank()))
	}
	if bias != nil {
		y = y.Add(perChannel(bias, y.Rank()))
	}
	return y
}

// Forms is GroupNormalization, which wants a scale and a bias of each channel from opset 21 on, and computes in f32.
func (GroupNorm) Forms() []Form {
	return []Form{{Operator: "GroupNormalization", Since: 21, DTypes: 1 << F32, Args: 3,
		Fields: []Field{{Attribute: "num_groups", Name: "Groups"}, {Attribute: "epsilon", Name: "Eps", Default: 1e-5}}}}
}

// Samples covers ranks, numbers of groups, with and without scale and bias.
func (GroupNorm) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		shape  []int
		groups int
	}{{[]int{3, 4}, 2}, {[]int{2, 6, 3}, 3}, {[]int{1, 4, 2, 3}, 1}, {[]int{2, 2, 1, 2, 2}, 2}} {
		out = append(out, affineSamples(GroupNorm{s.groups, 1e-2}, s.shape, s.shape[1])...)
	}
	return out
}

// InstanceNorm normalises each example's channels, axis 1, over their places to mean 0 and variance 1, then scales and shifts each
// channel (Ulyanov et al. 2016). Arguments: x [batch channels places ...], and a scale and a bias [channels], or nil. ONNX:
// InstanceNormalization, if there are both, else LayerNormalization.
type InstanceNorm struct{ Eps float64 }

// InstanceNorm normalises v's channels, each example's apart; scale and bias, of the channels, may each be nil.
func (v *Value) InstanceNorm(scale, bias *Value, eps float64) *Value {
	return Apply(InstanceNorm{eps}, v, scale, bias)
}

// Takes is x, and a scale and a bias or not.
func (InstanceNorm) Takes() []Arg { return layerNormArgs }

// Infer checks scale and bias.
func (o InstanceNorm) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if err := normalised(x, 3, o.Eps); err != nil {
		return nil, err
	}
	return in.One(x.Type, vectors(x, x.Dim(1), in.Args[1:]))
}

// Lower is a LayerNorm of each channel, and arithmetic.
func (o InstanceNorm) Lower(n *Node) []*Value {
	x, scale, bias := n.Args[0], n.Arg(1), n.Arg(2)
	y := x.Reshape(x.Dim(0), x.Dim(1), Shape(x.Shape()[2:]).Size()).LayerNorm(nil, nil, o.Eps).Reshape(x.Shape()...)
	return []*Value{eachChannel(y, scale, bias)}
}

// Forms is InstanceNormalization.
func (InstanceNorm) Forms() []Form {
	return []Form{{Operator: "InstanceNormalization", DTypes: 1 << F32, Args: 3, Fields: []Field{{Attribute: "epsilon", Name: "Eps", Default: 1e-5}}}}
}

// Samples covers ranks, with and without scale and bias.
func (InstanceNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{2, 3, 4}, {1, 2, 2, 3}, {2, 2, 1, 2, 2}} {
		out = append(out, affineSamples(InstanceNorm{1e-2}, s, s[1])...)
	}
	return out
}

// RMSNorm divides the last axis by the root of its mean square, and scales it (Zhang and Sennrich 2019). Arguments: x, and a scale of
// that axis' size or nil. ONNX: RMSNormalization from opset 23 on, if there is a scale, else arithmetic.
type RMSNorm struct{ Eps float64 }

// RMSNorm divides v's last axis by the root of its mean square and eps; scale, of that axis' size, may be nil.
func (v *Value) RMSNorm(scale *Value, eps float64) *Value { return Apply(RMSNorm{eps}, v, scale) }

var rmsNormArgs = layerNormArgs[:2]

// Takes is x, and a scale or not.
func (RMSNorm) Takes() []Arg { return rmsNormArgs }

// Infer checks the scale.
func (o RMSNorm) Infer(in *Infer) ([]Type, error) { return LayerNorm(o).Infer(in) }

// Lower is the definition.
func (o RMSNorm) Lower(n *Node) []*Value {
	x, scale := n.Args[0], n.Arg(1)
	y := x.Mul(x.Square().MeanKeep(-1).Shift(o.Eps).Sqrt().Reciprocal())
	if scale != nil {
		y = y.Mul(scale)
	}
	return []*Value{y}
}

// Forms is RMSNormalization, from opset 23 on, which computes in f32.
func (RMSNorm) Forms() []Form {
	return []Form{{Operator: "RMSNormalization", Since: 23, DTypes: 1 << F32, Args: 2, Fields: []Field{{Attribute: "axis", Value: -1}, {Attribute: "epsilon", Name: "Eps", Default: 1e-5}}}}
}

// Samples covers ranks, with and without a scale.
func (RMSNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{5}, {3, 4}, {2, 3, 2}, {1, 2, 1, 2, 3}} {
		x := SampleInput{Shape: s}
		out = append(out, Sample{Op: RMSNorm{1e-2}, In: []SampleInput{x}}, Sample{Op: RMSNorm{1e-2}, In: []SampleInput{x, {Shape: s[len(s)-1:]}}})
	}
	return out
}
