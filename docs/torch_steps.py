"""The four training steps of `sardonyx bench` in PyTorch: the same shapes, losses and optimizers, float32 or, with --bf16,
autocast, eager or compiled. On CUDA, TF32 is off.

usage: torch_steps.py {step-vae|step-cnn|step-gpt|step-dcgan} [--threads N] [--turns N] [--batch N] [--compile] [--device cpu|cuda]
                      [--bf16] [--serve]
Prints one JSON line with "ms", the milliseconds of a step: the median of five blocks, of --turns steps or of a fifth of a second each;
"bytes", the most that a step has allocated at once besides parameters and moments, inputs among it; "resident", the most that the process
had; and "version". With --serve it prints {"ready": true} once all is warm and compiled, and then for each line that it reads a line of one block.
"""
import argparse
import json
import math
import statistics
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn


class Vae(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.mu, self.log_var = nn.Linear(784, 512), nn.Linear(512, 20), nn.Linear(512, 20)
        self.dec = nn.Sequential(nn.Linear(20, 512), nn.ReLU(), nn.Linear(512, 784))

    def forward(self, x):
        h = F.relu(self.enc(x))
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + torch.randn_like(mu) * (log_var / 2).exp()
        pixels = F.binary_cross_entropy_with_logits(self.dec(z), x, reduction="none").sum(-1)
        kl = (mu.square() + log_var.exp() - 1 - log_var).sum(-1) / 2
        return (pixels + kl).mean()


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x, label):
        return F.cross_entropy(self.net(x), label)


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        split = lambda t: t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = map(split, self.qkv(self.norms[0](x)).chunk(3, -1))
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norms[1](x))


class Gpt(nn.Module):
    def __init__(self, vocab=96, context=128, width=128, heads=4, depth=4):
        super().__init__()
        self.token, self.place = nn.Embedding(vocab, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocab)

    def forward(self, ids, label):
        x = self.token(ids) + self.place.weight[: ids.shape[1]]
        return F.cross_entropy(self.head(self.norm(self.blocks(x))).flatten(0, 1), label.flatten())


def generator():
    def up(i, o):
        return [nn.ConvTranspose2d(i, o, 4, 2, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
    return nn.Sequential(nn.Linear(100, 4096), nn.Unflatten(1, (256, 4, 4)), *up(256, 128), *up(128, 64),
                         nn.ConvTranspose2d(64, 3, 4, 2, 1), nn.Tanh())


def critic():
    def down(i, o):
        return [nn.Conv2d(i, o, 4, 2, 1), nn.LeakyReLU(0.2)]
    return nn.Sequential(*down(3, 64), *down(64, 128), *down(128, 256), nn.Flatten(), nn.Linear(4096, 1))


def autocast(a):
    return torch.autocast(a.device, torch.bfloat16, enabled=a.bf16)


def one_model(model, inputs, a):
    model, inputs = model.to(a.device), [x.to(a.device) for x in inputs]
    opt = torch.optim.Adam(model.parameters(), 1e-3)
    forward = torch.compile(model) if a.compile else model

    def step():
        opt.zero_grad()
        with autocast(a):
            loss = forward(*inputs)
        loss.backward()
        opt.step()
        return loss.item()
    return step, [opt], inputs


def adversaries(batch, a):
    gen, judge = generator().to(a.device), critic().to(a.device)
    of_gen, of_judge = (torch.optim.Adam(m.parameters(), 2e-4, (0.5, 0.999)) for m in (gen, judge))
    make, score = (torch.compile(gen), torch.compile(judge)) if a.compile else (gen, judge)
    real = torch.rand(batch, 3, 32, 32, device=a.device)
    fake = lambda: make(torch.randn(batch, 100, device=a.device))

    def step():
        of_judge.zero_grad()
        with autocast(a):
            loss = (F.softplus(-score(real)) + F.softplus(score(fake().detach()))).mean()
        loss.backward()
        of_judge.step()
        of_gen.zero_grad()
        with autocast(a):
            loss_gen = F.softplus(-score(fake())).mean()
        loss_gen.backward()
        of_gen.step()
        return loss.item() + loss_gen.item()
    return step, [of_gen, of_judge], [real]


def memory(step, opts, inputs, device):
    """The bytes that a step has allocated at once, besides what is there before it and without gradients, but with the inputs."""
    own = sum(x.numel() * x.element_size() for x in inputs)
    for o in opts:
        o.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        step()
        torch.cuda.synchronize()
        return own + torch.cuda.max_memory_allocated() - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as prof:
        step()
    events = [e for e in prof.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = peak = 0
    for e in sorted(events, key=lambda e: e.start_ns()):
        now += e.nbytes()
        peak = max(peak, now)
    return own + peak


def resident():
    """The most memory that this process had, in bytes, 0 if that is not known: what getrusage says begins with that of its parent."""
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM:"))
    except OSError:
        return 0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--turns", type=int, default=0)
    p.add_argument("--batch", type=int, default=0)
    p.add_argument("--device", default="cpu")
    p.add_argument("--compile", action="store_true")
    p.add_argument("--bf16", action="store_true")
    p.add_argument("--serve", action="store_true")
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    size = lambda n: a.batch or n
    make = {
        "step-vae": lambda: one_model(Vae(), [torch.rand(size(128), 784)], a),
        "step-cnn": lambda: one_model(Cnn(), [torch.rand(size(64), 1, 28, 28), torch.randint(10, (size(64),))], a),
        "step-gpt": lambda: one_model(Gpt(), [torch.randint(96, (size(16), 128)) for _ in range(2)], a),
        "step-dcgan": lambda: adversaries(size(64), a),
    }
    step, opts, inputs = make[a.model]()
    for _ in range(5):
        step()
    result = {"version": f"PyTorch {torch.__version__}, {'compiled' if a.compile else 'eager'}", "bytes": memory(step, opts, inputs, a.device)}
    start = time.perf_counter()
    step()
    turns = a.turns or max(1, math.ceil(0.2 / (time.perf_counter() - start)))

    def block():
        step()
        start = time.perf_counter()
        for _ in range(turns):
            step()
        return (time.perf_counter() - start) * 1e3 / turns

    def say(ms):
        print(json.dumps({"ms": round(ms, 4), "resident": resident(), **result}), flush=True)

    if not a.serve:
        say(statistics.median(block() for _ in range(5)))
        return
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        say(block())


if __name__ == "__main__":
    main()
