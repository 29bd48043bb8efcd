package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var convOps = []Sampled{Conv2D{}, ConvTranspose2D{}, ConvWeight{}}

// orOnes is a pair in which 0 means 1.
func orOnes(p [2]int) [2]int {
	return [2]int{max(p[0], 1), max(p[1], 1)}
}

// spatial are the height and width of an image [batch channels height width], which must be numbers.
func spatial(v *Value) (h, w int, err error) {
	if v.Rank() != 4 {
		return 0, 0, Mistakef("Reshape gives a flat image its axes", "needs [batch channels height width], has %v", v.Type)
	}
	for _, d := range v.Shape()[1:] {
		if d.Symbolic() {
			return 0, 0, Mistakef("only the batch may be symbolic here", "channels, height and width must be numbers: %v has %v", v.Type, d)
		}
	}
	return int(v.Shape()[2]), int(v.Shape()[3]), nil
}

// filter checks the weights of a convolution.
func filter(w *Value) error {
	if w.Rank() != 4 || !w.Shape().Static() {
		return Mistakef("filters are [out in height width]", "the weights are %v", w.Type)
	}
	if w.Shape().Size() == 0 {
		return Mistakef("every dimension of the filters is at least 1", "the weights are %v", w.Type)
	}
	return nil
}

// notNegative checks a convolution's numbers.
func notNegative(lists ...[]int) error {
	for _, l := range lists {
		for _, n := range l {
			if n < 0 || n > 1<<20 {
				return Mistakef("each is a whole number from 0 to 1048576", "a window, stride, padding, dilation or group count is %d", n)
			}
		}
	}
	return nil
}

// A Conv2D is a convolution of images x [N C H W] with filters w [O C/Groups KH KW]. ONNX: Conv.
type Conv2D struct {
	Strides   [2]int // rows, columns; 0 means 1
	Pads      [4]int // zeros at the top, left, bottom, right
	Dilations [2]int // 0 means 1
	Groups    int    // 0 means 1
}

// Conv2D convolves the images v with the filters w.
func (v *Value) Conv2D(w *Value, o Conv2D) *Value { return Apply(o, v, w) }

func (o Conv2D) normal() Conv2D {
	o.Strides, o.Dilations, o.Groups = orOnes(o.Strides), orOnes(o.Dilations), max(o.Groups, 1)
	return o
}

// size is the height (i = 0) or width (i = 1) that n pixels and a filter of k become.
func (o Conv2D) size(i, n, k int) int {
	room := n + o.Pads[i] + o.Pads[i+2] - (k-1)*o.Dilations[i] - 1
	if room < 0 {
		return 0
	}
	return room/o.Strides[i] + 1
}

func (o Conv2D) normalize([]*Value) Op { return o.normal() }

var conv2DArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "filters", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (Conv2D) Takes() []Arg { return conv2DArgs }

// Infer checks channels and sizes.
func (o Conv2D) Infer(in *Infer) ([]Type, error) {
	if err := notNegative(o.Strides[:], o.Pads[:], o.Dilations[:], []int{o.Groups}); err != nil {
		return nil, err
	}
	o = o.normal()
	x, w := in.Args[0], in.Args[1]
	height, width, err := spatial(x)
	if err == nil {
		err = filter(w)
	}
	if err != nil {
		return nil, err
	}
	c, ws := int(x.Shape()[1]), w.Shape()
	if c != int(ws[1])*o.Groups || int(ws[0])%o.Groups != 0 {
		return nil, Mistakef("filters are [out in/groups height width]", "%d channels into filters %v for %d, in %d groups", c, ws, int(ws[1])*o.Groups, o.Groups)
	}
	oh, ow := o.size(0, height, int(ws[2])), o.size(1, width, int(ws[3]))
	if oh < 1 || ow < 1 {
		return nil, Mistakef("pad the image, or take a smaller filter", "a filter of %v×%v, dilated by %v, does not fit the image %v padded by %v", ws[2], ws[3], o.Dilations, x.Type, o.Pads)
	}
	return in.One(Type{x.DType(), Shape{x.Shape()[0], ws[0], Dim(oh), Dim(ow)}}, nil)
}

