package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

type own map[string]float64

func (o *own) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, (*map[string]float64)(o)) }

type inner struct {
	X int      `json:"x"`
	Y *float64 `json:"y"`
}

type outer struct {
	Name  string           `json:"name"`
	In    inner            `json:"in"`
	Maybe *inner           `json:"maybe"`
	Opt   string           `json:"opt,omitempty"`
	List  []inner          `json:"list,omitempty"`
	Pair  *[2]int          `json:"pair,omitempty"`
	Map   map[string]inner `json:"map,omitempty"`
	Own   own              `json:"own,omitempty"`
	Plain int
	Skip  int `json:"-"`
}

const good = `{"name":"n","in":{"x":1,"y":2.5},"maybe":null,"Plain":3`

func TestUnmarshal(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"good":               {good + `}`, ""},
		"all":                {good + `,"opt":"o","list":[{"x":1,"y":null}],"pair":[1,2],"map":{"a":{"x":2,"y":3}},"own":{"b":1}}`, ""},
		"space":              {" " + good + "} \n", ""},
		"unknown":            {good + `,"nam":1}`, `the key "nam" is unknown`},
		"case":               {strings.Replace(good, `"name"`, `"Name"`, 1) + `}`, `the key "Name" is unknown`},
		"case of a field":    {strings.Replace(good, `"Plain"`, `"plain"`, 1) + `}`, `the key "plain" is unknown`},
		"never":              {good + `,"Skip":1}`, `the key "Skip" is unknown`},
		"deep":               {strings.Repeat("[", 1<<20), "exceeded max depth"},
		"inner":              {strings.Replace(good, `"x"`, `"X"`, 1) + `}`, `the key "in.X" is unknown`},
		"missing":            {strings.Replace(good, `"name":"n",`, ``, 1) + `}`, `the key "name" is missing`},
		"missing inner":      {strings.Replace(good, `"x":1,`, ``, 1) + `}`, `the key "in.x" is missing`},
		"twice":              {good + `,"name":"m"}`, `the key "name" is there twice`},
		"twice, escaped":     {good + `,"n\u0061me":"m"}`, `the key "name" is there twice`},
		"twice inner":        {strings.Replace(good, `"x":1`, `"x":1,"x":1`, 1) + `}`, `the key "in.x" is there twice`},
		"twice in a list":    {good + `,"list":[{"x":1,"y":2},{"x":1,"x":1,"y":2}]}`, `the key "list[1].x" is there twice`},
		"twice in a map":     {good + `,"map":{"a":{"x":2,"y":3},"a":{"x":2,"y":3}}}`, `the key "map.a" is there twice`},
		"unknown in a map":   {good + `,"map":{"a":{"z":2,"x":1,"y":3}}}`, `the key "map.a.z" is unknown`},
		"twice in one's own": {good + `,"own":{"b":1,"b":2}}`, `the key "own.b" is there twice`},
		"null":               {strings.Replace(good, `"n"`, `null`, 1) + `}`, `"name" is null`},
		"null struct":        {strings.Replace(good, `{"x":1,"y":2.5}`, `null`, 1) + `}`, `"in" is null`},
		"null at all":        {`null`, "the JSON value is null"},
		"too few":            {good + `,"pair":[1]}`, `"pair" has 1 elements, not 2`},
		"too many":           {good + `,"pair":[1,2,3]}`, `"pair" has 3 elements, not 2`},
		"text for a number":  {strings.Replace(good, `"x":1`, `"x":"1"`, 1) + `}`, `"in.x" is text, and is to be a whole number`},
		"a large number":     {strings.Replace(good, `"x":1`, `"x":1e99`, 1) + `}`, `"in.x" is the number 1e99, and is to be a whole number`},
		"a list for a value": {strings.Replace(good, `"y":2.5`, `"y":[1]`, 1) + `}`, `"in.y" is a list, and is to be a number`},
		"a number for text":  {strings.Replace(good, `"n"`, `true`, 1) + `}`, `"name" is true or false, and is to be text`},
		"text for a list":    {good + `,"list":"x"}`, `"list" is text, and is to be a list`},
		"a list at all":      {`[1]`, "the JSON value is a list, and is to be an object"},
		"another value":      {good + `}{}`, "after top-level value"},
		"garbage":            {good + `}x`, "after top-level value"},
		"cut":                {good, "unexpected end"},
		"cut in a list":      {good + `,"list":[`, "unexpected end"},
		"empty":              {``, "unexpected end"},
		"a list":             {`[]`, "the JSON value is a list, and is to be an object"},
		"another type":       {strings.Replace(good, `"n"`, `5`, 1) + `}`, `"name" is a number, and is to be text`},
		"no JSON":            {`{name:1}`, "invalid character"},
	} {
		var got, want outer
		err := Unmarshal([]byte(tt.text), &got)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: %v, want %q", name, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := json.Unmarshal([]byte(tt.text), &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v, %v", name, got, want, err)
		}
	}
}

// TestWritten reads what encoding/json writes.
func TestWritten(t *testing.T) {
	y := 2.5
	for _, v := range []outer{{}, {Name: "a", In: inner{1, &y}, Maybe: &inner{}, Opt: "b", List: []inner{{}, {2, &y}}, Pair: &[2]int{1, 2}, Map: map[string]inner{"": {}}, Own: own{"c": 1}, Plain: 4}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var got outer
		if err := Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, v) {
			t.Errorf("%s: %+v, %v", b, got, err)
		}
	}
}
