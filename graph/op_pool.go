package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var poolOps = []Sampled{MaxPool{}, MaxPoolScatter{}, MaxPoolGather{}, AveragePool{}, AveragePoolSpread{}, GlobalAveragePool{}}

// window is the geometry that pooling ops share.
type window struct {
	kernel, strides [2]int
	pads            [4]int
}

// infer is the pooled type of images x.
func (w window) infer(x *Value) (Type, error) {
	if err := notNegative(w.kernel[:], w.strides[:], w.pads[:]); err != nil {
		return Type{}, err
	}
	height, width, err := spatial(x)
	if err != nil {
		return Type{}, err
	}
	s := slices.Clone(x.Shape())
	strides := orOnes(w.strides)
	for i, n := range []int{height, width} {
		if w.kernel[i] < 1 {
			return Type{}, Mistakef("set Kernel, such as [2]int{2, 2}", "the window is %v", w.kernel)
		}
		if w.pads[i] >= w.kernel[i] || w.pads[i+2] >= w.kernel[i] {
			return Type{}, Mistakef("padding must be smaller than the window", "padding %v around windows of %v would leave windows empty", w.pads, w.kernel)
		}
		room := n + w.pads[i] + w.pads[i+2] - w.kernel[i]
		if room < 0 {
			return Type{}, Mistakef("pad the image, or take a smaller window", "a window of %v does not fit %v padded by %v", w.kernel, x.Type, w.pads)
		}
		s[2+i] = Dim(room/strides[i] + 1)
	}
	return Type{x.DType(), s}, nil
}

// shape is the kernels' geometry from images of shape x to y.
func (w window) shape(x, y []int) kernel.PoolShape {
	return kernel.PoolShape{Planes: x[0] * x[1], H: x[2], W: x[3], OH: y[2], OW: y[3], Kernel: w.kernel, Strides: orOnes(w.strides), Pads: w.pads}
}

// attrs are the attributes of the ONNX node.
func (w window) attrs() []Attr {
	strides := orOnes(w.strides)
	return []Attr{{"kernel_shape", w.kernel[:]}, {"strides", strides[:]}, {"pads", w.pads[:]}}
}

// pooled checks that a gradient has the pooled shape of the images x.
func (w window) pooled(x, g *Value) error {
	t, err := w.infer(x)
	if err == nil && !t.Equal(g.Type) {
		err = Mistakef("they are of the type of the pooling's result", "the pooled values are %v, want %v", g.Type, t)
	}
	return err
}

var poolSamples = []struct {
	w window
	x []int
}{
	{window{kernel: [2]int{2, 2}, strides: [2]int{2, 2}}, []int{1, 2, 4, 4}},
	{window{kernel: [2]int{2, 2}, strides: [2]int{2, 2}}, []int{2, 1, 5, 3}},
	{window{kernel: [2]int{3, 3}, strides: [2]int{2, 2}, pads: [4]int{1, 1, 1, 1}}, []int{1, 1, 5, 5}},
	{window{kernel: [2]int{3, 2}, strides: [2]int{1, 2}, pads: [4]int{0, 0, 1, 1}}, []int{1, 2, 3, 4}},
	{window{kernel: [2]int{1, 1}}, []int{1, 1, 2, 2}},
	{window{kernel: [2]int{3, 3}, strides: [2]int{3, 3}}, []int{1, 2, 4, 3}},
	{window{kernel: [2]int{1, 2}, strides: [2]int{2, 3}, pads: [4]int{0, 1, 0, 0}}, []int{1, 1, 3, 5}},
}

// MaxPool takes the largest element of each window of images [N C H W]; padding is never the largest. ONNX: MaxPool.
type MaxPool struct {
	Kernel, Strides [2]int // a stride of 0 means 1
	Pads            [4]int // top, left, bottom, right
}

// MaxPool pools the images v.
func (v *Value) MaxPool(o MaxPool) *Value { return Apply(o, v) }

func (o MaxPool) window() window { return window{o.Kernel, o.Strides, o.Pads} }

func (o MaxPool) normalize([]*Value) Op {
	o.Strides = orOnes(o.Strides)
	return o
}

