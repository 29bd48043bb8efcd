// Package symbolic is the arithmetic of sizes that are not known yet: whole numbers made of named ones by addition,
// multiplication, floor division, remainder, minimum and maximum. Expressions have a normal form, so that equal ones are one
// as far as simple rules reach. The graph's dimensions and the checker of ONNX files are both made of it.
package symbolic

import (
	"cmp"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// An Expr is a sum of products. It is not changed once made. A nil Expr has grown too large or has no value, as after a
// division by 0, and so has all that is made of it.
type Expr struct {
	terms []Term
	text  string
}

// A Term is Coef times Factors, which are sorted by their text.
type Term struct {
	Coef    int64
	Factors []*Factor
}

// An Op is what a factor is made by.
type Op byte

// The operations. Division rounds down, and a remainder is that of division, so that it is not negative.
const (
	Symbol Op = iota
	Div
	Mod
	Min
	Max
)

// A Factor is a symbol or an operation on two expressions. The second of Div and Mod is 1 or more in whatever has a value.
type Factor struct {
	Op   Op
	Name string // of a symbol, else the factor's text
	X, Y *Expr
}

// What no expression exceeds: files are read that could claim any.
const (
	maxNumber = 1 << 53 // of coefficients, either sign
	maxTerms  = 64
	maxText   = 4096
)

// Number is the expression n.
func Number(n int64) *Expr {
	if n == 0 {
		return normal(nil)
	}
	return normal([]Term{{Coef: n}})
}

// Named is the symbol name, 0 or more in every binding.
func Named(name string) *Expr { return normal([]Term{{1, []*Factor{{Name: name}}}}) }

// Terms are the products that e is the sum of, those of most factors first; 0 has none. They are not to be changed.
func (e *Expr) Terms() []Term {
	if e == nil {
		return nil
	}
	return e.terms
}

// Number is the number that e is, if it is one.
func (e *Expr) Number() (int64, bool) {
	switch {
	case e == nil:
		return 0, false
	case len(e.terms) == 0:
		return 0, true
	}
	t := e.terms[0]
	return t.Coef, len(e.terms) == 1 && len(t.Factors) == 0
}

// Polynomial reports whether e is made of numbers and symbols by addition and multiplication alone. Two such are equal for all
// sizes only if they are one.
func (e *Expr) Polynomial() bool {
	for _, t := range e.Terms() {
		if slices.ContainsFunc(t.Factors, func(f *Factor) bool { return f.Op != Symbol }) {
			return false
		}
	}
	return e != nil
}

// Symbols are the names in e, sorted.
func (e *Expr) Symbols() []string {
	var out []string
	for _, t := range e.Terms() {
		for _, f := range t.Factors {
			if f.Op == Symbol {
				out = append(out, f.Name)
			} else {
				out = slices.Concat(out, f.X.Symbols(), f.Y.Symbols())
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String is e as one writes it, (height-1)/2+1; equal texts are equal expressions.
func (e *Expr) String() string {
	if e == nil {
		return "?"
	}
	return e.text
}

func (t Term) String() string {
	var p []string
	if t.Coef != 1 || len(t.Factors) == 0 {
		p = append(p, strconv.FormatInt(t.Coef, 10))
	}
	if t.Coef == -1 && len(t.Factors) > 0 {
		p[0] = "-" + t.Factors[0].in(true)
		t.Factors = t.Factors[1:]
	}
	for _, f := range t.Factors {
		p = append(p, f.in(len(p) > 0 || len(t.Factors) > 1))
	}
	return strings.Join(p, "*")
}

// in is f as a factor in a product.
func (f *Factor) in(product bool) string {
	if product && (f.Op == Div || f.Op == Mod) {
		return "(" + f.Name + ")"
	}
	return f.Name
}

// operand is e beside a sign of division.
func (e *Expr) operand() string {
	if n, ok := e.Number(); ok && n >= 0 {
		return e.text
	}
	if len(e.terms) == 1 && e.terms[0].Coef == 1 && len(e.terms[0].Factors) == 1 {
		if f := e.terms[0].Factors[0]; f.Op != Div && f.Op != Mod {
			return e.text
		}
	}
	return "(" + e.text + ")"
}

// normal is the sum of ts, which it sorts: like terms are one, and none is 0.
func normal(ts []Term) *Expr {
	slices.SortStableFunc(ts, func(a, b Term) int {
		return cmp.Or(cmp.Compare(len(b.Factors), len(a.Factors)), slices.CompareFunc(a.Factors, b.Factors, compare))
	})
	out := make([]Term, 0, len(ts))
	for _, t := range ts {
		if n := len(out); n > 0 && slices.EqualFunc(out[n-1].Factors, t.Factors, same) {
			t.Coef += out[n-1].Coef
			out = out[:n-1]
		}
		if t.Coef >= maxNumber || t.Coef <= -maxNumber || len(t.Factors) > maxTerms {
			return nil
		}
		if t.Coef != 0 {
			out = append(out, t)
		}
	}
	if len(out) > maxTerms {
		return nil
	}
	if len(out) == 0 {
		return &Expr{text: "0"}
	}
	var b strings.Builder
	for _, negative := range []bool{false, true} { // what is taken away is written last
		for _, t := range out {
			if t.Coef < 0 != negative {
				continue
			}
			if b.Len() > 0 && !negative {
				b.WriteByte('+')
			}
			b.WriteString(t.String())
		}
	}
	if b.Len() > maxText {
		return nil
	}
	return &Expr{out, b.String()}
}

func compare(a, b *Factor) int { return strings.Compare(a.Name, b.Name) }

func same(a, b *Factor) bool { return a.Name == b.Name }

// Plus is e+f.
func (e *Expr) Plus(f *Expr) *Expr {
	if e == nil || f == nil {
		return nil
	}
	return normal(slices.Concat(e.terms, f.terms))
}

// Minus is e−f.
func (e *Expr) Minus(f *Expr) *Expr { return e.Plus(f.Times(Number(-1))) }

// Times is e·f.
func (e *Expr) Times(f *Expr) *Expr {
	if e == nil || f == nil || len(e.terms)*len(f.terms) > maxTerms*maxTerms {
		return nil
	}
	out := make([]Term, 0, len(e.terms)*len(f.terms))
	for _, a := range e.terms {
		for _, b := range f.terms {
			n, ok := product(a.Coef, b.Coef)
			if !ok {
				return nil
			}
			factors := slices.Concat(a.Factors, b.Factors)
			slices.SortFunc(factors, compare)
			out = append(out, Term{n, factors})
		}
	}
	return normal(out)
}

// product is a·b, if it is within maxNumber.
func product(a, b int64) (int64, bool) {
	if high, low := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b))); high > 0 || low >= maxNumber {
		return 0, false
	}
	return a * b, true
}

// Exact is e/f where that comes out even: also of a-a%2 by 2, as a remainder is a-2*(a/2). It holds for all sizes for which f is not 0.
func (e *Expr) Exact(f *Expr) (*Expr, bool) {
	q, ok := e.exact(f)
	if whole := e.withoutRemainders(); !ok && whole != e {
		return whole.exact(f)
	}
	return q, ok
}

// withoutRemainders is e with what its remainders are in divisions; e itself, where it has none.
func (e *Expr) withoutRemainders() *Expr {
	isMod := func(f *Factor) bool { return f.Op == Mod }
	if e == nil || !slices.ContainsFunc(e.terms, func(t Term) bool { return slices.ContainsFunc(t.Factors, isMod) }) {
		return e
	}
	sum := normal(nil)
	for _, t := range e.terms {
		product := Number(t.Coef)
		for _, f := range t.Factors {
			x := normal([]Term{{1, []*Factor{f}}})
			if isMod(f) {
				x = f.X.Minus(f.Y.Times(f.X.Div(f.Y)))
			}
			product = product.Times(x)
		}
		sum = sum.Plus(product)
	}
	return sum
}

// exact is a long division of polynomials, which comes out even or not because terms are ordered so that the product of two first
// terms comes first.
func (e *Expr) exact(f *Expr) (*Expr, bool) {
	if e == nil || f == nil || len(f.terms) == 0 {
		return nil, false
	}
	rest, by := e, f.terms[0]
	var quotient []Term
	for len(rest.terms) > 0 {
		first := rest.terms[0]
		if first.Coef%by.Coef != 0 || len(quotient) > maxTerms {
			return nil, false
		}
		q := Term{first.Coef / by.Coef, slices.Clone(first.Factors)}
		for _, a := range by.Factors {
			i := slices.IndexFunc(q.Factors, func(b *Factor) bool { return same(a, b) })
			if i < 0 {
				return nil, false
			}
			q.Factors = slices.Delete(q.Factors, i, i+1)
		}
		quotient = append(quotient, q)
		if rest = rest.Minus(f.Times(normal([]Term{q}))); rest == nil {
			return nil, false
		}
	}
	q := normal(quotient)
	return q, q != nil
}
