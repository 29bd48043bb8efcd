package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var resizeOps = []Sampled{Resize{}, ResizePlaces{}}

// What [Resize] makes a pixel of, and where pixels lie, as ONNX's attributes say it.
const (
	Nearest = "nearest" // of one pixel
	Linear  = "linear"  // of the two that it lies between, along each axis

	Asymmetric   = "asymmetric"    // the first pixels lie in one place: x·old/new
	HalfPixel    = "half_pixel"    // pixels are squares, and the edges of the images meet: (x+½)·old/new − ½
	AlignCorners = "align_corners" // the centres of the first and of the last pixels meet: x·(old−1)/(new−1)
)

// Resize makes images [N C ...] of one to three axes larger or smaller. With Sizes, old/new is of sizes; with a factor, it is that.
// ONNX: Resize; to the nearest pixel of given sizes, Gather, as runtimes round otherwise.
type Resize struct {
	Scale       int    // each axis becomes Scale/Divisor times as long, rounded down
	Divisor     int    // a power of two, as runtimes differ on others; 0 means 1
	Sizes       Shape  // or, instead of a factor, the sizes of the axes
	Mode        string // Nearest or Linear; "" is Nearest
	Coordinates string // Asymmetric for Nearest; for Linear any, "" is HalfPixel
}

// Upsample is the images v with each row and column repeated scale times.
func (v *Value) Upsample(scale int) *Value { return v.Resize(Resize{Scale: scale}) }

// Resize is the images v in other sizes.
func (v *Value) Resize(o Resize) *Value { return Apply(o, v) }

// former is the op that only repeated pixels.
func (o Resize) former() (string, any) {
	if !o.repeats() {
		return "", nil
	}
	return "Resize", struct{ Scale int }{o.Scale}
}

// repeats reports whether o, which is normal, repeats each pixel a whole number of times.
func (o Resize) repeats() bool { return o.Sizes == nil && o.Divisor == 1 && o.Mode == Nearest }

func (o Resize) normalize([]*Value) Op { return o.normal() }

func (o Resize) normal() Resize {
	if o.Mode == "" {
		o.Mode = Nearest
	}
	if o.Coordinates == "" {
		o.Coordinates = Asymmetric
		if o.Mode == Linear {
			o.Coordinates = HalfPixel
		}
	}
	if o.Sizes == nil {
		for o.Divisor = max(o.Divisor, 1); o.Divisor > 1 && o.Scale%2 == 0; {
			o.Scale, o.Divisor = o.Scale/2, o.Divisor/2
		}
	}
	return o
}

// Takes is images.
func (Resize) Takes() []Arg { return oneFloat }

// Infer gives the new sizes.
func (o Resize) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	n, err := pixelAxes(x)
	d := max(o.Divisor, 1)
	normal := o.normal()
	switch {
	case err != nil:
		return nil, err
	case o.Sizes != nil && (o.Scale != 0 || o.Divisor != 0 || len(o.Sizes) != n):
		return nil, Mistakef("give one size for each axis behind batch and channels, and no factor", "the sizes are %v, the factor is %d/%d, of %v", o.Sizes, o.Scale, o.Divisor, x.Type)
	case o.Sizes == nil && (o.Scale < 1 || o.Scale > 1<<20):
		return nil, Mistakef("a Divisor makes images smaller, as do Sizes and pooling", "the scale is %d, want a whole number from 1 to 1048576", o.Scale)
	case o.Sizes == nil && (o.Divisor < 0 || d > 1<<20 || d&(d-1) != 0):
		return nil, Mistakef("give other factors as Sizes: Shape{h.Times(2).Div(3), ...}", "the divisor is %d, want a power of two up to 1048576", o.Divisor)
	case normal.Mode != Nearest && normal.Mode != Linear:
		return nil, Mistakef("it is graph.Nearest or graph.Linear", "the mode is %q", o.Mode)
	case normal.Mode == Nearest && normal.Coordinates != Asymmetric, !slices.Contains([]string{Asymmetric, HalfPixel, AlignCorners}, normal.Coordinates):
		return nil, Mistakef("they are graph.Asymmetric for the nearest pixel, and graph.HalfPixel, graph.AlignCorners or graph.Asymmetric for graph.Linear",
			"the coordinates are %q, the mode is %q", o.Coordinates, normal.Mode)
	}
	s := slices.Clone(x.Shape())
	for i := range n {
		if o.Sizes != nil {
			s[2+i] = o.Sizes[i]
		} else {
			s[2+i] = s[2+i].Times(Dim(o.Scale)).Div(Dim(d))
		}
		if s[2+i] == 0 {
			return nil, Mistakef("images have at least one pixel", "axis %d of %v would have none", 2+i, x.Type)
		}
	}
	return in.One(Type{x.DType(), s}, nil)
}

