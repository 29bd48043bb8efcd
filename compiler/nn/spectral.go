package nn

import (
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// spectral is the weight w divided by its largest singular value, as a matrix of w's first axis by all others: the layer's Lipschitz
// constant is then about 1 (Miyato et al. 2018, eq. 8). The value is uᵀ·w·v after one step of power iteration from the buffer u,
// which training moves on at each application (algorithm 1); u and v have no gradient.
func (l *Layer) spectral(x, w *graph.Value) *graph.Value {
	f := x.Func()
	size := graph.Dim(1)
	for _, d := range w.Shape()[1:] {
		size *= d
	}
	m := w.Reshape(w.Dim(0), size)
	buffer := l.Buffer(x, "u", initializer.Normal{Std: 1}, 1, w.Dim(0))
	v := unit(f.Current(buffer).MatMul(m))
	u := unit(v.MatMul(m.T()))
	if f.Training {
		f.Update(buffer, u)
	}
	return w.Div(u.MatMul(m).Mul(v).Sum())
}

// unit is a vector of length 1 in v's direction, without a gradient.
func unit(v *graph.Value) *graph.Value { return v.Div(v.Square().Sum().Sqrt().Shift(1e-12)).Detach() }
