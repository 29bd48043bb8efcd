package onnx

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// Check looks for faults in the ONNX file path, whoever wrote it, and in where its external data lies. An error says that there is no
// model to look at.
func Check(path string) (*check.Report, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := wire.DecodeDamaged(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return check.Model(m, check.Options{External: func(t *wire.Tensor) (string, int64, int64, error) {
		x, err := FindExternal(path, t)
		return x.Path, x.Offset, x.Length, err
	}}), nil
}

// checkWritten looks for faults in a model that is about to be written: there are none, or an op's Emit method is wrong.
func checkWritten(m *wire.Model) error {
	if err := check.Model(m, check.Options{}).Err(); err != nil {
		return fmt.Errorf("the file would be faulty, because of the exporter or of an op's Emit method or Forms: %w", err)
	}
	return nil
}
