package nn

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Conv2D is a convolution over [batch channels height width] with square filters; all but channels may be symbolic. Its parameters are
// weight [Filters channels/Groups Kernel Kernel] and bias [Filters].
type Conv2D struct {
	Filters, Kernel int
	Stride          int  // 0 means 1
	Pad             int  // zeros on every side
	Same            bool // pad so that the result has ⌈size/Stride⌉ rows and columns, the odd one at the end, as TensorFlow
	Dilation        int  // 0 means 1
	Groups          int  // 0 means 1
	NoBias          bool
	SpectralNorm    bool // divide the weight by its largest singular value (Miyato et al. 2018); the buffer u [1 Filters] follows it
	// Weight and Bias say how the parameters start; nil means GlorotUniform and Zeros.
	Weight, Bias graph.Initializer
	Layer
}

// Conv1D is a [Conv2D] over [batch channels width]. Sequences [batch seq dim] become that by x.Transpose(0, 2, 1).
type Conv1D Conv2D

// Conv3D is a [Conv2D] over [batch channels depth height width], with cubes for filters.
type Conv3D Conv2D

// Apply convolves x.
func (l *Conv1D) Apply(x *graph.Value) *graph.Value { return (*Conv2D)(l).apply(l, 1, x) }

// Apply convolves x.
func (l *Conv2D) Apply(x *graph.Value) *graph.Value { return l.apply(l, 2, x) }

// Apply convolves x.
func (l *Conv3D) Apply(x *graph.Value) *graph.Value { return (*Conv2D)(l).apply(l, 3, x) }

// apply convolves x over some axes; self is the layer as it was declared.
func (l *Conv2D) apply(self any, axes int, x *graph.Value) *graph.Value {
	return base(l, func(l *Conv2D) *Layer { return &l.Layer }).Run(self, x, func() *graph.Value {
		name := typeName(self)
		c, ok := channels(name, axes, x)
		if !ok || !positive(name, x, "Filters", l.Filters, "Kernel", l.Kernel) {
			return x.Func().Poison()
		}
		stride, dilation, groups := cmp.Or(l.Stride, 1), cmp.Or(l.Dilation, 1), cmp.Or(l.Groups, 1)
		if !divides(name, x, groups, c, l.Filters) {
			return x.Func().Poison()
		}
		o := graph.Conv{Strides: each(axes, stride), Dilations: each(axes, dilation), Groups: groups, Pads: each(2*axes, l.Pad)}
		if l.Same {
			for i := range axes {
				total, ok := same(name, x, 2+i, max(stride, 1), (l.Kernel-1)*dilation+1)
				if !ok {
					return x.Func().Poison()
				}
				o.Pads[i], o.Pads[axes+i] = total/2, total-total/2
			}
		}
		init := fans(l.Weight, c/graph.Dim(groups), l.Filters/groups, l.Kernel, axes)
		weight := l.Param(x, "weight", init, filters(graph.Dim(l.Filters), c/graph.Dim(groups), l.Kernel, axes)...)
		if l.SpectralNorm {
			weight = l.spectral(x, weight)
		}
		return addBias(&l.Layer, x, x.Conv(weight, o), l.NoBias, l.Bias, l.Filters)
	})
}

// same is how much padding along an axis of x gives ⌈size/stride⌉ windows that cover span pixels.
func same(layer string, x *graph.Value, axis, stride, span int) (total int, ok bool) {
	n, by := x.Dim(axis), graph.Dim(stride)
	over := n.Plus(by - 1).Div(by).Times(by).Minus(n) // how much the last stride is beyond the end
	if over.Symbolic() {
		mistake(x, fmt.Sprintf("%s with Same: how much to pad depends on the size %v, which a stride of %d need not divide", layer, n, stride),
			fmt.Sprintf("give Pad instead, or a size that is a multiple: graph.Sym(\"height\").Times(%d)", stride))
		return 0, false
	}
	return max(0, int(over)-stride+span), true
}

// ConvTranspose2D is the adjoint of a convolution: it makes images larger by Stride. All but channels may be symbolic. Its parameters
// are weight [channels Filters/Groups Kernel Kernel] and bias [Filters].
type ConvTranspose2D struct {
	Filters, Kernel int
	Stride          int  // 0 means 1
	Pad             int  // rows and columns cut from every side of the result
	OutputPad       int  // rows and columns added at the end of the result
	Same            bool // cut so that the result has size·Stride rows and columns, the odd one at the end, as TensorFlow
	Dilation        int  // 0 means 1
	Groups          int  // 0 means 1
	NoBias          bool
	// Weight and Bias say how the parameters start; nil means GlorotUniform and Zeros.
	Weight, Bias graph.Initializer
	Layer
}

// ConvTranspose1D is a [ConvTranspose2D] over [batch channels width].
type ConvTranspose1D ConvTranspose2D

// ConvTranspose3D is a [ConvTranspose2D] over [batch channels depth height width], with cubes for filters.
type ConvTranspose3D ConvTranspose2D

// Apply convolves x.
func (l *ConvTranspose1D) Apply(x *graph.Value) *graph.Value {
	return (*ConvTranspose2D)(l).apply(l, 1, x)
}

// Apply convolves x.
func (l *ConvTranspose2D) Apply(x *graph.Value) *graph.Value { return l.apply(l, 2, x) }

// Apply convolves x.
func (l *ConvTranspose3D) Apply(x *graph.Value) *graph.Value {
	return (*ConvTranspose2D)(l).apply(l, 3, x)
}

