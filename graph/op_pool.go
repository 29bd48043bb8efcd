package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var poolOps = []Sampled{MaxPoolND{}, MaxPoolScatter{}, MaxPoolGather{}, AveragePoolND{}, AveragePoolSpread{}, GlobalAveragePool{}}

// pooled is the pooled type of images x, by a window that need not be normal.
func (w window) pooled(x *Value) (Type, error) {
	n, err := pixelAxes(x)
	if err == nil {
		err = w.check(n)
	}
	switch {
	case err != nil:
		return Type{}, err
	case len(w.kernel) != n || slices.Min(w.kernel) < 1:
		return Type{}, Mistakef("set Kernel, such as [2]int{2, 2}: a number for each axis behind batch and channels", "the window is %v", w.kernel)
	}
	w = w.normal(n)
	for i, p := range w.pads {
		if p >= w.kernel[i%n] {
			return Type{}, Mistakef("padding must be smaller than the window", "padding %v around windows of %v would leave windows empty", w.pads, w.kernel)
		}
	}
	sizes := w.sizes(x.Shape()[2:])
	if slices.Contains(sizes, 0) {
		return Type{}, Mistakef("pad the image, or take a smaller window", "a window of %v does not fit %v padded by %v", w.kernel, x.Type, w.pads)
	}
	return Type{x.DType(), append(slices.Clone(x.Shape()[:2]), sizes...)}, nil
}

// shape is the kernels' geometry from images of shape x to y, or an error if a size that only the run tells does not do.
func (w window) shape(x, y []int) (kernel.PoolShape, error) {
	if slices.Min(y[2:]) < 1 {
		return kernel.PoolShape{}, fmt.Errorf("a window of %v does not fit images of %v padded by %v", w.kernel, x[2:], w.pads)
	}
	in, out := three(x[2:], 1), three(y[2:], 1)
	return kernel.PoolShape{Volumes: x[0] * x[1], D: in[0], H: in[1], W: in[2], OD: out[0], OH: out[1], OW: out[2],
		Kernel: three(w.kernel, 1), Strides: three(w.strides, 1), Pads: sixPads(w.pads)}, nil
}

// attrs are the attributes of the ONNX node.
func (w window) attrs() []Attr {
	return []Attr{{"kernel_shape", w.kernel}, {"strides", w.strides}, {"pads", w.pads}}
}

// isPooled checks that a gradient has the pooled shape of the images x.
func (w window) isPooled(x, g *Value) error {
	t, err := w.pooled(x)
	if err == nil && !t.Equal(g.Type) {
		err = Mistakef("they are of the type of the pooling's result", "the pooled values are %v, want %v", g.Type, t)
	}
	return err
}

// A poolSample is a pooling of images of shape x. Each sample has lists of its own.
type poolSample struct {
	w MaxPoolND
	x []int
}

func poolSamples() []poolSample {
	return []poolSample{
		{MaxPoolND{Kernel: []int{2, 2}, Strides: []int{2, 2}}, []int{1, 2, 4, 4}},
		{MaxPoolND{Kernel: []int{2, 2}, Strides: []int{2, 2}}, []int{2, 1, 5, 3}},
		{MaxPoolND{Kernel: []int{3, 3}, Strides: []int{2, 2}, Pads: []int{1, 1, 1, 1}}, []int{1, 1, 5, 5}},
		{MaxPoolND{Kernel: []int{3, 2}, Strides: []int{1, 2}, Pads: []int{0, 0, 1, 1}}, []int{1, 2, 3, 4}},
		{MaxPoolND{Kernel: []int{1, 1}}, []int{1, 1, 2, 2}},
		{MaxPoolND{Kernel: []int{3, 3}, Strides: []int{3, 3}}, []int{1, 2, 4, 3}},
		{MaxPoolND{Kernel: []int{1, 2}, Strides: []int{2, 3}, Pads: []int{0, 1, 0, 0}}, []int{1, 1, 3, 5}},
		{MaxPoolND{Kernel: []int{3}, Strides: []int{2}, Pads: []int{2, 1}}, []int{2, 1, 6}},
		{MaxPoolND{Kernel: []int{2}, Strides: []int{2}}, []int{1, 2, 5}},
		{MaxPoolND{Kernel: []int{2, 2, 2}, Strides: []int{2, 2, 2}}, []int{1, 2, 2, 3, 4}},
		{MaxPoolND{Kernel: []int{2, 1, 3}, Strides: []int{1, 2, 2}, Pads: []int{1, 0, 1, 0, 0, 2}}, []int{1, 1, 3, 2, 3}},
	}
}

