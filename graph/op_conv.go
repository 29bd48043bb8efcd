package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var convOps = []Sampled{Conv{}, ConvTranspose{}, ConvWeight{}}

// A Conv is a convolution of images x [N C ...] of one to three axes with filters w [O C/Groups ...] of as many. The batch and the
// pixels may be symbolic. ONNX: Conv.
type Conv struct {
	Strides   []int // for each axis; none are 1, and 0 means 1
	Pads      []int // zeros before each axis, then behind each; none are 0
	Dilations []int // as Strides
	Groups    int   // 0 means 1
}

// Conv convolves the images v with the filters w.
func (v *Value) Conv(w *Value, o Conv) *Value { return Apply(o, v, w) }

// Conv2D is a [Conv] over rows and columns.
type Conv2D struct {
	Strides   [2]int // rows, columns; 0 means 1
	Pads      [4]int // zeros at the top, left, bottom, right
	Dilations [2]int // 0 means 1
	Groups    int    // 0 means 1
}

// Conv2D convolves the images v [N C H W] with the filters w [O C/Groups KH KW].
func (v *Value) Conv2D(w *Value, o Conv2D) *Value {
	return v.Conv(w, Conv{o.Strides[:], o.Pads[:], o.Dilations[:], o.Groups})
}

// former is the op that it was over rows and columns.
func (o Conv) former() (string, any) {
	if len(o.Strides) != 2 {
		return "", nil
	}
	return "Conv2D", Conv2D{[2]int(o.Strides), [4]int(o.Pads), [2]int(o.Dilations), o.Groups}
}

// normal is o over n axes with everything said.
func (o Conv) normal(n int) Conv {
	w := window{strides: o.Strides, dilations: o.Dilations, pads: o.Pads}.normal(n)
	return Conv{w.strides, w.pads, w.dilations, max(o.Groups, 1)}
}

func (o Conv) normalize(in []*Value) Op { return o.normal(in[0].Rank() - 2) }

// window is what filters of shape w go over the images by, if o is normal.
func (o Conv) window(w Shape) window {
	kernel := make([]int, len(w)-2)
	for i, k := range w[2:] {
		kernel[i] = int(k)
	}
	return window{kernel, o.Strides, o.Dilations, o.Pads}
}

var convArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "filters", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (Conv) Takes() []Arg { return convArgs }

// filtered checks images and filters, and gives the normal form of o for them.
func (o Conv) filtered(x, w *Value) (Conv, error) {
	n, err := pixelAxes(x)
	if err == nil {
		err = window{strides: o.Strides, dilations: o.Dilations, pads: o.Pads}.check(n)
	}
	if err == nil {
		err = notNegative([]int{o.Groups})
	}
	switch {
	case err != nil:
		return o, err
	case w.Rank() != x.Rank() || !w.Shape().Static():
		return o, Mistakef("filters are [out in height width], with as many axes as the images, and numbers", "the weights are %v for images %v", w.Type, x.Type)
	case w.Shape().Size() == 0:
		return o, Mistakef("every dimension of the filters is at least 1", "the weights are %v", w.Type)
	}
	return o.normal(n), nil
}

// Infer checks channels and sizes.
func (o Conv) Infer(in *Infer) ([]Type, error) {
	x, w := in.Args[0], in.Args[1]
	o, err := o.filtered(x, w)
	if err != nil {
		return nil, err
	}
	c, ws := int(x.Shape()[1]), w.Shape()
	if c != int(ws[1])*o.Groups || int(ws[0])%o.Groups != 0 {
		return nil, Mistakef("filters are [out in/groups height width]", "%d channels into filters %v for %d, in %d groups", c, ws, int(ws[1])*o.Groups, o.Groups)
	}
	sizes := o.window(ws).sizes(x.Shape()[2:])
	if slices.Contains(sizes, 0) {
		return nil, Mistakef("pad the image, or take a smaller filter", "a filter of %s, dilated by %v, does not fit the image %v padded by %v", by(ws[2:]), o.Dilations, x.Type, o.Pads)
	}
	return in.One(Type{x.DType(), append(Shape{x.Shape()[0], ws[0]}, sizes...)}, nil)
}

