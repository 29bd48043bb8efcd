package report

import (
	"io"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Drawn is k with a Write: [models.Images] and [models.Points], which the rooms of models cannot draw, are drawn here.
func Drawn(k models.Kind) models.Kind {
	if k.Write == nil {
		switch k.Name {
		case models.Images.Name:
			k.Write = WriteGrid
		case models.Points.Name:
			k.Write = func(w io.Writer, x *tensor.Tensor, _ int) error { return WritePoints(w, x) }
		}
	}
	return k
}
