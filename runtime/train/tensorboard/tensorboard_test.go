package tensorboard

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/png"
	"math"
	"math/bits"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// records cuts a file into its records, as TensorFlow's record_reader does.
func records(t *testing.T, file []byte) (list [][]byte) {
	t.Helper()
	checked := func(b, sum []byte) {
		t.Helper()
		c := bits.RotateLeft32(binary.LittleEndian.Uint32(sum)-0xa282ead8, 15)
		if want := crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)); c != want {
			t.Fatalf("the checksum of %q is %08x, want %08x", b, c, want)
		}
	}
	for len(file) > 0 {
		if len(file) < 12 {
			t.Fatalf("%d bytes are left", len(file))
		}
		n := binary.LittleEndian.Uint64(file)
		checked(file[:8], file[8:12])
		if uint64(len(file)) < n+16 {
			t.Fatalf("a record of %d bytes, and %d are left", n, len(file))
		}
		data := file[12 : 12+n]
		checked(data, file[12+n:16+n])
		list, file = append(list, data), file[16+n:]
	}
	return list
}

// A field is one field of a message: a number, or bytes.
type field struct {
	num    protowire.Number
	number uint64
	bytes  []byte
}

func fields(t *testing.T, b []byte) (list []field) {
	t.Helper()
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		f := field{num: num}
		switch typ {
		case protowire.VarintType:
			f.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			f.number, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.number = uint64(v)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default:
			t.Fatalf("field %d has wire type %d", num, typ)
		}
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		list, b = append(list, f), b[n:]
	}
	return list
}

// get is the first field of a number in nested messages.
func get(t *testing.T, b []byte, path ...protowire.Number) field {
	t.Helper()
	for i, num := range path {
		found := false
		for _, f := range fields(t, b) {
			if f.num == num {
				if i == len(path)-1 {
					return f
				}
				b, found = f.bytes, true
				break
			}
		}
		if !found {
			t.Fatalf("there is no field %v", path[:i+1])
		}
	}
	return field{}
}

func picture(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 5, 3))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// file has events of every kind.
func file(t *testing.T) []byte {
	t.Helper()
	img, err := Image("samples", picture(t))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1700000000, 250e6)
	b := Begin(at)
	b = Event{at, 0, []Value{Text("config", "of a run\xff")}}.Append(b)
	b = Event{at.Add(time.Second), 40, []Value{Scalar("loss/train", .5), Scalar("loss/validation", -.25)}}.Append(b)
	b = Event{at.Add(2 * time.Second), 1 << 40, []Value{Scalar("loss/train", math.NaN()), img}}.Append(b)
	return b
}

// TestFile reads a file back by the numbers of the fields in TensorFlow's definitions.
func TestFile(t *testing.T) {
	list := records(t, file(t))
	if len(list) != 5 {
		t.Fatalf("%d records", len(list))
	}
	for i, want := range []float64{1700000000.25, 1700000000.25, 1700000000.25, 1700000001.25, 1700000002.25} {
		if got := math.Float64frombits(get(t, list[i], 1).number); got != want {
			t.Errorf("record %d is of %v, want %v", i, got, want)
		}
	}
	if v := get(t, list[0], 3).bytes; string(v) != "brain.Event:2" {
		t.Errorf("the version is %q", v)
	}
	if v := get(t, list[1], 7, 1).number; v != 1 {
		t.Errorf("the session's status is %d", v)
	}
	if tag, text, plugin := get(t, list[2], 5, 1, 1).bytes, get(t, list[2], 5, 1, 8, 8).bytes, get(t, list[2], 5, 1, 9, 1, 1).bytes; string(tag) != "config" || string(text) != "of a run\uFFFD" || string(plugin) != "text" {
		t.Errorf("the text is %q %q %q", tag, text, plugin)
	}
	if d := get(t, list[2], 5, 1, 8, 1).number; d != 7 {
		t.Errorf("the text's dtype is %d", d)
	}
	var got []any
	for _, v := range fields(t, get(t, list[3], 5).bytes) {
		got = append(got, string(get(t, v.bytes, 1).bytes), math.Float32frombits(uint32(get(t, v.bytes, 2).number)))
	}
	if want := []any{"loss/train", float32(.5), "loss/validation", float32(-.25)}; !reflect.DeepEqual(got, want) || get(t, list[3], 2).number != 40 {
		t.Errorf("step %d has %v, want %v", get(t, list[3], 2).number, got, want)
	}
	if v := get(t, list[4], 2).number; v != 1<<40 {
		t.Errorf("the last step is %d", v)
	}
	img := fields(t, get(t, list[4], 5).bytes)[1].bytes
	if h, w, c := get(t, img, 4, 1).number, get(t, img, 4, 2).number, get(t, img, 4, 3).number; h != 3 || w != 5 || c != 3 {
		t.Errorf("the image is %d×%d in colorspace %d", h, w, c)
	}
	if !bytes.Equal(get(t, img, 4, 4).bytes, picture(t)) {
		t.Error("the image's bytes are others")
	}
	if _, err := Image("samples", []byte("none")); err == nil || !strings.Contains(err.Error(), `the image "samples"`) {
		t.Errorf("no PNG: %v", err)
	}
}

// TestChecksum holds a record to bytes that TensorFlow has written: that of the file's version at time 0.
func TestChecksum(t *testing.T) {
	if got := masked([]byte("\x18\x00\x00\x00\x00\x00\x00\x00")); got != 0x224b7fa3 {
		t.Errorf("the masked CRC-32C of the length 24 is %08x", got)
	}
}

const read = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1])
a.Reload()
out = {"tags": {k: v for k, v in a.Tags().items() if v and v is not True}}
out["scalars"] = {t: [[e.wall_time, e.step, repr(e.value)] for e in a.Scalars(t)] for t in a.Tags()["scalars"]}
out["images"] = {t: [[e.step, e.width, e.height, len(e.encoded_image_string)] for e in a.Images(t)] for t in a.Tags()["images"]}
out["texts"] = {t: [e.tensor_proto.string_val[0].decode() for e in a.Tensors(t)] for t in a.Tags()["tensors"]}
print(json.dumps(out))
`

// TestTensorBoard has TensorBoard itself read a file, where a Python has it.
func TestTensorBoard(t *testing.T) {
	python := os.Getenv("SARDONYX_TEST_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import tensorboard").Run(); err != nil {
		t.Skipf("%s has no tensorboard package (%v): TensorBoard's own reader is not tried", python, err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "events.out.tfevents.1700000000.test"), file(t), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", read, dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	var got struct {
		Tags    map[string][]string
		Scalars map[string][][]any
		Images  map[string][][]int
		Texts   map[string][]string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, c := range []struct{ what, got, want any }{
		{"loss/train", got.Scalars["loss/train"], [][]any{{1700000001.25, 40., "0.5"}, {1700000002.25, float64(1 << 40), "nan"}}},
		{"loss/validation", got.Scalars["loss/validation"], [][]any{{1700000001.25, 40., "-0.25"}}},
		{"samples", got.Images["samples"], [][]int{{1 << 40, 5, 3, len(picture(t))}}},
		{"config", got.Texts["config"], []string{"of a run\uFFFD"}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("TensorBoard reads %v as %v, want %v (of %v)\n%s", c.what, c.got, c.want, got.Tags, &stderr)
		}
	}
}
