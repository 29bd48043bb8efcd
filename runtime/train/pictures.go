package train

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// Samples is a Callback that runs the Func called entry on fixed inputs and draws its output called image, of shape [n, 1 or
// 3, height, width] with values in [0, 1], as the grid samples/epoch-001.png and so on, with cols images in a row. In a run
// without a folder it does nothing.
func Samples(entry, image string, cols int, in map[string]*tensor.Tensor) Callback {
	return Shown(entry, in, ".png", func(path string, out map[string]*tensor.Tensor) error {
		t := out[image]
		if t == nil {
			return fmt.Errorf("sampling: %q returns %v, but no %q", entry, slices.Sorted(maps.Keys(out)), image)
		}
		return report.Grid(path, t, cols)
	})
}

// Shown is a Callback that runs the Func called entry on fixed inputs, and has its outputs written to the file samples/epoch-001 and
// so on, with the extension ext. In a run without a folder it does nothing.
func Shown(entry string, in map[string]*tensor.Tensor, ext string, write func(path string, out map[string]*tensor.Tensor) error) Callback {
	return func(ctx context.Context, e EpochEnd) error {
		if e.Dir == "" {
			return nil
		}
		out, err := e.Exec.Run(ctx, entry, in)
		if err != nil {
			return fmt.Errorf("sampling: %w", err)
		}
		path := strings.TrimSuffix(e.Dir.Samples(e.Record.Epoch), ".png") + ext
		if err := atomicfile.MkdirAll(filepath.Dir(path)); err != nil {
			return fmt.Errorf("sampling: %w", err)
		}
		return write(path, out)
	}
}
