package wire

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

func (d *decoder) model() (*Model, error) {
	m := &Model{}
	err := d.fields(d.size, func(f field) error {
		switch f.num {
		case 1:
			return d.integer(f, &m.IRVersion)
		case 2:
			return d.str(f, &m.ProducerName)
		case 3:
			return d.str(f, &m.ProducerVersion)
		case 4:
			return d.str(f, &m.Domain)
		case 5:
			return d.integer(f, &m.Version)
		case 6:
			return d.str(f, &m.Doc)
		case 7:
			if m.Graph == nil {
				m.Graph = &Graph{}
			}
			return d.graph(f, m.Graph)
		case 8:
			if err := atMost(len(m.Opsets), maxEntries, "opset imports"); err != nil {
				return err
			}
			m.Opsets = append(m.Opsets, Opset{})
			o := &m.Opsets[len(m.Opsets)-1]
			return d.sub(f, "opset_import", func(f field) error {
				switch f.num {
				case 1:
					return d.str(f, &o.Domain)
				case 2:
					return d.integer(f, &o.Version)
				}
				return nil
			})
		case 14:
			return d.entry(f, "metadata_props", &m.Metadata, math.MaxInt)
		case 20:
			return d.sub(f, "training_info", func(f field) error {
				if f.num == 1 || f.num == 2 {
					return d.graph(f, &Graph{})
				}
				return nil
			})
		case 25:
			return d.function(f, &m.Functions)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.External = d.external
	if m.Graph == nil {
		return nil, fmt.Errorf("there is no graph in %d bytes: not an ONNX model", d.size)
	}
	return m, nil
}

// function checks a FunctionProto: its nodes, and the defaults of its attributes.
func (d *decoder) function(f field, to *[]Function) error {
	var fn Function
	defer func() { *to = append(*to, fn) }()
	return d.sub(f, "FunctionProto", func(f field) error {
		switch f.num {
		case 1:
			return d.str(f, &fn.Name)
		case 10:
			return d.str(f, &fn.Domain)
		case 7:
			return d.node(f, &Node{})
		case 11:
			return d.attribute(f, &Attribute{})
		}
		return nil
	})
}

// sparse checks a SparseTensorProto: its values and its indices.
func (d *decoder) sparse(f field, values *Tensor) error {
	return d.sub(f, "SparseTensorProto", func(f field) error {
		switch f.num {
		case 1:
			return d.tensor(f, values)
		case 2:
			return d.tensor(f, &Tensor{})
		}
		return nil
	})
}

func (d *decoder) entry(f field, what string, to *[]Entry, most int) error {
	if err := atMost(len(*to), most, "entries of "+what); err != nil {
		return err
	}
	var e Entry
	err := d.sub(f, what, func(f field) error {
		switch f.num {
		case 1:
			return d.str(f, &e.Key)
		case 2:
			return d.str(f, &e.Value)
		}
		return nil
	})
	*to = append(*to, e)
	return err
}

func (d *decoder) graph(f field, g *Graph) error {
	if d.depth == maxDepth {
		return fmt.Errorf("graphs are nested more than %d deep", maxDepth)
	}
	d.depth++
	defer func() { d.depth-- }()
	return d.sub(f, "graph", func(f field) error {
		switch f.num {
		case 1:
			n := &Node{}
			g.Nodes = append(g.Nodes, n)
			if err := d.node(f, n); err != nil {
				return fmt.Errorf("node %d (%q): %w", len(g.Nodes)-1, n.Name, err)
			}
		case 2:
			return d.str(f, &g.Name)
		case 5:
			t := &Tensor{}
			g.Initializers = append(g.Initializers, t)
			return d.tensor(f, t)
		case 10:
			return d.str(f, &g.Doc)
		case 11:
			return d.value(f, &g.Inputs)
		case 12:
			return d.value(f, &g.Outputs)
		case 13:
			return d.value(f, &g.Values)
		case 15:
			t := &Tensor{}
			g.Sparse = append(g.Sparse, t)
			return d.sparse(f, t)
		}
		return nil
	})
}

func (d *decoder) node(f field, n *Node) error {
	return d.sub(f, "NodeProto", func(f field) error {
		switch f.num {
		case 1:
			return d.strs(f, &n.Inputs, maxPorts, "inputs")
		case 2:
			return d.strs(f, &n.Outputs, maxPorts, "outputs")
		case 3:
			return d.str(f, &n.Name)
		case 4:
			return d.str(f, &n.OpType)
		case 5:
			if err := atMost(len(n.Attributes), maxEntries, "attributes"); err != nil {
				return err
			}
			a := &Attribute{}
			n.Attributes = append(n.Attributes, a)
			if err := d.attribute(f, a); err != nil {
				return fmt.Errorf("attribute %q: %w", a.Name, err)
			}
		case 6:
			return d.str(f, &n.Doc)
		case 7:
			return d.str(f, &n.Domain)
		}
		return nil
	})
}

func (d *decoder) attribute(f field, a *Attribute) error {
	var (
		kind, i int64
		x       float32
		s       string
		t       *Tensor
		g       *Graph
		floats  []float32
		ints    []int64
		strs    []string
		tensors []*Tensor
		graphs  []*Graph
	)
	var one int64 // the type that a lone field implies, for files without the type
	err := d.sub(f, "AttributeProto", func(f field) error {
		switch f.num {
		case 1:
			return d.str(f, &a.Name)
		case 2:
			one, x = attrFloat, math.Float32frombits(uint32(f.v))
			return f.want(protowire.Fixed32Type)
		case 3:
			one = attrInt
			return d.integer(f, &i)
		case 4:
			one = attrString
			return d.str(f, &s)
		case 5:
			one, t = attrTensor, &Tensor{}
			return d.tensor(f, t)
		case 6:
			one, g = attrGraph, &Graph{}
			return d.graph(f, g)
		case 7:
			one = attrFloats
			return d.floats(f, &floats)
		case 8:
			one = attrInts
			return d.integers(f, &ints, math.MaxInt, "")
		case 9:
			one = attrStrings
			return d.strs(f, &strs, math.MaxInt, "")
		case 10:
			one, tensors = attrTensors, append(tensors, &Tensor{})
			return d.tensor(f, tensors[len(tensors)-1])
		case 11:
			one, graphs = attrGraphs, append(graphs, &Graph{})
			return d.graph(f, graphs[len(graphs)-1])
		case 13:
			return d.str(f, &a.Doc)
		case 20:
			return d.integer(f, &kind)
		case 22, 23:
			return d.sparse(f, &Tensor{})
		}
		return nil
	})
	if kind == 0 {
		kind = one
	}
	switch kind {
	case attrFloat:
		a.Value = x
	case attrInt:
		a.Value = i
	case attrString:
		a.Value = s
	case attrTensor:
		if t != nil {
			a.Value = t
		}
	case attrGraph:
		if g != nil {
			a.Value = g
		}
	case attrFloats:
		a.Value = floats
	case attrInts:
		a.Value = ints
	case attrStrings:
		a.Value = strs
	case attrTensors:
		a.Value = tensors
	case attrGraphs:
		a.Value = graphs
	}
	return err
}

func (d *decoder) tensor(f field, t *Tensor) error {
	t.stored.r = d.r
	var typ, location int64
	err := d.sub(f, "TensorProto", func(f field) error {
		switch f.num {
		case 1:
			return d.integers(f, &t.Dims, maxRank, "dimensions")
		case 2:
			return d.integer(f, &typ)
		case 3:
			return fmt.Errorf("it is one segment of a tensor, which is not supported")
		case floatData, int32Data, stringData, int64Data, doubleData, uint64Data:
			return d.piece(f, t)
		case 8:
			return d.str(f, &t.Name)
		case 9:
			if t.stored.field != 0 {
				return errTwoPlaces
			}
			t.stored.raw, t.stored.n = true, f.end-f.off
			t.stored.pieces = []extent{{f.off, f.end - f.off}}
			return f.want(protowire.BytesType)
		case 12:
			return d.str(f, &t.Doc)
		case 13:
			return d.entry(f, "external_data", &t.External, maxEntries)
		case 14:
			return d.integer(f, &location)
		}
		return nil
	})
	if err == nil && (typ < 0 || typ > math.MaxInt32) {
		err = fmt.Errorf("data_type is %d", typ)
	}
	t.Type = DataType(typ)
	if err == nil {
		if err = t.checkLocation(location); err != nil && d.damaged {
			t.Damage, err = err, nil
		}
	}
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if len(t.External) > 0 {
		d.external = append(d.external, t)
	}
	return nil
}

var errTwoPlaces = errors.New("it has data in two fields")

// piece notes where some elements of t in a repeated field lie.
func (d *decoder) piece(f field, t *Tensor) error {
	s := &t.stored
	if s.raw || s.field != 0 && s.field != int(f.num) {
		return errTwoPlaces
	}
	if f.num == stringData {
		if err := f.want(protowire.BytesType); err != nil {
			return err
		}
	} else if f.typ != protowire.BytesType { // not packed: one element
		want := protowire.VarintType
		switch f.num {
		case floatData:
			want = protowire.Fixed32Type
		case doubleData:
			want = protowire.Fixed64Type
		}
		if err := f.want(want); err != nil {
			return err
		}
	}
	if err := d.spend(3 * 16); err != nil {
		return err
	}
	s.field = int(f.num)
	s.pieces = append(s.pieces, extent{f.off, f.end - f.off})
	s.n += f.end - f.off
	return nil
}

func (t *Tensor) checkLocation(location int64) error {
	external := location == 1
	switch {
	case external && len(t.External) == 0:
		return fmt.Errorf("its data is external, but no place is given")
	case external, t.Type.bits() == 0 && t.Type != String: // a type newer than this package can be counted, not read
		_, err := t.Len()
		return err
	}
	if len(t.External) > 0 {
		return fmt.Errorf("it has external_data, but its data_location is %d", location)
	}
	_, err := t.checkStored()
	return err
}

func (d *decoder) value(f field, to *[]*ValueInfo) error {
	v := &ValueInfo{}
	*to = append(*to, v)
	err := d.sub(f, "ValueInfoProto", func(f field) error {
		switch f.num {
		case 1:
			return d.str(f, &v.Name)
		case 2:
			return d.sub(f, "TypeProto", func(f field) error {
				switch f.num {
				case 1:
					v.Type = &TensorType{}
					return d.tensorType(f, v.Type)
				case 6:
					return d.str(f, &v.Denotation)
				}
				return nil
			})
		case 3:
			return d.str(f, &v.Doc)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("value %q: %w", v.Name, err)
	}
	return nil
}

func (d *decoder) tensorType(f field, t *TensorType) error {
	return d.sub(f, "TypeProto.Tensor", func(f field) error {
		switch f.num {
		case 1:
			t.Elem = DataType(int32(f.v))
			return f.want(protowire.VarintType)
		case 2:
			t.Shape = []Dim{}
			return d.sub(f, "TensorShapeProto", func(f field) error {
				if f.num != 1 {
					return nil
				}
				if err := atMost(len(t.Shape), maxRank, "dimensions"); err != nil {
					return err
				}
				dim, named := Dim{Unknown: true}, false
				err := d.sub(f, "Dimension", func(f field) error {
					switch f.num {
					case 1:
						dim, named = Dim{}, false
						return d.integer(f, &dim.Value)
					case 2:
						dim, named = Dim{}, true
						return d.str(f, &dim.Param)
					}
					return nil
				})
				if dim.Value < 0 || dim == (Dim{}) && named { // some writers say unknown with -1 or ""
					dim.Unknown = true
				}
				t.Shape = append(t.Shape, dim)
				return err
			})
		}
		return nil
	})
}
