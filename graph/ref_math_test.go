package graph_test

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var mathRefs = map[string]reference{
	"Add": pairs(func(a, b float64) float64 { return a + b }),
	"Sub": pairs(func(a, b float64) float64 { return a - b }),
	"Mul": pairs(func(a, b float64) float64 { return a * b }),
	"Div": pairs(func(a, b float64) float64 { return a / b }),
	"Mod": func(op graph.Op, in []*tensor.Tensor) []float64 {
		whole := math.Trunc
		if in[0].DType().Integer() {
			whole = math.Floor
		}
		return pairs(func(a, b float64) float64 { return a - b*whole(a/b) })(op, in)
	},
	"Pow": pairs(math.Pow),
	"Min": pairs(math.Min),
	"Max": pairs(math.Max),
	"Lerp": func(op graph.Op, in []*tensor.Tensor) []float64 {
		t := op.(graph.Lerp).T
		return pairs(func(a, b float64) float64 { return (1-t)*a + t*b })(op, in)
	},
	"Neg": each(func(x float64) float64 { return -x }),
	"Scale": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return each(func(x float64) float64 { return x * op.(graph.Scale).By })(op, in)
	},
	"Shift": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return each(func(x float64) float64 { return x + op.(graph.Shift).By })(op, in)
	},
	"Exp": each(math.Exp),
	"ExpRemainder": func(op graph.Op, in []*tensor.Tensor) []float64 { // the terms left of the series
		return each(func(x float64) float64 {
			sum, term := 0.0, 1.0
			for k := range 60 {
				if k >= op.(graph.ExpRemainder).Order {
					sum += term
				}
				term *= x / float64(k+1)
			}
			return sum
		})(op, in)
	},
	"Log":        each(math.Log),
	"Sqrt":       each(math.Sqrt),
	"Square":     each(func(x float64) float64 { return x * x }),
	"Abs":        each(math.Abs),
	"Sign":       each(func(x float64) float64 { return truth(x > 0) - truth(x < 0) }),
	"Reciprocal": each(func(x float64) float64 { return 1 / x }),
	"Floor":      each(math.Floor),
	"Sin":        each(math.Sin),
	"Cos":        each(math.Cos),
	"Erf":        each(math.Erf),
	"ReLU":       each(func(x float64) float64 { return math.Max(x, 0) }),
	"Step":       each(func(x float64) float64 { return truth(x > 0) }),
	"Sigmoid":    each(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Tanh":       each(math.Tanh),
	"Softplus":   each(func(x float64) float64 { return math.Log1p(math.Exp(x)) }),
	"GELU":       each(func(x float64) float64 { return x * .5 * math.Erfc(-x/math.Sqrt2) }),
	"SiLU":       each(func(x float64) float64 { return x / (1 + math.Exp(-x)) }),
	"Mish":       each(func(x float64) float64 { return x * math.Tanh(math.Log1p(math.Exp(x))) }),
	"LeakyReLU": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return each(func(x float64) float64 { return math.Max(x, 0) + op.(graph.LeakyReLU).Alpha*math.Min(x, 0) })(op, in)
	},
	"ELU": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return each(func(x float64) float64 { return math.Max(x, 0) + op.(graph.ELU).Alpha*math.Expm1(math.Min(x, 0)) })(op, in)
	},
	"Clip": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return each(func(x float64) float64 { return math.Min(math.Max(x, op.(graph.Clip).Lo), op.(graph.Clip).Hi) })(op, in)
	},
	"BitwiseAnd": bitRef(func(a, b bool) bool { return a && b }),
	"BitwiseOr":  bitRef(func(a, b bool) bool { return a || b }),
	"BitwiseXor": bitRef(func(a, b bool) bool { return a != b }),
	"BitwiseNot": func(op graph.Op, in []*tensor.Tensor) []float64 { // with the ones that every bit is
		return bitRef(func(a, b bool) bool { return a != b })(op, []*tensor.Tensor{in[0], tensor.Scalar(-1.)})
	},
	"BitShiftLeft":  pairs(func(a, b float64) float64 { return a * math.Pow(2, b) }),
	"BitShiftRight": pairs(func(a, b float64) float64 { return math.Floor(a / math.Pow(2, b)) }),
	"Equal":         pairs(func(a, b float64) float64 { return truth(a == b) }),
	"Less":          pairs(func(a, b float64) float64 { return truth(a < b) }),
	"LessEqual":     pairs(func(a, b float64) float64 { return truth(a <= b) }),
	"Greater":       pairs(func(a, b float64) float64 { return truth(a > b) }),
	"GreaterEqual":  pairs(func(a, b float64) float64 { return truth(a >= b) }),
	"Not":           each(func(x float64) float64 { return 1 - x }),
	"And":           pairs(func(a, b float64) float64 { return a * b }),
	"Or":            pairs(math.Max),
	"AllFinite": func(_ graph.Op, in []*tensor.Tensor) []float64 {
		for _, x := range in {
			for i := range x.Len() {
				if math.IsNaN(x.At(i)) || math.IsInf(x.At(i), 0) {
					return []float64{0}
				}
			}
		}
		return []float64{1}
	},
	"Where": func(_ graph.Op, in []*tensor.Tensor) []float64 {
		return broadcastLoop(in, func(x []float64) float64 {
			if x[0] != 0 {
				return x[1]
			}
			return x[2]
		})
	},
	"MatMul": func(_ graph.Op, in []*tensor.Tensor) []float64 { return matmulRef(in[0], in[1]) },
	"Gemm":   gemmRef,
	"Sum": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Sum)
		return reduceRef(in[0], o.Axes, 0, func(acc, x float64) float64 { return acc + x })
	},
	"Mean": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Mean)
		out := reduceRef(in[0], o.Axes, 0, func(acc, x float64) float64 { return acc + x })
		for i := range out {
			out[i] *= float64(len(out)) / float64(in[0].Len())
		}
		return out
	},
	"ReduceProd": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return reduceRef(in[0], op.(graph.ReduceProd).Axes, 1, func(acc, x float64) float64 { return acc * x })
	},
	"CumSum": func(op graph.Op, in []*tensor.Tensor) []float64 { // each sum from nothing
		o, x := op.(graph.CumSum), in[0]
		axis := (o.Axis + x.Rank()) % x.Rank()
		var out []float64
		odometer(x.Shape(), func(index []int) {
			sum, other := 0.0, slices.Clone(index)
			for k := range x.Dim(axis) {
				if other[axis] = k; k == index[axis] && !o.Exclusive || k < index[axis] && !o.Reverse || k > index[axis] && o.Reverse {
					sum += x.At(offset(x.Shape(), other))
				}
			}
			out = append(out, sum)
		})
		return out
	},
	"ReduceMax": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return reduceRef(in[0], op.(graph.ReduceMax).Axes, math.Inf(-1), math.Max)
	},
	"ReduceMin": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return reduceRef(in[0], op.(graph.ReduceMin).Axes, math.Inf(1), math.Min)
	},
	"Softmax": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return softmaxRef(in[0], op.(graph.Softmax).Axis, func(e, sum float64) float64 { return e / sum })
	},
	"LogSoftmax": func(op graph.Op, in []*tensor.Tensor) []float64 {
		return softmaxRef(in[0], op.(graph.LogSoftmax).Axis, func(e, sum float64) float64 { return math.Log(e / sum) })
	},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// each is the reference of a unary op.
