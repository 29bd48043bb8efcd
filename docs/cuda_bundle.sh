#!/bin/bash
# Packs all that docs/cuda.sh needs on a machine with a GPU, Python and PyTorch, but without Go and without a network: about 60 MB.
# usage: docs/cuda_bundle.sh [OUT [SM]]      (default: out/cuda-bundle 90; SM is the GPU's architecture, 90 for H100 and H200)
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-out/cuda-bundle} sm=${2:-90}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -trimpath -ldflags '-s -w' -o "$work/sardonyx" ./cmd/sardonyx
go test -c -trimpath -ldflags '-s -w' -o "$work/onnxruntime.test" ./runtime/onnxruntime
"$work/sardonyx" runtime install --cuda
library=$("$work/sardonyx" runtime install | sed 's/^.*onnxruntime [^ ]*, \(.*\) (.*$/\1/')
cp "$library" "$work/"
cp "$(dirname "$library")/libonnxruntime_providers_shared.so" "$work/"
python3 docs/cuda_prune.py "$(dirname "$library")/libonnxruntime_providers_cuda.so" "$work/libonnxruntime_providers_cuda.so" "$sm"
for f in "$work"/*; do
	xz -6 -T0 -c "$f" >"$out/$(basename "$f").xz"
done
cp docs/cuda.sh docs/torch_steps.py "$out/"
du -sh "$out"