// VJP adds up the copies of each pixel, or goes through the smaller ops.
func (o Resize) VJP(n *Node, gs []*Value) []*Value {
	if !o.repeats() {
		return vjpOfLowered(n, o, gs)
	}
	k := slices.Repeat([]int{o.Scale}, n.Args[0].Rank()-2)
	return []*Value{gs[0].AveragePoolND(AveragePoolND{Kernel: k, Strides: k}).Scale(math.Pow(float64(o.Scale), float64(len(k))))}
}

// Lower takes both neighbours of each pixel, along one axis after another.
func (o Resize) Lower(n *Node) []*Value {
	x, f := n.Args[0], n.fn
	for k := 2; k < x.Rank() && x.OK(); k++ {
		places := f.ApplyNode(ResizePlaces{o.along(k - 2), k, n.Results[0].Shape()[k]}, nil, x)
		y := x.Gather(places.Result(0), k)
		if o.Mode == Linear {
			column := slices.Repeat(Shape{1}, x.Rank()-k)
			column[0] = n.Results[0].Shape()[k]
			part := places.Result(2).Reshape(column...)
			y = y.Add(x.Gather(places.Result(1), k).Sub(y).Mul(part))
		}
		x = y
	}
	return []*Value{x}
}

// along is o for one axis.
func (o Resize) along(axis int) Resize {
	if o.Sizes != nil {
		o.Sizes = o.Sizes[axis : axis+1]
	}
	return o
}

// taps are what the m pixels of an axis are made of, which has n.
func (o Resize) taps(n, m int) (kernel.Taps, error) {
	if n < 1 || m < 1 {
		return kernel.Taps{}, fmt.Errorf("an axis of %d pixels cannot become one of %d", n, m)
	}
	t := kernel.Taps{Below: make([]int, m), Above: make([]int, m), Part: make([]float64, m)}
	up, down := o.Scale, o.Divisor
	if o.Sizes != nil {
		up, down = m, n
	}
	ratio := float64(down) / float64(up)
	for i := range m {
		at := float64(i)
		switch {
		case o.Mode == Nearest:
			at = float64(i * down / up) // exactly
		case o.Coordinates == HalfPixel:
			at = (at+.5)*ratio - .5
		case o.Coordinates == Asymmetric:
			at *= ratio
		case m > 1:
			at *= float64(n-1) / float64(m-1)
		}
		at = min(max(at, 0), float64(n-1))
		t.Below[i] = int(at)
		t.Above[i] = min(t.Below[i]+1, n-1)
		t.Part[i] = at - math.Floor(at)
	}
	return t, nil
}

// Run resizes one axis after another.
func (o Resize) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, resizeFloats[float32], resizeFloats[float64])
}

func resizeFloats[T kernel.Float](c *kernel.Context, o Resize, out, in []*tensor.Tensor) error {
	y, x := tensor.Data[T](out[0]), tensor.Data[T](in[0])
	if o.repeats() && in[0].Rank() == 4 {
		kernel.Upsample(c, y, x, in[0].Dim(3), o.Scale)
		return nil
	}
	shape := slices.Clone(in[0].Shape())
	for k := 2; k < len(shape); k++ {
		n, m := shape[k], out[0].Dim(k)
		taps, err := o.along(k-2).taps(n, m)
		if err != nil {
			return err
		}
		outer, _ := tensor.Count(shape[:k])
		inner, _ := tensor.Count(shape[k+1:])
		to := y
		if k < len(shape)-1 {
			to = make([]T, outer*m*inner)
		}
		kernel.Interpolate(c, to, x, outer, n, inner, taps)
		x, shape[k] = to, m
	}
	return nil
}