// samplePooled are the sizes of the images that a pooling of a sample makes.
func (w window) samplePooled(x []int) []int {
	out := slices.Clone(x[:2])
	for _, d := range w.normal(len(x) - 2).sizes(dims(x[2:])) {
		out = append(out, int(d))
	}
	return out
}

// MaxPoolND takes the largest element of each window of images [N C ...] of one to three axes, whose sizes may be symbolic; padding is
// never the largest. ONNX: MaxPool.
type MaxPoolND struct {
	Kernel, Strides []int // for each axis; no strides, and 0, are 1
	Pads            []int // before each axis, then behind each; none are 0
}

// MaxPoolND pools the images v.
func (v *Value) MaxPoolND(o MaxPoolND) *Value { return Apply(o, v) }

// MaxPool is a [MaxPoolND] over rows and columns.
type MaxPool struct {
	Kernel, Strides [2]int // a stride of 0 means 1
	Pads            [4]int // top, left, bottom, right
}

// MaxPool pools the images v [N C H W].
func (v *Value) MaxPool(o MaxPool) *Value {
	return v.MaxPoolND(MaxPoolND{o.Kernel[:], o.Strides[:], o.Pads[:]})
}

// former is the op that it was over rows and columns.
func (o MaxPoolND) former() (string, any) {
	if len(o.Strides) != 2 {
		return "", nil
	}
	return "MaxPool", MaxPool{[2]int(o.Kernel), [2]int(o.Strides), [4]int(o.Pads)}
}

func (o MaxPoolND) window() window { return window{kernel: o.Kernel, strides: o.Strides, pads: o.Pads} }

// normal is o with all lists full.
func (o MaxPoolND) normal() MaxPoolND {
	w := o.window().normal(len(o.Kernel))
	return MaxPoolND{w.kernel, w.strides, w.pads}
}

func (o MaxPoolND) normalize([]*Value) Op { return o.normal() }

// Takes is images.
func (MaxPoolND) Takes() []Arg { return oneFloat }

// Infer gives the pooled shape.
func (o MaxPoolND) Infer(in *Infer) ([]Type, error) { return in.One(o.window().pooled(in.Args[0])) }

// VJP gives each g to where the window's largest element is.
func (o MaxPoolND) VJP(n *Node, g []*Value) []*Value {
	return []*Value{Apply(MaxPoolScatter{Pool: o}, n.Args[0], g[0])}
}

// Run pools.
func (o MaxPoolND) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, maxPoolFloats[float32], maxPoolFloats[float64])
}

