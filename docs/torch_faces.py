# The model of compiler/models/faces in PyTorch, as one writes it there: for the count of lines in gallery.md.
import math

import torch
from torch import nn


class VAE(nn.Module):
    def __init__(self, size, first, width, latent, dropout=0):
        super().__init__()
        base = size // 16
        flat = width * base * base
        enc, dec, channels = [], [], 3
        for filters in [first, width, width, width]:
            enc += [nn.Conv2d(channels, filters, 3, 2, 1), nn.BatchNorm2d(filters), nn.LeakyReLU(.3), nn.Dropout(dropout)]
            channels = filters
        dec += [nn.Linear(latent, flat), nn.BatchNorm1d(flat), nn.LeakyReLU(.3), nn.Dropout(dropout), nn.Unflatten(1, (width, base, base))]
        for filters in [width, width, first]:
            dec += [nn.ConvTranspose2d(channels, filters, 3, 2, 1, 1), nn.BatchNorm2d(filters), nn.LeakyReLU(.3), nn.Dropout(dropout)]
            channels = filters
        dec += [nn.ConvTranspose2d(first, 3, 3, 2, 1, 1), nn.Sigmoid()]
        self.enc, self.dec = nn.Sequential(*enc, nn.Flatten()), nn.Sequential(*dec)
        self.mu, self.log_var = nn.Linear(flat, latent), nn.Linear(flat, latent)

    def encode(self, x):
        h = self.enc(x)
        return self.mu(h), self.log_var(h)


def loss(m, x, weight):
    mu, log_var = m.encode(x)
    z = mu + torch.exp(log_var / 2) * torch.randn_like(mu)
    mse = ((m.dec(z) - x)**2).mean()
    kl = -.5 * (1 + log_var - mu**2 - log_var.exp()).sum(1).mean()
    return weight * mse + kl, mse, kl


def train(m, lr, steps, weight):
    opt = torch.optim.Adam(m.parameters(), lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(opt, lambda t: min((t + 1) / max(steps // 20, 1), (1 + math.cos(math.pi * t / steps)) / 2))

    def step(image):
        l, mse, kl = loss(m, image, weight)
        opt.zero_grad()
        l.backward()
        opt.step()
        schedule.step()
        return l, mse, kl

    return step


class Entry(nn.Module):
    def __init__(self, m, call):
        super().__init__()
        self.m, self.call = m, call

    def forward(self, x):
        return self.call(self.m, x)


def export(m, size, latent, weight):
    image, z = torch.rand(2, 3, size, size), torch.randn(2, latent)
    for name, call, field, x, outputs in [
        ("encode", lambda m, x: m.encode(x), "image", image, ["mu", "log_var"]),
        ("decode", lambda m, z: m.dec(z), "z", z, ["image"]),
        ("reconstruct", lambda m, x: m.dec(m.encode(x)[0]), "image", image, ["reconstruction"]),
        ("validate", lambda m, x: loss(m, x, weight), "image", image, ["loss", "mse", "kl"]),
    ]:
        torch.onnx.export(Entry(m, call).eval(), x, name + ".onnx", input_names=[field], output_names=outputs,
                          dynamic_axes={axis: {0: "batch"} for axis in [field, *outputs]})
