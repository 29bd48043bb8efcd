package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// inspectCommand tells what is in a file or a model.
func (a *app) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", Usage: "tell what is in an ONNX, safetensors, .npy or .npz file, or print a model's graphs", ArgsUsage: "FILE|MODEL",
		Flags: []cli.Flag{jsonFlag, setFlag},
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "the file or model")
			if err != nil {
				return err
			}
			if _, err := os.Stat(arg); errors.Is(err, fs.ErrNotExist) || filepath.Ext(arg) == "" {
				m, merr := a.model(arg)
				if merr != nil {
					return fmt.Errorf("%s is neither an ONNX, safetensors or NumPy file nor a model: %w", arg, merr)
				}
				s, err := settings(c, m)
				if err != nil {
					return err
				}
				prog, err := define(m, s)
				if err != nil {
					return err
				}
				if c.Bool("json") {
					return usagef(c, "--json is for files; a model's graphs are text")
				}
				fmt.Fprint(a.out, prog)
				return nil
			}
			switch filepath.Ext(arg) {
			case ".onnx":
				return a.inspectONNX(c, arg)
			case ".safetensors":
				return a.inspectSafetensors(c, arg)
			case ".npy", ".npz":
				return a.inspectNumPy(c, arg)
			}
			return fmt.Errorf("%s: the name ends neither in .onnx nor in .safetensors, .npy or .npz", arg)
		},
	}
}

func (a *app) inspectONNX(c *cli.Context, path string) error {
	s, err := onnx.Inspect(path)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return a.writeJSON(s)
	}
	fmt.Fprintf(a.out, "%s: %s, IR %d", path, size(s.Bytes), s.IR)
	for _, o := range s.Opsets {
		domain := o.Domain
		if domain == "" {
			domain = "ai.onnx"
		}
		fmt.Fprintf(a.out, ", %s %d", domain, o.Version)
	}
	fmt.Fprintf(a.out, ", by %s\n", s.Producer)
	if s.Doc != "" {
		fmt.Fprintln(a.out, s.Doc)
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	for _, v := range s.Inputs {
		fmt.Fprintf(w, "input\t%s\t%s\t%s\n", v.Name, v.Type, v.Doc)
	}
	for _, v := range s.Outputs {
		fmt.Fprintf(w, "output\t%s\t%s\t%s\n", v.Name, v.Type, v.Doc)
	}
	for _, v := range s.Initializers {
		fmt.Fprintf(w, "weight\t%s\t%s\t%s\n", v.Name, v.Type, v.External)
	}
	for _, n := range s.Nodes {
		fmt.Fprintf(w, "node\t%s\t×%d\t\n", n.Op, n.N)
	}
	for _, m := range s.Metadata {
		fmt.Fprintf(w, "metadata\t%s\t%s\t\n", m.Key, m.Value)
	}
	if n := len(s.Vectors); n > 0 {
		fmt.Fprintf(w, "test vectors\t%d\t\t\n", n)
	}
	return w.Flush()
}

func (a *app) inspectSafetensors(c *cli.Context, path string) error {
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.Bool("json") {
		return a.writeJSON(f.Tensors)
	}
	for _, t := range f.Tensors {
		fmt.Fprintln(a.out, t)
	}
	return nil
}

func (a *app) inspectNumPy(c *cli.Context, path string) error {
	arrays, err := readArrays(path)
	if err != nil {
		return err
	}
	type array struct {
		Name  string `json:"name"`
		DType string `json:"dtype"`
		Shape []int  `json:"shape"`
		Min   number `json:"min"`
		Max   number `json:"max"`
	}
	var list []array
	for _, name := range sortedKeys(arrays) {
		t := arrays[name]
		info := array{Name: name, DType: t.DType().String(), Shape: t.Shape()}
		if t.Len() > 0 {
			all := t.Float64s()
			info.Min, info.Max = number(slices.Min(all)), number(slices.Max(all))
		}
		list = append(list, info)
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	for _, t := range list {
		fmt.Fprintf(a.out, "%s %s%v, from %v to %v\n", t.Name, t.DType, t.Shape, t.Min, t.Max)
	}
	return nil
}
