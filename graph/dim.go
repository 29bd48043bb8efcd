package graph

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Dim is one axis of a shape: a number, or a symbol such as batch.
//
// It is an integer so that untyped constants need no conversion:
//
//	batch := graph.Sym("batch")
//	x := f.Input("image", graph.F32, batch, 1, 28, 28)
//
// Symbols are handles far below zero. Go's own arithmetic on one (batch*2) gives a number that is not a handle, which
// every op reports; [Dim.Times] and [Dim.Plus] are the arithmetic that works.
type Dim int64

// Handles lie so far apart that neither a small step from one (batch+1) nor the difference of two (batch−seq) is a handle
// or a size; and the first is no power of two, whose multiples (batch*12) would overflow to 0.
const (
	symBase   Dim = -(1<<61 + 1<<50 + 12345)
	symStride Dim = 1<<42 + 7919
	maxDim    Dim = 1 << 41 // no axis is this long
)

// A term is coef · Π atoms, the atoms sorted by name.
type term struct {
	coef  int64
	atoms []string
}

func (t term) String() string {
	p := slices.Clone(t.atoms)
	if t.coef != 1 || len(p) == 0 {
		p = append([]string{strconv.FormatInt(t.coef, 10)}, p...)
	}
	return strings.Join(p, "*")
}

// symbols interns sums of terms by their text.
var symbols struct {
	sync.RWMutex
	byName map[string]Dim
	names  []string
	terms  [][]term
}

// Sym returns the symbolic dimension called name. Equal names are equal Dims. The name must be a Go-like identifier;
// any other gives an invalid Dim, which the first op that sees it reports.
func Sym(name string) Dim {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return symBase - 1
		}
	}
	if name == "" {
		return symBase - 1
	}
	return intern([]term{{1, []string{name}}})
}

func intern(ts []term) Dim {
	if len(ts) == 0 {
		return 0
	}
	if len(ts) == 1 && len(ts[0].atoms) == 0 {
		return Dim(ts[0].coef)
	}
	parts := make([]string, len(ts))
	for i, t := range ts {
		parts[i] = t.String()
	}
	name := strings.Join(parts, "+")
	symbols.Lock()
	defer symbols.Unlock()
	if d, ok := symbols.byName[name]; ok {
		return d
	}
	if symbols.byName == nil {
		symbols.byName = map[string]Dim{}
	}
	d := symBase - Dim(len(symbols.names))*symStride
	symbols.byName[name] = d
	symbols.names = append(symbols.names, name)
	symbols.terms = append(symbols.terms, ts)
	return d
}

func (d Dim) lookup() (name string, ts []term, ok bool) {
	if d > symBase || (symBase-d)%symStride != 0 {
		return "", nil, false
	}
	i := (symBase - d) / symStride
	symbols.RLock()
	defer symbols.RUnlock()
	if int(i) >= len(symbols.names) {
		return "", nil, false
	}
	return symbols.names[i], symbols.terms[i], true
}

func (d Dim) sum() []term {
	if _, ts, ok := d.lookup(); ok {
		return ts
	}
	if d == 0 {
		return nil
	}
	return []term{{int64(d), nil}}
}

// normal merges like terms and orders them.
func normal(ts []term) []term {
	slices.SortStableFunc(ts, func(a, b term) int {
		if c := len(b.atoms) - len(a.atoms); c != 0 {
			return c
		}
		return slices.Compare(a.atoms, b.atoms)
	})
	var out []term
	for _, t := range ts {
		if n := len(out); n > 0 && slices.Equal(out[n-1].atoms, t.atoms) {
			out[n-1].coef += t.coef
		} else {
			out = append(out, t)
		}
	}
	return slices.DeleteFunc(out, func(t term) bool { return t.coef == 0 })
}

// Times returns d·n. The product of a symbol is itself a symbol, 4*seq.
func (d Dim) Times(n Dim) Dim {
	if !d.Valid() || !n.Valid() {
		return invalidDim
	}
	switch {
	case d == 1:
		return n
	case n == 1:
		return d
	case d >= 0 && n >= 0:
		if p, ok := product(int64(d), int64(n)); ok {
			return Dim(p)
		}
		return invalidDim
	}
	pair := [2]Dim{min(d, n), max(d, n)}
	if p, ok := products.Load(pair); ok {
		return p.(Dim)
	}
	p := multiply(d, n)
	products.Store(pair, p)
	return p
}

// products remembers what multiply gave for pairs of dimensions, the smaller first.
var products sync.Map

// multiply is the product of two sums of terms.
func multiply(d, n Dim) Dim {
	var ts []term
	for _, a := range d.sum() {
		for _, b := range n.sum() {
			coef, ok := product(a.coef, b.coef)
			if !ok {
				return invalidDim
			}
			atoms := slices.Concat(a.atoms, b.atoms)
			slices.Sort(atoms)
			ts = append(ts, term{coef, atoms})
		}
	}
	return intern(normal(ts))
}

// product is a·b, if its size is below that of the longest axis.
func product(a, b int64) (int64, bool) {
	if high, low := bits.Mul64(uint64(max(a, -a)), uint64(max(b, -b))); high > 0 || low >= uint64(maxDim) {
		return 0, false
	}
	return a * b, true
}

// Plus returns d+n. The sum of a symbol is itself a symbol, seq+1.
func (d Dim) Plus(n Dim) Dim {
	if !d.Valid() || !n.Valid() {
		return invalidDim
	}
	return intern(normal(slices.Concat(d.sum(), n.sum())))
}

const invalidDim = symBase - 1

