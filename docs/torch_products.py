"""The float32 products of BenchmarkSgemm in runtime/blas, by torch.mm on one thread: prints m x n x k, what is transposed, and GFLOP/s, the best
of thirty blocks of a hundredth of a second.
"""
import time

import torch

SHAPES = [(512, 512, 512, ""), (1024, 1024, 1024, ""), (128, 512, 784, ""), (128, 784, 512, "b"), (784, 512, 128, "a"), (32, 784, 25, ""),
          (64, 256, 288, ""), (128, 256, 1024, ""), (64, 512, 256, "b"), (3, 1024, 512, ""), (32, 16, 32, ""), (2048, 512, 128, ""),
          (512, 128, 2048, "a"), (128, 128, 32, "b"), (64, 1, 2048, ""),
          (1024, 1, 64, "a"), (1, 512, 784, ""), (1, 512, 784, "b"), (64, 1024, 1, ""), (64, 2, 2048, ""), (2, 512, 784, "b"),
          (64, 4, 2048, "a"), (64, 6, 784, "b")]

torch.set_num_threads(1)
for m, n, k, transposed in SHAPES:
    a = torch.randn(k, m).t() if transposed == "a" else torch.randn(m, k)
    b = torch.randn(n, k).t() if transposed == "b" else torch.randn(k, n)
    out, best = torch.empty(m, n), 0.0
    for _ in range(30):
        done, first = 0, time.perf_counter()
        while (now := time.perf_counter()) - first < 0.01:
            torch.mm(a, b, out=out)
            done += 1
        best = max(best, 2 * m * n * k * done / (now - first) / 1e9)
    print(f"{m} x {n} x {k} {transposed:1} {best:.1f}")