// Emit adds a Resize node, or takes the nearest pixels by their places.
func (o Resize) Emit(e Emitter, n *Node, in []string) []string {
	x, y := n.Args[0].Shape(), n.Results[0].Shape()
	if o.Mode == Nearest && o.Sizes != nil {
		name := in[0]
		for k := 2; k < len(x); k++ {
			places := ResizePlaces{o.along(k - 2), k, y[k]}.nearest(e, x[k])
			name = e.Node("Gather", []string{name, places}, Attr{"axis", k})
		}
		return []string{name}
	}
	attrs := []Attr{{"mode", o.Mode}, {"coordinate_transformation_mode", o.Coordinates}}
	if o.Mode == Nearest {
		attrs = append(attrs, Attr{"nearest_mode", "floor"})
	}
	if o.Sizes != nil {
		return []string{e.Node("Resize", []string{in[0], "", "", e.Shape(y)}, attrs...)}
	}
	scales := tensor.New(F32, len(x))
	for k := range x {
		if scales.Set(k, 1); k > 1 {
			scales.Set(k, float64(o.Scale)/float64(o.Divisor))
		}
	}
	return []string{e.Node("Resize", []string{in[0], "", e.Const(scales)}, attrs...)}
}

// Samples covers one to three axes, larger and smaller ones, factors and sizes, and all coordinates.
func (Resize) Samples() []Sample {
	var out []Sample
	for _, s := range []struct {
		o Resize
		x []int
	}{
		{Resize{Scale: 1}, []int{1, 1, 2, 2}},
		{Resize{Scale: 2}, []int{2, 2, 1, 3}},
		{Resize{Scale: 3}, []int{1, 1, 2, 1}},
		{Resize{Scale: 2}, []int{1, 2, 3}},
		{Resize{Scale: 2}, []int{1, 1, 2, 1, 3}},
		{Resize{Scale: 3, Divisor: 2}, []int{1, 2, 3, 5}},
		{Resize{Sizes: Shape{5, 2}}, []int{1, 1, 3, 4}},
		{Resize{Sizes: Shape{7}}, []int{1, 2, 5}},
		{Resize{Scale: 2, Mode: Linear}, []int{2, 1, 3, 2}},
		{Resize{Scale: 1, Divisor: 2, Mode: Linear}, []int{1, 2, 5, 4}},
		{Resize{Scale: 4, Divisor: 2, Mode: Linear, Coordinates: AlignCorners}, []int{1, 1, 2, 3}},
		{Resize{Scale: 5, Divisor: 4, Mode: Linear, Coordinates: Asymmetric}, []int{1, 1, 4, 5}},
		{Resize{Sizes: Shape{5, 3}, Mode: Linear}, []int{1, 2, 3, 4}},
		{Resize{Sizes: Shape{1, 5}, Mode: Linear, Coordinates: AlignCorners}, []int{1, 1, 3, 2}},
		{Resize{Sizes: Shape{3, 1}, Mode: Linear, Coordinates: Asymmetric}, []int{1, 1, 2, 3}},
		{Resize{Sizes: Shape{5}, Mode: Linear}, []int{2, 2, 3}},
		{Resize{Scale: 2, Mode: Linear}, []int{1, 1, 2, 1, 3}},
	} {
		out = append(out, Sample{Op: s.o, In: []SampleInput{{Shape: s.x}}})
	}
	return out
}

// ResizePlaces are the two pixels of an axis of x that each pixel of the resized axis lies between, i64, and how far it lies from the
// first, in x's dtype. ONNX: initializers, or Range and arithmetic if the sizes are symbolic.
type ResizePlaces struct {
	Resize Resize // of this axis alone
	Axis   int
	To     Dim
}

// Takes is images.
func (ResizePlaces) Takes() []Arg { return oneFloat }

// Infer gives two lists of places, and a list of parts.
func (o ResizePlaces) Infer(in *Infer) ([]Type, error) {
	if _, err := axis(o.Axis, in.Args[0].Rank()); err != nil {
		return nil, err
	}
	s := Shape{o.To}
	return []Type{{I64, s}, {I64, s}, {in.Args[0].DType(), s}}, nil
}

// Run computes them.
func (o ResizePlaces) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	taps, err := o.Resize.taps(in[0].Dim(o.Axis), out[0].Len())
	for i := range taps.Below {
		out[0].SetInt(i, int64(taps.Below[i]))
		out[1].SetInt(i, int64(taps.Above[i]))
		out[2].Set(i, taps.Part[i])
	}
	return err
}

