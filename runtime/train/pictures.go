package train

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// Samples is a Callback that runs the Func called entry on fixed inputs, so that epochs can be compared, and shows its output of that
// name by the Kind, such as [models.Images], as the file samples/epoch-001.png and so on, with the Kind's extension. cols samples belong
// in a row. In a run without a folder it does nothing.
func Samples(entry, output string, kind models.Kind, cols int, in map[string]*tensor.Tensor) Callback {
	kind = report.Drawn(kind)
	return func(ctx context.Context, e EpochEnd) error {
		if e.Dir == "" {
			return nil
		}
		c, err := runtime.Do(ctx, e.Exec, entry, in)
		if err != nil {
			return fmt.Errorf("sampling: %w", err)
		}
		x, err := c.Output(output)
		switch {
		case err != nil:
			return fmt.Errorf("sampling: %w", err)
		case kind.Write == nil:
			return fmt.Errorf("sampling: nothing writes %s as %s: the Kind has no Write", kind.Name, kind.Ext)
		}
		path := strings.TrimSuffix(e.Dir.Samples(e.Record.Epoch), ".png") + kind.Ext
		if err = atomicfile.MkdirAll(filepath.Dir(path)); err == nil {
			err = atomicfile.Write(path, func(w io.Writer) error { return kind.Write(w, x, cols) })
		}
		if err != nil {
			return fmt.Errorf("sampling: write %s: %w", path, err)
		}
		return nil
	}
}
