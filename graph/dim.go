package graph

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
)

// A Dim is one axis of a shape: a number, or a symbol such as batch.
//
// It is an integer so that untyped constants need no conversion:
//
//	batch := graph.Sym("batch")
//	x := f.Input("image", graph.F32, batch, 1, 28, 28)
//
// Symbols are handles far below zero. Go's own arithmetic on one (batch*2) gives a number that is not a handle, which
// every op reports; [Dim.Times], [Dim.Plus], [Dim.Minus], [Dim.Div] and their like are the arithmetic that works.
type Dim int64

// Handles lie so far apart that neither a small step from one (batch+1) nor the difference of two (batch−seq) is a handle
// or a size; and the first is no power of two, whose multiples (batch*12) would overflow to 0.
const (
	symBase   Dim = -(1<<61 + 1<<50 + 12345)
	symStride Dim = 1<<42 + 7919
	maxDim    Dim = 1 << 41 // no axis is this long
)

// symbols interns expressions by their text.
var symbols struct {
	sync.RWMutex
	byName map[string]Dim
	exprs  []*symbolic.Expr
}

// Sym returns the symbolic dimension called name. Equal names are equal Dims. The name must be a Go-like identifier;
// any other gives an invalid Dim, which the first op that sees it reports.
func Sym(name string) Dim {
	for i, r := range name {
		if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (i == 0 || r < '0' || r > '9') {
			return invalidDim
		}
	}
	if name == "" {
		return invalidDim
	}
	return intern(symbolic.Named(name))
}

// DimOf is the dimension that the expression e is, for readers of files; what is none, such as a number below 0, is one that every op
// reports.
func DimOf(e *symbolic.Expr) Dim { return intern(e) }

// intern is the dimension e; one that is negative whatever the symbols are, or too large to be written, is none.
func intern(e *symbolic.Expr) Dim {
	if e == nil {
		return invalidDim
	}
	if n, ok := e.Number(); ok {
		if n < 0 {
			return invalidDim
		}
		return Dim(n)
	}
	name := e.String()
	symbols.RLock()
	d, ok := symbols.byName[name]
	symbols.RUnlock()
	if ok {
		return d
	}
	if e.Most() < 0 {
		return invalidDim
	}
	symbols.Lock()
	defer symbols.Unlock()
	if d, ok := symbols.byName[name]; ok {
		return d
	}
	if symbols.byName == nil {
		symbols.byName = map[string]Dim{}
	}
	d = symBase - Dim(len(symbols.exprs))*symStride
	symbols.byName[name] = d
	symbols.exprs = append(symbols.exprs, e)
	return d
}

// lookup is the expression that d is the handle of, nil if it is none.
func (d Dim) lookup() *symbolic.Expr {
	if d > symBase || (symBase-d)%symStride != 0 {
		return nil
	}
	i := (symBase - d) / symStride
	symbols.RLock()
	defer symbols.RUnlock()
	if int(i) >= len(symbols.exprs) {
		return nil
	}
	return symbols.exprs[i]
}

// Expr is d as an expression, as an exporter needs it to compute d at run time; nil of what is no dimension.
func (d Dim) Expr() *symbolic.Expr {
	if d >= 0 && d.Valid() {
		return symbolic.Number(int64(d))
	}
	return d.lookup()
}

// Times returns d·n. The product of a symbol is itself a symbol, 4*seq.
func (d Dim) Times(n Dim) Dim {
	if d >= 0 && n >= 0 && d.Valid() && n.Valid() {
		if high, low := bits.Mul64(uint64(d), uint64(n)); high > 0 || low >= uint64(maxDim) {
			return invalidDim
		}
		return d * n
	}
	switch {
	case d == 1 && n.Valid():
		return n
	case n == 1 && d.Valid():
		return d
	}
	pair := [2]Dim{min(d, n), max(d, n)}
	if p, ok := products.Load(pair); ok {
		return p.(Dim)
	}
	p := d.with(n, (*symbolic.Expr).Times)
	products.Store(pair, p)
	return p
}

// products remembers what Times gave for pairs of dimensions, the smaller first.
var products sync.Map

