# Sardonyx. `make demo` and `make test` set up all that they need on a machine with Go, gcc, make and npm.

GO      ?= go
OUT     ?= out
SEED    ?= 1
EPOCHS  ?= 10
BIN     := bin/sardonyx
MNIST   ?= $(or $(SARDONYX_CACHE),$(HOME)/.cache/sardonyx)/data/mnist
ROUNDS  ?= 5
PYTHON  ?= python3

.PHONY: build setup demo test parity test-cuda cuda-bundle check race nocgo generate mutations bench latency arm64 clean compare

build: ## the command, bin/sardonyx
	$(GO) build -o $(BIN) ./cmd/sardonyx

setup: build ## fetch onnxruntime and MNIST into the cache, hash-checked; nothing where they are there already
	$(BIN) runtime install
	$(BIN) data fetch mnist

demo: setup ## train the VAE on MNIST, export it, verify it, sample it in onnxruntime; again, it goes on with the run in OUT
	$(BIN) train vae --data mnist --epochs $(EPOCHS) --seed $(SEED) --out $(OUT)/vae $(if $(wildcard $(OUT)/vae/config.json),--resume)
	$(BIN) export vae --run $(OUT)/vae --func encode --func decode
	$(BIN) verify vae --run $(OUT)/vae --func encode --func decode
	$(BIN) sample vae --run $(OUT)/vae --count 100 --seed $(SEED) --png $(OUT)/vae/samples.png
	@echo
	@echo "done: the training run, its checkpoints, loss curve and ONNX files are in $(OUT)/vae"
	@echo "      100 digits, decoded by onnxruntime, are in $(OUT)/vae/samples.png"

test: setup ## all tests
	$(GO) test -timeout 30m ./...

parity: setup ## 200 training steps of the yardsticks and a WGAN-GP, at full size, in gorgonia and onnxruntime, and how far they are apart; minutes
	SARDONYX_TEST_FULL=1 $(GO) test -count=1 -v -timeout 60m -run 'TestEngineSteps$$' ./runtime/onnxruntime

check: ## what a reviewer would run besides the tests
	$(GO) vet ./...
	test -z "$$(gofmt -l .)"

race: ## the race detector where goroutines are
	$(GO) test -race -timeout 30m ./graph/kernel ./runtime/...

nocgo: ## everything but onnxruntime works without cgo
	CGO_ENABLED=0 $(GO) build ./...

# An arm64 C library, which opening libraries at run time needs: Debian has it in libc6-arm64-cross.
ARM64_LIBC ?= /usr/aarch64-linux-gnu

arm64: ## the tests of the numeric loops on arm64, emulated, without those that measure time; nothing where there is no emulator
	@if command -v qemu-aarch64 >/dev/null && test -e $(ARM64_LIBC)/lib/ld-linux-aarch64.so.1; then \
		GOARCH=arm64 CGO_ENABLED=0 $(GO) test -exec 'qemu-aarch64 -L $(ARM64_LIBC)' -skip 'FastestIsTaken|Found' ./graph/kernel ./runtime/blas && \
		GOARCH=arm64 CGO_ENABLED=0 $(GO) test -exec 'qemu-aarch64 -L $(ARM64_LIBC)' -run 'Fuse|Sharing' ./graph; \
	else \
		echo "arm64: skipped: it takes qemu-aarch64 and an arm64 C library (Debian: qemu-user, libc6-arm64-cross)"; \
	fi

generate: ## the vector loops, after a change of what writes them, graph/kernel/_asm and runtime/blas/_asm
	$(GO) generate ./graph/kernel ./runtime/blas

mutations: ## break the code in some hundreds of small ways, and see that tests catch each; some minutes
	$(GO) run ./testdata/mutations $(ONLY)

bench: ## the other figures of docs/benchmarks.md
	$(GO) test -run '^$$' -bench 'VAEStep|Steps|Measures|Export|Compile|Sgemm|Vectors|Loader|OneNode|Decoder' -benchmem ./runtime/gorgonia ./runtime/onnxruntime ./runtime/metrics ./runtime/blas ./runtime/data ./graph/kernel ./exporters/onnx ./compiler

latency: build ## the table of docs/latency.md, model by model; PYTHON is one with numpy and onnxruntime of the pinned version
	for m in $$($(BIN) models --json | $(PYTHON) -c 'import json, sys; print(*(m["name"] for m in json.load(sys.stdin)))'); do \
		$(BIN) bench --infer $$m --engine onnxruntime --threads 1 --rounds 3 --json \
			--against 'python=$(PYTHON) docs/ort_latency.py {file} --sizes "{sizes}" --threads {threads}' \
			--against 'python, bound=$(PYTHON) docs/ort_latency.py {file} --sizes "{sizes}" --threads {threads} --io-binding' || exit 1; \
	done | $(PYTHON) docs/ort_latency.py --table docs/latency.md

test-cuda: ## where there is a GPU: every op's samples and 200 training steps beside the CPU, and the steps' times beside PyTorch's; docs/cuda.md
	docs/cuda.sh

cuda-bundle: ## all that test-cuda needs on a machine with a GPU, but without Go and a network
	docs/cuda_bundle.sh

compare: setup ## an epoch of the VAE, PyTorch's and ours in turn; PYTHON is one with PyTorch
	docs/compare.sh $(MNIST) $(ROUNDS) $(PYTHON)

clean:
	rm -rf bin out
