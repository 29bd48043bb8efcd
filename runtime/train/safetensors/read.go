package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
)

// An Info describes a tensor of a file.
type Info struct {
	Name  string
	DType tensor.DType
	Shape []int

	begin, end int64 // of its bytes in the file
}

// String is the name, dtype and shape.
func (i Info) String() string { return fmt.Sprintf("%s %v%v", i.Name, i.DType, i.Shape) }

// A File is open for reading. All that its header claims has been checked against the file's real size.
type File struct {
	// Tensors are those in the file, sorted by name.
	Tensors []Info
	// Metadata are the strings in the header.
	Metadata map[string]string

	f    io.ReaderAt
	path string // or another word for what is read
}

// Open reads the header of the file path. The caller must Close the File.
func Open(path string) (*File, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	x := &File{f: f, path: path}
	if err := x.readHeader(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s as safetensors: %w", path, err)
	}
	return x, nil
}

// Decode reads all tensors, by name, of a file whose contents are b.
func Decode(b []byte) (map[string]*tensor.Tensor, error) {
	x := &File{f: bytes.NewReader(b), path: "bytes"}
	if err := x.readHeader(int64(len(b))); err != nil {
		return nil, fmt.Errorf("read %d bytes as safetensors: %w", len(b), err)
	}
	return x.all()
}

// Read reads all tensors, by name, and the metadata of the file path.
func Read(path string) (map[string]*tensor.Tensor, map[string]string, error) {
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	out, err := f.all()
	return out, f.Metadata, err
}

func (x *File) all() (map[string]*tensor.Tensor, error) {
	out := make(map[string]*tensor.Tensor, len(x.Tensors))
	for _, t := range x.Tensors {
		var err error
		if out[t.Name], err = x.Tensor(t.Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Close closes the file.
func (x *File) Close() error {
	if c, ok := x.f.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Tensor reads the tensor called name.
func (x *File) Tensor(name string) (*tensor.Tensor, error) {
	i, ok := slices.BinarySearchFunc(x.Tensors, name, func(t Info, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return nil, fmt.Errorf("read %s: it has no tensor called %q", x.path, name)
	}
	info := x.Tensors[i]
	t := tensor.New(info.DType, info.Shape...)
	if err := t.Decode(io.NewSectionReader(x.f, info.begin, info.end-info.begin)); err != nil {
		return nil, fmt.Errorf("read %s: tensor %v: %w", x.path, info, err)
	}
	return t, nil
}

// readHeader reads the header of a file of size bytes.
func (x *File) readHeader(size int64) error {
	r := io.NewSectionReader(x.f, 0, size)
	var length [8]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return fmt.Errorf("its %d bytes are fewer than the 8 it must begin with", size)
	}
	n := binary.LittleEndian.Uint64(length[:])
	if n > maxHeader || int64(n) > size-8 {
		return fmt.Errorf("its header claims %d bytes, but the file has %d and a header at most %d: it is damaged or of another format", n, size, maxHeader)
	}
	h := make([]byte, n)
	if _, err := io.ReadFull(r, h); err != nil {
		return err
	}
	return x.parse(h, size)
}

// parse reads the header h of a file of size bytes.
func (x *File) parse(h []byte, size int64) error {
	if len(h) == 0 || h[0] != '{' {
		return fmt.Errorf("its header is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(h))
	if _, err := dec.Token(); err != nil { // the brace
		return fmt.Errorf("its header: %w", err)
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fmt.Errorf("its header: %w", err)
		}
		name := tok.(string) // the decoder lets nothing else be a key
		if seen[name] {
			return fmt.Errorf("its header has %q twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := decodeStrictly(dec, &x.Metadata); err != nil {
				return fmt.Errorf("its metadata: %w", err)
			}
			continue
		}
		if len(x.Tensors) == maxTensors {
			return fmt.Errorf("its header has more than %d tensors", maxTensors)
		}
		var e entry
		if err := decodeStrictly(dec, &e); err != nil {
			return fmt.Errorf("tensor %q: the header must give its dtype, shape and two data_offsets: %w", name, err)
		}
		if e.Shape == nil {
			return fmt.Errorf("tensor %q: its shape is null", name)
		}
		info, err := e.info(name, int64(len(h))+8, size)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		x.Tensors = append(x.Tensors, info)
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	if rest := bytes.TrimRight(h[dec.InputOffset():], " "); len(rest) > 0 {
		return fmt.Errorf("its header has %d bytes after the JSON object", len(rest))
	}
	return x.checkLayout(int64(len(h))+8, size)
}

// decodeStrictly reads the next value of dec into v.
func decodeStrictly(dec *json.Decoder, v any) error {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	return strictjson.Unmarshal(raw, v)
}

// info checks e, whose offsets count from start in a file of size bytes.
func (e entry) info(name string, start, size int64) (Info, error) {
	t, ok := dtypes[e.DType]
	if !ok {
		return Info{}, fmt.Errorf("the dtype %q is not one of %s", e.DType, strings.Join(slices.Sorted(maps.Keys(dtypes)), ", "))
	}
	n, err := tensor.Count(e.Shape)
	if err != nil {
		return Info{}, err
	}
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > size-start {
		return Info{}, fmt.Errorf("its bytes %d to %d lie outside of the %d that the file has: it is cut short or damaged", begin, end, size-start)
	}
	if want := int64(n) * int64(t.Size()); end-begin != want {
		return Info{}, fmt.Errorf("%s%v takes %d bytes, not the %d from %d to %d", e.DType, e.Shape, want, end-begin, begin, end)
	}
	return Info{name, t, e.Shape, start + begin, start + end}, nil
}

// checkLayout refuses overlaps and holes, and leaves the tensors sorted by name.
func (x *File) checkLayout(start, size int64) error {
	slices.SortFunc(x.Tensors, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	})
	at := start
	for _, t := range x.Tensors {
		if t.begin != at {
			return fmt.Errorf("tensor %q begins at byte %d, but the one before it ends at %d: tensors may neither overlap nor leave holes", t.Name, t.begin-start, at-start)
		}
		at = t.end
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to none", size-at)
	}
	slices.SortFunc(x.Tensors, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}
