package graph

import (
	"crypto/sha256"
	bin "encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// This file has what is done to the attributes of every op alike, an op's fields, by reflection: the Func keeps copies of
// its own, tells ops apart by them, prints them, and refuses numbers that are none.

// own returns op with copies of the slices, maps and tensors among its attributes, and of the op itself if it is given by
// pointer: what the caller does with his afterwards does not change the Func. Other pointers in an op stay what they are.
func own(op Op) Op {
	v := reflect.ValueOf(op)
	switch op.(type) {
	case Input, Param: // known by their names; an initializer is the caller's
		return op
	}
	switch {
	case v.Type().Size() == 0: // no attributes
		return op
	case v.Kind() == reflect.Pointer && !v.IsNil():
		c := reflect.New(v.Type().Elem())
		c.Elem().Set(v.Elem())
		ownParts(c.Elem())
		return c.Interface().(Op)
	case shares(v.Type()):
		c := reflect.New(v.Type()).Elem()
		c.Set(v)
		ownParts(c)
		return c.Interface().(Op)
	}
	return op
}

var (
	tensorType = reflect.TypeFor[*tensor.Tensor]()
	dimType    = reflect.TypeFor[Dim]()
	shapeType  = reflect.TypeFor[Shape]()
)

// sharing remembers what shares gave for a type.
var sharing sync.Map

// shares reports whether values of type t may share memory that own copies.
func shares(t reflect.Type) bool {
	if known, ok := sharing.Load(t); ok {
		return known.(bool)
	}
	s := false
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Interface:
		s = true
	case reflect.Pointer:
		s = t == tensorType
	case reflect.Array:
		s = shares(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			s = s || shares(t.Field(i).Type)
		}
	}
	sharing.Store(t, s)
	return s
}

// ownParts replaces what v, which is addressable, shares by copies.
func ownParts(v reflect.Value) {
	if !shares(v.Type()) {
		return
	}
	v = reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Elem() // fields that are not exported too
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		for i := range v.Len() {
			ownParts(v.Index(i))
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		c := reflect.MakeMapWithSize(v.Type(), v.Len())
		for it := v.MapRange(); it.Next(); {
			c.SetMapIndex(it.Key(), ownCopy(it.Value()))
		}
		v.Set(c)
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(ownCopy(v.Elem()))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			v.Set(reflect.ValueOf((*tensor.Tensor)(v.UnsafePointer()).Clone()))
		}
	case reflect.Array:
		for i := range v.Len() {
			ownParts(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			ownParts(v.Field(i))
		}
	}
}

func ownCopy(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	ownParts(c)
	return c
}

// Identity is a key that two ops have in common if they are of one Go type, both by value or both by pointer, and their attributes
// are equal, those that are not exported too: tensors by dtype, shape and content, floats bit by bit, so that 0 and −0 differ
// and NaN is itself. What a pointer leads to is not looked at: two are equal if they point to one place. ok is false for
// an op with an attribute that cannot be compared, such as a function: it is like no other.
func Identity(op Op) (key string, ok bool) {
	e := identity{b: make([]byte, 0, 128), known: true}
	e.op(op)
	return string(e.b), e.known
}

// WriteIdentity writes what tells f from other Funcs, the same in every process: its name and kind, the nodes with their ops,
// arguments, types and bodies, the outputs and the updates, but no positions.
func (f *Func) WriteIdentity(w io.Writer) error {
	e := identity{portable: true}
	e.fn(f)
	_, err := w.Write(e.b)
	return err
}

// identity collects the bytes that tell an op. Portable ones are the same in every process.
type identity struct {
	b        []byte
	portable bool
	known    bool
}

func (e *identity) fn(f *Func) {
	e.text(f.Name)
	e.value(reflect.ValueOf(f.Training))
	for _, n := range f.Nodes {
		switch n.Op.(type) {
		case Input, Param: // an initializer says where state starts, not what is computed
			e.text(n.Results[0].Text())
		default:
			e.op(n.Op)
		}
		for _, a := range n.Args {
			if a == nil {
				e.text("absent")
				continue
			}
			e.number(uint64(a.ID))
		}
		for _, v := range n.Results {
			e.text(v.Type.String())
		}
		for _, body := range n.Bodies {
			e.fn(body)
		}
	}
	for _, o := range f.Outputs {
		e.text(fmt.Sprintf("output %q %d", o.Name, o.Value.ID))
	}
	for _, u := range f.Updates {
		e.text(fmt.Sprintf("update %q %d", u.Name, u.Value.ID))
	}
}

// A renamed op has, where it says what an op said that it replaces, that op's name and attributes in what identifies a Func, so that
// the fingerprints of earlier runs stay. The name is "" where it says more.
type renamed interface {
	former() (name string, attributes any)
}

