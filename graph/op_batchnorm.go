package graph

import (
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// BatchNorm maps each channel, axis 1, by given statistics: scale·(x−mean)/√(variance+Eps) + bias (Ioffe and Szegedy
// 2015). Arguments: x, scale, bias, mean, variance. ONNX: BatchNormalization.
type BatchNorm struct{ Eps float64 }

// BatchNorm normalises v's channels by running statistics; all four are [channels].
func (v *Value) BatchNorm(scale, bias, mean, variance *Value, eps float64) *Value {
	return Apply(BatchNorm{eps}, v, scale, bias, mean, variance)
}

// channelRest are all axes but 1.
func channelRest(rank int) []int {
	out := []int{0}
	for i := 2; i < rank; i++ {
		out = append(out, i)
	}
	return out
}

// perChannel gives a vector [channels] the axes that broadcast it along axis 1.
func perChannel(v *Value, rank int) *Value {
	s := v.Shape()
	for range rank - 2 {
		s = append(s[:len(s):len(s)], 1)
	}
	return v.Reshape(s...)
}

var batchNormArgs = []Arg{{Name: "x", DTypes: Floats}, {Name: "scale", DTypes: Floats}, {Name: "bias", DTypes: Floats}, {Name: "mean", DTypes: Floats}, {Name: "variance", DTypes: Floats}}

// Takes is x, and a scale, bias, mean and variance for each channel.
func (BatchNorm) Takes() []Arg { return batchNormArgs }

// Infer checks the vectors.
func (o BatchNorm) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if err := normalised(x, 2, o.Eps); err != nil {
		return nil, err
	}
	return in.One(x.Type, vectors(x, x.Dim(1), in.Args[1:]))
}

// VJP differentiates with respect to all five arguments.
func (o BatchNorm) VJP(n *Node, gs []*Value) []*Value {
	g, x := gs[0], n.Args[0]
	rank := x.Rank()
	scale, mean, variance := perChannel(n.Args[1], rank), perChannel(n.Args[3], rank), perChannel(n.Args[4], rank)
	r := variance.Shift(o.Eps).Sqrt().Reciprocal()
	hat := x.Sub(mean).Mul(r)
	dx := g.Mul(scale.Mul(r))
	vector := func(v *Value) *Value { return v.Sum(channelRest(rank)...) }
	return []*Value{dx, vector(g.Mul(hat)), vector(g), vector(dx).Neg(), vector(dx.Mul(hat).Mul(r)).Scale(-.5)}
}

// Run normalises.
func (o BatchNorm) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, batchNormFloats[float32], batchNormFloats[float64])
}

func batchNormFloats[T kernel.Float](c *kernel.Context, o BatchNorm, out, in []*tensor.Tensor) error {
	v := func(i int) []T { return tensor.Data[T](in[i]) }
	kernel.BatchNorm(c, tensor.Data[T](out[0]), v(0), v(1), v(2), v(3), v(4), places(in[0]), T(o.Eps))
	return nil
}

// Forms is BatchNormalization.
func (BatchNorm) Forms() []Form {
	return form("BatchNormalization", Field{Attribute: "epsilon", Name: "Eps", Default: 1e-5}, Field{Attribute: "training_mode", Value: 0, Default: 0})
}

// Samples covers ranks 2 to 5.
func (BatchNorm) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{3, 2}, {2, 3, 2}, {2, 2, 2, 2}, {1, 2, 1, 2, 2}} {
		v := SampleInput{Shape: s[1:2]}
		out = append(out, Sample{Op: BatchNorm{1e-2}, In: []SampleInput{{Shape: s}, v, v, v, {Shape: s[1:2], Lo: .5, Hi: 2}}})
	}
	return out
}

// BatchNormTrain normalises each channel, axis 1, by the batch's own statistics, over all other axes, then scales and shifts it (Ioffe
// and Szegedy 2015). Arguments: x, scale, bias. Results: y, and each channel's mean and biased variance. ONNX: ReduceMean and
// arithmetic.
type BatchNormTrain struct{ Eps float64 }

// BatchNormTrain normalises v's channels by the batch's own statistics, and returns those too: the mean and the biased variance,
// [channels]. Gradients flow through the statistics.
func (v *Value) BatchNormTrain(scale, bias *Value, eps float64) (y, mean, variance *Value) {
	n := ApplyNode(BatchNormTrain{eps}, nil, v, scale, bias)
	return n.Result(0), n.Result(1), n.Result(2)
}

var batchNormTrainArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "scale", DTypes: Floats, Like: "T"}, {Name: "bias", DTypes: Floats, Like: "T"}}

// Takes is x, and a scale and a bias for each channel.
func (BatchNormTrain) Takes() []Arg { return batchNormTrainArgs }

// Infer checks the vectors.
func (o BatchNormTrain) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	if err := normalised(x, 2, o.Eps); err != nil {
		return nil, err
	}
	if err := vectors(x, x.Dim(1), in.Args[1:]); err != nil {
		return nil, err
	}
	each := Type{x.DType(), Shape{x.Dim(1)}}
	return []Type{x.Type, each, each}, nil
}

// VJP is BatchNormTrainGrad; the gradients of the statistics are those of the smaller ops.
func (o BatchNormTrain) VJP(n *Node, g []*Value) []*Value {
	if g[0] == nil || g[1] != nil || g[2] != nil {
		return vjpOfLowered(n, o, g)
	}
	return ApplyNode(BatchNormTrainGrad(o), nil, n.Args[0], n.Args[1], n.Results[1], n.Results[2], g[0]).first(3)
}

