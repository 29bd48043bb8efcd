package symbolic

import (
	"strconv"
	"strings"
)

// maxDepth is how deep parentheses may stand in each other.
const maxDepth = 32

// Parse reads what String writes, also with spaces; the text of a file may be anything. ok is false where it is no expression;
// one that is too large, or divides by 0, is nil.
func Parse(text string) (e *Expr, ok bool) {
	if len(text) > maxText {
		return nil, false
	}
	p := parser{rest: text}
	e = p.sum()
	p.space()
	return e, !p.bad && p.rest == ""
}

type parser struct {
	rest  string
	depth int
	bad   bool
}

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " ") }

// take takes a sign off the text, if it is one of signs.
func (p *parser) take(signs string) byte {
	p.space()
	if p.rest == "" || strings.IndexByte(signs, p.rest[0]) < 0 {
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *parser) fail() *Expr {
	p.bad = true
	return nil
}

func (p *parser) sum() *Expr {
	if p.depth++; p.depth > maxDepth {
		return p.fail()
	}
	defer func() { p.depth-- }()
	var e *Expr
	if p.take("-") != 0 { // of the first factor
		e = p.product(p.unit().Times(Number(-1)))
	} else {
		e = p.product(p.unit())
	}
	for !p.bad {
		switch p.take("+-") {
		case '+':
			e = e.Plus(p.product(p.unit()))
		case '-':
			e = e.Minus(p.product(p.unit()))
		default:
			return e
		}
	}
	return nil
}

// product goes on from the first factor, e.
func (p *parser) product(e *Expr) *Expr {
	for !p.bad {
		switch p.take("*/%") {
		case '*':
			e = e.Times(p.unit())
		case '/':
			e = e.Div(p.unit())
		case '%':
			e = e.Mod(p.unit())
		default:
			return e
		}
	}
	return nil
}

func (p *parser) unit() *Expr {
	if p.take("(") != 0 {
		e := p.sum()
		if p.take(")") == 0 {
			return p.fail()
		}
		return e
	}
	n := 0
	for n < len(p.rest) && letter(p.rest[n]) {
		n++
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	if word == "" {
		return p.fail()
	}
	if word[0] >= '0' && word[0] <= '9' {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return p.fail()
		}
		return Number(n)
	}
	choose := map[string]func(*Expr, *Expr) *Expr{"min": (*Expr).Min, "max": (*Expr).Max}[word]
	if choose == nil || p.take("(") == 0 { // a symbol may be called min
		return Named(word)
	}
	x := p.sum()
	if p.take(",") == 0 {
		return p.fail()
	}
	y := p.sum()
	if p.take(")") == 0 {
		return p.fail()
	}
	return choose(x, y)
}

func letter(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
