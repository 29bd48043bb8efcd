#!/usr/bin/env bash
# Times an epoch of the VAE's training, PyTorch's and ours in turn, and prints the medians. Needs a Python that has PyTorch.
#
# usage: docs/compare.sh MNIST_DIR [ROUNDS [PYTHON]]
set -euo pipefail
cd "$(dirname "$0")/.."
mnist=$1 rounds=${2:-5} python=${3:-python3}
times=$(mktemp) run=$(mktemp -d)
trap 'rm -rf "$times" "$run"' EXIT

torch() {
	"$python" docs/torch_vae.py "$mnist" --threads 2 |
		sed -n 's/^epoch 1: \([0-9.]*\) s.*/\1/p'
}

ours() { # the BLAS
	rm -rf "$run"/*
	bin/sardonyx train vae --epochs 1 --threads 2 --blas "$1" --data "$mnist" --out "$run/vae" >/dev/null 2>&1
	sed -n 's/.*"kind":"epoch".*"seconds":\([0-9.]*\).*/\1/p' "$run/vae/metrics.jsonl"
}

for ((i = 1; i <= rounds; i++)); do
	a=$(torch) b=$(ours openblas) c=$(ours go)
	printf 'round %d: PyTorch %.2f s, Sardonyx with OpenBLAS %.2f s, in pure Go %.2f s\n' "$i" "$a" "$b" "$c"
	awk -v a="$a" -v b="$b" -v c="$c" 'BEGIN { print a, b, c, b / a, c / a }' >>"$times"
done

median() { cut -d' ' -f"$1" "$times" | sort -n | sed -n "$(((rounds + 1) / 2))p"; }
printf 'median:  PyTorch %.2f s, Sardonyx with OpenBLAS %.2f s, in pure Go %.2f s; ratios to PyTorch %.2f and %.2f\n' \
	"$(median 1)" "$(median 2)" "$(median 3)" "$(median 4)" "$(median 5)"
