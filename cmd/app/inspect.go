package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// inspectCommand tells what is in a file or a model.
func (a *app) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "tell what is in an ONNX, safetensors, .npy or .npz file, or print a model's graphs", ArgsUsage: "FILE|MODEL",
		Description: "A model's graphs are printed one value a line, after the compiler's passes." +
			a.example("inspect decode.onnx", "inspect arrays.npz --json", "inspect "+a.exampleModel()),
		Flags: []cli.Flag{jsonFlag, setFlag},
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "the file or model")
			if err != nil {
				return err
			}
			if _, err := os.Stat(arg); filepath.Ext(arg) == "" || errors.Is(err, fs.ErrNotExist) && !slices.Contains(inspected, filepath.Ext(arg)) {
				return a.inspectModel(c, arg)
			}
			if c.IsSet("set") {
				return usagef(c, "--set is for models; %s is a file", arg)
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
	if c.Bool("json") {
		return usagef(c, "--json is for files; a model's graphs are text")
	}
	s, err := settings(c, m)
	if err != nil {
		return err
	}
	prog, err := define(m, s)
	if err != nil {
		return err
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
