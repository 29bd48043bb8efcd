package nn

import (
	"cmp"
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Conv2D is a convolution over [batch channels height width] with square filters. Its parameters are weight
// [Filters channels/Groups Kernel Kernel] and bias [Filters].
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

// Apply convolves x.
func (l *Conv2D) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *Conv2D) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		c, ok := channels("Conv2D", x)
		if !ok || !positive("Conv2D", x, "Filters", l.Filters, "Kernel", l.Kernel) {
			return x.Func().Poison()
		}
		stride, dilation, groups := cmp.Or(l.Stride, 1), cmp.Or(l.Dilation, 1), cmp.Or(l.Groups, 1)
		if !divides("Conv2D", x, groups, c, l.Filters) {
			return x.Func().Poison()
		}
		o := graph.Conv2D{Strides: square(stride), Dilations: square(dilation), Groups: groups, Pads: [4]int{l.Pad, l.Pad, l.Pad, l.Pad}}
		if l.Same {
			for i := range 2 {
				n, ok := width("Conv2D with Same", x, 2+i)
				if !ok {
					return x.Func().Poison()
				}
				total := max(0, ((int(n)+stride-1)/max(stride, 1)-1)*stride+(l.Kernel-1)*dilation+1-int(n))
				o.Pads[i], o.Pads[i+2] = total/2, total-total/2
			}
		}
		init := fans(l.Weight, c/graph.Dim(groups), l.Filters/groups, l.Kernel)
		weight := l.Param(x, "weight", init, graph.Dim(l.Filters), c/graph.Dim(groups), graph.Dim(l.Kernel), graph.Dim(l.Kernel))
		if l.SpectralNorm {
			weight = l.spectral(x, weight)
		}
		y := x.Conv2D(weight, o)
		return addBias(&l.Layer, x, y, l.NoBias, l.Bias, l.Filters)
	})
}

// ConvTranspose2D is the adjoint of a convolution: it makes images larger by Stride. Its parameters are weight
// [channels Filters/Groups Kernel Kernel] and bias [Filters].
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

// Apply convolves x.
func (l *ConvTranspose2D) Apply(x *graph.Value) *graph.Value {
	return base(l, func(l *ConvTranspose2D) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		c, ok := channels("ConvTranspose2D", x)
		if !ok || !positive("ConvTranspose2D", x, "Filters", l.Filters, "Kernel", l.Kernel) {
			return x.Func().Poison()
		}
		stride, dilation, groups := cmp.Or(l.Stride, 1), cmp.Or(l.Dilation, 1), cmp.Or(l.Groups, 1)
		if !divides("ConvTranspose2D", x, groups, c, l.Filters) {
			return x.Func().Poison()
		}
		o := graph.ConvTranspose2D{Strides: square(stride), Dilations: square(l.Dilation), Groups: l.Groups,
			Pads: [4]int{l.Pad, l.Pad, l.Pad, l.Pad}, OutputPadding: square(l.OutputPad)}
		if l.Same {
			cut := (l.Kernel-1)*dilation + 1 - stride
			if cut < 0 { // the windows leave gaps: zeros fill them
				o.OutputPadding, cut = square(-cut), 0
			}
			o.Pads = [4]int{cut / 2, cut / 2, cut - cut/2, cut - cut/2}
		}
		weight := fans(l.Weight, c/graph.Dim(groups), l.Filters/groups, l.Kernel)
		y := x.ConvTranspose2D(l.Param(x, "weight", weight, c, graph.Dim(l.Filters/groups), graph.Dim(l.Kernel), graph.Dim(l.Kernel)), o)
		return addBias(&l.Layer, x, y, l.NoBias, l.Bias, l.Filters)
	})
}

// fans is how the filters of a layer start, GlorotUniform unless init says otherwise. In both kinds of convolution, the
// inputs of a unit are the group's channels times the window, and its outputs the group's filters times the window. Strides
// do not count, as in Flax: of a transposed convolution each result then sees fewer, on average 1/Stride².
func fans(init graph.Initializer, channels graph.Dim, filters, kernel int) graph.Initializer {
	window := float64(kernel * kernel)
	return initializer.WithFans(or(init, initializer.GlorotUniform{}), float64(channels)*window, float64(filters)*window)
}

func channels(layer string, x *graph.Value) (graph.Dim, bool) {
	if x.Rank() != 4 {
		mistake(x, fmt.Sprintf("%s: needs [batch channels height width], has %v", layer, x.Type), "Reshape gives a flat image its axes")
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
	b := l.Param(x, "bias", or(init, initializer.Zeros{}), graph.Dim(filters))
	return y.Add(b.Reshape(graph.Dim(filters), 1, 1))
}

func square(n int) [2]int { return [2]int{n, n} }

// MaxPool2D takes the largest element of windows of Kernel×Kernel, for Sequential; a stride of 0 means Kernel.
func MaxPool2D(kernel, stride int) Func {
	return func(x *graph.Value) *graph.Value {
		return x.MaxPool(graph.MaxPool{Kernel: square(kernel), Strides: square(cmp.Or(stride, kernel))})
	}
}

// AveragePool2D takes the mean of windows of Kernel×Kernel, for Sequential; a stride of 0 means Kernel.
func AveragePool2D(kernel, stride int) Func {
	return func(x *graph.Value) *graph.Value {
		return x.AveragePool(graph.AveragePool{Kernel: square(kernel), Strides: square(cmp.Or(stride, kernel))})
	}
}

// Upsample repeats rows and columns scale times, for Sequential.
func Upsample(scale int) Func {
	return func(x *graph.Value) *graph.Value { return x.Upsample(scale) }
}
