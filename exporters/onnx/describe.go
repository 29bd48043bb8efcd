package onnx

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
)

// pythonSize is what symbols are in the program of a description, if the model can have them so.
const pythonSize = 32

// A description tells people how to run a training step.
type description struct {
	strings.Builder
	x     *exporter
	model string            // the file's name
	state string            // that of the file with the first state
	sizes map[string]string // symbols, and what the program calls them
}

// describe writes the description of the training step in the file model: what goes in, what comes out, and a program in
// Python that trains with it.
func (x *exporter) describe(w io.Writer, model string) error {
	d := &description{x: x, model: filepath.Base(model), state: filepath.Base(StateFile(model)), sizes: map[string]string{}}
	d.nameSizes()
	d.print("# %s: the training step %s\n\n", d.model, code(x.f.Name))
	d.print("One run of %s is one step of training: the loss, its gradients, and what the optimizer makes of them. The file keeps\n"+
		"nothing between runs: all state goes in as inputs and comes out as outputs, to be fed to the next run. A run without the\n"+
		"state is an error. The first state is in %s, an array for each such input.\n\n", code(d.model), code(d.state))
	d.inputs()
	d.outputs()
	d.program()
	d.metadata()
	_, err := io.WriteString(w, d.String())
	return err
}

func (d *description) print(format string, args ...any) { fmt.Fprintf(d, format, args...) }

// code is text in Markdown's quotes for code.
func code(s string) string { return "`" + strings.ReplaceAll(s, "`", "'") + "`" }

// typed is a port's name and type.
func typed(name string, t graph.Type) string { return code(name) + ", " + code(t.String()) }

// pythonNames are names that the program can give to a size, but for pythonTaken, those of Python and its own.
var (
	pythonNames = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	pythonTaken = strings.Fields("min max and as assert async await break class continue def del elif else except finally for from global if import in is lambda " +
		"nonlocal not or pass raise return try while with yield dict print range zip np onnxruntime rng session outputs state step feed out name value o")
)

func (d *description) nameSizes() {
	for _, v := range d.x.f.Inputs {
		for _, dim := range v.Shape() {
			for _, s := range dim.Symbols() {
				if d.sizes[s] != "" {
					continue
				}
				d.sizes[s] = s
				if !pythonNames.MatchString(s) || slices.Contains(pythonTaken, s) {
					d.sizes[s] = "size_" + strconv.Itoa(len(d.sizes))
				}
			}
		}
	}
}

// noise is the noise that an input stands for, if it does.
func (x *exporter) noiseOf(input string) (pass.Noise, bool) {
	i := slices.IndexFunc(x.noise, func(n pass.Noise) bool { return n.Input == input })
	if i < 0 {
		return pass.Noise{}, false
	}
	return x.noise[i], true
}

func (d *description) inputs() {
	d.print("## Inputs\n\nThe data of the step:\n\n")
	for _, v := range d.x.f.Inputs {
		if _, noise := d.x.noiseOf(v.Name); !noise {
			d.print("- %s\n", typed(v.Name, v.Type))
		}
	}
	if len(d.x.noise) > 0 {
		d.print("\nRandom numbers, to be drawn anew for each step:\n\n")
		for _, v := range d.x.f.Inputs {
			if n, noise := d.x.noiseOf(v.Name); noise {
				d.print("- %s: %s\n", typed(v.Name, v.Type), noiseText(n.Distribution))
			}
		}
	}
	if len(d.sizes) > 0 {
		d.print("\nA name in a shape is a size that each run may choose, the same wherever the name stands.\n")
	}
	d.print("\nThe state. The next value of NAME is the output %s:\n\n", code("NAME"+Next))
	for i, p := range d.x.state {
		d.print("- %s: %s", typed(p.Input, d.x.f.Params[i].Type), d.x.role(d.x.f.Params[i]))
		if p.Output == "" {
			d.print("; it stays as it is and has no such output")
		}
		d.print("\n")
	}
}

// role says, for people, what a state is.
func (x *exporter) role(v *graph.Value) string {
	p := v.Op.(graph.Param)
	switch group := "opt." + x.f.Name + "."; {
	case p.Name == graph.RandomState:
		return "seed and step of the random numbers"
	case p.Name == group+"step":
		return "how many steps were taken"
	case strings.HasPrefix(p.Name, group):
		return "kept by the optimizer"
	case p.Trainable:
		return "a parameter, under the name that the weight has in files for inference"
	}
	return "kept by a layer"
}

func (d *description) outputs() {
	d.print("\n## Outputs\n\n")
	for _, o := range d.x.f.Outputs {
		d.print("- %s", typed(o.Name, o.Value.Type))
		switch {
		case isGuard(o):
			d.print(": whether the loss and all new state are finite; where it is false, the next values of the state are the old ones")
		case o.Name == compiler.Loss:
			d.print(": the loss, which the step makes smaller")
			if d.x.f.Doc != "" {
				d.print("; the optimizer is %s", d.x.f.Doc)
			}
		}
		d.print("\n")
	}
	d.print("- %s: the next value of each state, for the next run's input\n", code("NAME"+Next))
}

// isGuard reports whether o says that a step is finite.
func isGuard(o graph.Output) bool { return o.Name == compiler.OK && o.Value.DType() == graph.Bool }