// by is sizes as one says them, 3×3.
func by(sizes Shape) string {
	text := ""
	for i, n := range sizes {
		if i > 0 {
			text += "×"
		}
		text += n.String()
	}
	return text
}

// VJP is (the transposed convolution of g with w, the weights' gradient).
func (o Conv) VJP(n *Node, gs []*Value) []*Value {
	x, w := n.Args[0], n.Args[1]
	return []*Value{gs[0].ConvTranspose(w, o.adjoint(x.Shape(), w.Shape())), Apply(ConvWeight{Conv: o, Shape: w.Shape()}, x, gs[0])}
}

// adjoint is the transposed convolution that takes gradients of the result to gradients of x.
func (o Conv) adjoint(x, w Shape) ConvTranspose {
	o = o.normal(len(x) - 2)
	t := ConvTranspose{Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups, Sizes: x[2:]}
	return t.normalSizes(w)
}

// shape is the kernels' geometry of a convolution of x to y with filters w, or an error if a size that only the run tells does not do.
func (o Conv) shape(x, w, y []int) (kernel.VolumeShape, error) {
	if slices.Min(y[2:]) < 1 {
		return kernel.VolumeShape{}, fmt.Errorf("filters of %v, dilated by %v, do not fit images of %v padded by %v", w[2:], o.Dilations, x[2:], o.Pads)
	}
	strides, dilations, pads := three(o.Strides, 1), three(o.Dilations, 1), sixPads(o.Pads)
	in, filter, out := three(x[2:], 1), three(w[2:], 1), three(y[2:], 1)
	planes := kernel.ConvShape{N: x[0], C: x[1], H: in[1], W: in[2], O: w[0], KH: filter[1], KW: filter[2], OH: out[1], OW: out[2],
		Strides: [2]int(strides[1:]), Pads: [4]int{pads[1], pads[2], pads[4], pads[5]}, Dilations: [2]int(dilations[1:]), Groups: o.Groups}
	return kernel.VolumeShape{ConvShape: planes, D: in[0], KD: filter[0], OD: out[0], Stride: strides[0], Pad: pads[0], Dilation: dilations[0]}, nil
}

// Run convolves.
func (o Conv) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, convFloats[float32], convFloats[float64])
}

// MultiplyAdds is that of each element of the result, with one filter.
func (Conv) MultiplyAdds(out, in [][]int) float64 { return elements(out[0]) * elements(in[1][1:]) }

