package nn

import (
	"cmp"
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// BatchNorm normalises each channel, axis 1, over all other axes (Ioffe and Szegedy 2015). Its parameters are scale and
// bias [channels], its buffers mean and variance. In training it uses the batch's statistics and moves the running ones
// towards them, and a run in which a channel has one value only is an error; elsewhere, and if it is frozen, it uses the running ones.
// Applied several times in one step, to real and to generated images for one, each application moves them on from the one before.
type BatchNorm struct {
	// Momentum is what the running statistics keep of themselves at each step: r ← Momentum·r + (1−Momentum)·batch; 0 means
	// 0.9. (PyTorch's momentum is 1 minus this.) The running variance is the unbiased one, as in PyTorch.
	Momentum float64
	Eps      float64 // 0 means 1e-5
	NoAffine bool    // no scale and bias
	Frozen   bool    // training too uses the running statistics, and leaves them: for a network that is tuned, or only judges
	Layer
}

// Apply normalises x [batch channels ...].
func (l *BatchNorm) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *BatchNorm) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 2 {
			return mistake(x, fmt.Sprintf("BatchNorm: needs [batch channels ...], has %v", x.Type), "channels are axis 1")
		}
		c, ok := width("BatchNorm", x, 1)
		if !ok {
			return x.Func().Poison()
		}
		momentum, eps := cmp.Or(l.Momentum, .9), cmp.Or(l.Eps, 1e-5)
		if !(momentum >= 0 && momentum < 1 && eps >= 0) || math.IsInf(eps, 0) {
			return mistake(x, fmt.Sprintf("BatchNorm: momentum %v and eps %v", momentum, eps), "momentum is in [0, 1), eps finite and not negative")
		}
		f := x.Func()
		scale, bias := f.Full(x.DType(), 1, c), f.Full(x.DType(), 0, c)
		if !l.NoAffine {
			scale, bias = l.Param(x, "scale", initializer.Ones{}, c), l.Param(x, "bias", initializer.Zeros{}, c)
		}
		mean, variance := l.Buffer(x, "mean", initializer.Zeros{}, c), l.Buffer(x, "variance", initializer.Ones{}, c)
		if !f.Training || l.Frozen {
			return x.BatchNorm(scale, bias, mean, variance, eps)
		}
		size := append(graph.Shape{x.Dim(0)}, x.Shape()[2:]...).Size() // values of a channel
		if !size.Symbolic() && size < 2 {
			return mistake(x, fmt.Sprintf("BatchNorm: %v has fewer than two values a channel, and training needs their variance", x.Type), "train with larger batches, or take LayerNorm")
		}
		y, m, v := x.BatchNormTrain(scale, bias, eps)
		n := x.Size(others(x.Rank())...)
		if size.Symbolic() {
			n = n.Assert(n.Greater(n.Scalar(1)), "BatchNorm: the number of values a channel must be 2 or more in training: take larger batches, and drop a short last one")
		}
		unbiased := v.Mul(n.Div(n.Shift(-1)))
		f.Update(mean, f.Current(mean).Lerp(m.Detach(), 1-momentum))
		f.Update(variance, f.Current(variance).Lerp(unbiased.Detach(), 1-momentum))
		return y
	})
}

// others are all axes of a value but that of the channels.
func others(rank int) []int {
	out := []int{0}
	for i := 2; i < rank; i++ {
		out = append(out, i)
	}
	return out
}

// LayerNorm normalises each example over its last axis (Ba et al. 2016). Its parameters are scale and bias, of that axis'
// size.
type LayerNorm struct {
	Eps      float64 // 0 means 1e-5
	NoAffine bool    // no scale and bias
	Layer
}

