package graph_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// eachSample runs do on every sample of every op in the table.
func eachSample(t *testing.T, do func(t *testing.T, s graph.Sample)) {
	for _, op := range graph.All() {
		t.Run(graph.OpName(op), func(t *testing.T) {
			for _, s := range op.Samples() {
				do(t, s)
			}
		})
	}
}

// attributes calls do with each attribute of op, down to the elements of lists, in a copy that can be set.
func attributes(op graph.Op, do func(name string, v reflect.Value, copy func() graph.Op)) {
	c := reflect.New(reflect.TypeOf(op)).Elem()
	c.Set(reflect.ValueOf(op))
	var walk func(name string, v reflect.Value)
	walk = func(name string, v reflect.Value) {
		switch {
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() {
					walk(strings.TrimPrefix(name+"."+f.Name, "."), v.Field(i))
				}
			}
		case v.Kind() == reflect.Array:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", name, i), v.Index(i))
			}
		case v.Kind() == reflect.Slice && v.IsNil():
		case v.Kind() == reflect.Slice:
			v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", name, i), v.Index(i))
			}
		default:
			do(name, v, func() graph.Op { return c.Interface().(graph.Op) })
		}
	}
	walk("", c)
}

func identity(t *testing.T, op graph.Op) string {
	t.Helper()
	key, ok := graph.Identity(op)
	if !ok {
		t.Fatalf("%s cannot be told from others", graph.OpText(op))
	}
	return key
}

// TestIdentityOfOps changes each attribute of every op in turn: it must become another op, and the same one again when the
// attribute is set back.
func TestIdentityOfOps(t *testing.T) {
	eachSample(t, func(t *testing.T, s graph.Sample) {
		was := identity(t, s.Op)
		attributes(s.Op, func(name string, v reflect.Value, op func() graph.Op) {
			old := reflect.New(v.Type()).Elem()
			old.Set(v)
			switch {
			case v.CanInt():
				v.SetInt(v.Int() + 1)
			case v.CanUint():
				v.SetUint(v.Uint() ^ 1)
			case v.CanFloat():
				v.SetFloat(math.Nextafter(v.Float(), math.Inf(1)))
			case v.Kind() == reflect.String:
				v.SetString(v.String() + ".")
			case v.Kind() == reflect.Bool:
				v.SetBool(!v.Bool())
			case v.Type() == reflect.TypeFor[*tensor.Tensor]():
				x := v.Interface().(*tensor.Tensor).Clone()
				x.SetInt(x.Len()-1, x.Int(x.Len()-1)+1)
				v.Set(reflect.ValueOf(x))
			default:
				t.Fatalf("%s of %s is a %v: no way to change it is known here", name, graph.OpText(s.Op), v.Type())
			}
			if identity(t, op()) == was {
				t.Errorf("%s: it is the same op with another %s", graph.OpText(s.Op), name)
			}
			v.Set(old)
			if identity(t, op()) != was {
				t.Errorf("%s: it is another op with an equal %s", graph.OpText(s.Op), name)
			}
		})
	})
}

// A tagged op is a user's, with attributes of every kind, some not exported.
type tagged struct {
	graph.Tanh
	axes   []int
	names  map[string][]float64
	table  *tensor.Tensor
	any    any
	number float64
	nested struct{ rows [][]int }
	done   func()
}

// Shift is a user's own op with the name and the attributes of one of the house's.
type Shift struct {
	graph.Tanh
	By float64
}

func localOps() (a, b graph.Op) {
	{
		type local struct{ graph.Tanh }
		a = local{}
	}
	type local struct{ graph.Tanh }
	return a, local{}
}

