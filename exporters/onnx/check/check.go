// Package check looks for faults in ONNX files: in the messages of package wire, of which it knows no more than the ONNX
// specification says.
//
//	report := check.Model(m, check.Options{})
//	for _, f := range report.Findings {
//		fmt.Println(f)
//	}
//
// It holds a model to the rules of the format (names, order, versions, sizes), each node to the schema of its operator, and
// what the file declares of types and shapes to what it infers itself. What it has no knowledge of, such as operators of
// another domain, it says, and judges the rest.
//
// The operators are those of ai.onnx at opsets 13 to 28, in schemas.txt, a table made from the definitions of the onnx package;
// shapes are inferred for the common ones.
package check

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// A Severity tells what a finding means.
type Severity int

const (
	Error    Severity = iota // the file breaks a rule
	Warning                  // nothing forbids it, but it is hardly meant
	Unjudged                 // a part of the file that this package has no knowledge of
)

// String is the severity in lower case.
func (s Severity) String() string { return [...]string{"error", "warning", "unjudged"}[s] }

// A Finding is one fault, or one kind of thing that cannot be judged.
type Finding struct {
	Severity Severity
	Where    string // node 3 "dec.Conv_12" (Conv); initializer "w"; output "y"; model
	Msg      string
}

// String is the finding in one line.
func (f Finding) String() string { return fmt.Sprintf("%v: %s: %s", f.Severity, f.Where, f.Msg) }

// maxFindings is how many findings a report lists.
const maxFindings = 1000

// A Report is what was found in a model.
type Report struct {
	Findings []Finding // in the order of the file
	Omitted  int       // findings beyond the first 1000
	// Types has what is known of each name in the outermost graph, declared or inferred: a nil Shape is an unknown rank,
	// Undefined an unknown element type.
	Types map[string]*wire.TensorType

	errors int
}

// Err is nil if there is no finding of severity Error; else it names the first, and says how many more there are.
func (r *Report) Err() error {
	for _, f := range r.Findings {
		if f.Severity != Error {
			continue
		}
		if r.errors > 1 {
			return fmt.Errorf("%s: %s (and %d more faults)", f.Where, f.Msg, r.errors-1)
		}
		return fmt.Errorf("%s: %s", f.Where, f.Msg)
	}
	return nil
}

// Errors is how many faults there are: findings of severity Error, those that are not listed among them.
func (r *Report) Errors() int { return r.errors }

func (r *Report) add(s Severity, where place, format string, args ...any) {
	if s == Error {
		r.errors++
	}
	if len(r.Findings) >= maxFindings && (s != Error || r.errors > 1) {
		r.Omitted++
		return
	}
	r.Findings = append(r.Findings, Finding{s, where.String(), fmt.Sprintf(format, args...)})
}

// Options say what may be looked at besides the model.
type Options struct {
	// External finds the payload of a tensor that is in another file: length bytes of path. Without it, such tensors are
	// not judged.
	External func(t *wire.Tensor) (path string, offset, length int64, err error)
}

// Model looks for faults in m. It reads small integer tensors, and no other payloads.
func Model(m *wire.Model, o Options) *Report {
	c := &checker{model: m, options: o, report: &Report{}, said: map[string]bool{}}
	c.check()
	return c.report
}
