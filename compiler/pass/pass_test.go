package pass

import (
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

type value = *graph.Value

var batch = graph.Sym("batch")

var context = kernel.NewContext(gonum.Implementation{}, 1)

// cases are small Funcs of x f32[batch 3] and w f32[3 4], and what one pass makes of each: the ops that remain, in order.
var cases = []struct {
	name  string
	pass  string
	build func(f *graph.Func, x, w value) value
	want  string
}{
	{"dead value", "prune", func(f *graph.Func, x, w value) value {
		x.Tanh().Exp()
		return x.Neg()
	}, "Input Input Neg"},
	{"dead parameter", "prune", func(f *graph.Func, x, w value) value {
		f.Param("unused", initializer.Zeros{}, 3)
		return x.Add(f.Param("bias", initializer.Ones{}, 3))
	}, "Input Input Param Add"},
	{"reshape to the same", "simplify", func(f *graph.Func, x, w value) value { return x.Reshape(batch, 3).Neg() }, "Input Input Neg"},
	{"reshape of a reshape", "simplify", func(f *graph.Func, x, w value) value { return w.Reshape(12).Reshape(2, 6) }, "Input Input Reshape{Shape:[12]} Reshape{Shape:[2 6]}"},
	{"slice of all", "simplify", func(f *graph.Func, x, w value) value { return x.Slice(1, 0, 3).Neg() }, "Input Input Neg"},
	{"slice of all, backwards", "simplify", func(f *graph.Func, x, w value) value { return x.SliceStep(1, -1, math.MinInt, -1) }, "Input Input Slice{Axis:1 End:3 Step:-1}"},
	{"expand to the same", "simplify", func(f *graph.Func, x, w value) value { return x.Expand(batch, 3).Neg() }, "Input Input Neg"},
	{"cast to the same", "simplify", func(f *graph.Func, x, w value) value { return x.Cast(graph.F32).Neg() }, "Input Input Neg"},
	{"cast that changes", "simplify", func(f *graph.Func, x, w value) value { return x.Cast(graph.F64).Cast(graph.F32) }, "Input Input Cast{To:f64} Cast"},
	{"scale by one", "simplify", func(f *graph.Func, x, w value) value { return x.Scale(1).Neg() }, "Input Input Neg"},
	{"scale of a scale", "simplify", func(f *graph.Func, x, w value) value { return x.Scale(3).Scale(.5) }, "Input Input Scale{By:3} Scale{By:1.5}"},
	{"scales whose product overflows", "simplify", func(f *graph.Func, x, w value) value { return x.Scale(1e30).Scale(1e30) }, "Input Input Scale{By:1e+30} Scale{By:1e+30}"},
	{"scale of a constant", "simplify", func(f *graph.Func, x, w value) value { return x.Add(f.Full(graph.F32, 3, 3).Scale(2)) }, "Input Input Full{Type:f32[3] Value:3} Full{Type:f32[3] Value:6} Add"},
	{"sign that does not show", "simplify", func(f *graph.Func, x, w value) value { return x.Neg().Abs() }, "Input Input Neg Abs"},
	{"shift by zero", "simplify", func(f *graph.Func, x, w value) value { return x.Shift(0).Neg() }, "Input Input Neg"},
	{"product with ones", "simplify", func(f *graph.Func, x, w value) value { return x.Mul(f.Full(graph.F32, 1, batch, 3)).Neg() }, "Input Input Full{Type:f32[batch 3] Value:1} Scale{By:1} Neg"},
	{"product with a number", "simplify", func(f *graph.Func, x, w value) value { return f.Full(graph.F32, 2).Mul(x) }, "Input Input Full{Value:2} Scale{By:2}"},
	{"product with ones that widens", "simplify", func(f *graph.Func, x, w value) value { return x.Mul(f.Full(graph.F32, 1, 5, 1, 1)) }, "Input Input Full{Type:f32[5 1 1] Value:1} Mul"},
	{"sum with zero", "simplify", func(f *graph.Func, x, w value) value { return f.Full(graph.F32, 0).Add(x).Neg() }, "Input Input Full Neg"},
	{"sum with zero that widens", "simplify", func(f *graph.Func, x, w value) value { return f.Full(graph.F32, 0, 5, 1, 1).Add(x) }, "Input Input Full{Type:f32[5 1 1]} Add"},
	{"sum over one", "simplify", func(f *graph.Func, x, w value) value { return x.Unsqueeze(1).SumKeep(1) }, "Input Input Reshape{Shape:[batch 1 3]}"},
	{"sum over one that goes", "simplify", func(f *graph.Func, x, w value) value { return x.Unsqueeze(1).Sum(1) }, "Input Input Reshape{Shape:[batch 1 3]} Sum{Axes:[1]}"},
	{"expand of a factor", "simplify", func(f *graph.Func, x, w value) value { return x.Sub(x.MeanKeep(1).Expand(batch, 3)) }, "Input Input Mean{Axes:[1] KeepDims:true} Expand{Shape:[batch 3]} Sub"},
	{"expand that widens", "simplify", func(f *graph.Func, x, w value) value { return x.MeanKeep(1).Expand(2, batch, 1).Add(x) }, "Input Input Mean{Axes:[1] KeepDims:true} Expand{Shape:[2 batch 1]} Add"},
	{"transpose of a transpose", "simplify", func(f *graph.Func, x, w value) value { return w.T().T().Neg() }, "Input Input Transpose{Perm:[1 0]} Transpose{Perm:[0 1]} Neg"},
	{"transpose that moves nothing", "simplify", func(f *graph.Func, x, w value) value { return w.Transpose(0, 1).Neg() }, "Input Input Neg"},
	{"transposes that compose", "simplify", func(f *graph.Func, x, w value) value {
		return x.Unsqueeze(2).Transpose(1, 2, 0).Transpose(2, 0, 1).Transpose(1, 2, 0)
	}, "Input Input Reshape{Shape:[batch 3 1]} Transpose{Perm:[1 2 0]} Transpose{Perm:[0 1 2]} Transpose{Perm:[1 2 0]}"},
	{"transposes whose order counts", "simplify", func(f *graph.Func, x, w value) value {
		return x.Unsqueeze(2).Transpose(1, 0, 2).Transpose(0, 2, 1)
	}, "Input Input Reshape{Shape:[batch 3 1]} Transpose{Perm:[1 0 2]} Transpose{Perm:[1 2 0]}"},
	{"product with a transpose", "simplify", func(f *graph.Func, x, w value) value { return w.T().MatMul(x.T()) },
		"Input Input Transpose{Perm:[1 0]} Transpose{Perm:[1 0]} Gemm{Alpha:1 Beta:1 TransA:true TransB:true}"},
	{"product with a transpose on the left", "simplify", func(f *graph.Func, x, w value) value { return x.T().MatMul(x) },
		"Input Input Transpose{Perm:[1 0]} Gemm{Alpha:1 Beta:1 TransA:true}"},
	{"product with a transpose on the right", "simplify", func(f *graph.Func, x, w value) value { return x.MatMul(x.T()) },
		"Input Input Transpose{Perm:[1 0]} Gemm{Alpha:1 Beta:1 TransB:true}"},
	{"batched product with a transpose", "simplify", func(f *graph.Func, x, w value) value { return x.Unsqueeze(0).MatMul(x.Unsqueeze(0).T()) },
		"Input Input Reshape{Shape:[1 batch 3]} Reshape{Shape:[1 batch 3]} Transpose{Perm:[0 2 1]} MatMul"},
	{"reshapes that cancel", "simplify", func(f *graph.Func, x, w value) value { return w.Reshape(12).Reshape(3, 4).Neg() },
		"Input Input Reshape{Shape:[12]} Reshape{Shape:[3 4]} Neg"},
	{"quotient by an expanded sum", "simplify", func(f *graph.Func, x, w value) value { return x.Div(x.SumKeep(1).Expand(batch, 3)) },
		"Input Input Sum{Axes:[1] KeepDims:true} Expand{Shape:[batch 3]} Div"},
	{"product with an expanded number", "simplify", func(f *graph.Func, x, w value) value { return x.Scale(2).Mul(f.Full(graph.F32, 3).Expand(batch, 3)) },
		"Input Input Scale{By:2} Full{Value:3} Expand{Shape:[batch 3]} Scale{By:3} Scale{By:6}"},
	{"product broadcast", "simplify", func(f *graph.Func, x, w value) value { return x.Mul(x.SumKeep(1).Expand(batch, 3)) },
		"Input Input Sum{Axes:[1] KeepDims:true} Expand{Shape:[batch 3]} Mul"},
	{"sum broadcast", "simplify", func(f *graph.Func, x, w value) value { return x.Add(x.SumKeep(1).Expand(batch, 3)) },
		"Input Input Sum{Axes:[1] KeepDims:true} Expand{Shape:[batch 3]} Add"},
	{"gemm of a transpose", "simplify", func(f *graph.Func, x, w value) value {
		return w.T().Gemm(x, f.Full(graph.F32, 1), graph.Gemm{Alpha: 2, Beta: .5, TransB: true})
	}, "Input Input Transpose{Perm:[1 0]} Full{Value:1} Gemm{Alpha:2 Beta:0.5 TransA:true TransB:true}"},
	{"equal values", "cse", func(f *graph.Func, x, w value) value { return x.Tanh().Add(x.Tanh()) }, "Input Input Tanh Add"},
	{"equal values of equal values", "cse", func(f *graph.Func, x, w value) value { return x.Tanh().Exp().Mul(x.Tanh().Exp()) }, "Input Input Tanh Exp Mul"},
	{"other attributes", "cse", func(f *graph.Func, x, w value) value { return x.Softmax(0).Sub(x.Softmax(1)) }, "Input Input Softmax Softmax{Axis:1} Sub"},
	{"sizes that only a run tells", "cse", func(f *graph.Func, x, w value) value {
		a, _, _, _ := x.Unique()
		b, _, _, _ := x.Unique()
		return a.Sum().Add(b.Sum()).Add(x.NonZero().Cast(graph.F32).Add(x.NonZero().Cast(graph.F32)).Sum())
	}, "Input Input Unique Unique Unique Unique Unique Unique Unique Unique Sum Sum Add NonZero Cast Add Sum Add"},
	{"other types", "cse", func(f *graph.Func, x, w value) value { return x.Add(f.Full(graph.F32, 0)).Add(f.Full(graph.F32, 0, 3)) }, "Input Input Full Add Full{Type:f32[3]} Add"},
	{"other arguments", "cse", func(f *graph.Func, x, w value) value { return x.Sub(x.Neg()).Add(x.Neg().Sub(x)) }, "Input Input Neg Sub Sub Add"},
	{"draws of two streams", "cse", func(f *graph.Func, x, w value) value { return x.NormalLike().Sub(x.NormalLike()) }, "Input Input Buffer RandomNormal{Type:f32[batch 3]} RandomNormal{Type:f32[batch 3] Stream:1} Sub"},
	{"left unused", "sweep", func(f *graph.Func, x, w value) value {
		w.T()
		return x.Neg()
	}, "Input Input Neg"},
}

func (p Pass) only() Options {
	var o Options
	for _, q := range Table {
		if q.Name != p.Name {
			o.Off = append(o.Off, q.Name)
		}
	}
	return o
}

func trace(build func(f *graph.Func, x, w value) value) *graph.Func {
	f := graph.NewFunc("f", false)
	f.Output("y", build(f, f.Input("x", graph.F32, batch, 3), f.Input("w", graph.F32, 3, 4)))
	return f
}

// TestPasses runs one pass, the others switched off, on each case and looks at what remains; and compares the numbers
// before and after at two sizes of the batch. Switched off, the pass must leave the Func as it was.
func TestPasses(t *testing.T) {
	covered := map[string]bool{}
	for _, c := range cases {
		t.Run(c.pass+"/"+c.name, func(t *testing.T) {
			f := trace(c.build)
			if len(f.Diags) > 0 {
				t.Fatal(f.Diags)
			}
			p := Table[index(c.pass)]
			covered[p.Name] = true
			g, err := Run(f, p.only())
			if err != nil {
				t.Fatal(err)
			}
			var ops []string
			for _, v := range g.Values {
				switch o := v.Op.(type) {
				case graph.Input:
					ops = append(ops, "Input")
				case graph.Param:
					ops = append(ops, map[bool]string{true: "Param", false: "Buffer"}[o.Trainable])
				default:
					ops = append(ops, graph.OpText(v.Op))
				}
			}
			if got := strings.Join(ops, " "); got != c.want {
				t.Errorf("it leaves %s\nwant      %s", got, c.want)
			}
			for _, n := range []int{1, 4} {
				in, err := sampleInputs(f, graph.Binding{"batch": n}, 3)
				if err != nil {
					t.Fatal(err)
				}
				before, err := results(context, f, in)
				if err != nil {
					t.Fatal(err)
				}
				after, err := results(context, g, in)
				if err != nil {
					t.Fatal(err)
				}
				if d := difference(before[0].t, after[0].t); d > p.Tolerance {
					t.Errorf("a batch of %d moves by %v", n, d)
				}
				if err := Check(context, f, graph.Binding{"batch": n}, 3); err != nil {
					t.Error(err)
				}
			}
			off := Options{}
			for _, q := range Table {
				off.Off = append(off.Off, q.Name)
			}
			if none, err := Run(f, off); err != nil || none != f {
				t.Errorf("with every pass off, the Func is another: %v", err)
			}
		})
	}
	for _, p := range Table {
		if !covered[p.Name] || p.Doc == "" {
			t.Errorf("pass %s has no case here, or no doc", p.Name)
		}
	}
}

// TestRules sees that each rule applies in one of the cases, alone too, and that a second simplify finds nothing to do.
func TestRules(t *testing.T) {
	all := rules
	defer func() { rules = all }()
	for _, r := range all {
		applies := false
		for _, c := range cases {
			rules = []rule{{r.doc, func(m match) *graph.Value {
				y := r.apply(m)
				applies = applies || y != nil
				return y
			}}}
			f := trace(c.build)
			if err := Check(context, f, graph.Binding{"batch": 3}, 5); err != nil {
				t.Errorf("%s, alone, on %s: %v", r.doc, c.name, err)
			}
		}
		if !applies {
			t.Errorf("no case has a value for the rule: %s", r.doc)
		}
	}
	rules = all
	for _, c := range cases {
		once := graph.Prune(simplify(&rules)(trace(c.build)))
		if again := graph.Prune(simplify(&rules)(once)); again.String() != once.String() {
			t.Errorf("%s: a second simplify goes on, from\n%v\nto\n%v", c.name, once, again)
		}
	}
}

// TestEndlessRules gives simplify two rules that undo each other: it must end with a mistake.
func TestEndlessRules(t *testing.T) {
	defer func(all []rule) { rules = all }(rules)
	rules = []rule{
		on("there", func(m match, o graph.Tanh) *graph.Value { return m.args[0].Sigmoid() }),
		on("and back", func(m match, o graph.Sigmoid) *graph.Value { return m.args[0].Tanh() }),
	}
	_, err := Run(trace(func(f *graph.Func, x, w value) value { return x.Tanh().Neg() }), Options{})
	if err == nil || !strings.Contains(err.Error(), "more than 100 rules apply one after another") {
		t.Errorf("got %v", err)
	}
}

// TestTensorConstants checks that equal constants are joined, and that those of one text or one hash are not.
func TestTensorConstants(t *testing.T) {
	ramp := func(first float32) *tensor.Tensor {
		return tensor.Of([]float32{first, 1, 2, 3, 4, 5, 6, 7, 8}, 3, 3)
	}
	for _, c := range []struct {
		a, b *tensor.Tensor
		want int
	}{
		{ramp(0), ramp(0), 1}, {ramp(0), ramp(1e-30), 2}, {ramp(0), ramp(float32(math.Copysign(0, -1))), 2},
		{tensor.Of([]float32{1, 2}, 2), tensor.Of([]float32{1, 2}, 2), 1},
		{tensor.Of([]float32{1, 2}, 2), tensor.Of([]float32{1, 2}, 2, 1), 2},
		{tensor.Of([]float32{1, 2}, 2), tensor.Of([]float64{1, 2}, 2), 2},
	} {
		f := graph.NewFunc("f", false)
		f.Output("a", f.Const(c.a))
		f.Output("b", f.Const(c.b))
		if got := len(cse(f).Values); got != c.want {
			t.Errorf("%v and %v: %d constants, want %d", c.a, c.b, got, c.want)
		}
	}
}

// scaleBy is an op of a user's, with its attribute unexported.
type scaleBy struct {
	graph.Scale
	by float64
}

// Shift is a user's own op that has the name, and prints like, one of the house's.
type Shift struct {
	graph.Neg
	By float64
}

// asked is an op that cannot be compared.
type asked struct {
	graph.Tanh
	by func() float64
}

// TestDifferentValues checks that values of ops that print alike, but differ, stay two.
func TestDifferentValues(t *testing.T) {
	minusZero := math.Copysign(0, -1)
	for name, build := range map[string]func(f *graph.Func, x value) (a, b value){
		"constants of an op literal": func(f *graph.Func, x value) (a, b value) {
			return f.Apply(graph.Const{Value: tensor.Of([]float32{1, 2, 3}, 3)}), f.Apply(graph.Const{Value: tensor.Of([]float32{1, 2, 4}, 3)})
		},
		"integers that round to one float": func(f *graph.Func, x value) (a, b value) {
			return f.Const(tensor.Scalar(int64(1 << 53))), f.Const(tensor.Scalar(int64(1<<53 + 1)))
		},
		"long integers": func(f *graph.Func, x value) (a, b value) {
			p, q := tensor.New(graph.I64, 100), tensor.New(graph.I64, 100)
			p.SetInt(99, 1<<53)
			q.SetInt(99, 1<<53+1)
			return f.Const(p), f.Const(q)
		},
		"filled with such": func(f *graph.Func, x value) (a, b value) {
			return f.FullInt(graph.I64, 1<<53, 3), f.FullInt(graph.I64, 1<<53+1, 3)
		},
		"a user's own Shift": func(f *graph.Func, x value) (a, b value) { return x.Shift(2), graph.Apply(Shift{By: 2}, x) },
		"a pointer to it":    func(f *graph.Func, x value) (a, b value) { return x.Shift(2), graph.Apply(&Shift{By: 2}, x) },
		"functions": func(f *graph.Func, x value) (a, b value) {
			return graph.Apply(asked{}, x), graph.Apply(asked{by: func() float64 { return 1 }}, x)
		},
		"one function": func(f *graph.Func, x value) (a, b value) {
			o := asked{by: func() float64 { return 1 }}
			return graph.Apply(o, x), graph.Apply(o, x)
		},
		"0 and -0": func(f *graph.Func, x value) (a, b value) { return f.Full(graph.F32, 0), f.Full(graph.F32, minusZero) },
		"an op changed in between": func(f *graph.Func, x value) (a, b value) {
			o := &scaleBy{by: 2}
			a = graph.Apply(o, x)
			o.by = 3
			return a, graph.Apply(o, x)
		},
	} {
		f := trace(func(f *graph.Func, x, w value) value {
			a, b := build(f, x)
			f.Output("a", a)
			f.Output("b", b)
			return x
		})
		if len(f.Diags) > 0 {
			t.Errorf("%s: %v", name, f.Diags)
		}
		g, err := Run(f, Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if g.Outputs[0].Value == g.Outputs[1].Value {
			t.Errorf("%s became one value:\n%v", name, g)
		}
	}
}

// TestMasks checks that simplify leaves infinities, as masks have them, to the ops: a product with one is no scaling.
func TestMasks(t *testing.T) {
	f := trace(func(f *graph.Func, x, w value) value {
		mask := f.Full(graph.F32, math.Inf(-1), batch, 3)
		return x.Mul(mask).Add(mask.Scale(0)).Add(f.Full(graph.F32, 1e30, batch, 3).Scale(1e30).Neg())
	})
	if _, err := Run(f, Options{}); err != nil {
		t.Error(err)
	}
	if err := Check(context, f, graph.Binding{"batch": 2}, 1); err != nil {
		t.Error(err)
	}
}

// TestUserOps checks that ops of a user's that differ are not joined, by value or by pointer.
func TestUserOps(t *testing.T) {
	for name, ops := range map[string][3]graph.Op{
		"by value":   {scaleBy{by: 2}, scaleBy{by: 3}, scaleBy{by: 2}},
		"by pointer": {&scaleBy{by: 2}, &scaleBy{by: 3}, &scaleBy{by: 2}},
	} {
		f := trace(func(f *graph.Func, x, w value) value {
			return graph.Apply(ops[0], x).Sub(graph.Apply(ops[1], x)).Add(graph.Apply(ops[2], x))
		})
		if g := cse(f); len(g.Values) != len(f.Values)-1 {
			t.Errorf("%s: %d values become %d, want one less:\n%v", name, len(f.Values), len(g.Values), g)
		}
	}
}

// TestUnknownName must be an error that lists the passes.
func TestUnknownName(t *testing.T) {
	f := trace(func(f *graph.Func, x, w value) value { return x })
	if _, err := Run(f, Options{Off: []string{"cse", "polish"}}); err == nil || !strings.Contains(err.Error(), `no pass is called "polish": there are prune, simplify, cse, sweep`) {
		t.Errorf("got %v", err)
	}
}

// TestBrokenPasses adds passes that are wrong to the table: each must be caught and named.
func TestBrokenPasses(t *testing.T) {
	rewrite := func(visit func(out *graph.Func, v value, args []value) value) func(f *graph.Func) *graph.Func {
		return func(f *graph.Func) *graph.Func {
			return graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []value) []value {
				if y := visit(out, n.Results[0], args); y != nil {
					return []value{y}
				}
				return nil
			})
		}
	}
	for _, c := range []struct {
		name string
		run  func(f *graph.Func) *graph.Func
		want string // of Run's error; "" if only the numbers tell
	}{
		{"moves a number", rewrite(func(out *graph.Func, v value, args []value) value {
			if _, ok := v.Op.(graph.Tanh); ok {
				return args[0].Sigmoid()
			}
			return nil
		}), ""},
		{"changes a type", rewrite(func(out *graph.Func, v value, args []value) value {
			if _, ok := v.Op.(graph.Tanh); ok {
				return args[0].Tanh().Cast(graph.F64)
			}
			return nil
		}), `pass wrong: "f" had the output "y", f32[batch 3], has the output "y", f64[batch 3]`},
		{"loses an output", func(f *graph.Func) *graph.Func {
			g := graph.Prune(f)
			g.Outputs = nil
			return g
		}, `pass wrong: "f" had the output "y", f32[batch 3], has nothing`},
		{"makes a mistake", rewrite(func(out *graph.Func, v value, args []value) value {
			if _, ok := v.Op.(graph.Tanh); ok {
				return args[0].MatMul(args[0])
			}
			return nil
		}), `pass wrong broke "f": `},
		{"swaps values", func(f *graph.Func) *graph.Func {
			g := graph.Prune(f)
			n := len(g.Values)
			g.Values[n-1], g.Values[n-2] = g.Values[n-2], g.Values[n-1]
			return g
		}, "pass wrong: verify"},
	} {
		t.Run(c.name, func(t *testing.T) {
			whole := Table
			defer func() { Table = whole }()
			Table = slices.Concat(whole, []Pass{{Name: "wrong", Run: c.run, Tolerance: 1e-6}})
			f := trace(func(f *graph.Func, x, w value) value { return x.Exp().Tanh() })
			_, err := Run(f, Options{})
			switch {
			case c.want != "":
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("Run: %v, want %q", err, c.want)
				}
			case err != nil:
				t.Error(err)
			default:
				err := Check(context, f, graph.Binding{"batch": 2}, 1)
				if want := `pass wrong moves "y" of "f" by `; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pass_test.go:") {
					t.Errorf("Check: %v, want %q and the line", err, want)
				}
			}
		})
	}
}