// Takes is images.
func (MaxPool) Takes() []Arg { return oneFloat }

// Infer gives the pooled shape.
func (o MaxPool) Infer(in *Infer) ([]Type, error) { return in.One(o.window().infer(in.Args[0])) }

// VJP gives each g to where the window's largest element is.
func (o MaxPool) VJP(n *Node, g []*Value) []*Value {
	return []*Value{Apply(MaxPoolScatter{Pool: o}, n.Args[0], g[0])}
}

// Run pools.
func (o MaxPool) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, maxPoolFloats[float32], maxPoolFloats[float64])
}

func maxPoolFloats[T kernel.Float](c *kernel.Context, o MaxPool, out, in []*tensor.Tensor) error {
	s := o.window().shape(in[0].Shape(), out[0].Shape())
	kernel.MaxPool(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Forms is MaxPool.
func (MaxPool) Forms() []Form { return form("MaxPool", poolFields...) }

// poolFields are the attributes of pooling.
var poolFields = []Field{{Attribute: "kernel_shape", Name: "Kernel"}, {Attribute: "strides", Name: "Strides"}, {Attribute: "pads", Name: "Pads"}}

// Samples covers overlapping windows and padding.
func (MaxPool) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples {
		out = append(out, Sample{Op: MaxPool{s.w.kernel, s.w.strides, s.w.pads}, In: []SampleInput{{Shape: s.x, Distinct: true}}})
	}
	return out
}

// places is the flat position of each window's largest element, as a vector.
func (o MaxPool) places(e Emitter, y *Value, x string, windows Shape) string {
	indices := e.Nodes("MaxPool", 2, []string{x}, o.window().attrs()...)[1]
	return e.Node("Reshape", []string{indices, e.Shape(Shape{windows.Size()})})
}

// MaxPoolScatter is the gradient of MaxPool: each element of g goes to where the largest element of its window in x is.
// ONNX: where square windows tile the image, MaxPool, Slice, Equal, Where and DepthToSpace; else MaxPool with indices,
// ScatterElements.
type MaxPoolScatter struct{ Pool MaxPool }

func (o MaxPoolScatter) normalize([]*Value) Op {
	o.Pool.Strides = orOnes(o.Pool.Strides)
	return o
}

// Takes is images, and values for the windows or the pixels.
func (MaxPoolScatter) Takes() []Arg { return twoFloats }

// Infer returns x's type.
func (o MaxPoolScatter) Infer(in *Infer) ([]Type, error) {
	return in.One(in.Args[0].Type, o.Pool.window().pooled(in.Args[0], in.Args[1]))
}

// VJP takes from the gradient what stands at the largest elements; where those are does not move with x.
func (o MaxPoolScatter) VJP(n *Node, g []*Value) []*Value {
	return []*Value{nil, Apply(MaxPoolGather{Pool: o.Pool}, n.Args[0], g[0])}
}

// Run scatters.
func (o MaxPoolScatter) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, maxPoolScatterFloats[float32], maxPoolScatterFloats[float64])
}