// TestIdentity compares pairs of ops.
func TestIdentity(t *testing.T) {
	zero := math.Copysign(0, -1)
	local, other := localOps()
	const big = 1 << 53
	for _, c := range []struct {
		name string
		a, b graph.Op
		same bool
	}{
		{"equal", graph.Shift{By: 2}, graph.Shift{By: 2}, true},
		{"of another package", graph.Shift{By: 2}, Shift{By: 2}, false},
		{"of other functions", local, other, false},
		{"a pointer and a value", graph.Shift{By: 2}, &graph.Shift{By: 2}, false},
		{"two pointers", &graph.Shift{By: 2}, &graph.Shift{By: 2}, true},
		{"two pointers to what differs", &graph.Shift{By: 2}, &graph.Shift{By: 3}, false},
		{"0 and -0", graph.Shift{By: 0}, graph.Shift{By: zero}, false},
		{"NaN", tagged{number: math.NaN()}, tagged{number: math.NaN()}, true},
		{"unexported lists", tagged{axes: []int{1, 2}}, tagged{axes: []int{1, 3}}, false},
		{"equal unexported lists", tagged{axes: []int{1, 2}}, tagged{axes: []int{1, 2}}, true},
		{"a list that ends earlier", tagged{axes: []int{1}}, tagged{axes: []int{1, 0}}, false},
		{"nested lists cut elsewhere", tagged{nested: struct{ rows [][]int }{[][]int{{1}, {2, 3}}}}, tagged{nested: struct{ rows [][]int }{[][]int{{1, 2}, {3}}}}, false},
		{"maps", tagged{names: map[string][]float64{"a": {1}, "b": {2}}}, tagged{names: map[string][]float64{"b": {2}, "a": {1}}}, true},
		{"maps that differ", tagged{names: map[string][]float64{"a": {1}}}, tagged{names: map[string][]float64{"a": {zero}}}, false},
		{"types in an interface", tagged{any: int32(1)}, tagged{any: int64(1)}, false},
		{"tensors", graph.Const{Value: tensor.Of([]float32{1, 2}, 2)}, graph.Const{Value: tensor.Of([]float32{1, 3}, 2)}, false},
		{"equal tensors", tagged{table: tensor.Of([]float32{1, 2}, 2)}, tagged{table: tensor.Of([]float32{1, 2}, 2)}, true},
		{"shapes of tensors", graph.Const{Value: tensor.Of([]float32{1, 2}, 2)}, graph.Const{Value: tensor.Of([]float32{1, 2}, 2, 1)}, false},
		{"dtypes of tensors", graph.Const{Value: tensor.Of([]float32{0}, 1)}, graph.Const{Value: tensor.Of([]int32{0}, 1)}, false},
		{"16-bit dtypes", graph.Const{Value: tensor.Of([]tensor.Float16{1}, 1)}, graph.Const{Value: tensor.Of([]tensor.BFloat16{1}, 1)}, false},
		{"neighbouring integers", graph.Const{Value: tensor.Scalar(int64(big))}, graph.Const{Value: tensor.Scalar(int64(big + 1))}, false},
		{"0 and -0 in tensors", graph.Const{Value: tensor.Scalar(0.)}, graph.Const{Value: tensor.Scalar(zero)}, false},
		{"symbols", graph.Reshape{Shape: graph.Shape{graph.Sym("a")}}, graph.Reshape{Shape: graph.Shape{graph.Sym("b")}}, false},
	} {
		if got := identity(t, c.a) == identity(t, c.b); got != c.same {
			t.Errorf("%s: %s and %s are one op: %v, want %v", c.name, graph.OpText(c.a), graph.OpText(c.b), got, c.same)
		}
	}
	for _, op := range []graph.Op{tagged{done: func() {}}, tagged{any: make(chan int)}, &tagged{names: nil, any: []any{func() {}}}} {
		if _, ok := graph.Identity(op); ok {
			t.Errorf("%s counts as comparable", graph.OpText(op))
		}
	}
}