func each(f func(float64) float64) reference {
	return func(_ graph.Op, in []*tensor.Tensor) []float64 {
		out := in[0].Float64s()
		for i, x := range out {
			out[i] = f(x)
		}
		return out
	}
}

// pairs is the reference of a broadcasting op of two arguments.
func pairs(f func(a, b float64) float64) reference {
	return func(_ graph.Op, in []*tensor.Tensor) []float64 {
		return broadcastLoop(in, func(x []float64) float64 { return f(x[0], x[1]) })
	}
}

// bitRef is f of each bit of two's complement, in so many bits as the samples need: the highest counts below 0.
func bitRef(f func(a, b bool) bool) reference {
	bit := func(x float64, k int) bool { return math.Mod(math.Floor(x/math.Pow(2, float64(k))), 2) != 0 }
	return pairs(func(a, b float64) float64 {
		const top = 40
		sum := -truth(f(a < 0, b < 0)) * math.Pow(2, top)
		for k := range top {
			sum += truth(f(bit(a, k), bit(b, k))) * math.Pow(2, float64(k))
		}
		return sum
	})
}

// broadcastLoop goes over the broadcast of in, index by index.
func broadcastLoop(in []*tensor.Tensor, f func(x []float64) float64) []float64 {
	rank := 0
	for _, x := range in {
		rank = max(rank, x.Rank())
	}
	shape := make([]int, rank)
	for i := range shape {
		shape[i] = 1
		for _, x := range in {
			if j := i - rank + x.Rank(); j >= 0 && x.Dim(j) != 1 {
				shape[i] = x.Dim(j)
			}
		}
	}
	var out []float64
	odometer(shape, func(index []int) {
		args := make([]float64, len(in))
		for k, x := range in {
			own := slices.Clone(index[rank-x.Rank():])
			for j := range own {
				if x.Dim(j) == 1 {
					own[j] = 0
				}
			}
			args[k] = x.At(offset(x.Shape(), own))
		}
		out = append(out, f(args))
	})
	return out
}