// VJP is (the transposed convolution of g with w, the weights' gradient).
func (o Conv2D) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x, w := n.Args[0], n.Args[1]
	return []*Value{g.ConvTranspose2D(w, o.adjoint(x.Shape(), w.Shape())), Apply(ConvWeight{Conv: o, Shape: w.Shape()}, x, g)}
}

// adjoint is the transposed convolution that takes gradients of the result to gradients of x.
func (o Conv2D) adjoint(x, w Shape) ConvTranspose2D {
	o = o.normal()
	t := ConvTranspose2D{Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups}
	for i := range 2 {
		n, k := int(x[2+i]), int(w[2+i])
		t.OutputPadding[i] = (n + o.Pads[i] + o.Pads[i+2] - (k-1)*o.Dilations[i] - 1) % o.Strides[i]
	}
	return t
}

// shape is the kernels' geometry of a convolution of x to y with filters w.
func (o Conv2D) shape(x, w, y []int) kernel.ConvShape {
	o = o.normal()
	return kernel.ConvShape{N: x[0], C: x[1], H: x[2], W: x[3], O: w[0], KH: w[2], KW: w[3], OH: y[2], OW: y[3],
		Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups}
}

// Run convolves.
func (o Conv2D) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, conv2DFloats[float32], conv2DFloats[float64])
}

// MultiplyAdds is that of each element of the result, with one filter.
func (Conv2D) MultiplyAdds(out, in [][]int) float64 { return elements(out[0]) * elements(in[1][1:]) }

func conv2DFloats[T kernel.Float](c *kernel.Context, o Conv2D, out, in []*tensor.Tensor) error {
	s := o.shape(in[0].Shape(), in[1].Shape(), out[0].Shape())
	kernel.ConvForward(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Forms is Conv.
func (Conv2D) Forms() []Form { return form("Conv", convFields...) }

// convFields are the attributes of convolutions.
var convFields = []Field{{Attribute: "strides", Name: "Strides"}, {Attribute: "pads", Name: "Pads"}, {Attribute: "dilations", Name: "Dilations"}, {Attribute: "group", Name: "Groups"}}

// Samples covers strides, uneven padding, dilation, groups and single pixels.
func (Conv2D) Samples() []Sample {
	var out []Sample
	for _, s := range convSamples {
		out = append(out, Sample{Op: s.o, In: []SampleInput{{Shape: s.x}, {Shape: s.w}}})
	}
	return out
}

var convSamples = []struct {
	o    Conv2D
	x, w []int
}{
	{Conv2D{}, []int{1, 1, 3, 3}, []int{1, 1, 2, 2}},
	{Conv2D{}, []int{2, 2, 3, 2}, []int{3, 2, 1, 1}},
	{Conv2D{Pads: [4]int{1, 1, 1, 1}}, []int{1, 2, 3, 3}, []int{2, 2, 3, 3}},
	{Conv2D{Strides: [2]int{2, 2}, Pads: [4]int{0, 0, 1, 1}}, []int{1, 1, 4, 4}, []int{2, 1, 3, 3}},
	{Conv2D{Strides: [2]int{2, 1}, Pads: [4]int{1, 0, 0, 2}}, []int{1, 1, 5, 3}, []int{1, 1, 2, 3}},
	{Conv2D{Dilations: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}, []int{1, 1, 5, 4}, []int{1, 1, 2, 2}},
	{Conv2D{Groups: 2}, []int{1, 4, 2, 3}, []int{2, 2, 2, 2}},
	{Conv2D{Groups: 3, Strides: [2]int{3, 3}}, []int{1, 3, 4, 4}, []int{3, 1, 2, 2}},
}

// ConvTranspose2D is the adjoint of a convolution: images x [N C H W] and filters w [C O/Groups KH KW] make images of
// (H−1)·stride + dilation·(KH−1) + 1 + output padding − pads rows. ONNX: ConvTranspose.
type ConvTranspose2D struct {
	Strides       [2]int // 0 means 1
	Pads          [4]int // rows and columns cut at the top, left, bottom, right
	Dilations     [2]int // 0 means 1
	Groups        int    // 0 means 1
	OutputPadding [2]int // rows and columns added at the bottom and right
}

// ConvTranspose2D is the transposed convolution of the images v with the filters w.
func (v *Value) ConvTranspose2D(w *Value, o ConvTranspose2D) *Value { return Apply(o, v, w) }

// conv is the convolution that o is the adjoint of.
func (o ConvTranspose2D) conv() Conv2D {
	return Conv2D{Strides: o.Strides, Pads: o.Pads, Dilations: o.Dilations, Groups: o.Groups}.normal()
}

func (o ConvTranspose2D) normalize([]*Value) Op {
	c := o.conv()
	o.Strides, o.Dilations, o.Groups = c.Strides, c.Dilations, c.Groups
	return o
}

var convTranspose2DArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "filters", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (ConvTranspose2D) Takes() []Arg { return convTranspose2DArgs }

// Infer checks channels and sizes.
func (o ConvTranspose2D) Infer(in *Infer) ([]Type, error) {
	if err := notNegative(o.Strides[:], o.Pads[:], o.Dilations[:], []int{o.Groups}, o.OutputPadding[:]); err != nil {
		return nil, err
	}
	c := o.conv()
	x, w := in.Args[0], in.Args[1]
	height, width, err := spatial(x)
	if err == nil {
		err = filter(w)
	}
	if err != nil {
		return nil, err
	}
	ws := w.Shape()
	if x.Shape()[1] != ws[0] || int(ws[0])%c.Groups != 0 {
		return nil, Mistakef("filters are [in out/groups height width]", "%v channels into filters %v for %v, in %d groups", x.Shape()[1], ws, ws[0], c.Groups)
	}
	out := Shape{x.Shape()[0], ws[1] * Dim(c.Groups), 0, 0}
	for i, n := range []int{height, width} {
		if o.OutputPadding[i] >= c.Strides[i] { // o would be the adjoint of no convolution
			return nil, Mistakef("output padding fills the last stride: it must be smaller", "output padding %d with stride %d", o.OutputPadding[i], c.Strides[i])
		}
		size := (n-1)*c.Strides[i] + (int(ws[2+i])-1)*c.Dilations[i] + 1 + o.OutputPadding[i] - o.Pads[i] - o.Pads[i+2]
		if size < 1 {
			return nil, Mistakef("take fewer pads", "axis %d would have %d pixels", 2+i, size)
		}
		out[2+i] = Dim(size)
	}
	return in.One(Type{x.DType(), out}, nil)
}

// VJP is (the convolution of g with w, the weights' gradient, in which g and x change places).
func (o ConvTranspose2D) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	x, w := n.Args[0], n.Args[1]
	return []*Value{g.Conv2D(w, o.conv()), Apply(ConvWeight{Conv: o.conv(), Shape: w.Shape()}, g, x)}
}

// Run runs the adjoint kernel.
func (o ConvTranspose2D) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, convTranspose2DFloats[float32], convTranspose2DFloats[float64])
}

