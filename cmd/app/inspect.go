package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// inspectCommand tells what is in a file or a model.
func (a *app) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "tell what is in an ONNX, safetensors, .npy or .npz file, or print a model's graphs", ArgsUsage: "FILE|MODEL",
		Description: "A model's graphs are printed one value a line, after the compiler's passes. With --memory, it is told instead what a run\n" +
			"of each function and step takes: the state that it reads; what is kept, which is outputs, constants and new state; the arena\n" +
			"of all other values, and how much of it is live at once; and the peak of all this, with what gorgonia keeps.\n" +
			"With --check, an ONNX file, whoever wrote it, is searched for faults instead: names, order, versions, operators and their\n" +
			"attributes, types and shapes, and where the weights lie. All are listed; the exit code is 1 if one is an error." +
			a.example("inspect decode.onnx", "inspect decode.onnx --check", "inspect arrays.npz --json", "inspect "+a.exampleModel(), "inspect "+a.exampleModel()+" --memory --size batch=64"),
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "check", Usage: "look for faults in an ONNX file"},
			&cli.BoolFlag{Name: "memory", Usage: "tell what a model's functions and steps take of memory"},
			sizeFlag, jsonFlag, setFlag,
		},
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "the file or model")
			if err != nil {
				return err
			}
			if _, err := os.Stat(arg); filepath.Ext(arg) == "" || errors.Is(err, fs.ErrNotExist) && !slices.Contains(inspected, filepath.Ext(arg)) {
				return a.inspectModel(c, arg)
			}
			for _, name := range []string{"set", "memory", "size"} {
				if c.IsSet(name) {
					return usagef(c, "--%s is for models; %s is a file", name, arg)
				}
			}
			if c.Bool("check") {
				if filepath.Ext(arg) != ".onnx" {
					return usagef(c, "--check is for ONNX files; %s is none", arg)
				}
				return a.checkONNX(c, arg)
			}
			switch filepath.Ext(arg) {
			case ".onnx":
				return a.inspectONNX(c, arg)
			case ".safetensors":
				return a.inspectSafetensors(c, arg)
			case ".npy", ".npz":
				return a.inspectNumPy(c, arg)
			}
			return fmt.Errorf("%s: want a file whose name ends in %s, or a model's name", arg, strings.Join(inspected, ", "))
		},
	}
}

// inspected are the endings of the files that inspect reads.
var inspected = []string{".onnx", ".safetensors", ".npy", ".npz"}

func (a *app) inspectModel(c *cli.Context, name string) error {
	m, err := a.model(name)
	if err != nil {
		return fmt.Errorf("%s is neither a file whose name ends in %s nor a model: %w", name, strings.Join(inspected, ", "), err)
	}
	switch {
	case c.Bool("check"):
		return usagef(c, "--check is for files; %s is a model", name)
	case c.Bool("json") && !c.Bool("memory"):
		return usagef(c, "--json is for files and --memory; a model's graphs are text")
	case c.IsSet("size") && !c.Bool("memory"):
		return usagef(c, "--size is for --memory; a model's graphs are for all sizes")
	}
	s, err := settings(c, m)
	if err != nil {
		return err
	}
	prog, err := define(m, s)
	if err != nil {
		return err
	}
	if c.Bool("memory") {
		return a.inspectMemory(c, m, prog)
	}
	fmt.Fprint(a.out, prog)
	return nil
}

func (a *app) inspectONNX(c *cli.Context, path string) error {
	s, err := onnx.Inspect(path)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return a.writeJSON(newONNXFile(s))
	}
	fmt.Fprintf(a.out, "%s: %s, IR %d", path, size(s.Bytes), s.IR)
	for _, o := range s.Opsets {
		fmt.Fprintf(a.out, ", %s %d", plain(domain(o.Domain)), o.Version)
	}
	fmt.Fprintf(a.out, ", by %s\n", plain(s.Producer))
	if s.Doc != "" {
		fmt.Fprintln(a.out, plain(s.Doc))
	}
	var rows [][]string
	for _, v := range s.Inputs {
		rows = append(rows, []string{"input", v.Name, v.Type, v.Doc})
	}
	for _, v := range s.Outputs {
		rows = append(rows, []string{"output", v.Name, v.Type, v.Doc})
	}
	for _, v := range s.Initializers {
		rows = append(rows, []string{"weight", v.Name, v.Type, v.External})
	}
	for _, n := range s.Nodes {
		rows = append(rows, []string{"node", n.Op, fmt.Sprintf("×%d", n.N)})
	}
	for _, m := range s.Metadata {
		rows = append(rows, []string{"metadata", m.Key, m.Value})
	}
	if n := len(s.Vectors); n > 0 {
		rows = append(rows, []string{"test vectors", strconv.Itoa(n)})
	}
	return a.table(rows)
}

// checkONNX prints what is found in an ONNX file; an error among it is one here.
func (a *app) checkONNX(c *cli.Context, path string) error {
	r, err := onnx.Check(path)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = a.writeJSON(newChecked(r))
	} else {
		a.printFindings(a.out, r)
		if r.Err() == nil {
			fmt.Fprintf(a.out, "%s: no faults\n", path)
		}
	}
	return errors.Join(err, faults(path, r))
}

// printFindings prints a line for each finding.
func (a *app) printFindings(w io.Writer, r *check.Report) {
	for _, f := range r.Findings {
		fmt.Fprintln(w, plain(f.String()))
	}
	if r.Omitted > 0 {
		fmt.Fprintf(w, "and %d more\n", r.Omitted)
	}
}

// faults is the error of a file in which there are some.
func faults(path string, r *check.Report) error {
	switch n := r.Errors(); n {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s: there is a fault in it", path)
	default:
		return fmt.Errorf("%s: there are %d faults in it", path, n)
	}
}

func (a *app) inspectSafetensors(c *cli.Context, path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.Bool("json") {
		list := make([]port, len(f.Tensors))
		for i, t := range f.Tensors {
			list[i] = port{Name: t.Name, Type: fmt.Sprintf("%v%v", t.DType, t.Shape)}
		}
		return a.writeJSON(list)
	}
	for _, t := range f.Tensors {
		fmt.Fprintln(a.out, plain(t.String()))
	}
	return nil
}

func (a *app) inspectNumPy(c *cli.Context, path string) error {
	arrays, err := readArrays(path)
	if err != nil {
		return err
	}
	return a.printArrays(c, "ARRAY", arrays)
}
