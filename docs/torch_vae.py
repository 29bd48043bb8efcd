"""The VAE of compiler/models/vae in PyTorch, for comparison: the same layers, loss, data and optimizer, eager, float32.

usage: torch_vae.py MNIST_DIR [--epochs N] [--threads N]
Prints seconds an epoch, milliseconds a step, and the test -ELBO after each epoch.
"""
import argparse
import gzip
import os
import time

import torch
import torch.nn.functional as F
from torch import nn


def images(folder, name):
    path = os.path.join(folder, name)
    data = open(path, "rb").read() if os.path.exists(path) else gzip.open(path + ".gz").read()
    return torch.frombuffer(bytearray(data[16:]), dtype=torch.uint8).view(-1, 784).float() / 255


class VAE(nn.Module):
    def __init__(self, hidden=512, latent=20):
        super().__init__()
        self.enc, self.mu, self.log_var = nn.Linear(784, hidden), nn.Linear(hidden, latent), nn.Linear(hidden, latent)
        self.dec, self.out = nn.Linear(latent, hidden), nn.Linear(hidden, 784)

    def forward(self, x):
        h = F.relu(self.enc(x))
        mu, log_var = self.mu(h), self.log_var(h)
        y = self.out(F.relu(self.dec(mu + torch.exp(0.5 * log_var) * torch.randn_like(mu))))
        kl = 0.5 * (mu * mu + log_var.exp() - log_var - 1).sum()
        return (F.binary_cross_entropy_with_logits(y, x, reduction="sum") + kl) / len(x)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("--epochs", type=int, default=1)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    train, test = images(a.folder, "train-images-idx3-ubyte"), images(a.folder, "t10k-images-idx3-ubyte")
    model = VAE()
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(a.epochs):
        start = time.perf_counter()
        batches = torch.randperm(len(train)).split(128)
        for rows in batches:
            adam.zero_grad(set_to_none=True)
            loss = model(train[rows])
            loss.backward()
            adam.step()
            loss.item()
        seconds = time.perf_counter() - start
        with torch.no_grad():
            elbo = sum(model(b).item() * len(b) for b in test.split(128)) / len(test)
        print(f"epoch {epoch + 1}: {seconds:.2f} s, {1000 * seconds / len(batches):.2f} ms a step, test -ELBO {elbo:.1f}", flush=True)


if __name__ == "__main__":
    main()
