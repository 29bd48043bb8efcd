package graph

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var randomOps = []Sampled{RandomNormal{}, RandomUniform{}, Dropout{}}

// stateArg is the random state.
var stateArg = []Arg{{Name: "state", DTypes: 1 << I64}}

// inferRandom checks the random state and the type.
func inferRandom(state *Value, t Type) (Type, error) {
	if state.DType() != I64 || !state.Shape().Equal(Shape{2}) {
		return Type{}, Mistakef("take it from Func.Random", "the random state is %v, want i64[2]", state.Type)
	}
	if !t.DType.Native() {
		return Type{}, Mistakef("draw f32 and cast it", "random numbers are f32 or f64, not %v", t.DType)
	}
	return t, nil
}

// drawFrom is the draw that a stream makes of a state {seed, step}.
func drawFrom(state *tensor.Tensor, stream int) kernel.Draw {
	s := tensor.Data[int64](state)
	return kernel.Draw{Seed: uint64(s[0]), Step: uint64(s[1]), Stream: stream}
}

// randomSamples has one draw in each rank.
func randomSamples(op func(Type) Op) []Sample {
	state := SampleInput{DType: I64, Shape: []int{2}, Lo: 1, Hi: 9}
	var out []Sample
	for _, s := range []Shape{{}, {7}, {2, 3}, {2, 1, 2, 1, 3}} {
		out = append(out, Sample{Op: op(Type{F32, s}), In: []SampleInput{state}})
	}
	return out
}

// RandomNormal draws standard normal numbers. Element i depends on the random state {seed, step}, the stream and i, so
// every engine that draws them draws the same. ONNX: an input, RandomNormalLike, whose numbers are the runtime's own, or integer
// operators that draw these by a seed.
type RandomNormal struct {
	Type   Type
	Stream int
}

// RandomNormal is standard normal noise.
func (f *Func) RandomNormal(t DType, dims ...Dim) *Value {
	return f.draw(dims, func(f *Func, dims []Dim) *Value {
		state, stream := f.Random()
		return f.Apply(RandomNormal{Type: Type{t, dims}, Stream: stream}, state)
	})
}

// NormalLike is standard normal noise in v's dtype and shape, drawn in f32 and rounded for a float of 16 bits.
func (v *Value) NormalLike() *Value {
	if !v.OK() {
		return v
	}
	return v.fn.RandomNormal(v.DType().Wide(), v.Shape()...).in(v.DType())
}

// Takes is the random state.
func (RandomNormal) Takes() []Arg { return stateArg }

// Infer returns the declared type.
func (o RandomNormal) Infer(in *Infer) ([]Type, error) {
	return in.One(inferRandom(in.Args[0], o.Type))
}

// Run draws.
func (o RandomNormal) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	switch y := out[0].Raw().(type) {
	case []float32:
		kernel.Normal(c, drawFrom(in[0], o.Stream), y)
	case []float64:
		kernel.Normal(c, drawFrom(in[0], o.Stream), y)
	default:
		return noKernel(o, out[0])
	}
	return nil
}

// Emit adds a RandomNormalLike node over zeros of the shape.
func (o RandomNormal) Emit(e Emitter, n *Node, in []string) []string {
	return []string{e.Node("RandomNormalLike", []string{full(e, o.Type, 0)})}
}

// full adds a tensor of one number.
func full(e Emitter, t Type, value float64) string {
	s := tensor.New(t.DType, 1)
	s.Set(0, value)
	return e.Node("ConstantOfShape", []string{e.Shape(t.Shape)}, Attr{"value", s})
}

// Samples covers the ranks.
func (RandomNormal) Samples() []Sample {
	return randomSamples(func(t Type) Op { return RandomNormal{Type: t, Stream: 3} })
}

// RandomUniform draws uniform numbers in [0, 1); see [RandomNormal]. ONNX: an input, RandomUniformLike or integer operators.
type RandomUniform struct {
	Type   Type
	Stream int
}

// RandomUniform is uniform noise in [0, 1).
func (f *Func) RandomUniform(t DType, dims ...Dim) *Value {
	return f.draw(dims, func(f *Func, dims []Dim) *Value {
		state, stream := f.Random()
		return f.Apply(RandomUniform{Type: Type{t, dims}, Stream: stream}, state)
	})
}

// UniformLike is uniform noise in [0, 1) in v's dtype and shape, drawn in f32 and rounded for a float of 16 bits, so that it may be 1.
func (v *Value) UniformLike() *Value {
	if !v.OK() {
		return v
	}
	return v.fn.RandomUniform(v.DType().Wide(), v.Shape()...).in(v.DType())
}

// Takes is the random state.
func (RandomUniform) Takes() []Arg { return stateArg }

// Infer returns the declared type.
func (o RandomUniform) Infer(in *Infer) ([]Type, error) {
	return in.One(inferRandom(in.Args[0], o.Type))
}

// Run draws.
func (o RandomUniform) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	switch y := out[0].Raw().(type) {
	case []float32:
		kernel.Uniform(c, drawFrom(in[0], o.Stream), y)
	case []float64:
		kernel.Uniform(c, drawFrom(in[0], o.Stream), y)
	default:
		return noKernel(o, out[0])
	}
	return nil
}