// MultiplyAdds is that of each element of the images, with one filter.
func (ConvTranspose2D) MultiplyAdds(out, in [][]int) float64 { return elements(in[0]) * elements(in[1][1:]) }

func convTranspose2DFloats[T kernel.Float](c *kernel.Context, o ConvTranspose2D, out, in []*tensor.Tensor) error {
	s := o.conv().shape(out[0].Shape(), in[1].Shape(), in[0].Shape())
	kernel.ConvInput(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[1]), tensor.Data[T](in[0]))
	return nil
}

// Forms is ConvTranspose.
func (ConvTranspose2D) Forms() []Form {
	return form("ConvTranspose", append(slices.Clone(convFields), Field{Attribute: "output_padding", Name: "OutputPadding"})...)
}

// Samples are the adjoints of the convolution's, and one with output padding.
func (ConvTranspose2D) Samples() []Sample {
	var out []Sample
	for _, s := range convSamples {
		n := s.o.normal()
		x := []int{s.x[0], s.w[0], n.size(0, s.x[2], s.w[2]), n.size(1, s.x[3], s.w[3])}
		o := ConvTranspose2D{Strides: s.o.Strides, Pads: s.o.Pads, Dilations: s.o.Dilations, Groups: s.o.Groups}
		out = append(out, Sample{Op: o, In: []SampleInput{{Shape: x}, {Shape: s.w}}})
	}
	padded := ConvTranspose2D{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, OutputPadding: [2]int{1, 1}}
	return append(out, Sample{Op: padded, In: []SampleInput{{Shape: []int{1, 2, 2, 2}}, {Shape: []int{2, 1, 3, 3}}}})
}

