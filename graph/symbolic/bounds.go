package symbolic

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Least is a number that e is never below, whatever sizes the symbols have; math.MinInt64 if none is known.
func (e *Expr) Least() int64 {
	lo, _ := e.bounds()
	return lo
}

// Most is a number that e never exceeds; math.MaxInt64 if none is known.
func (e *Expr) Most() int64 {
	_, hi := e.bounds()
	return hi
}

// bounds are numbers between which e is, if symbols are 0 or more. The least and the largest int64 stand for no bound.
func (e *Expr) bounds() (lo, hi int64) {
	if e == nil {
		return math.MinInt64, math.MaxInt64
	}
	lo, hi = e.termBounds()
	if l, h, ok := e.linearBounds(); ok {
		lo, hi = max(lo, l), min(hi, h)
	}
	return lo, hi
}

// termBounds are the bounds of the terms, added up.
func (e *Expr) termBounds() (lo, hi int64) {
	for _, t := range e.terms {
		a, b := t.Coef, t.Coef
		for _, f := range t.Factors {
			x, y := f.bounds()
			p := [4]int64{times(a, x), times(a, y), times(b, x), times(b, y)}
			a, b = min(p[0], p[1], p[2], p[3]), max(p[0], p[1], p[2], p[3])
		}
		lo, hi = plus(lo, a, math.MinInt64), plus(hi, b, math.MaxInt64)
	}
	return lo, hi
}

// linearBounds are those of e without its floors, where something of it goes out then: with c·⌊x/n⌋, n·e is the rest n times, c·x, and
// −c times a remainder from 0 to n−1. So a−2·⌊a/2⌋ is from 0 to 1.
func (e *Expr) linearBounds() (lo, hi int64, ok bool) {
	sum, scale, least, most := e, int64(1), int64(0), int64(0)
	for {
		i := slices.IndexFunc(sum.terms, func(t Term) bool {
			if len(t.Factors) != 1 || t.Factors[0].Op != Div {
				return false
			}
			_, number := t.Factors[0].Y.Number()
			return number
		})
		if i < 0 {
			break
		}
		t := sum.terms[i]
		n, _ := t.Factors[0].Y.Number()
		if n > maxScale || scale > maxScale {
			return 0, 0, false
		}
		sum = sum.Minus(normal([]Term{t})).Times(Number(n)).Plus(t.Factors[0].X.Times(Number(t.Coef)))
		if sum == nil {
			return 0, 0, false
		}
		least, most = times(least, n), times(most, n)
		if part := times(-t.Coef, n-1); part < 0 {
			least = plus(least, part, math.MinInt64)
		} else {
			most = plus(most, part, math.MaxInt64)
		}
		scale *= n
	}
	if scale == 1 {
		return 0, 0, false
	}
	a, b := sum.termBounds()
	least, most = plus(least, a, math.MinInt64), plus(most, b, math.MaxInt64)
	if least > math.MinInt64 {
		least = -floor(-least, scale)
	}
	return least, floor(most, scale), true
}

// maxScale bounds what linearBounds multiplies by.
const maxScale = 1 << 20

func (f *Factor) bounds() (lo, hi int64) {
	if f.Op == Symbol {
		return 0, math.MaxInt64
	}
	a, b := f.X.bounds()
	c, d := f.Y.bounds()
	switch f.Op {
	case Div: // by 1 or more
		c = max(c, 1)
		if a >= 0 && d < math.MaxInt64 {
			lo = a / max(d, 1)
		} else {
			lo = min(floor(a, c), 0)
		}
		if b >= 0 {
			return lo, floor(b, c)
		}
		return lo, -1
	case Mod:
		if d < math.MaxInt64 {
			d--
		}
		if a >= 0 {
			d = min(d, b)
		}
		return 0, max(d, 0)
	case Min:
		return min(a, c), min(b, d)
	}
	return max(a, c), max(b, d)
}

func bounded(lo, hi int64) bool { return lo > math.MinInt64 && hi < math.MaxInt64 }

// plus is a+b, or none where either is unbounded or the sum is too large.
func plus(a, b, none int64) int64 {
	s := a + b
	if !bounded(a, a) || !bounded(b, b) || s > a != (b > 0) {
		return none
	}
	return s
}

// times is a·b, unbounded where that is too large; nothing times anything is 0.
func times(a, b int64) int64 {
	if a == 0 || b == 0 {
		return 0
	}
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	switch {
	case bounded(a, a) && bounded(b, b) && high == 0 && low < math.MaxInt64:
		return a * b
	case (a < 0) == (b < 0):
		return math.MaxInt64
	}
	return math.MinInt64
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return uint64(-(a + 1)) + 1
	}
	return uint64(a)
}

// Eval is e with the sizes of its symbols, or an error that names what has no value: a symbol without a size or with a negative
// one, a division by what is not positive, a number beyond 2⁵³.
func (e *Expr) Eval(sizes map[string]int) (int64, error) {
	if e == nil {
		return 0, fmt.Errorf("an expression without a value")
	}
	total := int64(0)
	for _, t := range e.terms {
		p, ok := t.Coef, true
		for _, f := range t.Factors {
			n, err := f.eval(sizes)
			if err != nil {
				return 0, err
			}
			if p, ok = product(p, n); !ok {
				return 0, fmt.Errorf("%v is too large: %v", e, f.sized(n))
			}
		}
		if total += p; total >= maxNumber || total <= -maxNumber {
			return 0, fmt.Errorf("%v is too large", e)
		}
	}
	return total, nil
}

// sized says what value f has.
func (f *Factor) sized(n int64) string { return fmt.Sprintf("%s = %d", f.Name, n) }

func (f *Factor) eval(sizes map[string]int) (int64, error) {
	if f.Op == Symbol {
		n, ok := sizes[f.Name]
		switch {
		case !ok:
			return 0, fmt.Errorf("dimension %q has no size", f.Name)
		case n < 0 || n >= maxNumber:
			return 0, fmt.Errorf("dimension %q has no size: %s", f.Name, f.sized(int64(n)))
		}
		return int64(n), nil
	}
	x, err := f.X.Eval(sizes)
	if err != nil {
		return 0, err
	}
	y, err := f.Y.Eval(sizes)
	if err != nil {
		return 0, err
	}
	switch {
	case f.Op == Min:
		return min(x, y), nil
	case f.Op == Max:
		return max(x, y), nil
	case y < 1:
		return 0, fmt.Errorf("%s has no value: %v is %d, and only what is positive divides", f.Name, f.Y, y)
	case f.Op == Div:
		return floor(x, y), nil
	}
	return x - y*floor(x, y), nil
}