// nearest are the nearest pixels of an axis of from.
func (o ResizePlaces) nearest(e Emitter, from Dim) string {
	if !from.Symbolic() && !o.To.Symbolic() {
		t := tensor.New(I64, int(o.To))
		for i := range t.Len() {
			t.SetInt(i, int64(i*int(from)/int(o.To)))
		}
		return e.Const(t)
	}
	return e.Node("Div", []string{e.Node("Mul", []string{o.count(e), e.Shape(Shape{from})}), e.Shape(Shape{o.To})})
}

// count is 0, 1 ... up to To.
func (o ResizePlaces) count(e Emitter) string {
	to := e.Node("Squeeze", []string{e.Shape(Shape{o.To}), integers(e, 0)})
	return e.Node("Range", []string{e.Const(tensor.Scalar(int64(0))), to, e.Const(tensor.Scalar(int64(1)))})
}

func integers(e Emitter, v ...int64) string { return e.Const(tensor.Of(v, len(v))) }

// Emit adds initializers, or nodes that compute them.
func (o ResizePlaces) Emit(e Emitter, n *Node, in []string) []string {
	part, from := n.Results[2], n.Args[0].Shape()[o.Axis]
	if !from.Symbolic() && !o.To.Symbolic() {
		out := []*tensor.Tensor{tensor.New(I64, int(o.To)), tensor.New(I64, int(o.To)), tensor.New(part.DType(), int(o.To))}
		if err := o.Run(nil, out, []*tensor.Tensor{tensor.New(part.DType(), append(make([]int, o.Axis), int(from))...)}); err != nil {
			return slices.Repeat([]string{e.Fail(part, "%v", err)}, 3)
		}
		return []string{e.Const(out[0]), e.Const(out[1]), e.Const(out[2])}
	}
	float := func(name string) string { return e.Node("Cast", []string{name}, Attr{"to", ONNXType(part.DType())}) }
	one := integers(e, 1)
	less := func(d Dim) string { return e.Node("Sub", []string{e.Shape(Shape{d}), one}) }
	last := less(from)
	up, down := e.Shape(Shape{o.To}), e.Shape(Shape{from})
	if o.Resize.Sizes == nil {
		up, down = integers(e, int64(o.Resize.Scale)), integers(e, int64(o.Resize.Divisor))
	}
	var at string
	switch half := number(e, part, .5); {
	case o.Resize.Mode == Nearest: // in integers, exactly
		at = float(e.Node("Div", []string{e.Node("Mul", []string{o.count(e), down}), up}))
	case o.Resize.Coordinates == HalfPixel:
		at = e.Node("Div", []string{e.Node("Mul", []string{e.Node("Add", []string{float(o.count(e)), half}), float(down)}), float(up)})
		at = e.Node("Sub", []string{at, half})
	case o.Resize.Coordinates == Asymmetric:
		at = e.Node("Div", []string{e.Node("Mul", []string{float(o.count(e)), float(down)}), float(up)})
	default:
		at = e.Node("Div", []string{e.Node("Mul", []string{float(o.count(e)), float(last)}), float(e.Node("Max", []string{less(o.To), one}))})
	}
	at = e.Node("Min", []string{e.Node("Max", []string{at, number(e, part, 0)}), float(last)})
	whole := e.Node("Floor", []string{at})
	below := e.Node("Cast", []string{whole}, Attr{"to", ONNXType(I64)})
	above := e.Node("Min", []string{e.Node("Add", []string{below, one}), last})
	return []string{below, above, e.Node("Sub", []string{at, whole})}
}

// Samples covers what the samples of Resize have along an axis.
func (ResizePlaces) Samples() []Sample {
	var out []Sample
	for _, s := range (Resize{}).Samples() {
		x, o := s.In[0].Shape, s.Op.(Resize).normal()
		k := len(x) - 1
		to := Dim(x[k]).Times(Dim(o.Scale)).Div(Dim(max(o.Divisor, 1)))
		if o.Sizes != nil {
			to = o.Sizes[k-2]
		}
		out = append(out, Sample{Op: ResizePlaces{o.along(k - 2), k, to}, In: []SampleInput{{Shape: x}}})
	}
	return out
}
