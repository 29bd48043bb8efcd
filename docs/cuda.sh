#!/bin/bash
# Compares the CUDA device with our kernels and with PyTorch on the same GPU, and leaves what came out in OUT, with date and device.
# It runs in a checkout, with Go, or in a folder that docs/cuda_bundle.sh has made, without Go and without a network.
# usage: docs/cuda.sh [OUT]      (default: out/cuda)
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-out/cuda}
if ! { nvidia-smi -L || ls /dev/nvidia0; } >/dev/null 2>&1; then
	echo "no GPU"
	exit 0
fi
mkdir -p "$out"
out=$(cd "$out" && pwd)
python=${SARDONYX_TEST_PYTHON:-python3}

# The libraries of CUDA, where Python's packages have them.
folders=$("$python" - 2>/dev/null <<'P'
import glob, os, site
print(":".join(sorted({os.path.dirname(f) for s in site.getsitepackages() + [site.getusersitepackages()]
                       for f in glob.glob(s + "/nvidia/**/lib*.so.*", recursive=True)})))
P
)
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folders

if [ -e "$here/libonnxruntime_providers_cuda.so.xz" ]; then # a bundle
	library=${TMPDIR:-/tmp}/sardonyx-cuda-$(id -u)
	mkdir -p "$library"
	for f in "$here"/*.xz; do
		to=$library/$(basename "${f%.xz}")
		[ -e "$to" ] || { xz -dc "$f" >"$to.part" && chmod +x "$to.part" && mv "$to.part" "$to"; } || exit 1
	done
	sardonyx=$library/sardonyx tests=$library/onnxruntime.test
	export ONNXRUNTIME_SHARED_LIBRARY_PATH=$library/libonnxruntime.so.1
else
	cd "$here/.." || exit 1
	sardonyx=$out/sardonyx tests=$out/onnxruntime.test
	go build -o "$sardonyx" ./cmd/sardonyx && go test -c -o "$tests" ./runtime/onnxruntime || exit 1
	"$sardonyx" runtime install --cuda || exit 1
fi

failed=0
step() { # NAME COMMAND...: runs it, keeps what it prints, and says how it went
	local name=$1 start=$SECONDS
	shift
	if "$@" >"$out/$name.txt" 2>&1; then
		echo "ok      $name, $((SECONDS - start)) s"
	else
		echo "FAILED  $name, $((SECONDS - start)) s: see $out/$name.txt"
		failed=1
	fi
}
{
	date -u +%Y-%m-%dT%H:%MZ
	nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
	"$sardonyx" version
	"$python" -c 'import torch; print("PyTorch", torch.__version__, "CUDA", torch.version.cuda)'
} >"$out/device.txt" 2>&1
cat "$out/device.txt"

step doctor sh -c "'$sardonyx' doctor | grep '^ok  device cuda'"
export SARDONYX_TEST_DEVICE=cuda
step ops "$tests" -test.run '^TestOps$' -test.timeout 10m
step steps "$tests" -test.run '^TestEngineSteps$' -test.timeout 10m
benchmark() { # NAME FLAGS...: the four training steps beside PyTorch's, in f32 or, with --bf16, in mixed precision
	local name=$1 twin="$python '$here/torch_steps.py' {model} --threads {threads} --device cuda ${*:2} --serve"
	local bench=("$sardonyx" bench --engine onnxruntime --device cuda --threads 1 --rounds 5 "${@:2}")
	"$python" -c 'import torch' 2>/dev/null && bench+=(--against "eager=$twin" --against "compiled=$twin --compile")
	step "$name" "${bench[@]}"
	cat "$out/$name.txt"
}
benchmark bench
benchmark bench-bf16 --bf16
exit $failed