func maxPoolScatterFloats[T kernel.Float](c *kernel.Context, o MaxPoolScatter, out, in []*tensor.Tensor) error {
	s := o.Pool.window().shape(in[0].Shape(), in[1].Shape())
	kernel.MaxPoolScatter(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Emit scatters into zeros. Windows may overlap, so that elements add up.
func (o MaxPoolScatter) Emit(e Emitter, n *Node, in []string) []string {
	y := n.Results[0]
	g := n.Args[1]
	if k := o.Pool.Kernel[0]; o.Pool.Kernel == [2]int{k, k} && orOnes(o.Pool.Strides) == o.Pool.Kernel && o.Pool.Pads == [4]int{} && k <= maxTile {
		return []string{o.tiles(e, y, k, in)}
	}
	zeros := e.Node("ConstantOfShape", []string{e.Shape(Shape{y.Shape().Size()})}, Attr{"value", tensor.New(y.DType(), 1)})
	flat := e.Node("Reshape", []string{in[1], e.Shape(Shape{g.Shape().Size()})})
	sum := e.Node("ScatterElements", []string{zeros, o.Pool.places(e, y, in[0], g.Shape()), flat}, Attr{"axis", 0}, Attr{"reduction", "add"})
	return []string{e.Node("Reshape", []string{sum, e.Shape(y.Shape())})}
}

// maxTile is the largest window that is worth a few nodes for each of its elements.
const maxTile = 4

// tiles is the ONNX form where windows of k×k tile the image. Runtimes are slow at indices and scattering; here each place
// in the window takes g where its element of x equals the largest, and passes on the rest.
func (o MaxPoolScatter) tiles(e Emitter, y *Value, k int, in []string) string {
	g := y.Args[1].Shape()
	ints := func(v ...int64) string { return e.Const(tensor.Of(v, len(v))) }
	top, zero, rest := e.Node("MaxPool", in[:1], o.Pool.window().attrs()...), number(e, y, 0), in[1]
	axes, steps := ints(2, 3), ints(int64(k), int64(k))
	rows, cols := int64(g[2])*int64(k), int64(g[3])*int64(k)
	parts := make([]string, 0, k*k)
	for i := range k*k - 1 {
		place := e.Node("Slice", []string{in[0], ints(int64(i/k), int64(i%k)), ints(rows, cols), axes, steps})
		hit := e.Node("Equal", []string{place, top})
		parts = append(parts, e.Node("Where", []string{hit, rest, zero}))
		rest = e.Node("Where", []string{hit, zero, rest})
	}
	parts = append(parts, rest)
	if k == 1 {
		return e.Node("Identity", parts)
	}
	out := e.Node("DepthToSpace", []string{e.Node("Concat", parts, Attr{"axis", 1})}, Attr{"blocksize", k})
	if below, right := int64(y.Shape()[2])-rows, int64(y.Shape()[3])-cols; below > 0 || right > 0 {
		out = e.Node("Pad", []string{out, ints(0, 0, 0, 0, 0, 0, below, right), zero})
	}
	return out
}

// Samples mirror MaxPool's, also with elements that are all equal.
func (MaxPoolScatter) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples {
		o := MaxPool{s.w.kernel, s.w.strides, s.w.pads}
		g := SampleInput{Shape: s.w.pooledShape(s.x)}
		out = append(out, Sample{Op: MaxPoolScatter{o}, In: []SampleInput{{Shape: s.x, Distinct: true}, g}},
			Sample{Op: MaxPoolScatter{o}, In: []SampleInput{{Shape: s.x, Lo: 1, Hi: 1}, g}})
	}
	return out
}

// pooledShape is infer on plain numbers, for samples.
func (w window) pooledShape(x []int) []int {
	strides := orOnes(w.strides)
	out := slices.Clone(x)
	for i := range 2 {
		out[2+i] = (x[2+i]+w.pads[i]+w.pads[i+2]-w.kernel[i])/strides[i] + 1
	}
	return out
}

// MaxPoolGather takes from v, for each window, the element that stands where the largest of x is: the adjoint of
// MaxPoolScatter. ONNX: MaxPool with indices, GatherElements.
type MaxPoolGather struct{ Pool MaxPool }

func (o MaxPoolGather) normalize([]*Value) Op {
	o.Pool.Strides = orOnes(o.Pool.Strides)
	return o
}

// Takes is images, and values for the windows or the pixels.
func (MaxPoolGather) Takes() []Arg { return twoFloats }

// Infer gives the pooled shape.
func (o MaxPoolGather) Infer(in *Infer) ([]Type, error) {
	if !in.Args[0].Type.Equal(in.Args[1].Type) {
		return nil, Mistakef("both are of one type", "the images are %v, the values %v", in.Args[0].Type, in.Args[1].Type)
	}
	return in.One(o.Pool.window().infer(in.Args[0]))
}

// VJP scatters.
func (o MaxPoolGather) VJP(n *Node, g []*Value) []*Value {
	return []*Value{nil, Apply(MaxPoolScatter{Pool: o.Pool}, n.Args[0], g[0])}
}

// Run gathers.
func (o MaxPoolGather) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, maxPoolGatherFloats[float32], maxPoolGatherFloats[float64])
}