// apply convolves x over some axes; self is the layer as it was declared.
func (l *ConvTranspose2D) apply(self any, axes int, x *graph.Value) *graph.Value {
	return base(l, func(l *ConvTranspose2D) *Layer { return &l.Layer }).Run(self, x, func() *graph.Value {
		name := typeName(self)
		c, ok := channels(name, axes, x)
		if !ok || !positive(name, x, "Filters", l.Filters, "Kernel", l.Kernel) {
			return x.Func().Poison()
		}
		stride, dilation, groups := cmp.Or(l.Stride, 1), cmp.Or(l.Dilation, 1), cmp.Or(l.Groups, 1)
		if !divides(name, x, groups, c, l.Filters) {
			return x.Func().Poison()
		}
		o := graph.ConvTranspose{Strides: each(axes, stride), Dilations: each(axes, l.Dilation), Groups: l.Groups,
			Pads: each(2*axes, l.Pad), OutputPadding: each(axes, l.OutputPad)}
		if l.Same {
			cut := (l.Kernel-1)*dilation + 1 - stride
			if cut < 0 { // the windows leave gaps: zeros fill them
				o.OutputPadding, cut = each(axes, -cut), 0
			}
			o.Pads = append(each(axes, cut/2), each(axes, cut-cut/2)...)
		}
		init := fans(l.Weight, c/graph.Dim(groups), l.Filters/groups, l.Kernel, axes)
		weight := l.Param(x, "weight", init, filters(c, graph.Dim(l.Filters/groups), l.Kernel, axes)...)
		return addBias(&l.Layer, x, x.ConvTranspose(weight, o), l.NoBias, l.Bias, l.Filters)
	})
}

// fans is how the filters of a layer start, GlorotUniform unless init says otherwise. In both kinds of convolution, the
// inputs of a unit are the group's channels times the window, and its outputs the group's filters times the window. Strides
// do not count, as in Flax: of a transposed convolution each result then sees fewer, on average one of all strides' product.
func fans(init graph.Initializer, channels graph.Dim, filters, kernel, axes int) graph.Initializer {
	window := math.Pow(float64(kernel), float64(axes))
	return initializer.WithFans(or(init, initializer.GlorotUniform{}), float64(channels)*window, float64(filters)*window)
}

// filters is the shape of a layer's filters.
func filters(first, second graph.Dim, kernel, axes int) graph.Shape {
	return append(graph.Shape{first, second}, slices.Repeat(graph.Shape{graph.Dim(kernel)}, axes)...)
}

// channels are those of images with so many axes.
func channels(layer string, axes int, x *graph.Value) (graph.Dim, bool) {
	if x.Rank() != 2+axes {
		pixels := []string{"width", "height width", "depth height width"}[axes-1]
		mistake(x, fmt.Sprintf("%s: needs [batch channels %s], has %v", layer, pixels, x.Type), "Reshape gives a flat image its axes")
		return 0, false
	}
	return width(layer, x, 1)
}

// divides checks that channels and filters come in whole groups.
func divides(layer string, x *graph.Value, groups int, c graph.Dim, filters int) bool {
	if groups < 1 || int(c)%groups != 0 || filters%groups != 0 {
		mistake(x, fmt.Sprintf("%s: %d groups of %v channels and %d filters", layer, groups, c, filters), "both must be multiples of Groups")
		return false
	}
	return true
}

// addBias adds one number a filter.
func addBias(l *Layer, x, y *graph.Value, none bool, init graph.Initializer, filters int) *graph.Value {
	if none {
		return y
	}
	column := slices.Repeat(graph.Shape{1}, x.Rank()-1)
	column[0] = graph.Dim(filters)
	return y.Add(l.Param(x, "bias", or(init, initializer.Zeros{}), column[0]).Reshape(column...))
}

// each is a list of one number for each of n axes.
func each(n, value int) []int { return slices.Repeat([]int{value}, n) }

// MaxPool1D takes the largest element of windows of Kernel over [batch channels width], for Sequential; a stride of 0 means Kernel.
func MaxPool1D(kernel, stride int) Func { return maxPool(1, kernel, stride) }

// MaxPool2D takes the largest element of windows of Kernel×Kernel, for Sequential; a stride of 0 means Kernel.
func MaxPool2D(kernel, stride int) Func { return maxPool(2, kernel, stride) }

// MaxPool3D takes the largest element of cubes of Kernel³ over [batch channels depth height width], for Sequential; a stride of 0 means
// Kernel.
func MaxPool3D(kernel, stride int) Func { return maxPool(3, kernel, stride) }

func maxPool(axes, kernel, stride int) Func {
	return func(x *graph.Value) *graph.Value {
		return x.MaxPoolND(graph.MaxPoolND{Kernel: each(axes, kernel), Strides: each(axes, cmp.Or(stride, kernel))})
	}
}

// AveragePool1D takes the mean of windows of Kernel over [batch channels width], for Sequential; a stride of 0 means Kernel.
func AveragePool1D(kernel, stride int) Func { return averagePool(1, kernel, stride) }

// AveragePool2D takes the mean of windows of Kernel×Kernel, for Sequential; a stride of 0 means Kernel.
func AveragePool2D(kernel, stride int) Func { return averagePool(2, kernel, stride) }

// AveragePool3D takes the mean of cubes of Kernel³ over [batch channels depth height width], for Sequential; a stride of 0 means Kernel.
func AveragePool3D(kernel, stride int) Func { return averagePool(3, kernel, stride) }

func averagePool(axes, kernel, stride int) Func {
	return func(x *graph.Value) *graph.Value {
		return x.AveragePoolND(graph.AveragePoolND{Kernel: each(axes, kernel), Strides: each(axes, cmp.Or(stride, kernel))})
	}
}

// Upsample repeats rows and columns scale times, for Sequential.
func Upsample(scale int) Func {
	return func(x *graph.Value) *graph.Value { return x.Upsample(scale) }
}
