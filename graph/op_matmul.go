package graph

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var matmulOps = []Sampled{MatMul{}, Gemm{}}

// MatMul is the matrix product over the last two axes; the axes before them broadcast. ONNX: MatMul.
type MatMul struct{}

// MatMul is the matrix product of v [... n k] and w [... k m], [... n m].
func (v *Value) MatMul(w *Value) *Value { return Apply(MatMul{}, v, w) }

// Takes is two numbers.
func (MatMul) Takes() []Arg { return twoNumbers }

// Infer checks the inner dimensions and broadcasts the outer ones.
func (MatMul) Infer(in *Infer) ([]Type, error) {
	a, b := in.Args[0], in.Args[1]
	if a.Rank() < 2 || b.Rank() < 2 {
		return nil, Mistakef("make a vector a matrix of one row or column, with .Unsqueeze(0) or .Unsqueeze(-1)",
			"needs two matrices, has %v and %v", a.Type, b.Type)
	}
	as, bs := a.Shape(), b.Shape()
	n, m := len(as), len(bs)
	if as[n-1] != bs[m-2] {
		hint := fmt.Sprintf("the last axis of the first, %v, must equal the last but one of the second, %v", as[n-1], bs[m-2])
		switch {
		case as[n-1] == bs[m-1]:
			hint = "the last axes agree: did you mean a.MatMul(b.T())?"
		case as[n-2] == bs[m-2]:
			hint = "the rows agree: did you mean a.T().MatMul(b)?"
		}
		return nil, Mistakef(hint, "inner dimensions differ: %v and %v", as[n-1], bs[m-2])
	}
	outer, err := broadcast(as[:n-2], bs[:m-2])
	if err != nil {
		return nil, err
	}
	return in.One(Type{a.DType(), append(outer, as[n-2], bs[m-1])}, nil)
}

// VJP is (g·bᵀ, aᵀ·g). Where b is one matrix for all of a, the rows of a are first joined: one product, not a sum of many.
func (MatMul) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	a, b := n.Args[0], n.Args[1]
	if b.Rank() == 2 && a.Rank() > 2 {
		k, m := a.Dim(-1), g.Dim(-1)
		rows := a.Shape()[:a.Rank()-1].Size()
		db := a.Reshape(rows, k).T().MatMul(g.Reshape(rows, m))
		return []*Value{g.MatMul(b.T()), db}
	}
	return []*Value{sumTo(g.MatMul(b.T()), a.Shape()), sumTo(a.T().MatMul(g), b.Shape())}
}

// Run multiplies.
func (o MatMul) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := typed[MatMul]{matMul[float32], matMul[float64], matMul[int64], matMul[uint64]}
	return k.run(c, o, out[0], out, in)
}

// MultiplyAdds is that of each element of the result, a row by a column.
func (MatMul) MultiplyAdds(out, in [][]int) float64 {
	return elements(out[0]) * float64(in[0][len(in[0])-1])
}

func matMul[T kernel.Number](c *kernel.Context, _ MatMul, out, in []*tensor.Tensor) error {
	a, b := in[0], in[1]
	n, k, m := a.Dim(-2), a.Dim(-1), b.Dim(-1)
	x, y, z := tensor.Data[T](a), tensor.Data[T](b), tensor.Data[T](out[0])
	if b.Rank() == 2 { // one matrix for all: join the rows
		rows := 1
		for _, d := range a.Shape()[:a.Rank()-1] {
			rows *= d
		}
		kernel.Gemm(c, false, false, rows, m, k, 1, x, k, y, m, 0, z, m)
		return nil
	}
	outer := out[0].Shape()[:out[0].Rank()-2]
	shapes := [][]int{a.Shape()[:a.Rank()-2], b.Shape()[:b.Rank()-2]}
	count := 1
	for _, d := range outer {
		count *= d
	}
	each := func(c *kernel.Context, r *kernel.Run) {
		for t := range r.N {
			i, j := r.At[0], r.At[1]
			if !r.One[0] {
				i += t
			}
			if !r.One[1] {
				j += t
			}
			kernel.Gemm(c, false, false, n, m, k, 1, x[i*n*k:], k, y[j*k*m:], m, 0, z[(r.Out+t)*n*m:], m)
		}
	}
	if count >= c.Threads { // whole products on each goroutine
		kernel.Runs(c, outer, shapes, max(1, (64<<10)/max(1, n*k*m)), each)
	} else { // few large ones: cut each
		kernel.Runs(kernel.NewContext(c.BLAS, 1), outer, shapes, 1, func(_ *kernel.Context, r *kernel.Run) { each(c, r) })
	}
	return nil
}

// Forms is MatMul.
func (MatMul) Forms() []Form { return form("MatMul") }

// Samples covers ranks 2 to 5 and broadcast outer axes.
func (o MatMul) Samples() []Sample {
	var out []Sample
	for _, s := range [][2][]int{
		{{1, 1}, {1, 1}}, {{2, 3}, {3, 4}}, {{2, 2, 3}, {3, 2}}, {{2, 3}, {2, 3, 2}}, {{2, 2, 3}, {2, 3, 1}},
		{{2, 1, 2, 2}, {3, 2, 1}}, {{1, 2, 1, 1, 2}, {2, 1, 2, 2, 2}}, {{3, 1}, {1, 2}},
	} {
		out = append(out, Sample{Op: o, In: []SampleInput{{Shape: s[0]}, {Shape: s[1]}}})
	}
	return out
}

