package nn

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A Problem is why part of a model cannot be named.
type Problem struct{ Msg, Hint string }

// layered is every struct that embeds Layer.
type layered interface{ layer() *Layer }

var layeredType = reflect.TypeFor[layered]()

// Bind names every layer in model, a pointer to a struct or a Sequential, by the fields and indices that lead to it, under
// prefix. A layer reached twice keeps its first name, and so do the layers in bound, to which Bind adds those that it named and returns.
func Bind(prefix string, model any, bound map[*Layer]bool) ([]*Layer, []Problem) {
	b := binder{seen: map[*Layer]bool{}, bound: bound, visited: map[place]bool{}}
	v := reflect.ValueOf(model)
	_, list := model.(Sequential)
	if !list && (v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct) {
		b.problem("give the address of the struct that holds the layers: &m", "the model is a %T, want a pointer to a struct, or an nn.Sequential", model)
		return nil, b.problems
	}
	b.walk(v, prefix)
	return b.layers, b.problems
}

// Paths lists the names of the layers in model: a model, a part of one, or a slice of such.
func Paths(model any) []string {
	b := binder{seen: map[*Layer]bool{}, readOnly: true, visited: map[place]bool{}}
	v := reflect.ValueOf(model)
	if v.IsValid() {
		b.walk(v, "")
	}
	var out []string
	for _, l := range b.layers {
		if l.path != "" && !slices.Contains(out, l.path) {
			out = append(out, l.path)
		}
	}
	return out
}

// binder walks a model. Read-only, it collects layers and leaves their names.
type binder struct {
	readOnly bool
	seen     map[*Layer]bool
	bound    map[*Layer]bool
	visited  map[place]bool // pointers followed: a model may point back into itself, or to one part many times
	layers   []*Layer
	problems []Problem
}

// A place is what a pointer points to; a struct and its first field have one address.
type place struct {
	address uintptr
	t       reflect.Type
}

func (b *binder) problem(hint, format string, args ...any) {
	b.problems = append(b.problems, Problem{fmt.Sprintf(format, args...), hint})
}

func (b *binder) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		switch {
		case v.IsNil():
			if holdsLayers(v.Type()) {
				b.problem("give the field a layer; what a model may lack is an nn.Sequential, which does nothing while empty", "%s is a nil %v", cmp.Or(path, "an embedded field"), v.Type())
			}
		case v.Kind() == reflect.Interface && (v.Elem().Kind() == reflect.Struct || v.Elem().Kind() == reflect.Array) && holdsLayers(v.Elem().Type()):
			b.problem("store a pointer: &nn.Dense{...}", "%s holds a %v by value, which cannot be named", path, v.Elem().Type())
		case v.Kind() == reflect.Interface:
			b.walk(v.Elem(), path)
		case v.Type() == reflect.TypeFor[*graph.Value](): // a model may keep one, of the last function traced
		case !b.visited[place{v.Pointer(), v.Type()}]:
			b.visited[place{v.Pointer(), v.Type()}] = true
			b.walk(v.Elem(), path)
		}
	case reflect.Slice, reflect.Array:
		if !mayHoldLayers(v.Type().Elem()) { // data, which may be long
			return
		}
		for i := range v.Len() {
			b.walk(v.Index(i), join(path, fmt.Sprint(i)))
		}
	case reflect.Map:
		b.walkMap(v, path)
	case reflect.Struct:
		b.walkStruct(v, path)
	}
}

func (b *binder) walkMap(v reflect.Value, path string) {
	if !holdsLayers(v.Type().Elem()) {
		return
	}
	if v.Type().Key().Kind() != reflect.String {
		b.problem("key the map by string: the key is part of the name", "%s is a map keyed by %v", path, v.Type().Key())
		return
	}
	if k := v.Type().Elem().Kind(); k != reflect.Pointer && k != reflect.Interface {
		b.problem("store pointers in the map", "%s holds layers by value in a map, where they cannot be named", path)
		return
	}
	byName := map[string]reflect.Value{}
	for _, k := range v.MapKeys() {
		byName[k.String()] = v.MapIndex(k)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		b.walk(byName[name], join(path, name))
	}
}

func (b *binder) walkStruct(v reflect.Value, path string) {
	if v.Type() == reflect.TypeFor[Layer]() {
		return
	}
	if v.CanAddr() && v.Addr().CanInterface() {
		if outer, ok := v.Addr().Interface().(layered); ok {
			l := outer.layer()
			if b.seen[l] {
				return // shared: the first name stays
			}
			b.seen[l] = true
			switch {
			case b.readOnly:
				b.layers = append(b.layers, l)
			case !b.bound[l]:
				b.bound[l] = true
				b.layers = append(b.layers, l)
				l.name(path)
				if path == "" {
					l.name(strings.ToLower(v.Type().Name())) // the model is itself one layer
				}
			}
		}
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		switch {
		case f.IsExported() && f.Anonymous:
			b.walk(v.Field(i), path) // an embedded struct's fields are the outer one's
		case f.IsExported():
			b.walk(v.Field(i), join(path, snake(f.Name)))
		case holdsLayers(f.Type):
			b.problem("export it: a field's name is the name of its parameters", "the unexported field %s holds a layer", join(path, f.Name))
		}
	}
}

// holdsLayers reports whether t is, or has parts that are, made to hold layers.
func holdsLayers(t reflect.Type) bool { return holds(t, false, map[reflect.Type]bool{}) }

// mayHoldLayers is holdsLayers that takes any interface to hold one: false means that there is nothing to look for.
func mayHoldLayers(t reflect.Type) bool { return holds(t, true, map[reflect.Type]bool{}) }

func holds(t reflect.Type, interfaces bool, seen map[reflect.Type]bool) bool {
	if seen[t] || t == reflect.TypeFor[Layer]() {
		return false
	}
	if t.Implements(layeredType) || reflect.PointerTo(t).Implements(layeredType) || t == reflect.TypeFor[Module]() {
		return true
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return interfaces
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holds(t.Elem(), interfaces, seen)
	case reflect.Struct:
		for i := range t.NumField() {
			if holds(t.Field(i).Type, interfaces, seen) {
				return true
			}
		}
	}
	return false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// snake is a field's name in snake case: LogVar is log_var, QKV qkv, LN1 ln1.
func snake(name string) string {
	var out strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			prev := runes[i-1]
			next := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if unicode.IsLower(prev) || unicode.IsDigit(prev) && next || unicode.IsUpper(prev) && next {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(r))
	}
	return out.String()
}