// with is the result of an operation on d and n; what is no dimension gives none.
func (d Dim) with(n Dim, op func(a, b *symbolic.Expr) *symbolic.Expr) Dim {
	return intern(op(d.Expr(), n.Expr()))
}

// Plus returns d+n. The sum of a symbol is itself a symbol, seq+1.
func (d Dim) Plus(n Dim) Dim {
	if d >= 0 && n >= 0 && d.Valid() && n.Valid() {
		return d + n
	}
	return d.with(n, (*symbolic.Expr).Plus)
}

// Minus returns d−n, height-3. A run in which that is negative ends with an error; of numbers it is no dimension then.
func (d Dim) Minus(n Dim) Dim { return d.with(n, (*symbolic.Expr).Minus) }

// Div returns d/n rounded down, (height-1)/2. n must be 1 or more, also when a run says what it is.
func (d Dim) Div(n Dim) Dim { return d.with(n, (*symbolic.Expr).Div) }

// Mod returns what [Dim.Div] leaves of d, height%2.
func (d Dim) Mod(n Dim) Dim { return d.with(n, (*symbolic.Expr).Mod) }

// Min returns the smaller of d and n.
func (d Dim) Min(n Dim) Dim { return d.with(n, (*symbolic.Expr).Min) }

// Max returns the larger of d and n.
func (d Dim) Max(n Dim) Dim { return d.with(n, (*symbolic.Expr).Max) }

// exceeds reports whether d is more than n whatever the symbols are.
func (d Dim) exceeds(n Dim) bool {
	if d >= 0 && n >= 0 {
		return d > n
	}
	return d.Expr().Minus(n.Expr()).Least() > 0
}

// exactly returns d/n where that is a dimension without a remainder whatever the symbols are.
func (d Dim) exactly(n Dim) (Dim, bool) {
	q, ok := d.Expr().Exact(n.Expr())
	if !ok {
		return 0, false
	}
	return intern(q), true
}

// invalidDim is no dimension, and small steps from it lead to none.
const invalidDim = symBase - symStride/2

// Symbolic reports whether d is a symbol rather than a number.
func (d Dim) Symbolic() bool { return d.lookup() != nil }

// Valid reports whether d is a number from 0 on, and not absurdly large, or a symbol that exists.
func (d Dim) Valid() bool { return d >= 0 && d < maxDim || d.Symbolic() }

// Symbols returns the names that d is made of, sorted; none for a number.
func (d Dim) Symbols() []string {
	if e := d.lookup(); e != nil {
		return e.Symbols()
	}
	return nil
}

// Symbol is the name of d if d is one symbol by itself, and whether it is.
func (d Dim) Symbol() (name string, ok bool) {
	names := d.Symbols()
	return d.String(), len(names) == 1 && names[0] == d.String()
}

// A Binding gives symbols their sizes for one run.
type Binding map[string]int

// String is the sizes by name, sorted: batch=128 seq=64.
func (b Binding) String() string {
	var p []string
	for _, name := range b.names() {
		p = append(p, fmt.Sprintf("%s=%d", name, b[name]))
	}
	return strings.Join(p, " ")
}

// names are the symbols, sorted.
func (b Binding) names() []string { return slices.Sorted(maps.Keys(b)) }

// Eval is the size of d under b, or an error that names the symbol that b lacks, or the expression that is no size.
func (d Dim) Eval(b Binding) (int, error) {
	if d >= 0 {
		return int(d), nil
	}
	e := d.lookup()
	if e == nil {
		return 0, fmt.Errorf("%d is not a dimension", int64(d))
	}
	n, err := e.Eval(b)
	switch {
	case err != nil:
		return 0, err
	case n < 0:
		return 0, fmt.Errorf("the size %v is %d with %v", d, n, b.of(d))
	}
	return int(n), nil
}

// of is the part of b that d is made of.
func (b Binding) of(d Dim) Binding {
	out := Binding{}
	for _, s := range d.Symbols() {
		out[s] = b[s]
	}
	return out
}

// String is the number, or the symbol's name.
func (d Dim) String() string {
	if e := d.lookup(); e != nil {
		return e.String()
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