func maxPoolGatherFloats[T kernel.Float](c *kernel.Context, o MaxPoolGather, out, in []*tensor.Tensor) error {
	s := o.Pool.window().shape(in[0].Shape(), out[0].Shape())
	kernel.MaxPoolGather(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Emit gathers from the flat values.
func (o MaxPoolGather) Emit(e Emitter, n *Node, in []string) []string {
	y := n.Results[0]
	flat := e.Node("Reshape", []string{in[1], e.Shape(Shape{n.Args[1].Shape().Size()})})
	picked := e.Node("GatherElements", []string{flat, o.Pool.places(e, y, in[0], y.Shape())}, Attr{"axis", 0})
	return []string{e.Node("Reshape", []string{picked, e.Shape(y.Shape())})}
}

// Samples mirror MaxPool's, also with elements that are all equal.
func (MaxPoolGather) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples {
		o := MaxPool{s.w.kernel, s.w.strides, s.w.pads}
		out = append(out, Sample{Op: MaxPoolGather{o}, In: []SampleInput{{Shape: s.x, Distinct: true}, {Shape: s.x}}},
			Sample{Op: MaxPoolGather{o}, In: []SampleInput{{Shape: s.x, Lo: 1, Hi: 1}, {Shape: s.x}}})
	}
	return out
}

// AveragePool takes the mean of each window of images [N C H W]. ONNX: AveragePool.
type AveragePool struct {
	Kernel, Strides [2]int // a stride of 0 means 1
	Pads            [4]int // top, left, bottom, right
	CountPad        bool   // count padding as zeros, instead of leaving it out
}

// AveragePool pools the images v.
func (v *Value) AveragePool(o AveragePool) *Value { return Apply(o, v) }

func (o AveragePool) window() window { return window{o.Kernel, o.Strides, o.Pads} }

func (o AveragePool) normalize([]*Value) Op {
	o.Strides = orOnes(o.Strides)
	return o
}

// Takes is images.
func (AveragePool) Takes() []Arg { return oneFloat }

// Infer gives the pooled shape.
func (o AveragePool) Infer(in *Infer) ([]Type, error) { return in.One(o.window().infer(in.Args[0])) }

// VJP spreads g over the windows.
func (o AveragePool) VJP(n *Node, g []*Value) []*Value {
	return []*Value{Apply(AveragePoolSpread{Pool: o, Shape: n.Args[0].Shape()}, g[0])}
}

// Run pools.
func (o AveragePool) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, averagePoolFloats[float32], averagePoolFloats[float64])
}

func averagePoolFloats[T kernel.Float](c *kernel.Context, o AveragePool, out, in []*tensor.Tensor) error {
	s := o.window().shape(in[0].Shape(), out[0].Shape())
	kernel.AveragePool(c, s, o.CountPad, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Forms is AveragePool.
func (AveragePool) Forms() []Form {
	return form("AveragePool", append(slices.Clone(poolFields), Field{Attribute: "count_include_pad", Name: "CountPad"})...)
}

// Samples covers overlapping windows and both ways to count padding.
func (AveragePool) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples {
		for _, count := range []bool{false, true} {
			out = append(out, Sample{Op: AveragePool{s.w.kernel, s.w.strides, s.w.pads, count}, In: []SampleInput{{Shape: s.x}}})
		}
	}
	return out
}

// AveragePoolSpread is the gradient of AveragePool: each element is spread over its window of an image of the given shape.
// ONNX: Mul, ConvTranspose with a filter of ones.
type AveragePoolSpread struct {
	Pool  AveragePool
	Shape Shape
}

func (o AveragePoolSpread) normalize([]*Value) Op {
	o.Pool.Strides = orOnes(o.Pool.Strides)
	return o
}

// Takes is images.
func (AveragePoolSpread) Takes() []Arg { return oneFloat }

// Infer returns the images' type.
func (o AveragePoolSpread) Infer(in *Infer) ([]Type, error) {
	t := Type{in.Args[0].DType(), o.Shape}
	return in.One(t, o.Pool.window().pooled(&Value{Type: t}, in.Args[0]))
}

// VJP pools.
func (o AveragePoolSpread) VJP(_ *Node, g []*Value) []*Value {
	return []*Value{g[0].AveragePool(o.Pool)}
}

// Run spreads.
func (o AveragePoolSpread) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, averagePoolSpreadFloats[float32], averagePoolSpreadFloats[float64])
}

