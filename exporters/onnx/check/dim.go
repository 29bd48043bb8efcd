package check

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// A dim is one axis, or one element of a shape tensor: a number, a sum of products of symbols, or unknown.
type dim struct {
	n   int64 // if sum is nil
	sum *sum
}

// A sum is one or more terms in normal form, of which at least one has a symbol.
type sum struct {
	terms []term
	text  string
}

// A term is coef · Π symbols, the symbols sorted.
type term struct {
	coef    int64
	symbols []string
}

// unknown is a dim of which nothing is known; it equals none, not even itself.
var unknown = dim{sum: new(sum)}

const (
	maxDim   = 1 << 53 // beyond it, arithmetic gives unknown
	maxTerms = 16
)

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
	return d.sum.text
}

// same reports whether a and b are equal for certain.
func same(a, b dim) bool {
	if a.sum == nil || b.sum == nil {
		return a.sum == nil && b.sum == nil && a.n == b.n
	}
	return a.known() && b.known() && a.sum.text == b.sum.text
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
	return d.known() && !slices.ContainsFunc(d.terms(), func(t term) bool { return t.coef < 0 })
}

func (d dim) terms() []term {
	switch {
	case d.sum != nil:
		return d.sum.terms
	case d.n == 0:
		return nil
	}
	return []term{{coef: d.n}}
}

// normal is the sum of ts, which it sorts.
func normal(ts []term) dim {
	slices.SortFunc(ts, func(a, b term) int {
		return cmp.Or(cmp.Compare(len(b.symbols), len(a.symbols)), slices.Compare(a.symbols, b.symbols))
	})
	out := ts[:0]
	for _, t := range ts {
		if n := len(out); n > 0 && slices.Equal(out[n-1].symbols, t.symbols) {
			t.coef += out[n-1].coef
			out = out[:n-1]
		}
		if t.coef >= maxDim || t.coef <= -maxDim || len(t.symbols) > maxTerms {
			return unknown
		}
		if t.coef != 0 {
			out = append(out, t)
		}
	}
	switch {
	case len(out) == 0:
		return dim{}
	case len(out) == 1 && len(out[0].symbols) == 0:
		return dim{n: out[0].coef}
	case len(out) > maxTerms:
		return unknown
	}
	parts := make([]string, len(out))
	for i, t := range out {
		p := t.symbols
		if t.coef != 1 || len(p) == 0 {
			p = append([]string{strconv.FormatInt(t.coef, 10)}, p...)
		}
		parts[i] = strings.Join(p, "*")
	}
	return dim{sum: &sum{out, strings.Join(parts, "+")}}
}

func (d dim) plus(e dim) dim {
	if !d.known() || !e.known() {
		return unknown
	}
	if d.sum == nil && e.sum == nil && small(d.n) && small(e.n) {
		return dim{n: d.n + e.n}
	}
	return normal(slices.Concat(d.terms(), e.terms()))
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
	if d.sum == nil && e.sum == nil {
		n, ok := product(d.n, e.n)
		if !ok {
			return unknown
		}
		return dim{n: n}
	}
	var out []term
	for _, a := range d.terms() {
		for _, b := range e.terms() {
			n, ok := product(a.coef, b.coef)
			if !ok {
				return unknown
			}
			s := slices.Concat(a.symbols, b.symbols)
			slices.Sort(s)
			out = append(out, term{n, s})
		}
	}
	return normal(out)
}

func small(n int64) bool { return -maxDim < n && n < maxDim }

// product is a·b, if it is within maxDim.
func product(a, b int64) (int64, bool) {
	if a != 0 && (b > maxDim/abs(a) || b < -maxDim/abs(a)) || !small(a) {
		return 0, false
	}
	return a * b, true
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// over is d/e if that comes out even whatever the symbols are, else unknown.
func (d dim) over(e dim) dim {
	by := e.terms()
	if !d.known() || !e.known() || len(by) != 1 {
		return unknown
	}
	var out []term
	for _, t := range d.terms() {
		if t.coef%by[0].coef != 0 {
			return unknown
		}
		left := slices.Clone(t.symbols)
		for _, s := range by[0].symbols {
			i := slices.Index(left, s)
			if i < 0 {
				return unknown
			}
			left = slices.Delete(left, i, i+1)
		}
		out = append(out, term{t.coef / by[0].coef, left})
	}
	return normal(out)
}

// symbol reads a dim_param: a sum of products of names and numbers, as this exporter writes them; any other text is a
// name itself.
func symbol(text string) dim {
	var out []term
	for p := range strings.SplitSeq(text, "+") {
		t := term{coef: 1}
		for a := range strings.SplitSeq(p, "*") {
			a = strings.TrimSpace(a)
			if n, err := strconv.ParseInt(a, 10, 64); err == nil {
				var ok bool
				if t.coef, ok = product(t.coef, n); !ok {
					return unknown
				}
			} else if !identifier(a) {
				return dim{sum: &sum{[]term{{1, []string{text}}}, text}}
			} else {
				t.symbols = append(t.symbols, a)
			}
		}
		slices.Sort(t.symbols)
		out = append(out, t)
	}
	return normal(out)
}

func identifier(s string) bool {
	for i, r := range s {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return s != ""
}
