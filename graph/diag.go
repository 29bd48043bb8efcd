package graph

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

// A Pos is where in the user's program something was made.
type Pos struct {
	File string
	Line int
}

// String is file:line, the file relative to the working directory where that is shorter.
func (p Pos) String() string {
	if p.File == "" {
		return "unknown position"
	}
	return fmt.Sprintf("%s:%d", shortPath(p.File), p.Line)
}

// Base is file:line with the file's last element only: the same on every machine.
func (p Pos) Base() string { return fmt.Sprintf("%s:%d", filepath.Base(p.File), p.Line) }

var workingDir = sync.OnceValue(func() string { d, _ := os.Getwd(); return d })

func shortPath(file string) string {
	if rel, err := filepath.Rel(workingDir(), file); err == nil && len(rel) < len(file) {
		return rel
	}
	return file
}

// Source is the trimmed text of the line at p, or "" where the file cannot be read.
func (p Pos) Source() string {
	lines := sourceLines(p.File)
	if p.Line < 1 || p.Line > len(lines) {
		return ""
	}
	return strings.TrimSpace(lines[p.Line-1])
}

var sources sync.Map // file name -> []string

func sourceLines(file string) []string {
	if l, ok := sources.Load(file); ok {
		return l.([]string)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	l := strings.Split(string(data), "\n")
	sources.Store(file, l)
	return l
}

const modulePath = "github.com/sardonyx-ml/sardonyx/"

// housePackages are those whose frames a position passes over: a mistake belongs to the line that called them.
var housePackages = map[string]bool{
	modulePath + "graph": true, modulePath + "compiler": true, modulePath + "compiler/nn": true,
	modulePath + "compiler/loss": true, modulePath + "compiler/optim": true,
	modulePath + "compiler/initializer": true, modulePath + "compiler/pass": true,
}

func userFrame(fr runtime.Frame) bool {
	if strings.HasSuffix(fr.File, "_test.go") {
		return true
	}
	pkg := fr.Function
	slash := strings.LastIndexByte(pkg, '/') + 1
	if dot := strings.IndexByte(pkg[slash:], '.'); dot >= 0 {
		pkg = pkg[:slash+dot]
	}
	return !housePackages[pkg] && !standard(pkg)
}

// mainModule is the path of the module that the program was built from, as far as that is known.
var mainModule = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Path
	}
	return ""
})

// standard reports whether a package is of the standard library: its path's first element has no dot, as only the program
// itself may also lack.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	if strings.Contains(first, ".") || pkg == "main" {
		return false
	}
	m := mainModule()
	return m == "" || pkg != m && !strings.HasPrefix(pkg, m+"/")
}

// Caller is the position of the innermost frame on the stack that is the user's, not the house's.
func Caller() Pos {
	var pcs [48]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		fr, more := frames.Next()
		if userFrame(fr) {
			return Pos{fr.File, fr.Line}
		}
		if !more {
			return Pos{}
		}
	}
}

// A Diag is one mistake in a model: what is wrong, where, on which arguments, and what to do.
type Diag struct {
	Pos   Pos
	Scope string   // the layer it happened in, a dotted path; "" outside layers
	Msg   string   // begins with the op or function
	Args  []*Value // the arguments, printed with their types and where they were made
	Hint  string   // what to do, "" if nothing better than the message is known
}

// Error is the mistake as a compiler prints it: position and message, the source line, the arguments, the hint.
func (d *Diag) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: ", d.Pos)
	if d.Scope != "" {
		fmt.Fprintf(&b, "%s: ", d.Scope)
	}
	b.WriteString(d.Msg)
	if src := d.Pos.Source(); src != "" {
		fmt.Fprintf(&b, "\n\t%s", src)
	}
	for i, a := range d.Args {
		fmt.Fprintf(&b, "\n\t  argument %d: %v", i, a.describe())
	}
	if d.Hint != "" {
		fmt.Fprintf(&b, "\n\t  hint: %s", d.Hint)
	}
	return b.String()
}

func (v *Value) describe() string {
	if v == nil {
		return "nil"
	}
	what := OpName(v.Op)
	if v.Name != "" {
		what += fmt.Sprintf(" %q", v.Name)
	}
	return fmt.Sprintf("%v made by %s at %v", v.Type, what, v.Pos)
}

// Diags are all mistakes found in a model, as one error.
type Diags []*Diag

// Error is the mistakes one under another.
func (ds Diags) Error() string {
	p := make([]string, len(ds))
	for i, d := range ds {
		p[i] = d.Error()
	}
	return strings.Join(p, "\n")
}

// Unwrap lets errors.As find each Diag.
func (ds Diags) Unwrap() []error {
	out := make([]error, len(ds))
	for i, d := range ds {
		out[i] = d
	}
	return out
}

// A Mistake is an inference error with a hint for its Diag.
type Mistake struct{ Msg, Hint string }

// Error is the message, without the hint.
func (m *Mistake) Error() string { return m.Msg }

// Mistakef returns a Mistake; Infer methods return one where they know what the user should do.
func Mistakef(hint, format string, args ...any) error {
	return &Mistake{fmt.Sprintf(format, args...), hint}
}