func maxPoolFloats[T kernel.Float](c *kernel.Context, o MaxPoolND, out, in []*tensor.Tensor) error {
	s, err := o.window().shape(in[0].Shape(), out[0].Shape())
	if err != nil {
		return err
	}
	kernel.MaxPool(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Forms is MaxPool.
func (MaxPoolND) Forms() []Form { return form("MaxPool", poolFields...) }

// poolFields are the attributes of pooling.
var poolFields = []Field{{Attribute: "kernel_shape", Name: "Kernel"}, {Attribute: "strides", Name: "Strides"}, {Attribute: "pads", Name: "Pads"}}

// Samples covers overlapping windows and padding.
func (MaxPoolND) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples() {
		out = append(out, Sample{Op: s.w, In: []SampleInput{{Shape: s.x, Distinct: true}}})
	}
	return out
}

// places is the flat position of each window's largest element, as a vector.
func (o MaxPoolND) places(e Emitter, y *Value, x string, windows Shape) string {
	indices := e.Nodes("MaxPool", 2, []string{x}, o.window().attrs()...)[1]
	return e.Node("Reshape", []string{indices, e.Shape(Shape{windows.Size()})})
}

// MaxPoolScatter is the gradient of MaxPool: each element of g goes to where the largest element of its window in x is.
// ONNX: where square windows tile the image, MaxPool, Slice, Equal, Where and DepthToSpace; else MaxPool with indices,
// ScatterElements.
type MaxPoolScatter struct{ Pool MaxPoolND }

func (o MaxPoolScatter) normalize([]*Value) Op {
	o.Pool = o.Pool.normal()
	return o
}

// Takes is images, and values for the windows or the pixels.
func (MaxPoolScatter) Takes() []Arg { return twoFloats }

// Infer returns x's type.
func (o MaxPoolScatter) Infer(in *Infer) ([]Type, error) {
	return in.One(in.Args[0].Type, o.Pool.window().isPooled(in.Args[0], in.Args[1]))
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
	s, err := o.Pool.window().shape(in[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	kernel.MaxPoolScatter(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Emit scatters into zeros. Windows may overlap, so that elements add up.
func (o MaxPoolScatter) Emit(e Emitter, n *Node, in []string) []string {
	y, g, p := n.Results[0], n.Args[1], o.Pool
	if k := p.Kernel[0]; len(p.Kernel) == 2 && p.Kernel[1] == k && slices.Equal(p.Strides, p.Kernel) && slices.Max(p.Pads) == 0 && k <= maxTile {
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
	ends := e.Shape(Shape{g[2].Times(Dim(k)), g[3].Times(Dim(k))})
	parts := make([]string, 0, k*k)
	for i := range k*k - 1 {
		place := e.Node("Slice", []string{in[0], ints(int64(i/k), int64(i%k)), ends, axes, steps})
		hit := e.Node("Equal", []string{place, top})
		parts = append(parts, e.Node("Where", []string{hit, rest, zero}))
		rest = e.Node("Where", []string{hit, zero, rest})
	}
	parts = append(parts, rest)
	if k == 1 {
		return e.Node("Identity", parts)
	}
	out := e.Node("DepthToSpace", []string{e.Node("Concat", parts, Attr{"axis", 1})}, Attr{"blocksize", k})
	if below, right := y.Shape()[2].Mod(Dim(k)), y.Shape()[3].Mod(Dim(k)); below != 0 || right != 0 {
		out = e.Node("Pad", []string{out, e.Shape(Shape{0, 0, 0, 0, 0, 0, below, right}), zero})
	}
	return out
}

// Samples mirror MaxPool's, also with elements that are all equal.
func (MaxPoolScatter) Samples() []Sample {
	var out []Sample
	for _, s := range poolSamples() {
		g := SampleInput{Shape: s.w.window().samplePooled(s.x)}
		out = append(out, Sample{Op: MaxPoolScatter{s.w}, In: []SampleInput{{Shape: s.x, Distinct: true}, g}})
	}
	for _, s := range poolSamples() {
		g := SampleInput{Shape: s.w.window().samplePooled(s.x)}
		out = append(out, Sample{Op: MaxPoolScatter{s.w}, In: []SampleInput{{Shape: s.x, Lo: 1, Hi: 1}, g}})
	}
	return out
}

// MaxPoolGather takes from v, for each window, the element that stands where the largest of x is: the adjoint of
// MaxPoolScatter. ONNX: MaxPool with indices, GatherElements.
type MaxPoolGather struct{ Pool MaxPoolND }

func (o MaxPoolGather) normalize([]*Value) Op {
	o.Pool = o.Pool.normal()
	return o
}

// Takes is images, and values for the windows or the pixels.
func (MaxPoolGather) Takes() []Arg { return twoFloats }

// Infer gives the pooled shape.
func (o MaxPoolGather) Infer(in *Infer) ([]Type, error) {
	if !in.Args[0].Type.Equal(in.Args[1].Type) {
		return nil, Mistakef("both are of one type", "the images are %v, the values %v", in.Args[0].Type, in.Args[1].Type)
	}
	return in.One(o.Pool.window().pooled(in.Args[0]))
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
	s, err := o.Pool.window().shape(in[0].Shape(), out[0].Shape())
	if err != nil {
		return err
	}
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
	for _, s := range poolSamples() {
		out = append(out, Sample{Op: MaxPoolGather{s.w}, In: []SampleInput{{Shape: s.x, Distinct: true}, {Shape: s.x}}})
	}
	for _, s := range poolSamples() {
		out = append(out, Sample{Op: MaxPoolGather{s.w}, In: []SampleInput{{Shape: s.x, Lo: 1, Hi: 1}, {Shape: s.x}}})
	}
	return out
}

// AveragePoolND takes the mean of each window of images [N C ...] of one to three axes, whose sizes may be symbolic. ONNX: AveragePool.
type AveragePoolND struct {
	Kernel, Strides []int // for each axis; no strides, and 0, are 1
	Pads            []int // before each axis, then behind each; none are 0
	CountPad        bool  // count padding as zeros, instead of leaving it out
}

// AveragePoolND pools the images v.
func (v *Value) AveragePoolND(o AveragePoolND) *Value { return Apply(o, v) }

// AveragePool is an [AveragePoolND] over rows and columns.
type AveragePool struct {
	Kernel, Strides [2]int // a stride of 0 means 1
	Pads            [4]int // top, left, bottom, right
	CountPad        bool   // count padding as zeros, instead of leaving it out
}

// AveragePool pools the images v [N C H W].
func (v *Value) AveragePool(o AveragePool) *Value {
	return v.AveragePoolND(AveragePoolND{o.Kernel[:], o.Strides[:], o.Pads[:], o.CountPad})
}

// former is the op that it was over rows and columns.
func (o AveragePoolND) former() (string, any) {
	if len(o.Strides) != 2 {
		return "", nil
	}
	return "AveragePool", AveragePool{[2]int(o.Kernel), [2]int(o.Strides), [4]int(o.Pads), o.CountPad}
}

func (o AveragePoolND) window() window {
	return window{kernel: o.Kernel, strides: o.Strides, pads: o.Pads}
}

// normal is o with all lists full.
func (o AveragePoolND) normal() AveragePoolND {
	w := o.window().normal(len(o.Kernel))
	return AveragePoolND{w.kernel, w.strides, w.pads, o.CountPad}
}

func (o AveragePoolND) normalize([]*Value) Op { return o.normal() }

// Takes is images.
func (AveragePoolND) Takes() []Arg { return oneFloat }

// Infer gives the pooled shape.
func (o AveragePoolND) Infer(in *Infer) ([]Type, error) { return in.One(o.window().pooled(in.Args[0])) }

// VJP spreads g over the windows.
func (o AveragePoolND) VJP(n *Node, g []*Value) []*Value {
	return []*Value{Apply(AveragePoolSpread{Pool: o, Shape: n.Args[0].Shape()}, g[0])}
}

// Run pools.
func (o AveragePoolND) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, averagePoolFloats[float32], averagePoolFloats[float64])
}

func averagePoolFloats[T kernel.Float](c *kernel.Context, o AveragePoolND, out, in []*tensor.Tensor) error {
	s, err := o.window().shape(in[0].Shape(), out[0].Shape())
	if err != nil {
		return err
	}
	kernel.AveragePool(c, s, o.CountPad, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Forms is AveragePool.
func (AveragePoolND) Forms() []Form {
	return form("AveragePool", append(slices.Clone(poolFields), Field{Attribute: "count_include_pad", Name: "CountPad"})...)
}

// Samples covers overlapping windows and both ways to count padding.
func (AveragePoolND) Samples() []Sample {
	var out []Sample
	for _, count := range []bool{false, true} {
		for _, s := range poolSamples() {
			out = append(out, Sample{Op: AveragePoolND{s.w.Kernel, s.w.Strides, s.w.Pads, count}, In: []SampleInput{{Shape: s.x}}})
		}
	}
	return out
}

// AveragePoolSpread is the gradient of AveragePool: each element is spread over its window of an image of the given shape.
// ONNX: Mul, ConvTranspose with a filter of ones.
type AveragePoolSpread struct {
	Pool  AveragePoolND
	Shape Shape
}

func (o AveragePoolSpread) normalize([]*Value) Op {
	o.Pool = o.Pool.normal()
	return o
}

// Takes is images.
func (AveragePoolSpread) Takes() []Arg { return oneFloat }

// Infer returns the images' type.
func (o AveragePoolSpread) Infer(in *Infer) ([]Type, error) {
	t := Type{in.Args[0].DType(), o.Shape}
	return in.One(t, o.Pool.window().isPooled(&Value{Type: t}, in.Args[0]))
}

// VJP pools.
func (o AveragePoolSpread) VJP(_ *Node, g []*Value) []*Value {
	return []*Value{g[0].AveragePoolND(o.Pool)}
}

// Run spreads.
func (o AveragePoolSpread) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, averagePoolSpreadFloats[float32], averagePoolSpreadFloats[float64])
}

func averagePoolSpreadFloats[T kernel.Float](c *kernel.Context, o AveragePoolSpread, out, in []*tensor.Tensor) error {
	s, err := o.Pool.window().shape(out[0].Shape(), in[0].Shape())
	if err != nil {
		return err
	}
	kernel.AveragePoolSpread(c, s, o.Pool.CountPad, tensor.Data[T](out[0]), tensor.Data[T](in[0]))
	return nil
}

// Lower divides by what each window counts, and lets a transposed convolution with a filter of ones spread it.
func (o AveragePoolSpread) Lower(n *Node) []*Value {
	g, channels, all := n.Args[0], int(n.Args[0].Shape()[1]), 1
	for _, k := range o.Pool.Kernel {
		all *= k
	}
	filter := tensor.New(g.DType(), append([]int{channels, 1}, o.Pool.Kernel...)...)
	for i := range filter.Len() {
		filter.Set(i, 1)
	}
	share := g.Scale(1 / float64(all))
	if !o.Pool.CountPad && slices.Max(o.Pool.Pads) > 0 { // what each window has inside, of all
		image := slices.Clone(o.Shape)
		image[0], image[1] = 1, 1
		inside := o.Pool
		inside.CountPad = true
		share = share.Div(g.fn.Full(g.DType(), 1, image...).AveragePoolND(inside))
	}
	spread := ConvTranspose{Strides: o.Pool.Strides, Pads: o.Pool.Pads, Groups: channels, Sizes: o.Shape[2:]}
	return []*Value{share.ConvTranspose(g.fn.Const(filter), spread)}
}

// Samples mirror AveragePool's.
func (AveragePoolSpread) Samples() []Sample {
	var out []Sample
	for _, count := range []bool{false, true} {
		for _, s := range poolSamples() {
			o := AveragePoolND{s.w.Kernel, s.w.Strides, s.w.Pads, count}
			out = append(out, Sample{Op: AveragePoolSpread{o, dims(s.x)}, In: []SampleInput{{Shape: s.w.window().samplePooled(s.x)}}})
		}
	}
	return out
}

// GlobalAveragePool is the mean of each channel of images [N C ...] of one to three axes, which stay with size 1: [N C 1 1]. ONNX:
// GlobalAveragePool.
type GlobalAveragePool struct{}

// GlobalAveragePool averages each channel of the images v.
func (v *Value) GlobalAveragePool() *Value { return Apply(GlobalAveragePool{}, v) }

// Takes is images.
func (GlobalAveragePool) Takes() []Arg { return oneFloat }

// Infer makes the sizes of the images 1.
func (GlobalAveragePool) Infer(in *Infer) ([]Type, error) {
	n, err := pixelAxes(in.Args[0])
	if err != nil {
		return nil, err
	}
	return inferReduce(in.Args[0], []int{2, 3, 4}[:n], true)
}

// Lower is the mean over the pixels.
func (GlobalAveragePool) Lower(n *Node) []*Value {
	return []*Value{n.Args[0].MeanKeep([]int{2, 3, 4}[:n.Args[0].Rank()-2]...)}
}

// Forms is GlobalAveragePool.
func (GlobalAveragePool) Forms() []Form { return form("GlobalAveragePool") }

// Samples covers one to three axes.
func (o GlobalAveragePool) Samples() []Sample {
	var out []Sample
	for _, s := range [][]int{{2, 3, 2, 3}, {1, 1, 1, 1}, {1, 2, 3}, {1, 2, 2, 1, 3}} {
		out = append(out, Sample{Op: o, In: []SampleInput{{Shape: s}}})
	}
	return out
}
