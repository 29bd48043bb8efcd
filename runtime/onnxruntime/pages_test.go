package onnxruntime

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestHostMemory takes tensors of many sizes from the memory of engines, and frees them in any order: none lies in another, and the system
// has all again in the end.
func TestHostMemory(t *testing.T) {
	if _, err := Find(""); err != nil {
		t.Skip(err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("the library's own allocator")
	}
	d, err := newDevice(Options{Device: CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	type held struct {
		v    deviceTensor
		data []byte
		mark byte
	}
	r := rand.New(rand.NewPCG(1, 2))
	before := resident(t)
	var list []held
	free := func(i int) {
		h := list[i]
		if len(bytes.Trim(h.data, string(h.mark))) > 0 {
			t.Fatalf("other numbers stand in a tensor of %d bytes than were written", len(h.data))
		}
		h.v.free()
		list[i] = list[len(list)-1]
		list = list[:len(list)-1]
	}
	for n := range 2000 {
		size := 1 << r.IntN(21)
		switch r.IntN(4) {
		case 0:
			size += r.IntN(size)
		case 1:
			size--
		}
		v, err := d.alloc(tensor.I8, size)
		if err != nil {
			t.Fatal(err)
		}
		data, err := v.(interface{ bytes() ([]byte, error) }).bytes()
		if err != nil {
			t.Fatal(err)
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(data))); at%64 != 0 {
			t.Fatalf("a tensor of %d bytes begins at %#x", size, at)
		}
		mark := byte(n%120 + 1)
		for i := range data {
			data[i] = mark
		}
		list = append(list, held{v, data, mark})
		if len(list) > 100 {
			free(r.IntN(len(list)))
		}
	}
	if grown := resident(t) - before; grown < 4<<20 {
		t.Errorf("%d tensors take %d bytes", len(list), grown)
	}
	for len(list) > 0 {
		free(len(list) - 1)
	}
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("freed tensors left %d bytes", grown)
	}
}