// Gemm is Alpha·A·B + Beta·C with A or B transposed on request; C, if there, broadcasts to the result. ONNX: Gemm.
type Gemm struct {
	Alpha, Beta    float64
	TransA, TransB bool
}

// Gemm is o applied to the matrices v and w, plus c if it is not nil.
func (v *Value) Gemm(w, c *Value, o Gemm) *Value {
	if c == nil {
		return Apply(o, v, w)
	}
	return Apply(o, v, w, c)
}

var gemmArgs = append(slices.Clone(twoFloats), Arg{Name: "c", DTypes: Floats, Like: "T", Optional: true})

// Takes is the factors, and the addend or nothing.
func (Gemm) Takes() []Arg { return gemmArgs }

// Infer checks the shapes.
func (o Gemm) Infer(in *Infer) ([]Type, error) {
	a, b := in.Args[0], in.Args[1]
	if a.Rank() != 2 || b.Rank() != 2 {
		return nil, Mistakef("MatMul takes values of any rank", "needs two matrices, has %v and %v", a.Type, b.Type)
	}
	as, bs := slices.Clone(a.Shape()), slices.Clone(b.Shape())
	if o.TransA {
		slices.Reverse(as)
	}
	if o.TransB {
		slices.Reverse(bs)
	}
	if as[1] != bs[0] {
		return nil, Mistakef("TransA and TransB say which factor is transposed", "inner dimensions differ: %v and %v", as[1], bs[0])
	}
	y := Shape{as[0], bs[1]}
	if len(in.Args) == 3 && in.Args[2] != nil {
		if s, err := broadcast(y, in.Args[2].Shape()); err != nil || !s.Equal(y) {
			return nil, Mistakef("it must be a row, a column, a scalar, or a whole matrix", "the addend %v does not broadcast to %v", in.Args[2].Type, y)
		}
	}
	return in.One(Type{a.DType(), y}, nil)
}

// VJP multiplies g with the other factor, transposed as needed.
func (o Gemm) VJP(n *Node, gs []*Value) []*Value {
	g := gs[0]
	a, b := n.Args[0], n.Args[1]
	p := func(x *Value, tx bool, w *Value, tw bool) *Value {
		return Apply(Gemm{Alpha: o.Alpha, Beta: 1, TransA: tx, TransB: tw}, x, w)
	}
	da, db := p(g, false, b, !o.TransB), p(a, !o.TransA, g, false)
	if o.TransA {
		da = p(b, o.TransB, g, true)
	}
	if o.TransB {
		db = p(g, true, a, o.TransA)
	}
	out := []*Value{da, db}
	if len(n.Args) == 3 {
		out = append(out, sumTo(g.Scale(o.Beta), n.Args[2].Shape()))
	}
	return out
}

// Run multiplies and adds.
func (o Gemm) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, gemmFloats[float32], gemmFloats[float64])
}

// MultiplyAdds is that of each element of the result, a row by a column.
func (o Gemm) MultiplyAdds(out, in [][]int) float64 {
	return elements(in[0]) * float64(out[0][1])
}

func gemmFloats[T kernel.Float](c *kernel.Context, o Gemm, out, in []*tensor.Tensor) error {
	a, b, y := in[0], in[1], tensor.Data[T](out[0])
	n, m, k := out[0].Dim(0), out[0].Dim(1), a.Dim(1)
	if o.TransA {
		k = a.Dim(0)
	}
	beta := T(0)
	if len(in) == 3 {
		beta = T(o.Beta)
		s := kernel.Borrow[addend[T]](c)
		s.y = y
		kernel.Broadcast(c, s, out[0].Shape(), [][]T{tensor.Data[T](in[2])}, [][]int{in[2].Shape()}, grain)
		s.y = nil
		kernel.GiveBack(c, s)
	}
	kernel.Gemm(c, o.TransA, o.TransB, n, m, k, T(o.Alpha), tensor.Data[T](a), a.Dim(1), tensor.Data[T](b), b.Dim(1), beta, y, m)
	return nil
}

// addend writes what a product is added to over y.
type addend[T any] struct{ y []T }

// Stretch writes the elements from lo to hi.
func (s *addend[T]) Stretch(lo, hi int, in [][]T) {
	y := s.y[lo:hi]
	copy(y, spread(y, in[0]))
}

// Forms is Gemm.
func (Gemm) Forms() []Form {
	return form("Gemm", Field{Attribute: "alpha", Name: "Alpha", Default: 1.}, Field{Attribute: "beta", Name: "Beta", Default: 1.},
		Field{Attribute: "transA", Name: "TransA"}, Field{Attribute: "transB", Name: "TransB"})
}

// Samples covers the transposes and the kinds of addend.
func (Gemm) Samples() []Sample {
	var out []Sample
	for i, add := range [][]int{nil, {2, 4}, {4}, {2, 1}, {}} {
		for _, t := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
			a, b := []int{2, 3}, []int{3, 4}
			if t[0] {
				a = []int{3, 2}
			}
			if t[1] {
				b = []int{4, 3}
			}
			s := Sample{Op: Gemm{Alpha: .5 + float64(i), Beta: 1.5, TransA: t[0], TransB: t[1]}, In: []SampleInput{{Shape: a}, {Shape: b}}}
			if i > 0 {
				s.In = append(s.In, SampleInput{Shape: add})
			}
			out = append(out, s)
		}
	}
	return out
}