// Apply normalises x [... n].
func (l *LayerNorm) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *LayerNorm) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 1 {
			return mistake(x, fmt.Sprintf("LayerNorm: needs [... n], has %v", x.Type), "a scalar has no axis to normalise")
		}
		n, ok := width("LayerNorm", x, -1)
		if !ok {
			return x.Func().Poison()
		}
		eps := cmp.Or(l.Eps, 1e-5)
		if l.NoAffine {
			return x.LayerNorm(nil, nil, eps)
		}
		return x.LayerNorm(l.Param(x, "scale", initializer.Ones{}, n), l.Param(x, "bias", initializer.Zeros{}, n), eps)
	})
}

// GroupNorm normalises each example over groups of channels and all places, and then scales each channel (Wu and He 2018). Its
// parameters are scale and bias [channels]. One group is layer normalisation over the whole example, as many as channels are
// instance normalisation.
type GroupNorm struct {
	Groups   int
	Eps      float64 // 0 means 1e-5
	NoAffine bool    // no scale and bias
	Layer
}

// Apply normalises x [batch channels ...].
func (l *GroupNorm) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *GroupNorm) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 2 {
			return mistake(x, fmt.Sprintf("GroupNorm: needs [batch channels ...], has %v", x.Type), "channels are axis 1")
		}
		c, ok := width("GroupNorm", x, 1)
		if !ok || !positive("GroupNorm", x, "Groups", l.Groups) {
			return x.Func().Poison()
		}
		if c%graph.Dim(l.Groups) != 0 {
			return mistake(x, fmt.Sprintf("GroupNorm: %d groups of %v channels", l.Groups, c), "the channels must be a multiple of Groups")
		}
		eps := cmp.Or(l.Eps, 1e-5)
		if l.NoAffine {
			return x.GroupNorm(l.Groups, nil, nil, eps)
		}
		return x.GroupNorm(l.Groups, l.Param(x, "scale", initializer.Ones{}, c), l.Param(x, "bias", initializer.Zeros{}, c), eps)
	})
}

// InstanceNorm normalises each channel, axis 1, of each example over its places, and then scales it (Ulyanov et al. 2016). Its
// parameters are scale and bias [channels].
type InstanceNorm struct {
	Eps      float64 // 0 means 1e-5
	NoAffine bool    // no scale and bias
	Layer
}

// Apply normalises x [batch channels places ...].
func (l *InstanceNorm) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *InstanceNorm) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 3 {
			return mistake(x, fmt.Sprintf("InstanceNorm: needs [batch channels places ...], has %v", x.Type), "a channel of one place has no variance: take LayerNorm")
		}
		c, ok := width("InstanceNorm", x, 1)
		if !ok {
			return x.Func().Poison()
		}
		eps := cmp.Or(l.Eps, 1e-5)
		if l.NoAffine {
			return x.InstanceNorm(nil, nil, eps)
		}
		return x.InstanceNorm(l.Param(x, "scale", initializer.Ones{}, c), l.Param(x, "bias", initializer.Zeros{}, c), eps)
	})
}

// RMSNorm divides each example by the root of its mean square over its last axis, and scales it (Zhang and Sennrich 2019). Its
// parameter is scale, of that axis' size.
type RMSNorm struct {
	Eps      float64 // 0 means 1e-5
	NoAffine bool    // no scale
	Layer
}

// Apply normalises x [... n].
func (l *RMSNorm) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *RMSNorm) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		if x.Rank() < 1 {
			return mistake(x, fmt.Sprintf("RMSNorm: needs [... n], has %v", x.Type), "a scalar has no axis to normalise")
		}
		n, ok := width("RMSNorm", x, -1)
		if !ok {
			return x.Func().Poison()
		}
		eps := cmp.Or(l.Eps, 1e-5)
		if l.NoAffine {
			return x.RMSNorm(nil, eps)
		}
		return x.RMSNorm(l.Param(x, "scale", initializer.Ones{}, n), eps)
	})
}

// Dropout zeroes elements with probability P in training, and is the identity elsewhere.
type Dropout struct {
	P float64
	Layer
}

// Apply drops elements of x.
func (l *Dropout) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *Dropout) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value { return x.Dropout(l.P) })
}