// TestNormalAttributes applies ops that say one thing in two ways: the Func must hold one op.
func TestNormalAttributes(t *testing.T) {
	f := graph.NewFunc("f", false)
	x, i := f.Input("x", graph.F32, 2, 3), f.Input("i", graph.I64, 2)
	image, w := f.Input("image", graph.F32, 1, 2, 4, 4), f.Input("w", graph.F32, 2, 2, 2, 2)
	ones := [2]int{1, 1}
	pool := graph.MaxPoolND{Kernel: []int{2, 2}}
	explicit := graph.MaxPoolND{Kernel: []int{2, 2}, Strides: ones[:], Pads: make([]int, 4)}
	pooled := image.MaxPoolND(pool)
	for _, pair := range [][2]*graph.Value{
		{x.Sum(-1), x.Sum(1)}, {x.Sum(), x.Sum(1, 0)}, {x.SumKeep(-1, 0), x.SumKeep()}, {x.Mean(-2), x.Mean(0)}, {x.ReduceMax(-1), x.ReduceMax(1)}, {x.ReduceMin(-1), x.ReduceMin(1)},
		{x.Sum().Sum(), x.Sum().Sum()},
		{x.Softmax(-1), x.Softmax(1)}, {x.LogSoftmax(-1), x.LogSoftmax(1)}, {x.ArgMax(-1), x.ArgMax(1)}, {x.Gather(i, -1), x.Gather(i, 1)},
		{graph.Join(-1, x, x), graph.Join(1, x, x)}, {graph.Apply(graph.Slice{Axis: -1, End: 2, Step: 1}, x), x.Slice(1, 0, -1)},
		{x.SliceStep(1, 1, 3, math.MaxInt), x.SliceStep(1, 1, 3, 2)}, {x.SliceStep(1, 1, 1, 5), x.Slice(1, 1, 1)},
		{graph.Apply(graph.Part{Axis: -1}, x, x), graph.Apply(graph.Part{Axis: 1}, x, x)},
		{graph.Apply(graph.ScatterAdd{Axis: -1, Shape: graph.Shape{2}}, i.Cast(graph.F32), i), graph.Apply(graph.ScatterAdd{Axis: 0, Shape: graph.Shape{2}}, i.Cast(graph.F32), i)},
		{graph.Apply(graph.Size{Axes: []int{-1}}, x), graph.Apply(graph.Size{Axes: []int{1}}, x)},
		{f.Full(graph.F32, 1), f.Apply(graph.Full{Type: graph.Type{Shape: graph.Shape{}}, Value: 1})},
		{image.Conv2D(w, graph.Conv2D{}), image.Conv2D(w, graph.Conv2D{Strides: ones, Dilations: ones, Groups: 1})}, {image.Conv(w, graph.Conv{}), image.Conv2D(w, graph.Conv2D{})},
		{image.Conv(w, graph.Conv{}), image.Conv(w, graph.Conv{Strides: ones[:], Dilations: []int{0, 1}, Pads: make([]int, 4), Groups: 1})},
		{image.ConvTranspose(w, graph.ConvTranspose{Strides: []int{2, 2}, Sizes: graph.Shape{9, 8}}), image.ConvTranspose2D(w, graph.ConvTranspose2D{Strides: [2]int{2, 2}, OutputPadding: [2]int{1, 0}})},
		{image.Upsample(3), image.Resize(graph.Resize{Scale: 3, Divisor: 1, Mode: graph.Nearest, Coordinates: graph.Asymmetric})}, {image.Upsample(2), image.Resize(graph.Resize{Scale: 4, Divisor: 2})},
		{image.ConvTranspose2D(w, graph.ConvTranspose2D{}), image.ConvTranspose2D(w, graph.ConvTranspose2D{Strides: ones, Dilations: ones, Groups: 1})},
		{pooled, image.MaxPoolND(explicit)}, {pooled, image.MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}})},
		{image.AveragePoolND(graph.AveragePoolND{Kernel: pool.Kernel}), image.AveragePool(graph.AveragePool{Kernel: [2]int{2, 2}, Strides: ones})},
		{graph.Apply(graph.MaxPoolScatter{Pool: pool}, image, pooled), graph.Apply(graph.MaxPoolScatter{Pool: explicit}, image, pooled)},
		{graph.Apply(graph.MaxPoolGather{Pool: pool}, image, image), graph.Apply(graph.MaxPoolGather{Pool: explicit}, image, image)},
	} {
		if identity(t, pair[0].Op) != identity(t, pair[1].Op) {
			t.Errorf("%s and %s are held as two ops", graph.OpText(pair[0].Op), graph.OpText(pair[1].Op))
		}
	}
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
}

