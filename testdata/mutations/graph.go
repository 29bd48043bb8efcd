package main

var graphMutations = []mutation{
	{"autodiff: a second path replaces the first", "graph/grad.go", "ga = old.Add(ga)", "_ = old", "./graph", "TestOps|Grad"},
	{"autodiff: sums over broadcast axes are left out", "graph/grad.go", "case s[i-lead] == 1 && d != 1:\n\t\t\tkept = append(kept, i)", "case s[i-lead] == 1 && d != 1 && lead > 0:\n\t\t\tkept = append(kept, i)", "./graph", "TestOps"},
	{"gradient of tanh: 1 − y", "graph/op_activation.go", "g.Sub(g.Mul(y.Square()))", "g.Sub(g.Mul(y))", "./graph", "TestOps/Tanh"},
	{"gradient of x^y at 0: the plain formula", "graph/op_arith.go", "argument := isZero.And(b.GreaterEqual(zero)).Where(one, a)", "argument := a", "./graph", "EdgeGradients"},
	{"gradient of sqrt: a factor", "graph/op_unary.go", "g.Div(y).Scale(.5)", "g.Div(y)", "./graph", "TestOps/Sqrt"},
	{"gradient of e^x − 1 − x: one order too many", "graph/op_unary.go", "g.Mul(x.ExpRemainder(o.Order - 1))", "g.Mul(x.ExpRemainder(o.Order))", "./graph", "TestOps/ExpRemainder"},
	{"gradient of a convolution: no output padding", "graph/op_conv.go", "% o.Strides[i]\n", "% 1\n", "./graph", "TestOps/Conv2D"},
	{"fuse: a value with two users is absorbed", "graph/fuse.go", "users[a.ID] != 1", "users[a.ID] > 3", "./graph", "TestFuse"},
	{"fuse: blocks are one element too far apart", "graph/fuse.go", "m.args = append(m.args, in[a][lo:hi])", "m.args = append(m.args, in[a][:hi-lo])", "./graph", "TestFuse"},
	{"matmul: a broadcast factor moves on", "graph/op_matmul.go", "if !r.One[1] {\n\t\t\t\t\tj += t\n\t\t\t\t}", "j += t", "./graph", "TestOps/MatMul"},
	{"slice: a step beyond the only element stays", "graph/op_slice.go", "o.Step = min(o.Step, max(o.End-o.Start, 1))", "o.Step = max(o.Step, 1)", "./graph", "TestNormalAttributes"},
	{"identity: floats that print alike are one", "graph/attributes.go", "e.number(math.Float64bits(v.Float()))", "e.number(uint64(v.Float()))", "./graph ./compiler/pass", "Identi|Passes|CSE|Op"},
	{"cse: arguments do not count", "compiler/pass/cse.go", "key = binary.LittleEndian.AppendUint64(key, uint64(a.ID))", "key = binary.LittleEndian.AppendUint64(key, 0*uint64(a.ID))", "./compiler/pass", ""},
	{"simplify: a sum with a constant loses it", "compiler/pass/rules.go", "in.Value == 0 && m.same", "in.Value == 1 && m.same", "./compiler/pass", ""},
	{"simplify: transposes compose in the wrong order", "compiler/pass/rules.go", "both[i] = in.Perm[k]", "both[i] = o.Perm[in.Perm[i]] + 0*k", "./compiler/pass", ""},
	{"simplify: factors are added", "compiler/pass/rules.go", "graph.Scale{By: o.By * in.By}", "graph.Scale{By: o.By + in.By}", "./compiler/pass", ""},
	{"simplify: a transpose is folded into the other factor", "compiler/pass/rules.go", "[]*bool{&o.TransA, &o.TransB}", "[]*bool{&o.TransB, &o.TransA}", "./compiler/pass", ""},
}
