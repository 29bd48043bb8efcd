package symbolic_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
)

var names = []string{"a", "b", "c"}

// A plain is a drawn expression and what plain integers make of it: ok is false where it has no value.
type plain struct {
	e     *symbolic.Expr
	value func(sizes map[string]int) (n int64, ok bool)
}

func floor(a, b int64) int64 { return int64(math.Floor(float64(a) / float64(b))) }

// draw makes an expression of up to 2^depth parts.
func draw(r *rand.Rand, depth int) plain {
	if depth == 0 || r.IntN(5) == 0 {
		if r.IntN(2) == 0 {
			n := int64(r.IntN(9)) - 2
			return plain{symbolic.Number(n), func(map[string]int) (int64, bool) { return n, true }}
		}
		name := names[r.IntN(len(names))]
		return plain{symbolic.Named(name), func(s map[string]int) (int64, bool) { return int64(s[name]), true }}
	}
	x, y := draw(r, depth-1), draw(r, depth-1)
	if r.IntN(3) > 0 && depth > 1 { // numbers divide most often
		n := int64(1 + r.IntN(6))
		y = plain{symbolic.Number(n), func(map[string]int) (int64, bool) { return n, true }}
	}
	ops := []struct {
		e func(x, y *symbolic.Expr) *symbolic.Expr
		n func(x, y int64) int64
	}{
		{(*symbolic.Expr).Plus, func(x, y int64) int64 { return x + y }},
		{(*symbolic.Expr).Minus, func(x, y int64) int64 { return x - y }},
		{(*symbolic.Expr).Times, func(x, y int64) int64 { return x * y }},
		{(*symbolic.Expr).Min, func(x, y int64) int64 { return min(x, y) }},
		{(*symbolic.Expr).Max, func(x, y int64) int64 { return max(x, y) }},
		{(*symbolic.Expr).Div, floor},
		{(*symbolic.Expr).Mod, func(x, y int64) int64 { return x - y*floor(x, y) }},
	}
	k := r.IntN(len(ops))
	op := ops[k]
	return plain{op.e(x.e, y.e), func(s map[string]int) (int64, bool) {
		a, ok := x.value(s)
		b, ok2 := y.value(s)
		if !ok || !ok2 || k >= 5 && b < 1 {
			return 0, false
		}
		return op.n(a, b), true
	}}
}

// TestExprArithmetic draws expressions: their values and bounds must be those of plain integers for many sizes, and their texts
// must be read as they were written.
func TestExprArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	valued := 0
	for range 20000 {
		p := draw(r, 1+r.IntN(4))
		if p.e == nil {
			continue
		}
		text := p.e.String()
		if back, ok := symbolic.Parse(text); !ok || back.String() != text {
			t.Fatalf("%s is read as %v, %v", text, back, ok)
		}
		for range 8 {
			sizes := map[string]int{}
			for _, name := range names {
				sizes[name] = r.IntN(12)
			}
			want, ok := p.value(sizes)
			got, err := p.e.Eval(sizes)
			if !ok { // a rule may have taken out the division
				continue
			}
			if valued++; err != nil || got != want {
				t.Fatalf("%s with %v is %d, %v; want %d", text, sizes, got, err, want)
			}
			if want < p.e.Least() || want > p.e.Most() {
				t.Fatalf("%s with %v is %d, outside of %d to %d", text, sizes, want, p.e.Least(), p.e.Most())
			}
		}
	}
	if valued < 50000 {
		t.Errorf("%d values were compared", valued)
	}
}