func convFloats[T kernel.Float](c *kernel.Context, o Conv, out, in []*tensor.Tensor) error {
	s, err := o.shape(in[0].Shape(), in[1].Shape(), out[0].Shape())
	if err != nil {
		return err
	}
	kernel.ConvVolumes(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Forms is Conv.
func (Conv) Forms() []Form { return form("Conv", convFields...) }

// convFields are the attributes of convolutions.
var convFields = []Field{{Attribute: "strides", Name: "Strides"}, {Attribute: "pads", Name: "Pads"}, {Attribute: "dilations", Name: "Dilations"}, {Attribute: "group", Name: "Groups"}}

// Samples covers one to three axes, strides, uneven padding, dilation, groups and single pixels.
func (Conv) Samples() []Sample {
	var out []Sample
	for _, s := range convSamples() {
		out = append(out, Sample{Op: s.o, In: []SampleInput{{Shape: s.x}, {Shape: s.w}}})
	}
	return out
}

// A convSample is a convolution of images of shape x with filters of shape w. Each sample has lists of its own.
type convSample struct {
	o    Conv
	x, w []int
}

func convSamples() []convSample {
	return []convSample{
		{Conv{}, []int{1, 1, 3, 3}, []int{1, 1, 2, 2}},
		{Conv{}, []int{2, 2, 3, 2}, []int{3, 2, 1, 1}},
		{Conv{Pads: []int{1, 1, 1, 1}}, []int{1, 2, 3, 3}, []int{2, 2, 3, 3}},
		{Conv{Strides: []int{2, 2}, Pads: []int{0, 0, 1, 1}}, []int{1, 1, 4, 4}, []int{2, 1, 3, 3}},
		{Conv{Strides: []int{2, 1}, Pads: []int{1, 0, 0, 2}}, []int{1, 1, 5, 3}, []int{1, 1, 2, 3}},
		{Conv{Dilations: []int{2, 2}, Pads: []int{1, 1, 1, 1}}, []int{1, 1, 5, 4}, []int{1, 1, 2, 2}},
		{Conv{Groups: 2}, []int{1, 4, 2, 3}, []int{2, 2, 2, 2}},
		{Conv{Groups: 3, Strides: []int{3, 3}}, []int{1, 3, 4, 4}, []int{3, 1, 2, 2}},
		{Conv{}, []int{2, 2, 5}, []int{3, 2, 2}},
		{Conv{Strides: []int{3}, Pads: []int{2, 0}}, []int{1, 1, 7}, []int{2, 1, 3}},
		{Conv{Dilations: []int{3}, Pads: []int{0, 2}, Groups: 2}, []int{1, 4, 6}, []int{2, 2, 2}},
		{Conv{Pads: []int{1, 0, 1, 0, 1, 1}}, []int{1, 2, 2, 3, 2}, []int{2, 2, 2, 2, 3}},
		{Conv{Strides: []int{2, 1, 2}, Dilations: []int{1, 2, 1}, Pads: []int{1, 0, 0, 0, 1, 0}}, []int{2, 1, 3, 4, 3}, []int{1, 1, 2, 2, 1}},
		{Conv{Groups: 2, Dilations: []int{2, 1, 1}, Strides: []int{3, 2, 1}}, []int{1, 2, 5, 2, 1}, []int{2, 1, 2, 1, 1}},
	}
}

// sampled are the sizes of the images that a convolution of the sample makes.
func (o Conv) sampled(x, w []int) []int {
	out := []int{x[0], w[0]}
	for _, d := range o.normal(len(x) - 2).window(dims(w)).sizes(dims(x[2:])) {
		out = append(out, int(d))
	}
	return out
}

// dims is a shape of numbers.
func dims(shape []int) Shape {
	out := make(Shape, len(shape))
	for i, n := range shape {
		out[i] = Dim(n)
	}
	return out
}

// ConvTranspose is the adjoint of a convolution: images x [N C ...] of one to three axes and filters w [C O/Groups ...] of as many make
// images whose axes have (n−1)·stride + dilation·(k−1) + 1 + output padding − pads pixels. ONNX: ConvTranspose.
type ConvTranspose struct {
	Strides       []int // for each axis; none are 1, and 0 means 1
	Pads          []int // pixels cut off before each axis, then behind each; none are 0
	Dilations     []int // as Strides
	Groups        int   // 0 means 1
	OutputPadding []int // pixels added behind each axis; none are 0
	// Sizes, instead of OutputPadding, are those of the result's axes, of which a convolution makes those of x. They may be symbolic.
	Sizes Shape
}

// ConvTranspose is the transposed convolution of the images v with the filters w.
func (v *Value) ConvTranspose(w *Value, o ConvTranspose) *Value { return Apply(o, v, w) }

// ConvTranspose2D is a [ConvTranspose] over rows and columns.
type ConvTranspose2D struct {
	Strides       [2]int // 0 means 1
	Pads          [4]int // rows and columns cut at the top, left, bottom, right
	Dilations     [2]int // 0 means 1
	Groups        int    // 0 means 1
	OutputPadding [2]int // rows and columns added at the bottom and right
}

// ConvTranspose2D is the transposed convolution of the images v [N C H W] with the filters w [C O/Groups KH KW].
func (v *Value) ConvTranspose2D(w *Value, o ConvTranspose2D) *Value {
	return v.ConvTranspose(w, ConvTranspose{Strides: o.Strides[:], Pads: o.Pads[:], Dilations: o.Dilations[:], Groups: o.Groups, OutputPadding: o.OutputPadding[:]})
}

// former is the op that it was over rows and columns.
func (o ConvTranspose) former() (string, any) {
	if len(o.Strides) != 2 || o.Sizes != nil {
		return "", nil
	}
	return "ConvTranspose2D", ConvTranspose2D{[2]int(o.Strides), [4]int(o.Pads), [2]int(o.Dilations), o.Groups, [2]int(o.OutputPadding)}
}

// conv is the convolution that o is the adjoint of.
func (o ConvTranspose) conv() Conv { return Conv{o.Strides, o.Pads, o.Dilations, o.Groups} }

func (o ConvTranspose) normalize(in []*Value) Op {
	n := in[0].Rank() - 2
	c := o.conv().normal(n)
	o.Strides, o.Pads, o.Dilations, o.Groups = c.Strides, c.Pads, c.Dilations, c.Groups
	if len(o.OutputPadding) == 0 && o.Sizes == nil {
		o.OutputPadding = make([]int, n)
	}
	return o.normalSizes(in[1].Shape())
}

// normalSizes says sizes that are numbers as output padding. The rest of o is normal.
func (o ConvTranspose) normalSizes(w Shape) ConvTranspose {
	if o.Sizes == nil || !o.Sizes.Static() {
		return o
	}
	window := o.conv().window(w)
	o.OutputPadding = make([]int, len(o.Sizes))
	for i, n := range o.Sizes {
		o.OutputPadding[i] = int(window.room(i, n).Mod(Dim(o.Strides[i])))
	}
	o.Sizes = nil
	return o
}

var convTransposeArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "filters", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (ConvTranspose) Takes() []Arg { return convTransposeArgs }

// Infer checks channels and sizes.
func (o ConvTranspose) Infer(in *Infer) ([]Type, error) {
	x, w := in.Args[0], in.Args[1]
	c, err := o.conv().filtered(x, w)
	if err == nil {
		err = notNegative(o.OutputPadding)
	}
	if err != nil {
		return nil, err
	}
	ws, pixels := w.Shape(), x.Shape()[2:]
	if x.Shape()[1] != ws[0] || int(ws[0])%c.Groups != 0 {
		return nil, Mistakef("filters are [in out/groups height width]", "%v channels into filters %v for %v, in %d groups", x.Shape()[1], ws, ws[0], c.Groups)
	}
	out, window := Shape{x.Shape()[0], ws[1] * Dim(c.Groups)}, c.window(ws)
	if o.Sizes != nil {
		if len(o.OutputPadding) > 0 || len(o.Sizes) != len(pixels) || !window.sizes(o.Sizes).Equal(pixels) {
			return nil, Mistakef("they are those of images that a convolution makes x of, instead of output padding", "the result cannot have the sizes %v: x is %v", o.Sizes, x.Type)
		}
		return in.One(Type{x.DType(), append(out, o.Sizes...)}, nil)
	}
	more := o.OutputPadding
	if len(more) == 0 {
		more = make([]int, len(pixels))
	}
	if len(more) != len(pixels) {
		return nil, Mistakef("it has a number for each axis behind batch and channels", "the output padding %v is for %d axes, the images have %d", more, len(more), len(pixels))
	}
	for i, n := range pixels {
		stride := c.Strides[i]
		if more[i] >= stride { // o would be the adjoint of no convolution
			return nil, Mistakef("output padding fills the last stride: it must be smaller", "output padding %d with stride %d", more[i], stride)
		}
		add := window.span(i) + more[i] - stride - c.Pads[i] - c.Pads[len(pixels)+i]
		if !n.Symbolic() && int(n)*stride+add < 1 {
			return nil, Mistakef("take fewer pads", "axis %d would have %d pixels", 2+i, int(n)*stride+add)
		}
		out = append(out, n.Times(Dim(stride)).Plus(Dim(max(add, 0))).Minus(Dim(max(-add, 0))))
	}
	return in.One(Type{x.DType(), out}, nil)
}

// VJP is (the convolution of g with w, the weights' gradient, in which g and x change places).
func (o ConvTranspose) VJP(n *Node, gs []*Value) []*Value {
	x, w := n.Args[0], n.Args[1]
	return []*Value{gs[0].Conv(w, o.conv()), Apply(ConvWeight{Conv: o.conv(), Shape: w.Shape()}, gs[0], x)}
}

// Run runs the adjoint kernel.
func (o ConvTranspose) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, convTransposeFloats[float32], convTransposeFloats[float64])
}

