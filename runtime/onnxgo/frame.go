package onnxgo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// What goes through the pipes are frames: a length as 8 little-endian bytes, and as many bytes. The parent sends the model
// and the inputs, as safetensors named "0", "1" and so on; the child answers with an error's text, empty if there is
// none, and the outputs in the same form.

// maxFrame is the longest frame: no ONNX file is longer.
const maxFrame = wire.MaxSize

func writeFrame(w io.Writer, b []byte) error {
	if _, err := w.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(b)))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// readFrame reads a frame of at most limit bytes. Memory grows with what arrives, not with what the length claims.
func readFrame(r io.Reader, limit int64) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > uint64(limit) {
		return nil, fmt.Errorf("a frame of %d bytes is longer than the %d that it may have", n, limit)
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func writeTensors(w io.Writer, tensors map[string]*tensor.Tensor) error {
	var list []safetensors.Named
	for name, t := range tensors {
		list = append(list, safetensors.Named{Name: name, Tensor: t})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, list, nil); err != nil {
		return err
	}
	return writeFrame(w, b.Bytes())
}