// TestExprNormal has expressions that are one, written as a person would.
func TestExprNormal(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"a*4/4", "a"}, {"a%1", "0"}, {"(4*a+2*b)/2", "2*a+b"}, {"(6*a+4)/4", "(3*a)/2+1"}, {"a*b/b", "a"}, {"(a*a+a*b)/(a+b)", "a"},
		{"(h-3)/2+1", "(h-1)/2"}, {"(h+2-3)/2+1", "(h-1)/2+1"}, {"(h+1)/2", "(h-1)/2+1"}, {"(h-2)/2+1", "h/2"}, {"((h-1)/2+1-1)/2+1", "(h-1)/4+1"},
		{"h/2/3", "h/6"}, {"(16*h-1)/2+1", "8*h"}, {"h-h/2*2", "h-2*(h/2)"}, {"0-h/2", "-(h/2)"}, {"w-h/2", "w-(h/2)"}, {"h-3+3", "h"}, {"(7*h+9)%4", "(3*h+1)%4"}, {"6*h%4", "2*(h%2)"}, {"(h%4)/4", "0"},
		{"h%4%4", "h%4"}, {"min(b,a)", "min(a,b)"}, {"max(h,0)", "h"}, {"min(h,h+1)", "h"}, {"max(h-1,h-2)", "h-1"}, {"max(0,h-1)", "max(0,h-1)"},
		{"max(h%4,3)", "3"}, {"-7/2", "-4"}, {"-7%4", "1"}, {"7%4*h", "3*h"}, {"a/b", "a/b"}, {"a/b*2", "2*(a/b)"}, {"a*(b/2)", "a*(b/2)"}, {"-a*b", "-a*b"},
		{"-a+2", "2-a"}, {"b-1-a", "b-a-1"}, {" a + 1 ", "a+1"}, {"min", "min"}, {"a/0", "?"}, {"a%(0-2)", "?"}, {"9007199254740991*2", "?"}, {"a/(b-b)", "?"}, {"2*(a/2)", "2*(a/2)"},
		{"(a-a%2)/2", "a/2"}, {"(h/2-1-(h/2-1)%2)/2", "(h-2)/4"}, {"(b*a-b*(a%3))/3", "(a/3)*b"}, {"(a-a%3)/2", "(a-(a%3))/2"}, {"max(h-2*(h/2),1)", "1"}, {"min(h-2*(h/2),0)", "0"},
		{"max(h-2*(h/2),0)", "h-2*(h/2)"}, {"min(h/2+2-2*((h-2)/4),3)", "3"}, {"min((w-2)/4+1,2*((w-2)/8)+2)", "(w-2)/4+1"}, {"max(h/2-h/3,0)", "h/2-(h/3)"},
		{"min(h/2-h/3,1)", "min(1,h/2-(h/3))"},
	} {
		e, ok := symbolic.Parse(c.text)
		if !ok || e.String() != c.want {
			t.Errorf("%s is %v, %v; want %s", c.text, e, ok, c.want)
		}
	}
	for _, text := range []string{"", "a b", "1x", "a*", "(a", "a)", "min(a", "min(a,b", "min(a b)", "floor(a)", "a//b", "a,b", "+a", "99999999999999999999", "ä"} {
		if e, ok := symbolic.Parse(text); ok {
			t.Errorf("%q is %v", text, e)
		}
	}
}

// TestExprGrowth holds that no text makes an expression that takes much memory or time: it has no value then.
func TestExprGrowth(t *testing.T) {
	e := symbolic.Named("a")
	for i := range 40 {
		e = e.Times(symbolic.Named(fmt.Sprint("x", i))).Min(e.Times(symbolic.Named("b")))
	}
	if e != nil {
		t.Errorf("an expression has %d letters", len(e.String()))
	}
	if e, ok := symbolic.Parse(strings.Repeat("(", 3000) + "a" + strings.Repeat(")", 3000)); ok {
		t.Errorf("parentheses in each other are %v", e)
	}
	if e, ok := symbolic.Parse(strings.Repeat("(a+b+c+d+e)*", 300) + "1"); !ok || e != nil {
		t.Errorf("a large product is %v, %v", e, ok)
	}
	for _, sizes := range []map[string]int{{"a": 1 << 40}, {"a": -1}, {}, {"a": math.MaxInt}} {
		a := symbolic.Named("a")
		if n, err := a.Times(a).Eval(sizes); err == nil || !strings.Contains(err.Error(), "a") {
			t.Errorf("a*a with %v is %d, %v", sizes, n, err)
		}
	}
	if n, err := symbolic.Named("a").Div(symbolic.Named("b")).Eval(map[string]int{"a": 1, "b": 0}); err == nil || !strings.Contains(err.Error(), "a/b") {
		t.Errorf("1/0 is %d, %v", n, err)
	}
}
