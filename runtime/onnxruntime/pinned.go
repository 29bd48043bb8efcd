package onnxruntime

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// A build is a pinned library of one platform.
type build struct {
	name    string // of the file, which lies in the cache; "" is that of onnxruntime itself
	sha256  string // of the library file
	size    int64  // of the library file, bytes
	pkg     string // the npm package that has it; "" is onnxruntime-node
	npm     string // its path in that package
	archive string // the release archive that has it too; "" is none
	member  string // its path in that archive
}

// builds is keyed by GOOS/GOARCH. The hashes and sizes are those of the files in the npm package onnxruntime-node at
// [PinnedVersion]. A library from a release archive is held to the same hash: whether both were built from one run is
// the publisher's affair, and a library that nobody has looked at is not one to load.
var builds = map[string]build{
	"linux/amd64": {
		sha256:  "89688f5cf51c7e31befbb7b9101bc027799009b18d1baa9a5b1146a72e69538d",
		size:    44726808,
		npm:     "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		archive: "onnxruntime-linux-x64-" + PinnedVersion + ".tgz",
		member:  "lib/libonnxruntime.so." + PinnedVersion,
	},
	"linux/arm64": {
		sha256:  "a27d21126db312aa8f02f3d5eaebe466e991f51f469882e6d0407d5a8b64afda",
		size:    24538024,
		npm:     "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		archive: "onnxruntime-linux-aarch64-" + PinnedVersion + ".tgz",
		member:  "lib/libonnxruntime.so." + PinnedVersion,
	},
	"darwin/arm64": {
		sha256:  "3e4c63909e9fc6648c93c68741c1ccf1e3d89218dd1d6a7d4f3d629ffc7f9918",
		size:    43888264,
		npm:     "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib",
		archive: "onnxruntime-osx-arm64-" + PinnedVersion + ".tgz",
		member:  "lib/libonnxruntime." + PinnedVersion + ".dylib",
	},
	"windows/amd64": {
		sha256:  "5e289b5494cc338d62806f2d24c24aa7cc09a00bbab0404d9169487a45e0053a",
		size:    27989816,
		npm:     "package/bin/napi-v6/win32/x64/onnxruntime.dll",
		archive: "onnxruntime-win-x64-" + PinnedVersion + ".zip",
		member:  "lib/onnxruntime.dll",
	},
	"windows/arm64": {
		sha256:  "020f2f84f8029f2fa4b4c1443f8b1e0a659dc6cbed4a105ff908ff9a24d46306",
		size:    28949344,
		npm:     "package/bin/napi-v6/win32/arm64/onnxruntime.dll",
		archive: "onnxruntime-win-arm64-" + PinnedVersion + ".zip",
		member:  "lib/onnxruntime.dll",
	},
}

const (
	npmPackage = "onnxruntime-node@" + PinnedVersion
	releases   = "https://github.com/microsoft/onnxruntime/releases/download/v" + PinnedVersion + "/"
)

// cudaBuilds is the CUDA provider of the same version, for CUDA 13 and cuDNN 9, keyed by GOOS/GOARCH. The hashes and sizes are those of
// the files in the npm package, which was built from the same commit as onnxruntime-node at [PinnedVersion].
var cudaBuilds = map[string][]build{
	"linux/amd64": {
		{
			name: "libonnxruntime_providers_shared.so", pkg: cudaPackage, npm: "package/Plugins/Linux/x64/libonnxruntime_providers_shared.so",
			sha256: "c6a12593396095f5670160e284c35d1700b7708cf3037b7042e2a5200ccae772", size: 14632,
		}, {
			name: "libonnxruntime_providers_cuda.so", pkg: cudaPackage, npm: "package/Plugins/Linux/x64/libonnxruntime_providers_cuda.so",
			sha256: "56cf3254b118ad837ccc4ed8f6d1b23504bbf7ef91b34cbc0b289cb7f10b3037", size: 229780440,
		},
	},
}

const cudaPackage = "com.github.asus4.onnxruntime.linux-x64-gpu@0.4.9"

// buildFor is the build of a platform, or an error that lists the platforms there are.
func buildFor(platform string) (build, error) {
	b, ok := builds[platform]
	if !ok {
		return build{}, fmt.Errorf("onnxruntime %s is not pinned for %s, only for %s; if you have a library for it, set %s to it",
			PinnedVersion, platform, strings.Join(slices.Sorted(maps.Keys(builds)), ", "), EnvLibrary)
	}
	return b, nil
}

// cudaBuildsFor are the files of the CUDA provider of a platform, or an error that lists the platforms there are.
func cudaBuildsFor(platform string) ([]build, error) {
	list, ok := cudaBuilds[platform]
	if !ok {
		return nil, fmt.Errorf("the CUDA provider of onnxruntime %s is not pinned for %s, only for %s; if you have one for it, put it beside the library that %s names",
			PinnedVersion, platform, strings.Join(slices.Sorted(maps.Keys(cudaBuilds)), ", "), EnvLibrary)
	}
	return list, nil
}

// from is the npm package that b comes in.
func (b build) from() string { return cmp.Or(b.pkg, npmPackage) }

// members are the paths in archives at which the library of b may be.
func (b build) members() []string {
	if b.archive == "" {
		return []string{b.npm}
	}
	top := strings.TrimSuffix(strings.TrimSuffix(b.archive, ".tgz"), ".zip")
	return []string{b.npm, path.Join(top, b.member)}
}

// matches holds a library's size and hash to the pinned ones. from says where it is from, for the error.
func (b build) matches(from string, size int64, sum string) error {
	if size == b.size && sum == b.sha256 {
		return nil
	}
	trust := "set " + EnvLibrary + " to it"
	if b.name != "" {
		trust = "put it beside the library that " + EnvLibrary + " names"
	}
	return fmt.Errorf("the library in %s is not the pinned one: it has %d bytes and SHA-256 %s, expected %d and %s (the build in %s); it was not installed; if you trust it, %s",
		from, size, sum, b.size, b.sha256, b.from(), trust)
}
