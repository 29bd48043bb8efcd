package check

import (
	"strconv"

	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
)

// A dim is one axis, or one element of a shape tensor: a number, an expression of symbols, or unknown.
type dim struct {
	n   int64          // if sum is nil
	sum *symbolic.Expr // that is no number
}

// unknown is a dim of which nothing is known; it equals none, not even itself.
var unknown = dim{sum: new(symbolic.Expr)}

const maxDim = 1 << 53 // beyond it, arithmetic gives unknown

func number(n int64) dim { return dim{n: n} }

func numbers(n []int64) []dim {
	out := make([]dim, len(n))
	for i, v := range n {
		out[i] = dim{n: v}
	}
	return out
}

// isNum reports whether d is the number n.
func (d dim) isNum(n int64) bool { return d.sum == nil && d.n == n }

// num is the number that d is.
func (d dim) num() (int64, bool) { return d.n, d.sum == nil }

func (d dim) known() bool { return d.sum != unknown.sum }

// String is the number, the sum, or ?.
func (d dim) String() string {
	switch {
	case d.sum == nil:
		return strconv.FormatInt(d.n, 10)
	case !d.known():
		return "?"
	}
	return d.sum.String()
}

// same reports whether a and b are equal for certain.
func same(a, b dim) bool {
	if a.sum == nil || b.sum == nil {
		return a.sum == nil && b.sum == nil && a.n == b.n
	}
	return a.known() && b.known() && a.sum.String() == b.sum.String()
}

// differ reports whether a and b are different for certain: their difference is a number other than 0.
func differ(a, b dim) bool {
	if same(a, b) {
		return false
	}
	n, ok := a.minus(b).num()
	return ok && n != 0
}

// positive reports whether d is 0 or more whatever sizes the symbols stand for.
func (d dim) positive() bool {
	if d.sum == nil {
		return d.n >= 0
	}
	return d.known() && d.sum.Least() >= 0
}

// expr is d as an expression, nil if it is unknown.
func (d dim) expr() *symbolic.Expr {
	switch {
	case d.sum == nil:
		return symbolic.Number(d.n)
	case !d.known():
		return nil
	}
	return d.sum
}

// of is e as a dim; a nil one is unknown.
func of(e *symbolic.Expr) dim {
	if e == nil {
		return unknown
	}
	if n, ok := e.Number(); ok {
		return number(n)
	}
	return dim{sum: e}
}

func (d dim) plus(e dim) dim {
	if !d.known() || !e.known() {
		return unknown
	}
	if d.sum == nil && e.sum == nil && small(d.n) && small(e.n) {
		return dim{n: d.n + e.n}
	}
	return of(d.expr().Plus(e.expr()))
}

func (d dim) minus(e dim) dim { return d.plus(e.times(number(-1))) }

func (d dim) times(e dim) dim {
	if d.isNum(0) || e.isNum(0) {
		return dim{}
	}
	switch {
	case !d.known() || !e.known():
		return unknown
	case d.isNum(1):
		return e
	case e.isNum(1):
		return d
	}
	return of(d.expr().Times(e.expr()))
}

func small(n int64) bool { return -maxDim < n && n < maxDim }

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// over is d/e if that comes out even whatever the symbols are, else unknown.
func (d dim) over(e dim) dim {
	q, _ := d.expr().Exact(e.expr())
	return of(q)
}

// divided is d/e rounded down, if e is positive.
func (d dim) divided(e dim) dim { return of(d.expr().Div(e.expr())) }

func (d dim) mod(e dim) dim { return of(d.expr().Mod(e.expr())) }
func (d dim) min(e dim) dim { return of(d.expr().Min(e.expr())) }
func (d dim) max(e dim) dim { return of(d.expr().Max(e.expr())) }

// symbol reads a dim_param: an expression of names and numbers, as this exporter writes them; any other text is a name itself.
func symbol(text string) dim {
	if e, ok := symbolic.Parse(text); ok {
		return of(e)
	}
	return of(symbolic.Named(text))
}
