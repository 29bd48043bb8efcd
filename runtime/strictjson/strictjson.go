// Package strictjson reads JSON that this house has written: encoding/json takes keys in any case, passes over those that it does
// not know, leaves out what is missing, and of a key that is there twice takes the last, so that a damaged or edited file would
// silently say something else.
package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Unmarshal is [json.Unmarshal] of one value into v, a pointer. Each object has exactly the keys that its struct has, written the
// same way: none unknown, none twice, and none missing but those with omitempty or omitzero. A map has no key twice. null
// stands for pointers, maps and slices alone. The error names the key. After an error v is no use.
//
// Types with an UnmarshalJSON of their own are asked for the rest; of their JSON only the objects' keys are checked.
func Unmarshal(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil { // also of what follows the value, and of nesting without end
		return Plain(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return check(dec, reflect.TypeOf(v).Elem(), "")
}

// Plain is err or, where a value is of the wrong kind, an error that says so in the words of JSON: encoding/json's names types of Go.
func Plain(err error) error {
	var bad *json.UnmarshalTypeError
	if !errors.As(err, &bad) {
		return err
	}
	return fmt.Errorf("%s is %s, and is to be %s", orRoot(bad.Field), kindOf(bad.Value), kindFor(bad.Type))
}

// kindOf is the kind of a value that encoding/json calls so: "string", "number 1.5".
func kindOf(value string) string {
	switch value {
	case "string":
		return "text"
	case "bool":
		return "true or false"
	case "array":
		return "a list"
	case "object":
		return "an object"
	case "number":
		return "a number"
	}
	return "the " + value
}

// kindFor is what is read into a t.
func kindFor(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			return "text in base64"
		}
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<t.Bits()-1)
	}
	return "a whole number"
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// check reads one value that is to become a t; a nil t is any. at is the path to it, for errors.
func check(dec *json.Decoder, t reflect.Type, at string) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	for t != nil && t.Kind() == reflect.Pointer && !t.Implements(unmarshaler) {
		if tok == nil {
			return nil
		}
		t = t.Elem()
	}
	if t != nil && reflect.PointerTo(t).Implements(unmarshaler) {
		t = nil
	}
	if tok == nil && t != nil && t.Kind() != reflect.Map && t.Kind() != reflect.Slice && t.Kind() != reflect.Interface {
		return fmt.Errorf("%s is null", orRoot(at))
	}
	switch tok {
	case json.Delim('{'):
		return checkObject(dec, t, at)
	case json.Delim('['):
		var elem reflect.Type
		if t != nil && (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) {
			elem = t.Elem()
		}
		n := 0
		for ; dec.More(); n++ {
			if err := check(dec, elem, fmt.Sprintf("%s[%d]", at, n)); err != nil {
				return err
			}
		}
		if t != nil && t.Kind() == reflect.Array && n != t.Len() { // json would fill it up or pass over the rest
			return fmt.Errorf("%s has %d elements, not %d", orRoot(at), n, t.Len())
		}
		_, err := dec.Token()
		return err
	}
	return nil
}

// checkObject reads the rest of an object.
func checkObject(dec *json.Decoder, t reflect.Type, at string) error {
	var fields map[string]field
	if t != nil && t.Kind() == reflect.Struct {
		fields = fieldsOf(t)
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key := tok.(string) // the decoder lets nothing else be a key
		path := strings.TrimPrefix(at+"."+key, ".")
		if seen[key] {
			return fmt.Errorf("the key %q is there twice", path)
		}
		seen[key] = true
		var inner reflect.Type
		if fields != nil {
			f, ok := fields[key]
			if !ok {
				return fmt.Errorf("the key %q is unknown", path)
			}
			inner = f.t
		} else if t != nil && t.Kind() == reflect.Map {
			inner = t.Elem()
		}
		if err := check(dec, inner, path); err != nil {
			return err
		}
	}
	for name, f := range fields {
		if !seen[name] && !f.optional {
			return fmt.Errorf("the key %q is missing", strings.TrimPrefix(at+"."+name, "."))
		}
	}
	_, err := dec.Token()
	return err
}

// A field is a struct's key in JSON.
type field struct {
	t        reflect.Type
	optional bool
}

func fieldsOf(t reflect.Type) map[string]field {
	out := map[string]field{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		out[name] = field{f.Type, strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")}
	}
	return out
}

func orRoot(at string) string {
	if at == "" {
		return "the JSON value"
	}
	return fmt.Sprintf("%q", at)
}