// ConvWeight is the gradient of a convolution's filters, of the given shape, from its images x and the gradient g of its
// result. ONNX: a Conv with images and channels exchanged, strides and dilations exchanged.
type ConvWeight struct {
	Conv  Conv2D
	Shape Shape
}

func (o ConvWeight) normalize([]*Value) Op {
	o.Conv = o.Conv.normal()
	return o
}

var convWeightArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "gradient", DTypes: Floats, Like: "T"}}

// Takes is two floats.
func (ConvWeight) Takes() []Arg { return convWeightArgs }

// Infer returns the filters' type.
func (o ConvWeight) Infer(in *Infer) ([]Type, error) {
	n := o.Conv.normal()
	x, g := in.Args[0], in.Args[1]
	height, width, err := spatial(x)
	if err == nil {
		_, _, err = spatial(g)
	}
	if err != nil {
		return nil, err
	}
	want := Shape{x.Shape()[0], o.Shape[0], Dim(n.size(0, height, int(o.Shape[2]))), Dim(n.size(1, width, int(o.Shape[3])))}
	if !g.Shape().Equal(want) {
		return nil, Mistakef("it is the type of the convolution's result", "the gradient is %v, want the shape %v", g.Type, want)
	}
	return in.One(Type{x.DType(), o.Shape}, nil)
}

// VJP is (the transposed convolution of g with the gradient of the filters, the convolution of x with it).
func (o ConvWeight) VJP(n *Node, gs []*Value) []*Value {
	gw := gs[0]
	x, g := n.Args[0], n.Args[1]
	return []*Value{g.ConvTranspose2D(gw, o.Conv.adjoint(x.Shape(), o.Shape)), x.Conv2D(gw, o.Conv)}
}

// Run runs the kernel.
func (o ConvWeight) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, convWeightFloats[float32], convWeightFloats[float64])
}

// MultiplyAdds is that of each element of the convolution's result, with one filter.
func (ConvWeight) MultiplyAdds(out, in [][]int) float64 { return elements(in[1]) * elements(out[0][1:]) }

func convWeightFloats[T kernel.Float](c *kernel.Context, o ConvWeight, out, in []*tensor.Tensor) error {
	s := o.Conv.shape(in[0].Shape(), out[0].Shape(), in[1].Shape())
	kernel.ConvWeight(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](in[1]))
	return nil
}

// Emit convolves x, with channels as images, with g as filters, a group at a time: filter element (ky, kx) is where the
// dilated g lies in the padded x. What the stride left over at the end is sliced off.
func (o ConvWeight) Emit(e Emitter, n *Node, in []string) []string {
	conv := o.Conv.normal()
	swap := Attr{"perm", []int{1, 0, 2, 3}}
	part := func(name string, group, size int) string {
		if conv.Groups == 1 {
			return name
		}
		bound := func(i int) string { return e.Const(tensor.Of([]int64{int64(i)}, 1)) }
		return e.Node("Slice", []string{name, bound(group * size), bound((group + 1) * size), bound(1)})
	}
	var groups []string
	for g := range conv.Groups {
		x := e.Node("Transpose", []string{part(in[0], g, int(o.Shape[1]))}, swap)
		dy := e.Node("Transpose", []string{part(in[1], g, int(o.Shape[0])/conv.Groups)}, swap)
		w := e.Node("Conv", []string{x, dy}, Attr{"strides", conv.Dilations[:]}, Attr{"pads", conv.Pads[:]}, Attr{"dilations", conv.Strides[:]})
		ends := []int64{int64(o.Shape[2]), int64(o.Shape[3])}
		w = e.Node("Slice", []string{w, e.Const(tensor.Of([]int64{0, 0}, 2)), e.Const(tensor.Of(ends, 2)), e.Const(tensor.Of([]int64{2, 3}, 2))})
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
	for _, s := range convSamples {
		n := s.o.normal()
		shape := Shape{}
		for _, d := range s.w {
			shape = append(shape, Dim(d))
		}
		g := []int{s.x[0], s.w[0], n.size(0, s.x[2], s.w[2]), n.size(1, s.x[3], s.w[3])}
		out = append(out, Sample{Op: ConvWeight{Conv: s.o, Shape: shape}, In: []SampleInput{{Shape: slices.Clone(s.x)}, {Shape: g}}})
	}
	return out
}
