package onnxtest

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// attention is for four axes, [batch heads seq size], without the products as an output.
func attention(c *call) []*tensor.Tensor {
	c.since(23)
	q, k, v := c.input(0), c.input(1), c.input(2)
	c.same(q, k, v)
	causal, scale, limit := c.int("is_causal", 0), c.float("scale", math.Pow(float64(q.Dim(-1)), -.5)), c.float("softcap", 0)
	if q.Rank() != 4 || k.Rank() != 4 || v.Rank() != 4 || q.Dim(1)%k.Dim(1) != 0 || len(c.in) > 6 || len(c.Outputs) > 3 || len(c.Outputs) > 1 != c.has(4) {
		c.fail("of %v and %d outputs", c.in, len(c.Outputs))
	}
	past := 0
	if c.has(4) {
		past = c.in[4].Dim(2)
		c.same(q, c.in[4], c.input(5))
		join := func(before, after *tensor.Tensor) *tensor.Tensor {
			shape := []int{after.Dim(0), after.Dim(1), past + after.Dim(2), after.Dim(3)}
			return arrange(after.DType(), shape, func(i []int) place {
				if i[2] < past {
					return find(before, i)
				}
				return find(after, []int{i[0], i[1], i[2] - past, i[3]})
			})[0]
		}
		k, v = join(c.in[4], k), join(c.in[5], v)
	}
	repeat := q.Dim(1) / k.Dim(1)
	weights := func(b, h, row int) []float64 {
		logits, top := make([]float64, k.Dim(2)), math.Inf(-1)
		for key := range logits {
			for d := range q.Dim(3) {
				logits[key] += scale * look(q, []int{b, h, row, d}) * look(k, []int{b, h / repeat, key, d})
			}
			if limit > 0 {
				logits[key] = limit * math.Tanh(logits[key]/limit)
			}
			switch {
			case causal == 1 && key > row+past:
				logits[key] = math.Inf(-1)
			case !c.has(3):
			case c.in[3].DType() == tensor.Bool:
				if look(c.in[3], []int{b, h, row, key}) == 0 {
					logits[key] = math.Inf(-1)
				}
			default:
				c.same(q, c.in[3])
				logits[key] += look(c.in[3], []int{b, h, row, key})
			}
			top = max(top, logits[key])
		}
		total := 0.0
		for key, x := range logits {
			if logits[key] = 0; !math.IsInf(top, -1) { // a row that sees nothing is 0
				logits[key] = math.Exp(x - top)
			}
			total += logits[key]
		}
		for key := range logits {
			if total > 0 {
				logits[key] /= total
			}
		}
		return logits
	}
	y := tensor.New(q.DType(), q.Dim(0), q.Dim(1), q.Dim(2), v.Dim(3))
	each(q.Shape()[:3], func(i []int) {
		w := weights(i[0], i[1], i[2])
		for e := range v.Dim(3) {
			sum := 0.0
			for key, p := range w {
				sum += p * look(v, []int{i[0], i[1] / repeat, key, e})
			}
			y.Set(position(y.Shape(), []int{i[0], i[1], i[2], e}), sum)
		}
	})
	if !c.has(4) {
		return one(y)
	}
	return []*tensor.Tensor{y, k, v}
}

// normalization is of each set of axes that share their statistics, of which there are some with the numbers that of gives an index.
func normalization(x *tensor.Tensor, sets int, epsilon float64, centred bool, of func(index []int) int) *tensor.Tensor {
	count, mean, square := make([]float64, sets), make([]float64, sets), make([]float64, sets)
	each(x.Shape(), func(i []int) { count[of(i)]++ })
	if centred {
		each(x.Shape(), func(i []int) { mean[of(i)] += look(x, i) / count[of(i)] })
	}
	each(x.Shape(), func(i []int) { square[of(i)] += math.Pow(look(x, i)-mean[of(i)], 2) / count[of(i)] })
	return build(tensor.F64, x.Shape(), func(i []int) float64 { return (look(x, i) - mean[of(i)]) / math.Sqrt(square[of(i)]+epsilon) })
}

// perChannel scales and shifts what is normalised by the inputs 1 and 2.
func (c *call) perChannel(y *tensor.Tensor) []*tensor.Tensor {
	x := c.input(0)
	c.same(x, c.input(1), c.input(2))
	if n := x.Dim(1); c.in[1].Len() != n || c.in[2].Len() != n {
		c.fail("of %v", c.in)
	}
	return one(build(x.DType(), x.Shape(), func(i []int) float64 { return look(y, i)*c.in[1].At(i[1]) + c.in[2].At(i[1]) }))
}

func groupNormalization(c *call) []*tensor.Tensor {
	c.since(21)
	x, groups := c.input(0), c.int("num_groups", 0)
	must(c, "stash_type", int64(1))
	if groups < 1 || x.Dim(1)%groups != 0 {
		c.fail("%d groups of %v", groups, x)
	}
	each := x.Dim(1) / groups
	return c.perChannel(normalization(x, x.Dim(0)*groups, c.float("epsilon", 1e-5), true, func(i []int) int { return i[0]*groups + i[1]/each }))
}

func instanceNormalization(c *call) []*tensor.Tensor {
	x := c.input(0)
	if x.Rank() < 3 {
		c.fail("of %v", x)
	}
	return c.perChannel(normalization(x, x.Dim(0)*x.Dim(1), c.float("epsilon", 1e-5), true, func(i []int) int { return i[0]*x.Dim(1) + i[1] }))
}

func rmsNormalization(c *call) []*tensor.Tensor {
	c.since(23)
	x := c.input(0)
	c.same(x, c.input(1))
	must(c, "stash_type", int64(1))
	k := c.axis(c.int("axis", -1), x.Rank())
	rows, _ := tensor.Count(x.Shape()[:k])
	y := normalization(x, rows, c.float("epsilon", 1e-5), false, func(i []int) int { return position(x.Shape()[:k], i[:k]) })
	return one(build(x.DType(), x.Shape(), func(i []int) float64 { return look(y, i) * look(c.in[1], i) }))
}