// TestOwnAttributes changes what was given to an op after it was applied: the Func must not change.
func TestOwnAttributes(t *testing.T) {
	eachSample(t, func(t *testing.T, s graph.Sample) {
		_, y, _ := s.Trace(graph.F32)
		was := identity(t, y.Op)
		v := reflect.ValueOf(s.Op)
		for i := range v.NumField() {
			scribble(v.Field(i))
		}
		if identity(t, y.Op) != was {
			t.Errorf("%s changed with the caller's", graph.OpText(y.Op))
		}
	})
	op := &tagged{axes: []int{1, 2}, names: map[string][]float64{"a": {1}}, table: tensor.Of([]int64{3}, 1), any: []int{4}, nested: struct{ rows [][]int }{[][]int{{5}}}}
	f := graph.NewFunc("f", false)
	y := graph.Apply(op, f.Input("x", graph.F32, 3))
	was := identity(t, y.Op)
	op.axes[0], op.names["a"][0], op.any.([]int)[0], op.nested.rows[0][0] = 9, 9, 9, 9
	op.names["b"] = nil
	op.table.SetInt(0, 9)
	op.number = 9
	if identity(t, y.Op) != was {
		t.Error("a user's op changed with the caller's")
	}

	a := tensor.Of([]float32{1, 2}, 2)
	c := f.Const(a)
	a.Set(0, 7)
	inputs := map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 3)}
	for range 2 {
		got := evaluate(t, newContext(1), f, inputs)[c.ID]
		if !slices.Equal(got.Float64s(), []float64{1, 2}) {
			t.Fatalf("a constant became %v", got.Float64s())
		}
		got.Set(0, 5) // a result is the caller's
	}
}

// scribble changes what a slice or tensor leads to.
func scribble(v reflect.Value) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			scribble(v.Field(i))
		}
	case v.Kind() == reflect.Slice && v.CanInterface():
		for i := range v.Len() {
			v.Index(i).SetInt(v.Index(i).Int() + 77)
		}
	case v.CanInterface():
		if x, ok := v.Interface().(*tensor.Tensor); ok {
			x.SetInt(0, x.Int(0)+77)
		}
	}
}

// mayBeInfinite are the attributes for which an infinity means something: no limit, a mask.
var mayBeInfinite = []string{"Clip.Lo", "Clip.Hi", "Full.Value", "Pad.Value"}

// TestFloatAttributes sets each float of every op to what is no number: a mistake that names it.
func TestFloatAttributes(t *testing.T) {
	seen := map[string]bool{}
	eachSample(t, func(t *testing.T, s graph.Sample) {
		attributes(s.Op, func(name string, v reflect.Value, op func() graph.Op) {
			if v.Kind() != reflect.Float64 {
				return
			}
			full := graph.OpName(s.Op) + "." + name
			seen[full] = true
			floats := len(s.In) == 0 || s.In[0].DType.Float()
			if o, ok := s.Op.(graph.Full); ok {
				floats = o.Type.DType.Float()
			}
			was := v.Float()
			defer func() { v.SetFloat(was) }()
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1e300} {
				v.SetFloat(bad)
				f, _, _ := graph.Sample{Op: op(), In: s.In}.Trace(graph.F32)
				switch {
				case math.IsInf(bad, 0) && floats && slices.Contains(mayBeInfinite, full):
					if len(f.Diags) > 0 && (name != "Lo" || bad < 0) && (name != "Hi" || bad > 0) {
						t.Errorf("%s: %v", graph.OpText(op()), f.Diags)
					}
				case len(f.Diags) != 1 || f.Diags[0].Hint == "" || f.Diags[0].Pos.Source() == "":
					t.Errorf("%s on %v: want one mistake with a hint and a line, have %v", graph.OpText(op()), s.In, f.Diags)
				}
			}
		})
	})
	for _, name := range slices.Concat(mayBeInfinite, []string{"Scale.By", "Shift.By", "Lerp.T", "LeakyReLU.Alpha", "ELU.Alpha", "Gemm.Alpha", "Gemm.Beta", "LayerNorm.Eps", "LayerNormGrad.Eps", "BatchNorm.Eps", "Dropout.P"}) {
		if !seen[name] {
			t.Errorf("%s was not tried: there are %v", name, slices.Sorted(maps.Keys(seen)))
		}
	}
	f := graph.NewFunc("f", false)
	f.Input("x", graph.F32, 3).Scale(math.NaN())
	if len(f.Diags) != 1 || f.Diags[0].Msg != "Scale: By: it is NaN" || f.Diags[0].Pos.Source() != `f.Input("x", graph.F32, 3).Scale(math.NaN())` {
		t.Error(f.Diags)
	}
}