// former is what v, an op or an attribute that is one, replaces.
func former(v reflect.Value) (name string, attributes reflect.Value) {
	if v.NumMethod() == 0 || !v.CanInterface() || v.Type().PkgPath() != reflect.TypeFor[Func]().PkgPath() {
		return "", v
	}
	if o, ok := v.Interface().(renamed); ok {
		if name, was := o.former(); name != "" {
			return name, reflect.ValueOf(was)
		}
	}
	return "", v
}

func (e *identity) op(op Op) {
	v := reflect.ValueOf(op)
	if e.portable {
		if name, was := former(v); name != "" {
			e.text(v.Type().PkgPath() + " graph." + name)
			e.value(was)
			return
		}
	}
	e.goType(v.Type())
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	e.value(v)
}

func (e *identity) number(bits uint64) { e.b = bin.LittleEndian.AppendUint64(e.b, bits) }

func (e *identity) flag(set bool) {
	b := byte(0)
	if set {
		b = 1
	}
	e.b = append(e.b, b)
}

func (e *identity) text(s string) {
	e.number(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *identity) goType(t reflect.Type) {
	if e.portable {
		e.text(t.PkgPath() + " " + t.String())
	} else {
		e.number(uint64(reflect.ValueOf(t).Pointer()))
	}
}

func (e *identity) value(v reflect.Value) {
	if e.portable && v.Type() == dimType { // the handle of a symbol depends on what was made before
		e.text(Dim(v.Int()).String())
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		e.flag(v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.number(uint64(v.Int()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		e.number(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.number(math.Float64bits(v.Float()))
	case reflect.Complex64, reflect.Complex128:
		e.number(math.Float64bits(real(v.Complex())))
		e.number(math.Float64bits(imag(v.Complex())))
	case reflect.String:
		e.text(v.String())
	case reflect.Array:
		e.list(v)
	case reflect.Struct:
		if e.portable {
			_, v = former(v)
		}
		for i := range v.NumField() {
			f := v.Field(i)
			// sizes that were ints before they could be symbols: numbers are written as they were
			if e.portable && f.Type() == dimType && v.Type().Field(i).Tag.Get("identity") == "number" && !Dim(f.Int()).Symbolic() {
				e.number(uint64(f.Int()))
				continue
			}
			e.value(f)
		}
	default:
		e.flag(v.IsNil())
		if !v.IsNil() {
			e.reference(v)
		}
	}
}

func (e *identity) list(v reflect.Value) {
	e.number(uint64(v.Len()))
	for i := range v.Len() {
		e.value(v.Index(i))
	}
}

// reference adds what is not nil but might be.
func (e *identity) reference(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		e.list(v)
	case reflect.Interface:
		e.goType(v.Elem().Type())
		e.value(v.Elem())
	case reflect.Map:
		var entries []string
		for it := v.MapRange(); it.Next(); {
			entry := identity{portable: e.portable, known: true}
			entry.value(it.Key())
			entry.value(it.Value())
			e.known = e.known && entry.known
			entries = append(entries, string(entry.b))
		}
		slices.Sort(entries)
		for _, s := range entries {
			e.text(s)
		}
	case reflect.Pointer:
		if v.Type() == tensorType {
			t := (*tensor.Tensor)(v.UnsafePointer())
			e.text(t.String())
			e.b = append(e.b, digest(t)...)
		} else if !e.portable {
			e.number(uint64(v.Pointer()))
		}
	default: // a function, a channel
		e.known = false
	}
}

// digest is the SHA-256 of t's elements.
func digest(t *tensor.Tensor) []byte {
	h := sha256.New()
	t.Encode(h) // a hash takes every write
	return h.Sum(nil)
}

// numeric says why v is no number for values of dtype t, or nothing: it is NaN, an infinity that is not meant, or so large that
// it would become one.
func numeric(t DType, v float64, infinite bool) error {
	switch {
	case math.IsNaN(v):
		return Mistakef("a NaN comes from 0/0, from a root or logarithm below 0, or from what is not set: look where it was computed", "it is NaN")
	case math.IsInf(v, 0) && !infinite:
		return Mistakef("it must be finite", "it is %v", v)
	case math.IsInf(v, 0) || !t.Float():
		return nil
	}
	x := tensor.New(t)
	if x.Set(0, v); math.IsInf(x.At(0), 0) {
		return Mistakef("where an infinity is meant and allowed, math.Inf says so", "%v is beyond what %v holds", v, t)
	}
	return nil
}

// numbers checks the floats among the attributes of x, a struct of the house's, that is part of an op over dtype t. A person's
// own types check themselves.
func numbers(x any, t DType) error {
	v := reflect.Indirect(reflect.ValueOf(x))
	if v.Kind() != reflect.Struct || v.Type().Size() == 0 {
		return nil
	}
	for _, f := range floatFields(v.Type()) {
		if err := numeric(t, v.FieldByIndex(f.index).Float(), f.infinite); err != nil {
			m := err.(*Mistake)
			return &Mistake{f.name + ": " + m.Msg, m.Hint}
		}
	}
	return nil
}

// A floatField is a float64 among an op's attributes. The tag `inf:"ok"` says that it may be infinite.
type floatField struct {
	index    []int
	name     string
	infinite bool
}

// floatsOf remembers what floatFields gave for a type.
var floatsOf sync.Map

// floatFields are the exported floats in a struct of the house's, also in structs within it; those of another's are not known.
func floatFields(t reflect.Type) []floatField {
	if known, ok := floatsOf.Load(t); ok {
		return known.([]floatField)
	}
	var out []floatField
	for i := range t.NumField() {
		f := t.Field(i)
		switch {
		case !f.IsExported() || !strings.HasPrefix(t.PkgPath(), house):
		case f.Type.Kind() == reflect.Float64:
			out = append(out, floatField{f.Index, f.Name, f.Tag.Get("inf") == "ok"})
		case f.Type.Kind() == reflect.Struct:
			for _, in := range floatFields(f.Type) {
				out = append(out, floatField{append([]int{i}, in.index...), f.Name + "." + in.name, in.infinite})
			}
		}
	}
	floatsOf.Store(t, out)
	return out
}

// sizesOf remembers what sizeFields gave for a type.
var sizesOf sync.Map

// sizeFields are the exported sizes and shapes among the fields of a struct, also in structs within it.
func sizeFields(t reflect.Type) [][]int {
	if known, ok := sizesOf.Load(t); ok {
		return known.([][]int)
	}
	var out [][]int
	for i := range t.NumField() {
		switch f := t.Field(i); {
		case !f.IsExported():
		case f.Type == dimType, f.Type == shapeType:
			out = append(out, []int{i})
		case f.Type.Kind() == reflect.Struct:
			for _, in := range sizeFields(f.Type) {
				out = append(out, append([]int{i}, in...))
			}
		}
	}
	sizesOf.Store(t, out)
	return out
}

// sizes are the symbolic ones among op's attributes.
func sizes(op Op) []Dim {
	v := reflect.Indirect(reflect.ValueOf(op))
	if v.Kind() != reflect.Struct {
		return nil
	}
	var out []Dim
	for _, i := range sizeFields(v.Type()) {
		var list Shape
		switch f := v.FieldByIndex(i); f.Type() {
		case dimType:
			list = Shape{Dim(f.Int())}
		default:
			list = f.Interface().(Shape)
		}
		for _, d := range list {
			if d.Symbolic() {
				out = append(out, d)
			}
		}
	}
	return out
}

// Bound is n as it runs under b: with numbers for the symbols among its op's attributes.
func (n *Node) Bound(b Binding) (*Node, error) {
	if len(sizes(n.Op)) == 0 {
		return n, nil
	}
	p := reflect.New(reflect.Indirect(reflect.ValueOf(n.Op)).Type())
	p.Elem().Set(reflect.Indirect(reflect.ValueOf(n.Op)))
	for _, i := range sizeFields(p.Elem().Type()) {
		f := p.Elem().FieldByIndex(i)
		list, one := Shape{}, f.Type() == dimType
		if one {
			list = Shape{Dim(f.Int())}
		} else {
			list = slices.Clone(f.Interface().(Shape))
		}
		for k, d := range list {
			size, err := d.Eval(b)
			if err != nil {
				return nil, &RunError{n.Results[0], err}
			}
			list[k] = Dim(size)
		}
		if one {
			f.SetInt(int64(list[0]))
		} else {
			f.Set(reflect.ValueOf(list))
		}
	}
	m := *n
	if m.Op = p.Elem().Interface().(Op); reflect.TypeOf(n.Op).Kind() == reflect.Pointer {
		m.Op = p.Interface().(Op)
	}
	return &m, nil
}

// house is what the paths of the house's packages begin with.
var house = strings.TrimSuffix(reflect.TypeFor[Func]().PkgPath(), "graph")

// OpText is the op's name and its attributes that are not zero, such as Sum{Axes:[0]}, for people: ops that differ may have
// one text. [Identity] tells them apart.
func OpText(op Op) string {
	v := reflect.Indirect(reflect.ValueOf(op))
	var attrs []string
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if v.Field(i).IsZero() || f.Tag.Get("text") == "-" {
				continue
			}
			attrs = append(attrs, fmt.Sprintf("%s:%s", f.Name, attributeText(v.Field(i))))
		}
	}
	if attrs == nil {
		return OpName(op)
	}
	return OpName(op) + "{" + strings.Join(attrs, " ") + "}"
}

// attributeText is short, and the same in every process.
func attributeText(v reflect.Value) string {
	switch {
	case v.Type() == tensorType:
		t := (*tensor.Tensor)(v.UnsafePointer())
		if t.Len() <= 8 {
			return fmt.Sprint(t.Raw())
		}
		return fmt.Sprintf("%v#%x", t, digest(t)[:16])
	case v.Kind() == reflect.Pointer, v.Kind() == reflect.Func, v.Kind() == reflect.Chan:
		return v.Type().String()
	}
	return fmt.Sprint(v)
}