// Emit adds a RandomUniformLike node over zeros of the shape.
func (o RandomUniform) Emit(e Emitter, n *Node, in []string) []string {
	return []string{e.Node("RandomUniformLike", []string{full(e, o.Type, 0)})}
}

// Samples covers the ranks.
func (RandomUniform) Samples() []Sample {
	return randomSamples(func(t Type) Op { return RandomUniform{Type: t, Stream: 3} })
}

// Dropout zeroes each element with probability P and scales the others by 1/(1−P) (Srivastava et al. 2014). Its mask is a
// uniform draw of its stream, so its gradient is the same Dropout of the gradient. ONNX: the mask's draw and arithmetic.
type Dropout struct {
	P      float64
	Stream int
}

// Dropout is v with each element zeroed with probability p and the others scaled by 1/(1−p) in a training step; elsewhere
// it is v itself.
func (v *Value) Dropout(p float64) *Value {
	if !v.OK() {
		return v
	}
	o := Dropout{P: p}
	if err := o.check(v); err != nil { // as wrong elsewhere as in training
		f := v.fn
		return f.poison(&Node{Op: o, Args: []*Value{v}, fn: f, Scope: f.scope, Pos: f.Pos()}, err).Result(0)
	}
	if !v.fn.Training {
		return v
	}
	if v.fn.body != nil {
		return dropWhere(v.UniformLike(), v, p)
	}
	state, stream := v.fn.Random()
	return Apply(Dropout{P: p, Stream: stream}, v, state)
}

func (o Dropout) check(v *Value) error {
	if !(o.P >= 0 && o.P < 1) {
		return Mistakef("0.5 drops half of the elements, 0 none", "the probability %v is outside [0, 1)", o.P)
	}
	return wantFloat(v)
}

var dropoutArgs = append(slices.Clone(oneFloat), stateArg...)

// Takes is x and the random state.
func (Dropout) Takes() []Arg { return dropoutArgs }

// Infer returns the argument's type.
func (o Dropout) Infer(in *Infer) ([]Type, error) {
	if err := o.check(in.Args[0]); err != nil {
		return nil, err
	}
	x := in.Args[0].Type
	_, err := inferRandom(in.Args[1], Type{x.DType.Wide(), x.Shape})
	return in.One(x, err)
}

// VJP drops the same elements of g.
func (o Dropout) VJP(n *Node, g []*Value) []*Value { return []*Value{Apply(o, g[0], n.Args[1]), nil} }

// Run draws the mask, a block at a time, and multiplies.
func (o Dropout) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	switch y := out[0].Raw().(type) {
	case []float32:
		dropout(c, drawFrom(in[1], o.Stream), o.P, y, tensor.Data[float32](in[0]))
	case []float64:
		dropout(c, drawFrom(in[1], o.Stream), o.P, y, tensor.Data[float64](in[0]))
	default:
		return noKernel(o, out[0])
	}
	return nil
}

func dropout[T kernel.Float](c *kernel.Context, d kernel.Draw, p float64, y, x []T) {
	c.Parallel((len(y)+dropBlock-1)/dropBlock, max(1, grain/drawCost/dropBlock), func(lo, hi int) {
		var u [dropBlock]T
		for at := lo * dropBlock; at < min(hi*dropBlock, len(y)); at += dropBlock {
			n := min(dropBlock, len(y)-at)
			kernel.UniformFrom(d, at, u[:n])
			drop(p, y[at:at+n], x[at:at+n], u[:n])
		}
	})
}

// dropBlock is how many elements of a mask are drawn at a time: they stay in the first-level cache.
const dropBlock = 1024

// drop zeroes x where the uniform numbers u are below p, and scales the rest.
func drop[T kernel.Float](p float64, y, x, u []T) {
	limit := T(math.Ceil(p*(1<<24)) / (1 << 24)) // the draws are multiples of 2⁻²⁴: below p are those below this
	kernel.Keep(y, x, u, limit, T(1/(1-p)))
}

// Lower draws the mask and selects.
func (o Dropout) Lower(n *Node) []*Value {
	x := n.Args[0]
	u := Apply(RandomUniform{Type: Type{x.DType().Wide(), x.Shape()}, Stream: o.Stream}, n.Args[1])
	return []*Value{dropWhere(u, x, o.P)}
}

// dropWhere zeroes x where the uniform numbers u are below p, and scales the rest.
func dropWhere(u, x *Value, p float64) *Value {
	return u.Less(scalarLike(u, p)).Where(scalarLike(x, 0), x.Scale(1/(1-p)))
}

// Samples covers two ranks.
func (Dropout) Samples() []Sample {
	state := SampleInput{DType: I64, Shape: []int{2}, Lo: 1, Hi: 9}
	return []Sample{
		{Op: Dropout{P: .4, Stream: 1}, In: []SampleInput{{Shape: []int{9}}, state}},
		{Op: Dropout{P: 0}, In: []SampleInput{{Shape: []int{2, 3}}, state}},
		{Op: Dropout{P: .9, Stream: 2}, In: []SampleInput{{Shape: []int{2, 1, 5}}, state}},
	}
}