// TestExactIntegers computes with i64 that no float64 is: none may be rounded on its way.
func TestExactIntegers(t *testing.T) {
	const big = 1<<53 + 1
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.I64, 2)
	one := f.FullInt(graph.I64, 1)
	index := f.Const(tensor.Of([]int64{1, 0}, 2))
	wide := f.FullInt(graph.I64, math.MaxInt64-1, 2)
	cases := []struct {
		name string
		y    *graph.Value
		want []int64
	}{
		{"Const", f.Const(tensor.Of([]int64{big, math.MinInt64}, 2)), []int64{big, math.MinInt64}},
		{"FullInt", wide, []int64{math.MaxInt64 - 1, math.MaxInt64 - 1}},
		{"FullInt of a small number", f.FullInt(graph.I64, -3), []int64{-3}},
		{"Add", x.Add(one), []int64{big + 1, -big + 1}},
		{"Sub", x.Sub(one), []int64{big - 1, -big - 1}},
		{"Mul", x.Mul(f.FullInt(graph.I64, 3)), []int64{3 * big, -3 * big}},
		{"Max", x.Max(f.FullInt(graph.I64, big-1)), []int64{big, big - 1}},
		{"Min", x.Min(f.FullInt(graph.I64, big-1)), []int64{big - 1, -big}},
		{"Gather", x.Gather(index, 0), []int64{-big, big}},
		{"Pad", x.Pad([]int{1}, []int{0}, 4), []int64{4, big, -big}},
		{"Where", x.Greater(f.FullInt(graph.I64, big-1)).Where(x, one.Expand(2)), []int64{big, 1}},
		{"Equal", x.Equal(f.FullInt(graph.I64, big-1)).Cast(graph.I64), []int64{0, 0}},
		{"Join", graph.Join(0, x, wide), []int64{big, -big, math.MaxInt64 - 1, math.MaxInt64 - 1}},
		{"Cast", x.Cast(graph.I32).Cast(graph.I64), []int64{1, -1}},
		{"Reshape", x.Reshape(2, 1), []int64{big, -big}},
	}
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	out := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"x": tensor.Of([]int64{big, -big}, 2)})
	for _, c := range cases {
		if got := tensor.Data[int64](out[c.y.ID]); !slices.Equal(got, c.want) {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	for _, c := range []struct {
		t    graph.DType
		v    float64
		good bool
	}{
		{graph.I64, 1<<53 - 1, true}, {graph.I64, 1 << 53, false}, {graph.I64, -1 << 53, false}, {graph.I64, 1e300, false}, {graph.I64, math.Inf(1), false},
		{graph.I32, math.MaxInt32, true}, {graph.I32, 1 << 31, false}, {graph.U8, 255, true}, {graph.U8, 256, false}, {graph.U8, -1, false},
		{graph.Bool, 1, true}, {graph.Bool, 2, false}, {graph.F32, 3e38, true}, {graph.F32, 4e38, false}, {graph.F64, 4e38, true}, {graph.F16, 65504, true}, {graph.F16, 65536, false},
	} {
		f := graph.NewFunc("f", false)
		if y := f.Full(c.t, c.v, 2); y.OK() != c.good {
			t.Errorf("Full of %v in %v: good is %v, want %v: %v", c.v, c.t, y.OK(), c.good, f.Diags)
		}
	}
}

// TestIdentityOfSlices holds what tells a Func with slices of known bounds, and its gradient, to what it was when the bounds could not be
// symbols: runs go on that were begun then.
func TestIdentityOfSlices(t *testing.T) {
	f := graph.NewFunc("f", true)
	x := f.Input("x", graph.F32, batch, 7, 6)
	halves := graph.Join(0, x, x).Split(0, 2)
	parts := x.Split(-1, 3)
	y := x.SliceStep(1, 1, -1, 2).Sum().Add(parts[0].Mul(parts[1].Slice(1, 0, 7)).Add(parts[2]).Sum()).Add(halves[1].Square().Sum())
	f.Output("y", y)
	f.Output("g", graph.Grad(y, x)[0])
	h := sha256.New()
	if err := f.WriteIdentity(h); err != nil || len(f.Diags) > 0 {
		t.Fatal(err, f.Diags)
	}
	if got, want := fmt.Sprintf("%x", h.Sum(nil)[:8]), "eb405f0025433d80"; got != want {
		t.Errorf("its digest is %s, want %s", got, want)
	}
}
