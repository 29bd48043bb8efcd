package graph

import (
	"fmt"
	"slices"
)

// An Arg declares one argument of an op.
type Arg struct {
	Name   string
	DTypes DTypes
	// Like groups arguments of one dtype: those of a group, which a letter names as in ONNX's specification, have the same. An
	// argument without a group may have any dtype of its own.
	Like     string
	Optional bool // it may be left out, as a nil
	Variadic bool // the last: any number of these, none too
}

// The declarations that many ops share.
var (
	oneFloat   = []Arg{{Name: "x", DTypes: Floats}}
	oneNumber  = []Arg{{Name: "x", DTypes: Numbers}}
	oneElement = []Arg{{Name: "x", DTypes: Elements}}
	oneAny     = []Arg{{Name: "x", DTypes: Any}}
	twoFloats  = []Arg{{Name: "a", DTypes: Floats, Like: "T"}, {Name: "b", DTypes: Floats, Like: "T"}}
	twoNumbers = []Arg{{Name: "a", DTypes: Numbers, Like: "T"}, {Name: "b", DTypes: Numbers, Like: "T"}}
	twoBools   = []Arg{{Name: "a", DTypes: Bools}, {Name: "b", DTypes: Bools}}
)

// Infer is what inference sees: the arguments, and the bodies of an op that has some.
type Infer struct {
	Args   []*Value // an absent one is nil
	Bodies []*Func

	fn    *Func
	known []Dim // the fresh sizes that the node has already
	fresh []Dim
	only  [1]Type // of the result, if it is one
}

// Arg is the argument i, nil if it was left out.
func (in *Infer) Arg(i int) *Value { return argument(in.Args, i) }

// Fresh is a size that only a run tells, such as how many elements are not zero: a symbol of its own, called name or like it.
func (in *Infer) Fresh(name string) Dim {
	k := len(in.fresh)
	if k < len(in.known) {
		in.fresh = append(in.fresh, in.known[k])
	} else {
		in.fresh = append(in.fresh, in.fn.freshSize(name))
	}
	return in.fresh[k]
}

// FreshOf is a [Infer.Fresh] that is the same for each node of a Func that asks it of argument i, by this name: how many of a mask's
// elements are true, say.
func (in *Infer) FreshOf(name string, i int) Dim {
	of := asked{in.Args[i], name}
	d, ok := in.fn.asked[of]
	if k := len(in.fresh); ok && k >= len(in.known) {
		in.fresh = append(in.fresh, d)
		return d
	}
	d = in.Fresh(name)
	if in.fn.asked == nil {
		in.fn.asked = map[asked]Dim{}
	}
	if !ok {
		in.fn.asked[of] = d
	}
	return d
}

// asked is what a size that only a run tells was asked of.
type asked struct {
	of   *Value
	name string
}

// Same is the type of argument i, as the only result's.
func (in *Infer) Same(i int) ([]Type, error) { return in.One(in.Args[i].Type, nil) }

// One is the type of a single result, or the mistake err.
func (in *Infer) One(t Type, err error) ([]Type, error) {
	if err != nil {
		return nil, err
	}
	in.only[0] = t
	return in.only[:], nil
}

// checkArgs says how args are not what was declared.
func checkArgs(takes []Arg, args []*Value) error {
	variadic := len(takes) > 0 && takes[len(takes)-1].Variadic
	least := 0
	for _, a := range takes {
		if !a.Optional && !a.Variadic {
			least++
		}
	}
	if len(args) > len(takes) && !variadic || len(args) < least {
		return Mistakef("it takes "+takesText(takes), "there are %d arguments", len(args))
	}
	for i, v := range args {
		a := takes[min(i, len(takes)-1)]
		if v == nil {
			if !a.Optional {
				return &Mistake{Msg: fmt.Sprintf("argument %d is nil", i), Hint: NilHint}
			}
			continue
		}
		for k := 0; k < i && a.Like != ""; k++ { // the first of the group tells
			if args[k] == nil || takes[min(k, len(takes)-1)].Like != a.Like {
				continue
			}
			if t := args[k].DType(); t != v.DType() {
				return Mistakef(fmt.Sprintf("give both one dtype, with .Cast(graph.%s) for one", dtypeConst(t)), "the arguments are %v and %v", t, v.DType())
			}
			break
		}
	}
	for i, v := range args {
		a := takes[min(i, len(takes)-1)]
		if v != nil && !a.DTypes.Has(v.DType()) {
			return a.refuse(v)
		}
	}
	return nil
}

