package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
)

// The kinds of a [Record].
const (
	KindSteps = "steps" // the average over some steps within an epoch
	KindEpoch = "epoch" // the average over an epoch, and its validation
)

// A Record is one line of metrics.jsonl. Two runs with the same seed have the same records but for the times.
type Record struct {
	Kind            string  `json:"kind"`
	Epoch           int     `json:"epoch"` // counted from 1
	Step            int64   `json:"step"`  // training steps done since the beginning of the run
	Train           Metrics `json:"train,omitempty"`
	Validate        Metrics `json:"validate,omitempty"`
	Seconds         float64 `json:"seconds"`                    // of training, since the epoch began or since the run was resumed in it
	Rate            float64 `json:"examples_per_second"`        // over these seconds
	ValidateSeconds float64 `json:"validate_seconds,omitempty"` // of validation
	// Time is when the record was made.
	Time time.Time `json:"time,omitzero"`
}

// maxLine bounds a line of metrics.jsonl, in bytes.
const maxLine = 1 << 20

// A History appends records to a file, one JSON object a line. A crash can lose only what follows the last Sync.
type History struct {
	f       atomicfile.Handle
	path    string
	records []Record
	closed  bool
}

// OpenHistory opens the file path, which is made if none of it is to be kept, keeps its first keep records and cuts off what
// follows. Fewer records than that are an error. Until it is closed, or the process ends, another OpenHistory of the file is
// [ErrInUse].
func OpenHistory(path string, keep int) (*History, error) {
	f, err := atomicfile.OpenLog(path, keep == 0)
	if err != nil {
		return nil, err
	}
	h := &History{f: f, path: path}
	var records []Record
	var end int64
	if err = filelock.Try(f); errors.Is(err, filelock.ErrHeld) {
		err = ErrInUse
	}
	if err == nil {
		records, end, err = readRecords(f, keep)
	}
	if err == nil && len(records) < keep {
		err = fmt.Errorf("it has %d records of the %d that the checkpoint counts: it was changed since", len(records), keep)
	}
	if err == nil {
		err = f.Truncate(end)
	}
	if err == nil {
		_, err = f.Seek(end, io.SeekStart)
	}
	if err != nil {
		filelock.Release(f)
		f.Close()
		return nil, fmt.Errorf("open metrics %s: %w", path, err)
	}
	h.records = records
	return h, nil
}

// ReadHistory reads the records of the file path. A last line that a crash left incomplete is passed over.
func ReadHistory(path string) ([]Record, error) {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records, _, err := readRecords(f, -1)
	if err != nil {
		return nil, fmt.Errorf("read metrics %s: %w", path, err)
	}
	return records, nil
}

// readRecords reads up to most records, or all if most is -1, and says at which byte the last of them ends.
func readRecords(r io.Reader, most int) (records []Record, end int64, err error) {
	lines := bufio.NewReaderSize(r, maxLine)
	for most < 0 || len(records) < most {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return records, end, nil // a line without an end was being written
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, 0, fmt.Errorf("line %d is longer than %d bytes", len(records)+1, maxLine)
		case err != nil:
			return nil, 0, err
		}
		var rec Record
		if err := strictjson.Unmarshal(bytes.TrimSpace(line), &rec); err != nil {
			return nil, 0, fmt.Errorf("line %d: %w", len(records)+1, err)
		}
		records = append(records, rec)
		end += int64(len(line))
	}
	return records, end, nil
}

// Append adds a record.
func (h *History) Append(r Record) error {
	b, err := json.Marshal(r)
	if err == nil && len(b) >= maxLine {
		err = fmt.Errorf("a record of %d bytes; a line has fewer than %d", len(b), maxLine)
	}
	if err == nil {
		_, err = h.f.Write(append(b, '\n')) // in one call, so that a crash leaves a whole line or a part of the last
	}
	if err != nil {
		return fmt.Errorf("write metrics %s: %w", h.path, err)
	}
	h.records = append(h.records, r)
	return nil
}

// Records are all records so far.
func (h *History) Records() []Record { return slices.Clone(h.records) }

// Len is the number of records so far.
func (h *History) Len() int { return len(h.records) }

// Sync makes the records durable.
func (h *History) Sync() error { return h.f.Sync() }

// Close closes the file and gives it free; the second time it does nothing.
func (h *History) Close() error {
	if h.closed {
		return nil
	}
	h.closed = true
	filelock.Release(h.f)
	return h.f.Close()
}
