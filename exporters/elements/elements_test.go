package elements

import (
	"bytes"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A compressed file may really hold what it claims, and still more than memory should.
func TestReadTooMuch(t *testing.T) {
	_, err := Read(bytes.NewReader(nil), Of(tensor.U8, nil), []int{5 << 30}, 6<<30, false)
	if err == nil || !strings.Contains(err.Error(), "unpacked it has 5.4 GB") || !strings.Contains(err.Error(), "store it uncompressed") {
		t.Errorf("the error is %v", err)
	}
}