// refuse says that v is none of a's dtypes.
func (a Arg) refuse(v *Value) error {
	switch a.DTypes {
	case Bools:
		return Mistakef("compare first: x.Greater(y) is a bool", "the %s is %v, want bool", a.Name, v.Type)
	case Indices:
		return Mistakef("indices are i64 or i32: declare the input so, or .Cast(graph.I64)", "the indices are %v", v.Type)
	}
	return Mistakef(fmt.Sprintf("cast it first, with .Cast(graph.%s)", dtypeConst(a.DTypes.List()[0])), "needs %v, has %v", a.DTypes, v.Type)
}

// takesText describes arguments for a person.
func takesText(takes []Arg) string {
	if len(takes) == 0 {
		return "none"
	}
	text := ""
	for i, a := range takes {
		if i > 0 {
			text += ", "
		}
		text += a.Name
		switch {
		case a.Optional:
			text += " or nil"
		case a.Variadic:
			text += " ..."
		}
	}
	return text
}

// optional reports whether argument i of op may be nil.
func optional(op Op, i int) bool {
	takes := op.Takes()
	return i < len(takes) && takes[i].Optional
}

// wantFloat says that v is no float.
func wantFloat(v *Value) error {
	if !v.DType().Float() {
		return oneFloat[0].refuse(v)
	}
	return nil
}

// inferBroadcast is the inference of a broadcasting op over two values: the first's dtype.
func inferBroadcast(in *Infer) ([]Type, error) {
	s, err := broadcast(in.Args[0].Shape(), in.Args[1].Shape())
	return in.One(Type{in.Args[0].DType(), s}, err)
}

// floatMap is embedded by ops without attributes that map a float to one of its type.
type floatMap struct{}

// Takes is a float.
func (floatMap) Takes() []Arg { return oneFloat }

// Infer returns the argument's type.
func (floatMap) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// numberMap is floatMap for numbers.
type numberMap struct{}

// Takes is a number.
func (numberMap) Takes() []Arg { return oneNumber }

// Infer returns the argument's type.
func (numberMap) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// floatPair is embedded by ops without attributes over two floats whose shapes broadcast.
type floatPair struct{}

// Takes is two floats.
func (floatPair) Takes() []Arg { return twoFloats }

// Infer broadcasts the shapes.
func (floatPair) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// numberPair is floatPair for numbers.
type numberPair struct{}

// Takes is two numbers.
func (numberPair) Takes() []Arg { return twoNumbers }

// Infer broadcasts the shapes.
func (numberPair) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// boolPair is floatPair for bools.
type boolPair struct{}

// Takes is two bools.
func (boolPair) Takes() []Arg { return twoBools }

// Infer broadcasts the shapes.
func (boolPair) Infer(in *Infer) ([]Type, error) { return inferBroadcast(in) }

// comparing is embedded by the comparisons.
type comparing struct{}

// Takes is two numbers.
func (comparing) Takes() []Arg { return twoNumbers }

// Infer broadcasts the shapes.
func (comparing) Infer(in *Infer) ([]Type, error) {
	types, err := inferBroadcast(in)
	if err == nil {
		types[0].DType = Bool
	}
	return types, err
}

// scalarLike is a constant of v's dtype with no axes, for VJPs.
func scalarLike(v *Value, c float64) *Value { return v.fn.Full(v.DType(), c) }

// without drops the given sorted axes from a shape.
func without(s Shape, drop []int) Shape {
	out := Shape{}
	for i, d := range s {
		if !slices.Contains(drop, i) {
			out = append(out, d)
		}
	}
	return out
}

// withOnes makes the given axes of a shape 1.
func withOnes(s Shape, ones []int) Shape {
	out := slices.Clone(s)
	for _, i := range ones {
		out[i] = 1
	}
	return out
}