// MultiplyAdds is that of each element of the images, with one filter.
func (ConvTranspose) MultiplyAdds(out, in [][]int) float64 {
	return elements(in[0]) * elements(in[1][1:])
}

func convTransposeFloats[T kernel.Float](c *kernel.Context, o ConvTranspose, out, in []*tensor.Tensor) error {
	s, err := o.conv().shape(out[0].Shape(), in[1].Shape(), in[0].Shape())
	if err != nil {
		return err
	}
	kernel.ConvVolumesInput(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[1]), tensor.Data[T](in[0]))
	return nil
}

// Forms is ConvTranspose, if the result's sizes follow from x's.
func (o ConvTranspose) Forms() []Form {
	if o.Sizes != nil {
		return nil
	}
	return form("ConvTranspose", append(slices.Clone(convFields), Field{Attribute: "output_padding", Name: "OutputPadding"})...)
}

// Emit fills the last stride and cuts off what is too much of it.
func (o ConvTranspose) Emit(e Emitter, n *Node, in []string) []string {
	padding, axes, zeros := make([]int, len(o.Sizes)), []int64{}, []int64{}
	var ends Shape
	for i, stride := range o.Strides {
		if padding[i] = stride - 1; stride > 1 {
			axes, zeros, ends = append(axes, int64(2+i)), append(zeros, 0), append(ends, o.Sizes[i])
		}
	}
	y := e.Node("ConvTranspose", in, Attr{"strides", o.Strides}, Attr{"pads", o.Pads}, Attr{"dilations", o.Dilations}, Attr{"group", o.Groups}, Attr{"output_padding", padding})
	if len(axes) > 0 {
		y = e.Node("Slice", []string{y, e.Const(tensor.Of(zeros, len(zeros))), e.Shape(ends), e.Const(tensor.Of(axes, len(axes)))})
	}
	return []string{y}
}