func averagePoolSpreadFloats[T kernel.Float](c *kernel.Context, o AveragePoolSpread, out, in []*tensor.Tensor) error {
	s := o.Pool.window().shape(out[0].Shape(), in[0].Shape())
	kernel.AveragePoolSpread(c, s, o.Pool.CountPad, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Lower divides by what each window counts, and lets a transposed convolution with a filter of ones spread it.
func (o AveragePoolSpread) Lower(n *Node) []*Value {
	g := n.Args[0]
	oh, ow, channels := int(g.Shape()[2]), int(g.Shape()[3]), int(g.Shape()[1])
	w := o.Pool.window()
	strides := orOnes(w.strides)
	size := [2]int{int(o.Shape[2]), int(o.Shape[3])}
	share, ones := tensor.New(g.DType(), 1, 1, oh, ow), tensor.New(g.DType(), channels, 1, w.kernel[0], w.kernel[1])
	for i := range ones.Len() {
		ones.Set(i, 1)
	}
	within := func(axis, at int) int {
		from := at*strides[axis] - w.pads[axis]
		return min(from+w.kernel[axis], size[axis]) - max(from, 0)
	}
	for i := range oh {
		for j := range ow {
			count := w.kernel[0] * w.kernel[1]
			if !o.Pool.CountPad {
				count = within(0, i) * within(1, j)
			}
			share.Set(i*ow+j, 1/float64(count))
		}
	}
	spread := ConvTranspose2D{Strides: strides, Pads: w.pads, Groups: channels}
	for i := range spread.OutputPadding {
		spread.OutputPadding[i] = (size[i] + w.pads[i] + w.pads[i+2] - w.kernel[i]) % strides[i]
	}
	return []*Value{g.Mul(g.fn.Const(share)).ConvTranspose2D(g.fn.Const(ones), spread)}
}

// Samples mirror AveragePool's.
func (AveragePoolSpread) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples {
		shape := Shape{}
		for _, d := range s.x {
			shape = append(shape, Dim(d))
		}
		for _, count := range []bool{false, true} {
			o := AveragePool{s.w.kernel, s.w.strides, s.w.pads, count}
			out = append(out, Sample{Op: AveragePoolSpread{o, slices.Clone(shape)}, In: []SampleInput{{Shape: s.w.pooledShape(s.x)}}})
		}
	}
	return out
}

// GlobalAveragePool is the mean of each channel of images [N C H W], as [N C 1 1]. ONNX: GlobalAveragePool.
type GlobalAveragePool struct{}

// GlobalAveragePool averages each channel of the images v.
func (v *Value) GlobalAveragePool() *Value { return Apply(GlobalAveragePool{}, v) }

// Takes is images.
func (GlobalAveragePool) Takes() []Arg { return oneFloat }

// Infer makes height and width 1.
func (GlobalAveragePool) Infer(in *Infer) ([]Type, error) {
	if in.Args[0].Rank() != 4 {
		return nil, Mistakef("Reshape gives a flat image its axes", "needs [batch channels height width], has %v", in.Args[0].Type)
	}
	return inferReduce(in.Args[0], []int{2, 3}, true)
}

// Lower is the mean over height and width.
func (GlobalAveragePool) Lower(n *Node) []*Value { return []*Value{n.Args[0].MeanKeep(2, 3)} }

// Forms is GlobalAveragePool.
func (GlobalAveragePool) Forms() []Form { return form("GlobalAveragePool") }

// Samples covers two shapes.
func (o GlobalAveragePool) Samples() []Sample {
	return []Sample{{Op: o, In: []SampleInput{{Shape: []int{2, 3, 2, 3}}}}, {Op: o, In: []SampleInput{{Shape: []int{1, 1, 1, 1}}}}}
}
