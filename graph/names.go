package graph

import "fmt"

// In an exported file, the state called w comes out of a training step as w.next, and the numbers of the random stream n come in as
// noise.n. With inputs, outputs and state they share one name space.
const (
	NextSuffix  = ".next"
	NoisePrefix = "noise."
)

// A claim is who has a name of a Func.
type claim struct {
	what string
	pos  Pos
}

// claim takes name for what, which by makes at pos, or reports who has it: the one place where names can clash.
func (f *Func) claim(name, by, what string, pos Pos, args ...*Value) bool {
	old, taken := f.names[name]
	if !taken {
		f.names[name] = claim{what, pos}
		return true
	}
	f.Mistake(pos, fmt.Sprintf("%s: %q is already the name of %s", by, name, old.what),
		fmt.Sprintf("that is at %v; inputs, outputs and state share one name space, as in an ONNX file: rename one", old.pos), args...)
	return false
}
