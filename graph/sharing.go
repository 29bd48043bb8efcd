package graph

import "reflect"

// A Sharing says whether an op's result may lie in the memory of one of its arguments.
type Sharing uint8

const (
	// Apart: the kernel reads the argument after it has begun to write the result.
	Apart Sharing = iota
	// Over: the kernel may write the result over the argument, if that has as many elements: each is read before its place is
	// written, and no other place is read later.
	Over
	// Same: the result is the argument's elements in their order, so that the two may be one memory and nothing need run.
	Same
)

// A sharer is an op whose result may lie in the memory of argument k. Elementwise ops need not say so.
type sharer interface {
	shares(k int) Sharing
}

// Shares is how the result of v may share memory with argument k.
func (v *Value) Shares(k int) Sharing {
	if !ours(v.Op) {
		return Apart
	}
	if o, ok := v.Op.(Fused); ok && (!o.last(v.Index) || v.Args[k].DType() != v.DType()) || !ok && len(v.Results) > 1 {
		return Apart // others read the argument when v is written
	}
	switch o := v.Op.(type) {
	case sharer:
		return o.shares(k)
	case elementwise:
		return Over
	}
	return Apart
}

// ours reports whether op is a type of this package. One of another package that embeds one of these has methods of its own, among
// them perhaps a kernel that does not do what the embedded op says of its own.
func ours(op Op) bool { return reflect.TypeOf(op).PkgPath() == reflect.TypeFor[Detach]().PkgPath() }

func (Reshape) shares(int) Sharing { return Same }

func (Detach) shares(int) Sharing { return Same }

func (Barrier) shares(k int) Sharing {
	if k == 0 {
		return Same
	}
	return Apart
}

func (Fused) shares(int) Sharing { return Over }

func (Dropout) shares(k int) Sharing {
	if k == 1 { // the random state
		return Apart
	}
	return Over
}

func (Softmax) shares(int) Sharing { return Over }

func (Where) shares(k int) Sharing {
	if k == 0 { // the condition, of another dtype
		return Apart
	}
	return Over
}
