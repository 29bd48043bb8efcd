package numpy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// The values of Python literals, besides string, int64, bool and nil for None.
type (
	dict  map[string]any // the keys are strings
	tuple []any
	list  []any
)

// maxDepth bounds the nesting of a literal. A header has a dict, a shape, and fields of fields where elements are structures.
const maxDepth = 16

// parseLiteral reads a Python literal of dicts, tuples, lists, strings, whole numbers, True, False and None, as
// ast.literal_eval does for NumPy.
func parseLiteral(text string) (any, error) {
	p := &parser{rest: text}
	v, err := p.value(maxDepth)
	if err != nil {
		return nil, fmt.Errorf("at byte %d: %w", len(text)-len(p.rest), err)
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("at byte %d: %.20q follows the end", len(text)-len(p.rest), p.rest)
	}
	return v, nil
}

// A parser has the text that is not read yet.
type parser struct{ rest string }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n\f") }

// skip passes over s, after space, if it is next.
func (p *parser) skip(s string) bool {
	p.space()
	rest, ok := strings.CutPrefix(p.rest, s)
	p.rest = rest
	return ok
}

func (p *parser) value(depth int) (any, error) {
	if depth == 0 {
		return nil, errors.New("it is nested too deeply")
	}
	switch {
	case p.skip("{"):
		return p.dict(depth)
	case p.skip("("):
		items, comma, err := p.items(")", depth)
		if err != nil || comma || len(items) == 0 {
			return tuple(items), err
		}
		if len(items) == 1 { // parentheses around a value
			return items[0], nil
		}
		return tuple(items), nil
	case p.skip("["):
		items, _, err := p.items("]", depth)
		return list(items), err
	}
	if s, ok, err := p.str(); ok || err != nil {
		return s, err
	}
	return p.word()
}

// items reads values up to the closing bracket; comma says whether the last one has a comma behind it.
func (p *parser) items(end string, depth int) (items []any, comma bool, err error) {
	for !p.skip(end) {
		if len(items) > 0 && !comma {
			return nil, false, fmt.Errorf("want a comma or %q", end)
		}
		v, err := p.value(depth - 1)
		if err != nil {
			return nil, false, err
		}
		items = append(items, v)
		comma = p.skip(",")
	}
	return items, comma, nil
}

func (p *parser) dict(depth int) (dict, error) {
	d := dict{}
	for comma := true; !p.skip("}"); comma = p.skip(",") {
		if !comma {
			return nil, errors.New(`want a comma or "}"`)
		}
		p.space()
		key, ok, err := p.str()
		if err != nil {
			return nil, err
		}
		if !ok {
			return nil, errors.New("want a key, which is a string")
		}
		if _, twice := d[key]; twice {
			return nil, fmt.Errorf("the key %.40q is there twice", key)
		}
		if !p.skip(":") {
			return nil, fmt.Errorf("want a colon after the key %.40q", key)
		}
		if d[key], err = p.value(depth - 1); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// str reads a string in single or double quotes, if one is next. Names of types have no escapes but these.
func (p *parser) str() (string, bool, error) {
	text := strings.TrimPrefix(p.rest, "u") // as Python 2 wrote it
	if text == "" || text[0] != '\'' && text[0] != '"' {
		return "", false, nil
	}
	var s strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == text[0]:
			p.rest = text[i+1:]
			return s.String(), true, nil
		case c == '\\' && i+1 < len(text) && strings.IndexByte(`\'"`, text[i+1]) >= 0:
			i++
			s.WriteByte(text[i])
		case c == '\n':
			return "", true, errors.New("a string has no end on its line")
		default:
			s.WriteByte(c)
		}
	}
	return "", true, errors.New("a string has no end")
}

// word reads True, False, None or a whole number. Python 2 put an L after a long one.
func (p *parser) word() (any, error) {
	n := strings.IndexFunc(p.rest, func(r rune) bool { return strings.ContainsRune(" \t\r\n\f,:)]}", r) })
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	switch word {
	case "True":
		p.rest = p.rest[n:]
		return true, nil
	case "False":
		p.rest = p.rest[n:]
		return false, nil
	case "None":
		p.rest = p.rest[n:]
		return nil, nil
	}
	v, err := strconv.ParseInt(strings.TrimSuffix(word, "L"), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("the number %.40s is too large", word)
	}
	if err != nil {
		return nil, fmt.Errorf("%.20q is no literal that a header may have", word)
	}
	p.rest = p.rest[n:]
	return v, nil
}