// Symbolic reports whether d is a symbol rather than a number.
func (d Dim) Symbolic() bool {
	_, _, ok := d.lookup()
	return ok
}

// Valid reports whether d is a number from 0 on, and not absurdly large, or a symbol that exists.
func (d Dim) Valid() bool { return d >= 0 && d < maxDim || d.Symbolic() }

// Symbols returns the names that d is made of, sorted; none for a number.
func (d Dim) Symbols() []string {
	var out []string
	for _, t := range d.sum() {
		out = append(out, t.atoms...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Symbol is the name of d if d is one symbol by itself, and whether it is.
func (d Dim) Symbol() (name string, ok bool) {
	names := d.Symbols()
	return d.String(), len(names) == 1 && names[0] == d.String()
}

// A DimTerm is one product in the sum that a symbolic Dim stands for: Coef · Π Symbols.
type DimTerm struct {
	Coef    int64
	Symbols []string
}

// Terms returns d as a sum of products, as an exporter needs it to compute d at run time. A number has one term without
// symbols, 0 has none.
func (d Dim) Terms() []DimTerm {
	var out []DimTerm
	for _, t := range d.sum() {
		out = append(out, DimTerm{t.coef, slices.Clone(t.atoms)})
	}
	return out
}

// A Binding gives symbols their sizes for one run.
type Binding map[string]int

// String is the sizes by name, sorted: batch=128 seq=64.
func (b Binding) String() string {
	var p []string
	for _, name := range slices.Sorted(maps.Keys(b)) {
		p = append(p, fmt.Sprintf("%s=%d", name, b[name]))
	}
	return strings.Join(p, " ")
}

// Eval is the size of d under b, or an error naming the symbol that b lacks.
func (d Dim) Eval(b Binding) (int, error) {
	if d >= 0 {
		return int(d), nil
	}
	_, ts, ok := d.lookup()
	if !ok {
		return 0, fmt.Errorf("%d is not a dimension", int64(d))
	}
	total := int64(0)
	for _, t := range ts {
		p := t.coef
		for _, a := range t.atoms {
			n, ok := b[a]
			if !ok {
				return 0, fmt.Errorf("dimension %q has no size", a)
			}
			if p, ok = product(p, int64(n)); !ok || n < 0 {
				return 0, fmt.Errorf("dimension %v has no size with %s = %d", d, a, n)
			}
		}
		total += p
	}
	return int(total), nil
}

// String is the number, or the symbol's name.
func (d Dim) String() string {
	if name, _, ok := d.lookup(); ok {
		return name
	}
	return strconv.FormatInt(int64(d), 10)
}

// A Shape is a list of dimensions, outermost first. The empty shape is a scalar's.
type Shape []Dim

// String is the dimensions in brackets, [batch 28 28].
func (s Shape) String() string {
	p := make([]string, len(s))
	for i, d := range s {
		p[i] = d.String()
	}
	return "[" + strings.Join(p, " ") + "]"
}

// Equal reports whether s and t have the same dimensions.
func (s Shape) Equal(t Shape) bool { return slices.Equal(s, t) }

// Size is the product of the dimensions; symbolic if one of them is.
func (s Shape) Size() Dim {
	n := Dim(1)
	for _, d := range s {
		n = n.Times(d)
	}
	return n
}

// Static reports whether no dimension is symbolic.
func (s Shape) Static() bool {
	return !slices.ContainsFunc(s, Dim.Symbolic)
}

// Eval is the shape under b.
func (s Shape) Eval(b Binding) ([]int, error) {
	out := make([]int, len(s))
	for i, d := range s {
		n, err := d.Eval(b)
		if err != nil {
			return nil, fmt.Errorf("shape %v: %w", s, err)
		}
		out[i] = n
	}
	return out, nil
}

func (s Shape) check() error {
	size := Dim(1) // of the axes that are numbers
	for i, d := range s {
		switch {
		case d.Symbolic():
		case d == invalidDim:
			return Mistakef("a name is letters, digits and _: graph.Sym(\"batch\")", "axis %d of the shape is not a dimension: the name given to Sym, or a product of dimensions, is none", i)
		case d < 0 && d > -1<<32:
			return Mistakef("an axis whose size is known only at run time is a symbol: graph.Sym(\"batch\")", "axis %d of the shape is not a dimension (%d): negative", i, int64(d))
		case !d.Valid():
			return Mistakef("multiply a symbol with batch.Times(12), add with batch.Plus(1)",
				"axis %d of the shape is not a dimension (%d): absurdly large, or Go arithmetic on a symbolic dimension", i, int64(d))
		case d > 0 && size >= maxDim/d && !slices.Contains(s, 0):
			return Mistakef(fmt.Sprintf("no value has more than %d", int64(maxDim)), "the shape %v has absurdly many elements", s)
		default:
			size *= max(d, 1)
		}
	}
	return nil
}

// broadcast is the shape that ONNX's multidirectional broadcasting gives a and b.
func broadcast(a, b Shape) (Shape, error) {
	long, short := a, b
	if len(long) < len(short) {
		long, short = short, long
	}
	out := slices.Clone(long)
	off := len(long) - len(short)
	for i, d := range short {
		switch e := long[off+i]; {
		case d == e || d == 1:
		case e == 1:
			out[off+i] = d
		default:
			hint := "shapes align at their last axes; each pair must be equal, or one of them 1"
			if d.Symbolic() != e.Symbolic() {
				hint = fmt.Sprintf("%v and %v may differ at run time; use the same symbol or number on both sides", e, d)
			}
			return nil, Mistakef(hint, "shapes %v and %v do not broadcast: %v against %v", a, b, e, d)
		}
	}
	return out, nil
}
