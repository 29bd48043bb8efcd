package app

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// The flags of mixed precision.
var (
	fp16Flag = &cli.BoolFlag{Name: "fp16", Usage: "compute the products of training steps in floats of 16 bits (f16), the rest in f32, with a loss scale that finds its size"}
	bf16Flag = &cli.BoolFlag{Name: "bf16", Usage: "the same in bf16, which has f32's range, and needs no loss scale"}
)

// precision is what the flags ask for: f16, bf16 or, without one, f32.
func precision(c *cli.Context) (graph.DType, error) {
	switch {
	case c.Bool("fp16") && c.Bool("bf16"):
		return graph.F32, usagef(c, "--fp16 and --bf16: want one of them")
	case c.Bool("fp16"):
		return graph.F16, nil
	case c.Bool("bf16"):
		return graph.BF16, nil
	}
	return graph.F32, nil
}

// precisionNamed is the precision that a run records by its name; "" is f32.
func precisionNamed(name string) (graph.DType, error) {
	for _, t := range []graph.DType{graph.F16, graph.BF16} {
		if t.String() == name {
			return t, nil
		}
	}
	if name != "" {
		return graph.F32, fmt.Errorf("the run was trained in the precision %q, which is none", name)
	}
	return graph.F32, nil
}

// defineIn builds a model's program with the products of its steps in t.
func defineIn(m models.Model, s models.Settings, t graph.DType) (*compiler.Program, error) {
	prog, err := define(m, s)
	if err != nil || t == graph.F32 {
		return prog, err
	}
	if prog, err = prog.MixedPrecision(t); err != nil {
		return nil, fmt.Errorf("model %s has mistakes in mixed precision:\n%w", m.Name, err)
	}
	return prog, nil
}