// Samples are the adjoints of the convolution's, and some with output padding.
func (ConvTranspose) Samples() []Sample {
	var out []Sample
	for _, s := range convSamples() {
		o := ConvTranspose{Strides: s.o.Strides, Pads: s.o.Pads, Dilations: s.o.Dilations, Groups: s.o.Groups}
		out = append(out, Sample{Op: o, In: []SampleInput{{Shape: s.o.sampled(s.x, s.w)}, {Shape: s.w}}})
	}
	return append(out,
		Sample{Op: ConvTranspose{Strides: []int{2, 2}, Pads: []int{1, 1, 1, 1}, OutputPadding: []int{1, 1}}, In: []SampleInput{{Shape: []int{1, 2, 2, 2}}, {Shape: []int{2, 1, 3, 3}}}},
		Sample{Op: ConvTranspose{Strides: []int{3}, Sizes: Shape{9}}, In: []SampleInput{{Shape: []int{1, 1, 3}}, {Shape: []int{1, 2, 2}}}},
		Sample{Op: ConvTranspose{Strides: []int{1, 2, 2}, Pads: []int{0, 0, 1, 0, 0, 0}, Sizes: Shape{2, 3, 4}}, In: []SampleInput{{Shape: []int{1, 1, 2, 2, 2}}, {Shape: []int{1, 1, 1, 1, 2}}}})
}

// ConvWeight is the gradient of a convolution's filters, of the given shape, from its images x and the gradient g of its
// result. ONNX: a Conv with images and channels exchanged, strides and dilations exchanged.
type ConvWeight struct {
	Conv  Conv
	Shape Shape
}

