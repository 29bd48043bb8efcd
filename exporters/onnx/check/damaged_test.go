package check_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// message is field num with the concatenation of parts.
func message(num protowire.Number, parts ...[]byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, num, protowire.BytesType), slices.Concat(parts...))
}

func varint(num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
}

func text(num protowire.Number, s string) []byte { return message(num, []byte(s)) }

// TestDamagedTensors adds an initializer to a good file that no encoder of ours would write, and makes it an output.
func TestDamagedTensors(t *testing.T) {
	good := good(t, "types")
	minus := ^uint64(0)
	const at = `error: initializer 2 "bad": `
	external := func(entries ...[]byte) []byte { return slices.Concat(slices.Concat(entries...), varint(14, 1)) }
	entry := func(key, value string) []byte { return message(13, text(1, key), text(2, value)) }
	for _, c := range []struct {
		name   string
		tensor []byte
		want   string
	}{
		{"a negative size", slices.Concat(varint(1, minus), varint(2, 1)), at + "axis 0 of [-1] is negative"},
		{"sizes that overflow", slices.Concat(varint(1, 1<<40), varint(1, 1<<40), varint(2, 1), text(9, "")), at + "the size of shape [1099511627776 1099511627776] overflows"},
		{"a huge size", slices.Concat(varint(1, 1<<40), varint(2, 1), text(9, "1234")), at + "f32[1099511627776] takes 4398046511104 bytes, raw_data has 4"},
		{"raw_data that is short", slices.Concat(varint(1, 2), varint(2, 1), text(9, "1234")), at + "f32[2] takes 8 bytes, raw_data has 4"},
		{"float_data that is short", slices.Concat(varint(1, 2), varint(2, 1), text(4, "1234")), at + "f32[2] takes 8 bytes, the file has 4"},
		{"data in the wrong field", slices.Concat(varint(1, 1), varint(2, 1), varint(7, 1)), at + "field 7 cannot hold elements of type f32"},
		{"no data", slices.Concat(varint(1, 2), varint(2, 1)), at + "f32[2] has no data"},
		{"no type", slices.Concat(varint(1, 0)), at + "its element type is 0, which is none"},
		{"a type that is none", slices.Concat(varint(1, 0), varint(2, 99)), at + "its element type is 99, which is none"},
		{"external data nowhere", slices.Concat(varint(1, 2), varint(2, 1), external()), at + "its data is external, but no place is given"},
		{"an external place twice", slices.Concat(varint(1, 2), varint(2, 1), external(entry("location", "a"), entry("location", "b"))), at + `external_data has "location" twice`},
		{"external data", slices.Concat(varint(1, 2), varint(2, 1), external(entry("location", "a"))), "unjudged: external data: the file beside the model is not looked at"},
	} {
		data := slices.Concat(good, message(7, message(5, c.tensor, text(8, "bad")), message(12, text(1, "bad"))))
		if got := findings(t, data); got != c.want {
			t.Errorf("%s: found\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestExternal judges where payloads outside of the file lie.
func TestExternal(t *testing.T) {
	tensor := func(name, file string) *wire.Tensor {
		return &wire.Tensor{Name: name, Type: wire.Float, Dims: []int64{4}, External: []wire.Entry{{Key: "location", Value: file}}}
	}
	type at struct{ offset, length int64 }
	places := map[string]at{"a": {0, 16}, "b": {16, 16}, "same": {16, 16}, "across": {8, 16}, "short": {64, 12}}
	for _, c := range []struct {
		name string
		in   []*wire.Tensor
		want []string
	}{
		{"side by side, and one twice", []*wire.Tensor{tensor("same", "f"), tensor("b", "f"), tensor("a", "f")}, nil},
		{"across another", []*wire.Tensor{tensor("a", "f"), tensor("across", "f")},
			[]string{`warning: initializer 1 "across": its 16 bytes at 8 of f overlap the 16 at 0 of initializer 0 "a"`}},
		{"across another in another file", []*wire.Tensor{tensor("a", "f"), tensor("across", "g")}, nil},
		{"short", []*wire.Tensor{tensor("short", "f")}, []string{`error: initializer 0 "short": f32[4] takes 16 bytes, external_data gives 12`}},
	} {
		g := &wire.Graph{Initializers: c.in}
		for _, x := range c.in {
			g.Outputs = append(g.Outputs, &wire.ValueInfo{Name: x.Name})
		}
		m := &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: g}
		r := check.Model(m, check.Options{External: func(t *wire.Tensor) (string, int64, int64, error) {
			p := places[t.Name]
			return t.External[0].Value, p.offset, p.length, nil
		}})
		var got []string
		for _, f := range r.Findings {
			got = append(got, f.String())
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: found %q, want %q", c.name, got, c.want)
		}
	}
}

func look(data []byte) {
	if m, err := wire.DecodeDamaged(bytes.NewReader(data), int64(len(data))); err == nil {
		check.Model(m, check.Options{})
	}
}

// TestMutations looks at files in which bytes are changed, cut out and doubled: nothing may panic.
func TestMutations(t *testing.T) {
	files := exported(t)
	r := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data := files[name]
		if len(data) > 100<<10 {
			continue
		}
		for range 700 {
			bad := bytes.Clone(data)
			for range 1 + r.IntN(3) {
				i := r.IntN(len(bad))
				switch r.IntN(4) {
				case 0:
					bad = slices.Delete(bad, i, min(i+1+r.IntN(8), len(bad)))
				case 1:
					bad = slices.Insert(bad, i, bad[i:min(i+1+r.IntN(40), len(bad))]...)
				case 2:
					bad[i] ^= 1 << r.IntN(8)
				case 3:
					bad[i] = byte(r.Uint32())
				}
			}
			look(bad)
		}
	}
}

// TestMutatedGraphs changes graphs that stay readable: numbers, names and operators are moved to where they do not belong.
func TestMutatedGraphs(t *testing.T) {
	files := exported(t)
	r := rand.New(rand.NewPCG(3, 4))
	odd := []int64{0, 1, -1, 2, 3, 64, -1 << 63, 1<<63 - 1, 1 << 31, 1 << 53, -5}
	var ops []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for _, n := range decode(t, files[name]).Graph.Nodes {
			ops = append(ops, n.OpType)
		}
	}
	ops = append(ops, "Split", "Range", "Squeeze", "Unsqueeze", "Tile", "TopK", "Resize", "GatherND", "OneHot", "SpaceToDepth", "Constant", "ConstantOfShape", "Flatten")
	for _, name := range slices.Sorted(maps.Keys(files)) {
		for range 700 {
			m := decode(t, files[name])
			g := m.Graph
			for range 1 + r.IntN(4) {
				n := g.Nodes[r.IntN(len(g.Nodes))]
				switch r.IntN(6) {
				case 0:
					n.OpType = ops[r.IntN(len(ops))]
				case 1:
					if len(n.Inputs) > 0 {
						n.Inputs[r.IntN(len(n.Inputs))] = g.Initializers[r.IntN(len(g.Initializers))].Name
					}
				case 2:
					if len(n.Attributes) > 0 {
						switch v := n.Attributes[r.IntN(len(n.Attributes))].Value.(type) {
						case []int64:
							if len(v) > 0 {
								v[r.IntN(len(v))] = odd[r.IntN(len(odd))]
							}
						}
					}
				case 3:
					for _, a := range n.Attributes {
						if _, ok := a.Value.(int64); ok {
							a.Value = odd[r.IntN(len(odd))]
						}
					}
				case 4:
					p := g.Inputs[r.IntN(len(g.Inputs))].Type
					if len(p.Shape) > 0 {
						p.Shape[r.IntN(len(p.Shape))] = wire.Dim{Value: odd[r.IntN(len(odd))]}
					}
				case 5:
					values := make([]int64, 1+r.IntN(4))
					for i := range values {
						values[i] = odd[r.IntN(len(odd))]
					}
					replace(g.Initializers, list(g.Initializers[r.IntN(len(g.Initializers))].Name, values...))
				}
			}
			check.Model(m, check.Options{})
		}
	}
}

func FuzzModel(f *testing.F) {
	f.Add(good(f, "classify"))
	f.Add(good(f, "types"))
	f.Fuzz(func(t *testing.T, data []byte) { look(data) })
}

// TestNotDecoded has parts of the format in a file that no graph of this package holds: functions, and sparse initializers.
func TestNotDecoded(t *testing.T) {
	data := slices.Concat(good(t, "types"),
		message(8, text(1, "my"), varint(2, 1)),
		message(25, text(1, "Twice"), text(10, "my")),
		message(7,
			message(1, text(1, "x"), text(2, "twice"), text(4, "Twice"), text(7, "my")),
			message(12, text(1, "twice")),
			message(15, message(1, varint(1, 1), varint(2, 1), text(8, "sparse"), text(9, "1234")), message(2, varint(1, 1), varint(2, 7), text(9, "12345678")), varint(3, 5)),
			message(1, text(1, "sparse"), text(2, "dense"), text(4, "Neg")),
			message(12, text(1, "dense"))))
	if got, want := findings(t, data), `unjudged: function "my.Twice": the body of a function in the file is not looked at`; got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
	if m := decode(t, data); check.Model(m, check.Options{}).Types["dense"].Elem != wire.Float {
		t.Error("the type of a sparse initializer is not passed on")
	}
}