// Lower is the definition.
func (o BatchNormTrain) Lower(n *Node) []*Value {
	x := n.Args[0]
	c, others := x.Dim(1), channelRest(x.Rank())
	mean := x.MeanKeep(others...)
	d := x.Sub(mean)
	variance := d.Square().MeanKeep(others...)
	y := d.Mul(variance.Shift(o.Eps).Sqrt().Reciprocal())
	return []*Value{eachChannel(y, n.Args[1], n.Args[2]), mean.Reshape(c), variance.Reshape(c)}
}

// Run normalises.
func (o BatchNormTrain) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, batchNormTrainFloats[float32], batchNormTrainFloats[float64])
}

func batchNormTrainFloats[T kernel.Float](c *kernel.Context, o BatchNormTrain, out, in []*tensor.Tensor) error {
	kernel.BatchNormTrain(c, tensor.Data[T](out[0]), tensor.Data[T](out[1]), tensor.Data[T](out[2]),
		tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2]), places(in[0]), T(o.Eps))
	return nil
}

// places is the number of places of a channel in one example of x.
func places(x *tensor.Tensor) int {
	n := 1
	for _, d := range x.Shape()[2:] {
		n *= d
	}
	return n
}

// Samples covers ranks 2 to 5, few and many places.
func (BatchNormTrain) Samples() []Sample {
	return batchNormTrainSamples(func(x, v SampleInput) Sample {
		return Sample{Op: BatchNormTrain{1e-2}, In: []SampleInput{x, v, v}}
	})
}

func batchNormTrainSamples(sample func(x, v SampleInput) Sample) []Sample {
	var out []Sample
	for _, s := range [][]int{{5, 2}, {3, 20}, {2, 3, 2}, {2, 2, 3, 6}, {1, 2, 1, 2, 2}} {
		out = append(out, sample(SampleInput{Shape: s}, SampleInput{Shape: s[1:2]}))
	}
	return out
}

// BatchNormTrainGrad is the gradient of BatchNormTrain, from x, the scale, the statistics and the gradient g of y: with x̂ = (x −
// mean)/σ, scale·(g − mean g − x̂·mean(g·x̂))/σ. Results: the gradients of x, scale and bias. ONNX: ReduceMean and arithmetic.
type BatchNormTrainGrad struct{ Eps float64 }

var batchNormTrainGradArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "scale", DTypes: Floats, Like: "T"}, {Name: "mean", DTypes: Floats, Like: "T"},
	{Name: "variance", DTypes: Floats, Like: "T"}, {Name: "gradient", DTypes: Floats, Like: "T"}}

// Takes is x, scale, mean and variance, and the gradient.
func (BatchNormTrainGrad) Takes() []Arg { return batchNormTrainGradArgs }

// Infer checks the vectors and the gradient.
func (o BatchNormTrainGrad) Infer(in *Infer) ([]Type, error) {
	x, g := in.Args[0], in.Args[4]
	if err := normalised(x, 2, o.Eps); err != nil {
		return nil, err
	}
	if !g.Shape().Equal(x.Shape()) {
		return nil, Mistakef("it is the gradient of the normalised value", "the gradient is %v, want %v", g.Type, x.Type)
	}
	if err := vectors(x, x.Dim(1), in.Args[1:4]); err != nil {
		return nil, err
	}
	each := Type{x.DType(), Shape{x.Dim(1)}}
	return []Type{x.Type, each, each}, nil
}

// Lower is the definition. What depends on x by the statistics is found where they are results.
func (o BatchNormTrainGrad) Lower(n *Node) []*Value {
	x, g := n.Args[0], n.Args[4]
	rank, others := x.Rank(), channelRest(x.Rank())
	r := perChannel(n.Args[3], rank).Shift(o.Eps).Sqrt().Reciprocal()
	hat := x.Sub(perChannel(n.Args[2], rank)).Mul(r)
	along := g.Mul(hat)
	dx := g.Sub(g.MeanKeep(others...)).Sub(hat.Mul(along.MeanKeep(others...))).Mul(perChannel(n.Args[1], rank).Mul(r))
	return []*Value{dx, along.Sum(others...), g.Sum(others...)}
}

// Run computes the three.
func (o BatchNormTrainGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, batchNormTrainGradFloats[float32], batchNormTrainGradFloats[float64])
}

func batchNormTrainGradFloats[T kernel.Float](c *kernel.Context, o BatchNormTrainGrad, out, in []*tensor.Tensor) error {
	v := func(i int) []T { return tensor.Data[T](in[i]) }
	kernel.BatchNormTrainGrad(c, tensor.Data[T](out[0]), tensor.Data[T](out[1]), tensor.Data[T](out[2]), v(0), v(1), v(2), v(3), v(4), places(in[0]), T(o.Eps))
	return nil
}

// Samples are BatchNormTrain's.
func (BatchNormTrainGrad) Samples() []Sample {
	return batchNormTrainSamples(func(x, v SampleInput) Sample {
		return Sample{Op: BatchNormTrainGrad{1e-2}, In: []SampleInput{x, v, v, {Shape: v.Shape, Lo: .5, Hi: 2}, x}}
	})
}