func (o ConvWeight) normalize(in []*Value) Op {
	o.Conv = o.Conv.normal(in[0].Rank() - 2)
	return o
}

var convWeightArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "gradient", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (ConvWeight) Takes() []Arg { return convWeightArgs }

// Infer returns the filters' type.
func (o ConvWeight) Infer(in *Infer) ([]Type, error) {
	x, g := in.Args[0], in.Args[1]
	conv, err := o.Conv.filtered(x, &Value{Type: Type{x.DType(), o.Shape}})
	if err != nil {
		return nil, err
	}
	want := append(Shape{x.Shape()[0], o.Shape[0]}, conv.window(o.Shape).sizes(x.Shape()[2:])...)
	if !g.Shape().Equal(want) {
		return nil, Mistakef("it is the type of the convolution's result", "the gradient is %v, want the shape %v", g.Type, want)
	}
	return in.One(Type{x.DType(), o.Shape}, nil)
}

// VJP is (the transposed convolution of g with the gradient of the filters, the convolution of x with it).
func (o ConvWeight) VJP(n *Node, gs []*Value) []*Value {
	x, g := n.Args[0], n.Args[1]
	return []*Value{g.ConvTranspose(gs[0], o.Conv.adjoint(x.Shape(), o.Shape)), x.Conv(gs[0], o.Conv)}
}

// Run runs the kernel.
func (o ConvWeight) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, convWeightFloats[float32], convWeightFloats[float64])
}

// MultiplyAdds is that of each element of the convolution's result, with one filter.
func (ConvWeight) MultiplyAdds(out, in [][]int) float64 {
	return elements(in[1]) * elements(out[0][1:])
}

func convWeightFloats[T kernel.Float](c *kernel.Context, o ConvWeight, out, in []*tensor.Tensor) error {
	s, err := o.Conv.shape(in[0].Shape(), out[0].Shape(), in[1].Shape())
	if err != nil {
		return err
	}
	kernel.ConvVolumesWeight(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Emit convolves x, with channels as images, with g as filters, a group at a time: a filter's element is where the
// dilated g lies in the padded x. What the stride left over at the end is sliced off.
func (o ConvWeight) Emit(e Emitter, n *Node, in []string) []string {
	ints := func(v ...int64) string { return e.Const(tensor.Of(v, len(v))) }
	perm, starts, ends, axes := []int{1, 0}, []int64{}, []int64{}, []int64{}
	for i, k := range o.Shape[2:] {
		perm, starts, ends, axes = append(perm, 2+i), append(starts, 0), append(ends, int64(k)), append(axes, int64(2+i))
	}
	swap := Attr{"perm", perm}
	part := func(name string, group, size int) string {
		if o.Conv.Groups == 1 {
			return name
		}
		return e.Node("Slice", []string{name, ints(int64(group * size)), ints(int64((group + 1) * size)), ints(1)})
	}
	var groups []string
	for g := range o.Conv.Groups {
		x := e.Node("Transpose", []string{part(in[0], g, int(o.Shape[1]))}, swap)
		dy := e.Node("Transpose", []string{part(in[1], g, int(o.Shape[0])/o.Conv.Groups)}, swap)
		w := e.Node("Conv", []string{x, dy}, Attr{"strides", o.Conv.Dilations}, Attr{"pads", o.Conv.Pads}, Attr{"dilations", o.Conv.Strides})
		w = e.Node("Slice", []string{w, ints(starts...), ints(ends...), ints(axes...)})
		groups = append(groups, e.Node("Transpose", []string{w}, swap))
	}
	if len(groups) == 1 {
		return groups
	}
	return []string{e.Node("Concat", groups, Attr{"axis", 0})}
}

// Samples mirror the convolution's.
func (ConvWeight) Samples() []Sample {
	var out []Sample
	for _, s := range convSamples() {
		g := s.o.sampled(s.x, s.w)
		out = append(out, Sample{Op: ConvWeight{Conv: s.o, Shape: dims(s.w)}, In: []SampleInput{{Shape: slices.Clone(s.x)}, {Shape: g}}})
	}
	return out
}
