package onnxruntime

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// cudaLibraries are what the pinned CUDA provider needs of the system on Linux, in the order in which it is worth getting: each with
// what it is a part of. cuFFT and cuDNN are opened when an operator wants them.
var cudaLibraries = []struct{ name, of string }{
	{"libcuda.so.1", "the NVIDIA driver"},
	{"libcudart.so.13", "CUDA 13"}, {"libcublas.so.13", "CUDA 13"}, {"libcublasLt.so.13", "CUDA 13"}, {"libcurand.so.10", "CUDA 13"},
	{"libcufft.so.12", "CUDA 13"},
	{"libcudnn.so.9", "cuDNN 9"},
}

// cudaPackages are Python packages that have the libraries of CUDA 13 and cuDNN 9.
const cudaPackages = "nvidia-cuda-runtime nvidia-cublas nvidia-curand nvidia-cufft nvidia-cudnn-cu13"

// CUDALacks says in words what this machine lacks for the device cuda with the library lib, and how to get it: nothing if all that can be
// looked for is there. Whether there is a GPU, [Providers] tells.
func CUDALacks(lib Library) []string {
	var lacks []string
	if err := providerFault(lib, cudaFiles(runtime.GOOS)); err != nil {
		lacks = append(lacks, err.Error())
	}
	switch driver := cudaDriver(runtime.GOOS); {
	case driver == "":
		return append(lacks, "there is no NVIDIA driver for "+runtime.GOOS)
	case runtime.GOOS != "linux":
		if loadable(driver) != nil {
			lacks = append(lacks, "this machine lacks the NVIDIA driver ("+driver+")")
		}
		return lacks
	}
	var names []string
	of := map[string]bool{}
	for _, l := range cudaLibraries {
		if loadable(l.name) == nil {
			continue
		}
		names, of[l.of] = append(names, l.name), true
		if l.of != "CUDA 13" || l.name == "libcudart.so.13" {
			names[len(names)-1] += " (" + l.of + ")"
		}
	}
	if names == nil {
		return lacks
	}
	text := "this machine lacks " + strings.Join(names, ", ")
	if of["CUDA 13"] || of["cuDNN 9"] {
		text += "; CUDA and cuDNN come with NVIDIA's packages for the system, or with pip install " + cudaPackages + ", whose folders lib then go into LD_LIBRARY_PATH"
	}
	return append(lacks, text)
}

// providerFault says that one of files, the provider's, is not beside lib, or is of another version than lib: the library itself does not
// look, and would crash.
func providerFault(lib Library, files []string) error {
	dir := filepath.Dir(lib.Path)
	var missing []string
	for _, name := range files {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			missing = append(missing, name)
		}
	}
	if missing != nil {
		get := ""
		if _, err := cudaBuildsFor(runtime.GOOS + "/" + runtime.GOARCH); err == nil && lib.Version == PinnedVersion {
			get = "; to fetch it: " + installCUDA
		}
		return fmt.Errorf("%s lacks the CUDA provider of onnxruntime %s (%s)%s", dir, lib.Version, strings.Join(missing, ", "), get)
	}
	for _, name := range files {
		path := filepath.Join(dir, name)
		version, err := providerVersion(path)
		if err != nil {
			return err
		}
		if version != "" && version != lib.Version {
			return fmt.Errorf("%s is of onnxruntime %s, and the library beside it is of %s: both must be of one version", path, version, lib.Version)
		}
	}
	return nil
}

// fits has the paths of libraries whose providers were seen to be there and of their version.
var fits sync.Map

// readyForCUDA is an error if the CUDA provider cannot be loaded into lib; it is to be asked before it is.
func readyForCUDA(lib Library) error {
	if _, ok := fits.Load(lib.Path); ok {
		return nil
	}
	if err := providerFault(lib, cudaFiles(runtime.GOOS)); err != nil {
		return cudaError(lib, err)
	}
	fits.Store(lib.Path, true)
	return nil
}

// maxProvider bounds the size of a provider's file, in bytes.
const maxProvider = 4 << 30

// versionText is how a library keeps its own version, a string of C of its own.
var versionText = regexp.MustCompile(`\x00(1\.\d+\.\d+)\x00`)

// providerVersion is the version of onnxruntime that the provider in the file path says that it was built for, "" if it says none or
// more than one.
func providerVersion(path string) (string, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if size > maxProvider {
		return "", fmt.Errorf("%s: it has %d bytes, more than a provider's %d", path, size, int64(maxProvider))
	}
	const overlap = 64
	found := ""
	block := make([]byte, 4<<20)
	for at := int64(0); at < size; at += int64(len(block)) - overlap {
		n, err := f.ReadAt(block, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		for _, m := range versionText.FindAllSubmatch(block[:n], -1) {
			v := string(m[1])
			if found != "" && v != found {
				return "", nil
			}
			found = v
		}
	}
	return found, nil
}

// cudaOptions are the options of the CUDA provider that o asks for.
func cudaOptions(o Options) map[string]string {
	// An arena that grows by what is asked for, not to powers of two, keeps to a limit, and leaves memory to others.
	list := map[string]string{"device_id": strconv.Itoa(o.DeviceID), "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
	if o.TF32 {
		list["use_tf32"] = "1"
	}
	if o.graphs {
		list["enable_cuda_graph"] = "1"
	}
	if o.MemoryLimit > 0 {
		list["gpu_mem_limit"] = strconv.FormatInt(o.MemoryLimit, 10)
	}
	return list
}

// cudaError is an error of the CUDA provider, err, as what this machine lacks for it; where it lacks nothing that can be
// looked for, it is err with a guess.
func cudaError(lib Library, err error) error {
	why := strings.Join(CUDALacks(lib), ", and ")
	if why == "" {
		text := oneLine{err}.Error()
		if m := cudaFailure.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("CUDA says %s (%s)", m[2], m[1])
		}
		why = text + "; the provider, the driver and the libraries of CUDA are there, and nvidia-smi lists the GPUs that the driver sees"
	}
	return &cudaUnusable{why, err}
}

// cudaFailure is how the provider says what CUDA returned.
var cudaFailure = regexp.MustCompile(`CUDA failure (\d+): (.*?) *; GPU=`)

// A cudaUnusable says why the device cuda cannot be used.
type cudaUnusable struct {
	why string
	err error
}

func (e *cudaUnusable) Error() string {
	return fmt.Sprintf("the device cuda cannot be used: %s; --device cpu works", e.why)
}

func (e *cudaUnusable) Unwrap() error { return e.err }

// cudaFiles are the provider's files, which must lie beside the library and be of its version.
func cudaFiles(goos string) []string {
	if goos == "windows" {
		return []string{"onnxruntime_providers_shared.dll", "onnxruntime_providers_cuda.dll"}
	}
	return []string{"libonnxruntime_providers_shared.so", "libonnxruntime_providers_cuda.so"}
}

// cudaDriver is the library that comes with the driver, "" where there is no driver.
func cudaDriver(goos string) string {
	switch goos {
	case "linux", "freebsd":
		return "libcuda.so.1"
	case "windows":
		return "nvcuda.dll"
	}
	return ""
}
