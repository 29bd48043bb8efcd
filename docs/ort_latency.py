"""A call of an ONNX file in Python's onnxruntime, on NumPy arrays: the twin of `sardonyx bench --infer`.

usage: ort_latency.py FILE.onnx [--sizes "NAME=N ..."] [--kinds N] [--threads N] [--io-binding]
       ort_latency.py --table PAGE.md < bench.json
Says {"ready": true} and then, for each line that it reads, runs for a fifth of a second and prints a line of JSON with "ms", the
milliseconds of a call, "p50_ms" and "p99_ms", those that one of two and one of a hundred calls takes or more, and the version.
Inputs are floats in [0, 1) and whole numbers below --kinds. With --io-binding they and the outputs are bound once. With --table it puts
what bench --json printed, of one model or of several, into the page's table.
"""
import argparse
import json
import sys
import time



def draw(np, rng, info, sizes, kinds):
    shape = [d if isinstance(d, int) else sizes[d] for d in info.shape]
    dtype = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64, "tensor(int32)": np.int32}[info.type]
    if np.issubdtype(dtype, np.floating):
        return rng.random(shape).astype(dtype)
    if info.name in sizes and not shape:  # a size that is told
        return np.array(sizes[info.name], dtype)
    return rng.integers(0, kinds, shape).astype(dtype)


def digits(v):
    return f"{v:.3g}" if v < 1000 else f"{v:.0f}"


def table(entries):
    """The rows of latency.md: of each function a call with one example, and the throughput of the largest batch."""
    by = {}
    for e in entries:
        if e["func"] not in ("validate", "reconstruct"):  # training's own
            by.setdefault((e["model"], e["func"]), []).append(e)
    yield ("| function | bound, µs | p99 | unbound | Python, bound | p99 | Python | ratio "
           "| batch | bound, examples/s | unbound | Python, bound | Python | ratio |")
    yield "|" + "---|" * 14
    for (model, func), list_ in by.items():
        one, many = min(list_, key=lambda e: e["batch"]), max(list_, key=lambda e: e["batch"])
        bound, unbound, python_bound, python = in_order(one)
        us = lambda t, what="p50_ms": digits(t[what] * 1e3)
        row = [f"{model} {func}", us(bound), us(bound, "p99_ms"), us(unbound), us(python_bound), us(python_bound, "p99_ms"), us(python), ratio(one)]
        row += [str(many["batch"])] + [digits(many["batch"] / t["p50_ms"] * 1e3) for t in in_order(many)] + [ratio(many)]
        yield "| " + " | ".join(row) + " |"


def in_order(entry):
    """The times of a bound call, an unbound one, and those in Python."""
    ours = [t for t in entry["times"] if not t.get("reference")]
    theirs = sorted((t for t in entry["times"] if t.get("reference")), key=lambda t: "bound" not in t["name"])
    return ours + theirs


def ratio(entry):
    """Our bound call's median time by that of Python's."""
    ours, _, theirs, _ = in_order(entry)
    return f"**{ours['p50_ms'] / theirs['p50_ms']:.2f}**"


def fill(page):
    text, decoder, entries = sys.stdin.read().strip(), json.JSONDecoder(), []
    while text:
        more, end = decoder.raw_decode(text)
        entries += more
        text = text[end:].strip()
    with open(page) as f:
        lines = f.read().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| function |"))
    last = first
    while last < len(lines) and lines[last].startswith("|"):
        last += 1
    lines[first:last] = table(entries)
    with open(page, "w") as f:
        f.write("\n".join(lines) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("file", nargs="?")
    p.add_argument("--table")
    p.add_argument("--sizes", default="batch=1")
    p.add_argument("--kinds", type=int, default=2)
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--io-binding", action="store_true")
    a = p.parse_args()
    if a.table:
        return fill(a.table)
    import numpy as np
    import onnxruntime as ort
    sizes = {name: int(n) for name, n in (s.split("=") for s in a.sizes.split())}

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = a.threads, 4
    session = ort.InferenceSession(a.file, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feed = {i.name: draw(np, rng, i, sizes, a.kinds) for i in session.get_inputs()}
    call = lambda: session.run(None, feed)
    if a.io_binding:
        binding = session.io_binding()
        for name, x in feed.items():
            binding.bind_cpu_input(name, x)
        for o, y in zip(session.get_outputs(), call()):
            binding.bind_ortvalue_output(o.name, ort.OrtValue.ortvalue_from_numpy(y))
        call = lambda: session.run_with_iobinding(binding)
    for _ in range(3):
        call()
    print(json.dumps({"ready": True}), flush=True)
    clock = time.perf_counter
    for _ in sys.stdin:
        call()  # the others have had the caches
        times, first = [], clock()
        last = first
        while last - first < 0.2:
            call()
            now = clock()
            times.append(now - last)
            last = now
        times.sort()
        print(json.dumps({"ms": (last - first) / len(times) * 1e3, "p50_ms": times[len(times) // 2] * 1e3, "p99_ms": times[int(len(times) * 0.99)] * 1e3,
                          "version": "onnxruntime " + ort.__version__}), flush=True)


if __name__ == "__main__":
    main()
