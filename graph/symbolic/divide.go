package symbolic

import "math"

// factor is the expression of one operation.
func factor(op Op, text string, x, y *Expr) *Expr {
	return normal([]Term{{1, []*Factor{{op, text, x, y}}}})
}

// Div is ⌊e/f⌋.
func (e *Expr) Div(f *Expr) *Expr {
	if e == nil || f == nil {
		return nil
	}
	n, number := f.Number()
	if number && n < 1 {
		return nil
	}
	if q, ok := e.Exact(f); ok {
		return q
	}
	if !number {
		return factor(Div, e.operand()+"/"+f.operand(), e, f)
	}
	// Multiples of n go out, so that what is left of the number is in (−n, 0].
	var whole, rest []Term
	for _, t := range e.terms {
		out := t.Coef / n
		if len(t.Factors) == 0 {
			out = -floor(-t.Coef, n)
		} else if t.Coef%n != 0 {
			out = 0
		}
		whole = append(whole, Term{out, t.Factors})
		rest = append(rest, Term{t.Coef - out*n, t.Factors})
	}
	x, by := normal(rest).shorten(n)
	return normal(whole).Plus(x.quotient(by))
}

// quotient is ⌊e/n⌋, for an e of which no multiple of n can be taken out.
func (e *Expr) quotient(n int64) *Expr {
	if lo, hi := e.bounds(); floor(lo, n) == floor(hi, n) && bounded(lo, hi) {
		return Number(floor(lo, n))
	}
	if len(e.terms) <= 2 { // ⌊(⌊x/m⌋+k)/n⌋ is ⌊(x+k·m)/(m·n)⌋
		t := e.terms[0]
		if len(t.Factors) == 1 && t.Factors[0].Op == Div && t.Coef == 1 && (len(e.terms) == 1 || len(e.terms[1].Factors) == 0) {
			if m, ok := t.Factors[0].Y.Number(); ok {
				k := e.Minus(normal([]Term{t}))
				return t.Factors[0].X.Plus(k.Times(Number(m))).Div(Number(m).Times(Number(n)))
			}
		}
	}
	by := Number(n)
	return factor(Div, e.operand()+"/"+by.operand(), e, by)
}

// shorten divides e and n by what all of e and n have in common.
func (e *Expr) shorten(n int64) (*Expr, int64) {
	common := n
	for _, t := range e.terms {
		common = divisor(common, t.Coef)
	}
	if common == 1 {
		return e, n
	}
	out := make([]Term, len(e.terms))
	for i, t := range e.terms {
		out[i] = Term{t.Coef / common, t.Factors}
	}
	return normal(out), n / common
}

// divisor is the greatest common divisor of n, which is positive, and m.
func divisor(n, m int64) int64 {
	for m = max(m, -m); m != 0; {
		n, m = m, n%m
	}
	return n
}

// Mod is e−f·⌊e/f⌋.
func (e *Expr) Mod(f *Expr) *Expr {
	if e == nil || f == nil {
		return nil
	}
	n, number := f.Number()
	if number && n < 1 {
		return nil
	}
	if _, ok := e.Exact(f); ok {
		return Number(0)
	}
	if !number {
		return factor(Mod, e.operand()+"%"+f.operand(), e, f)
	}
	rest := make([]Term, len(e.terms))
	for i, t := range e.terms {
		rest[i] = Term{t.Coef - n*floor(t.Coef, n), t.Factors}
	}
	x, by := normal(rest).shorten(n)
	scale := Number(n / by)
	if lo, hi := x.bounds(); lo >= 0 && hi < by {
		return x.Times(scale)
	}
	return factor(Mod, x.operand()+"%"+Number(by).operand(), x, Number(by)).Times(scale)
}

// Min is the smaller of e and f.
func (e *Expr) Min(f *Expr) *Expr { return e.choose(Min, "min", f) }

// Max is the larger of e and f.
func (e *Expr) Max(f *Expr) *Expr { return e.choose(Max, "max", f) }

func (e *Expr) choose(op Op, name string, f *Expr) *Expr {
	d := e.Minus(f)
	if d == nil {
		return nil
	}
	switch lo, hi := d.bounds(); {
	case lo >= 0 && op == Min, hi <= 0 && op == Max:
		return f
	case hi <= 0 && op == Min, lo >= 0 && op == Max:
		return e
	}
	if e.text > f.text {
		e, f = f, e
	}
	return factor(op, name+"("+e.text+","+f.text+")", e, f)
}

// floor is ⌊a/n⌋ for a positive n; what is not bounded stays so.
func floor(a, n int64) int64 {
	if a == math.MinInt64 || a == math.MaxInt64 {
		return a
	}
	q := a / n
	if a%n < 0 {
		q--
	}
	return q
}
