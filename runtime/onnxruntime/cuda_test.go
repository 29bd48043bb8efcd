package onnxruntime

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime/cudatest"
)

// moving is a model that moves elements and computes nothing: y is x as a row.
func moving(t *testing.T) []byte {
	t.Helper()
	f32 := func(shape ...int64) *wire.TensorType {
		tt := &wire.TensorType{Elem: wire.Float}
		for _, n := range shape {
			tt.Shape = append(tt.Shape, wire.Dim{Value: n})
		}
		return tt
	}
	var buf bytes.Buffer
	err := (&wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: &wire.Graph{Name: "moving",
		Nodes:  []*wire.Node{{OpType: "Flatten", Inputs: []string{"x"}, Outputs: []string{"y"}, Attributes: []*wire.Attribute{{Name: "axis", Value: int64(0)}}}},
		Inputs: []*wire.ValueInfo{{Name: "x", Type: f32(2, 3)}}, Outputs: []*wire.ValueInfo{{Name: "y", Type: f32(1, 6)}}}}).Encode(&buf)
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestCUDA goes as far with the CUDA provider as stand-ins for NVIDIA's libraries let it.
func TestCUDA(t *testing.T) {
	needLibrary(t)
	lib, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	stub := cudatest.Build(t, lib.Path)
	cuda := func(t *testing.T) error {
		list, err := Providers("")
		if err != nil {
			t.Fatal(err)
		}
		return list[slices.IndexFunc(list, func(p Provider) bool { return p.Device == CUDA })].Err
	}
	t.Run("up to the kernels", func(t *testing.T) {
		stub.Run(t, nil, nil, func(t *testing.T) {
			wantError(t, cuda(t), "1+1 came out as 0") // since nothing adds
		})
	})
	t.Run("options", func(t *testing.T) {
		stub.Run(t, nil, nil, func(t *testing.T) {
			for _, o := range []Options{{}, {TF32: true}, {MemoryLimit: 1 << 30}, {TF32: true, MemoryLimit: 1 << 28, Threads: 2}} {
				o.Device = CUDA
				s, err := OpenBytes(moving(t), o)
				if err != nil {
					t.Fatalf("%+v: %v", o, err)
				}
				before, err := cudatest.Counts()
				if err != nil {
					t.Fatal(err)
				}
				x := tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
				for range 2 {
					out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x})
					if err != nil {
						t.Fatal(err)
					}
					same(t, "y", out["y"], tensor.Of([]float32{1, 2, 3, 4, 5, 6}, 1, 6))
				}
				after, err := cudatest.Counts()
				if err != nil || after[cudatest.Copies] < before[cudatest.Copies]+4 {
					t.Errorf("%+v: %v copies before, %v after, want those to the device and back: %v", o, before, after, err)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			_, err := OpenBytes(moving(t), Options{Device: CUDA, DeviceID: 1})
			wantError(t, err, "device cuda cannot be used", "device_id", "--device cpu works")
		})
	})
	t.Run("no device", func(t *testing.T) {
		stub.Run(t, nil, []string{"STUB_CUDA_DEVICES=0"}, func(t *testing.T) {
			wantError(t, cuda(t), "device cuda cannot be used", "CUDA says no CUDA-capable device is detected (100)", "nvidia-smi", "--device cpu works")
			if lacks := CUDALacks(lib); lacks != nil {
				t.Errorf("this machine lacks %q", lacks)
			}
		})
	})
	for _, name := range cudatest.Libraries {
		t.Run("without "+name, func(t *testing.T) {
			if loadable(name) == nil && os.Getenv("LD_LIBRARY_PATH") == "" {
				t.Skip("this machine has ", name)
			}
			stub.Run(t, []string{name}, nil, func(t *testing.T) {
				lacks := strings.Join(CUDALacks(lib), "; ")
				for _, other := range cudatest.Libraries {
					if strings.Contains(lacks, other) != (other == name) {
						t.Errorf("without %s it says: %s", name, lacks)
					}
				}
				err := cuda(t)
				switch name {
				case "libcufft.so.12", "libcudnn.so.9": // which are wanted by some models only
					wantError(t, err, "1+1 came out")
				default:
					wantError(t, err, "device cuda cannot be used", "this machine lacks "+name)
				}
			})
		})
	}
	t.Run("version", func(t *testing.T) {
		if v, err := providerVersion(filepath.Join(filepath.Dir(lib.Path), "libonnxruntime_providers_cuda.so")); err != nil || v != lib.Version {
			t.Errorf("the provider is of version %q, the library of %s: %v", v, lib.Version, err)
		}
	})
}

// TestCUDAProviderFault has no provider beside the library, and providers of other versions.
func TestCUDAProviderFault(t *testing.T) {
	dir := t.TempDir()
	files := []string{"shared.so", "cuda.so"}
	lib := Library{Path: filepath.Join(dir, "library.so"), Version: PinnedVersion}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, providerFault(lib, files), dir, "lacks the CUDA provider of onnxruntime "+PinnedVersion, "shared.so, cuda.so")
	write("shared.so", []byte("\x00any\x00"))
	wantError(t, providerFault(lib, files), "(cuda.so)")
	for _, c := range []struct {
		what, text string
		at         int
		want       string // of the error; "" is none
	}{
		{"the same", "\x00" + PinnedVersion + "\x00", 100, ""},
		{"another", "\x001.28.0\x00", 100, "1.28.0"},
		{"another, at the end of a block", "\x001.28.0\x00", 4<<20 - 3, "1.28.0"},
		{"another, at the end of the file", "\x001.28.0\x00", 5<<20 - 8, "1.28.0"},
		{"a part of another text", "\x00v1.28.0\x00", 100, ""},
		{"several", "\x001.28.0\x00\x001.27.0\x00", 100, ""},
		{"none", "", 0, ""},
	} {
		data := make([]byte, 5<<20)
		copy(data[c.at:], c.text)
		write("cuda.so", data)
		err := providerFault(lib, files)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.what, err)
		} else if c.want != "" {
			wantError(t, err, filepath.Join(dir, "cuda.so"), "is of onnxruntime "+c.want, PinnedVersion, "one version")
		}
	}
}