func (d *description) program() {
	if slices.ContainsFunc(d.x.f.Inputs, func(v *graph.Value) bool { return numpyKinds[v.DType()] == "" }) {
		return // bf16, which NumPy does not have
	}
	d.print("\n## A program\n\nPython with numpy and onnxruntime, in the folder of these files. Where it draws data, put your own.\n\n```python\n")
	d.print("import numpy as np\nimport onnxruntime\n\n")
	sizes := d.x.f.BindNear(pythonSize)
	for _, s := range slices.Sorted(maps.Keys(d.sizes)) {
		d.print("%s = %d\n", d.sizes[s], sizes[s])
	}
	d.print("rng = np.random.default_rng(1)\n")
	d.print("session = onnxruntime.InferenceSession(%q, providers=[\"CPUExecutionProvider\"])\n", d.model)
	d.print("outputs = [o.name for o in session.get_outputs()]\n")
	d.print("state = dict(np.load(%q))\n\n", d.state)
	d.print("for step in range(100):\n    feed = {\n")
	for _, v := range d.x.f.Inputs {
		d.print("        %q: %s\n", v.Name, d.draw(v))
	}
	d.print("    }\n")
	d.print("    out = dict(zip(outputs, session.run(outputs, feed | state)))\n")
	if slices.ContainsFunc(d.x.f.Outputs, isGuard) {
		d.print("    if not out[%q]:\n        break  # NaN or Inf: the state stays as it was\n", compiler.OK)
	}
	d.print("    state = {name: out.get(name + %q, value) for name, value in state.items()}\n", Next)
	d.print("    print(step")
	for _, o := range d.x.f.Outputs {
		if !isGuard(o) {
			d.print(", out[%q]", o.Name)
		}
	}
	d.print(")\n\nnp.savez(%q, **state)\n```\n", "trained."+d.state)
}

// draw is the rest of the line of Python that draws an input: noise as it is distributed, and numbers in place of data.
func (d *description) draw(v *graph.Value) string {
	shape := make([]string, len(v.Shape()))
	for i, dim := range v.Shape() {
		shape[i] = d.size(dim)
	}
	at := "(" + strings.Join(shape, ", ")
	if len(shape) == 1 {
		at += ","
	}
	at += ")"
	n, noise := d.x.noiseOf(v.Name)
	kind := numpyKinds[v.DType()]
	switch {
	case noise && n.Distribution == pass.Normal:
		return fmt.Sprintf("np.asarray(rng.standard_normal(%s), np.%s),", at, kind)
	case noise:
		return fmt.Sprintf("np.asarray(rng.random(%s), np.%s),", at, kind)
	case v.DType().Float():
		return fmt.Sprintf("np.asarray(rng.random(%s), np.%s),  # data", at, kind)
	}
	return fmt.Sprintf("np.asarray(rng.integers(0, 2, %s), np.%s),  # data", at, kind)
}

// numpyKinds are NumPy's names of dtypes.
var numpyKinds = map[graph.DType]string{
	graph.F32: "float32", graph.F64: "float64", graph.F16: "float16", graph.Bool: "bool_",
	graph.I64: "int64", graph.I32: "int32", graph.I16: "int16", graph.I8: "int8",
	graph.U64: "uint64", graph.U32: "uint32", graph.U16: "uint16", graph.U8: "uint8",
}

// size is a dimension as the program computes it.
func (d *description) size(dim graph.Dim) string { return d.expression(dim.Expr()) }

func (d *description) expression(e *symbolic.Expr) string {
	var sum []string
	for _, t := range e.Terms() {
		var product []string
		if t.Coef != 1 || len(t.Factors) == 0 {
			product = append(product, strconv.FormatInt(t.Coef, 10))
		}
		for _, f := range t.Factors {
			switch f.Op {
			case symbolic.Symbol:
				product = append(product, d.sizes[f.Name])
			case symbolic.Div: // Python's // and % round down too
				product = append(product, "(("+d.expression(f.X)+") // ("+d.expression(f.Y)+"))")
			case symbolic.Mod:
				product = append(product, "(("+d.expression(f.X)+") % ("+d.expression(f.Y)+"))")
			case symbolic.Min:
				product = append(product, "min("+d.expression(f.X)+", "+d.expression(f.Y)+")")
			case symbolic.Max:
				product = append(product, "max("+d.expression(f.X)+", "+d.expression(f.Y)+")")
			}
		}
		sum = append(sum, strings.Join(product, " * "))
	}
	if len(sum) == 0 {
		return "0"
	}
	return strings.Join(sum, " + ")
}

func (d *description) metadata() {
	d.print("\n## For programs\n\nThe metadata of %s says the same: %s is the output with the next value of the state NAME, empty if\nthere is none, and %s the distribution of the noise NAME.",
		code(d.model), code(metaState+"NAME"), code(metaNoise+"NAME"))
	if d.x.counter != nil {
		d.print(" %s are the seed and the step of the\nfirst noise, which Sardonyx draws with Philox 4x32-10; any other will do.", code(metaCounter))
	}
	d.print(" In Go, `onnxruntime.OpenStep` runs the step by these.\n")
}