// odometer calls do with every index of shape, in row-major order.
func odometer(shape []int, do func(index []int)) {
	index := make([]int, len(shape))
	var walk func(axis int)
	walk = func(axis int) {
		if axis == len(shape) {
			do(index)
			return
		}
		for index[axis] = 0; index[axis] < shape[axis]; index[axis]++ {
			walk(axis + 1)
		}
	}
	walk(0)
}

// offset is the row-major position of index.
func offset(shape, index []int) int {
	at := 0
	for i, d := range shape {
		at = at*d + index[i]
	}
	return at
}

func matmulRef(a, b *tensor.Tensor) []float64 {
	n, k, m := a.Dim(-2), a.Dim(-1), b.Dim(-1)
	// The outer axes broadcast: number the matrices of each factor and let the loop pair them.
	number := func(x *tensor.Tensor) *tensor.Tensor {
		outer := tensor.New(tensor.I64, x.Shape()[:x.Rank()-2]...)
		for i := range outer.Len() {
			outer.Set(i, float64(i))
		}
		return outer
	}
	var out []float64
	broadcastLoop([]*tensor.Tensor{number(a), number(b)}, func(x []float64) float64 {
		p, q := int(x[0])*n*k, int(x[1])*k*m
		for i := range n {
			for j := range m {
				sum := 0.0
				for l := range k {
					sum += a.At(p+i*k+l) * b.At(q+l*m+j)
				}
				out = append(out, sum)
			}
		}
		return 0
	})
	return out
}

func gemmRef(op graph.Op, in []*tensor.Tensor) []float64 {
	o := op.(graph.Gemm)
	flip := func(x *tensor.Tensor, flip bool) *tensor.Tensor {
		if !flip {
			return x
		}
		y := tensor.New(tensor.F64, x.Dim(1), x.Dim(0))
		for i := range x.Dim(0) {
			for j := range x.Dim(1) {
				y.Set(j*x.Dim(0)+i, x.At(i*x.Dim(1)+j))
			}
		}
		return y
	}
	a, b := flip(in[0], o.TransA), flip(in[1], o.TransB)
	out := matmulRef(a, b)
	for i := range out {
		out[i] *= o.Alpha
	}
	if len(in) == 3 {
		y := tensor.Of(out, a.Dim(0), b.Dim(1))
		out = broadcastLoop([]*tensor.Tensor{y, in[2]}, func(x []float64) float64 { return x[0] + o.Beta*x[1] })
	}
	return out
}

// reduceRef folds the elements along axes (all, if there are none) in order.
func reduceRef(x *tensor.Tensor, axes []int, init float64, f func(acc, x float64) float64) []float64 {
	shape := slices.Clone(x.Shape())
	for i := range shape {
		if len(axes) == 0 || slices.Contains(axes, i) || slices.Contains(axes, i-x.Rank()) {
			shape[i] = 1
		}
	}
	acc := tensor.New(tensor.F64, shape...)
	for i := range acc.Len() {
		acc.Set(i, init)
	}
	at := 0
	odometer(x.Shape(), func(index []int) {
		own := slices.Clone(index)
		for i := range own {
			own[i] = min(own[i], shape[i]-1)
		}
		o := offset(shape, own)
		acc.Set(o, f(acc.At(o), x.At(at)))
		at++
	})
	return acc.Float64s()
}

func softmaxRef(x *tensor.Tensor, axis int, f func(e, sum float64) float64) []float64 {
	exp := tensor.Of(each(math.Exp)(nil, []*tensor.Tensor{x}), x.Shape()...)
	keep := slices.Clone(x.Shape())
	if axis < 0 {
		axis += x.Rank()
	}
	keep[axis] = 1
	sum := tensor.Of(reduceRef(exp, []int{axis}, 0, func(acc, x float64) float64 { return acc + x }), keep...)
	return broadcastLoop([]*tensor.Tensor{exp, sum}, func(v []float64) float64 { return f(v[0], v[1]) })
}
