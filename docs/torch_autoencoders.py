# The autoencoders of compiler/models/vae in PyTorch, as one writes them there: for the count of lines in gallery.md.
import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Nets(nn.Module):
    def __init__(self, size, channels, filters, hidden, latent, classes, pixels):
        super().__init__()
        self.image, self.pixels = (channels, size, size), pixels
        self.body, features = nn.Flatten(), channels * size * size
        if filters:
            least, features = size // 4, 2 * filters * (size // 4) ** 2
            self.body = nn.Sequential(
                nn.Conv2d(channels, filters, 4, 2, 1), nn.ReLU(),
                nn.Conv2d(filters, 2 * filters, 4, 2, 1), nn.ReLU(), nn.Flatten(),
            )
            self.out = nn.Sequential(
                nn.Linear(hidden, features), nn.ReLU(), nn.Unflatten(1, (2 * filters, least, least)),
                nn.ConvTranspose2d(2 * filters, filters, 4, 2, 1), nn.ReLU(),
                nn.ConvTranspose2d(filters, channels, 4, 2, 1),
            )
        else:
            self.out = nn.Linear(hidden, features)
        self.enc, self.dec = nn.Linear(features + classes, hidden), nn.Linear(latent + classes, hidden)
        for m in self.modules():
            if isinstance(m, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(m.weight)
                nn.init.zeros_(m.bias)

    def hidden(self, x, y=None):
        return F.relu(self.enc(given(self.body(x), y)))

    def decode(self, z, y=None):
        return self.out(F.relu(self.dec(given(z, y)))).view(-1, *self.image)


def given(x, y):
    return x if y is None else torch.cat([x, y], 1)


class Bernoulli(nn.Module):
    def nll(self, out, x):
        return F.binary_cross_entropy_with_logits(out, x, reduction="none").flatten(1).sum(1)

    def mean(self, out):
        return out.sigmoid()


class Gaussian(nn.Module):
    def __init__(self, sigma=0):
        super().__init__()
        self.log_sigma = nn.Parameter(torch.tensor(-1.)) if sigma == 0 else math.log(sigma)

    def nll(self, out, x):
        sigma = torch.as_tensor(self.log_sigma).exp()
        return -torch.distributions.Normal(out, sigma).log_prob(x).flatten(1).sum(1)

    def mean(self, out):
        return out.clamp(0, 1)


class Logistic(nn.Module):
    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-1.))

    def nll(self, out, x):
        per, half = (-self.log_scale).exp(), .5 / 255
        a, b = (x - out - half) * per, (x - out + half) * per
        above = torch.where(x > 1 - half, 0, F.softplus(-b))
        below = torch.where(x < half, 0, F.softplus(a))
        width = torch.where((x < half) | (x > 1 - half), 0, torch.log(-torch.expm1(-2 * half * per)))
        return (above + below - width).flatten(1).sum(1)

    def mean(self, out):
        return out.clamp(0, 1)


class VAE(Nets):
    def __init__(self, size, channels, filters, hidden, latent, classes, pixels):
        super().__init__(size, channels, filters, hidden, latent, classes, pixels)
        self.mu, self.log_var = nn.Linear(hidden, latent), nn.Linear(hidden, latent)

    def encode(self, x, y=None):
        h = self.hidden(x, y)
        return self.mu(h), self.log_var(h)

    def terms(self, x, y=None):
        mu, log_var = self.encode(x, y)
        z = mu + (log_var / 2).exp() * torch.randn_like(mu)
        return self.pixels.nll(self.decode(z, y), x), mu, log_var

    def log_weights(self, x, y, noise):
        draws = noise.shape[1]
        mu, log_var = self.encode(x, y)
        z = mu[:, None] + (log_var[:, None] / 2).exp() * noise
        if y is not None:
            y = y.repeat_interleave(draws, 0)
        nll = self.pixels.nll(self.decode(z.flatten(0, 1), y), x.repeat_interleave(draws, 0)).view(-1, draws)
        prior, posterior = z.square().sum(-1), noise.square().sum(-1) + log_var.sum(-1)[:, None]
        return (posterior - prior) / 2 - nll


def one_hot(label, classes):
    return F.one_hot(label, classes).float() if classes else None


def kl_normal(mu, log_var):
    return (mu.square() + log_var.exp() - log_var - 1) / 2


def train(m, lr=1e-3, steps=0, ema=0, beta=1, free=0, classes=0):
    opt = torch.optim.Adam(m.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(opt, steps) if steps else None
    average = AveragedModel(m, multi_avg_fn=get_ema_multi_avg_fn(ema)) if ema else None

    def step(image, label=None):
        reconstruction, mu, log_var = m.terms(image, one_hot(label, classes))
        each = kl_normal(mu, log_var)
        kl = each.sum(1).mean()
        loss = reconstruction.mean() + beta * (each.mean(0).clamp(min=free).sum() if free else kl)
        opt.zero_grad()
        loss.backward()
        opt.step()
        if schedule:
            schedule.step()
        if average:
            average.update_parameters(m)
        return loss, reconstruction.mean(), kl

    return average.module if average else m, step


class Entry(nn.Module):
    def __init__(self, m, call, classes):
        super().__init__()
        self.m, self.call, self.classes = m, call, classes

    def forward(self, x, label=None, noise=None):
        return self.call(self.m, x, one_hot(label, self.classes), noise)


def reconstruct(m, x, y, _):
    mu, _ = m.encode(x, y)
    return m.pixels.mean(m.decode(mu, y))


def validate(m, x, y, _):
    reconstruction, mu, log_var = m.terms(x, y)
    kl = kl_normal(mu, log_var).sum(1)
    return (reconstruction + kl).mean(), reconstruction.mean(), kl.mean()


def export(m, size, channels, latent, classes=0):
    image, z, noise = torch.rand(2, channels, size, size), torch.randn(2, latent), torch.randn(2, 3, latent)
    label = torch.zeros(2, dtype=torch.long) if classes else None
    for name, call, inputs, outputs in [
        ("encode", lambda m, x, y, _: m.encode(x, y), dict(image=image, label=label), ["mu", "log_var"]),
        ("decode", lambda m, z, y, _: m.pixels.mean(m.decode(z, y)), dict(z=z, label=label), ["image"]),
        ("reconstruct", reconstruct, dict(image=image, label=label), ["reconstruction"]),
        ("log_weights", lambda m, x, y, noise: m.log_weights(x, y, noise), dict(image=image, label=label, noise=noise), ["log_weights"]),
        ("validate", validate, dict(image=image, label=label), ["loss", "reconstruction", "kl"]),
    ]:
        names = [k for k, v in inputs.items() if v is not None]
        torch.onnx.export(Entry(m, call, classes), tuple(inputs.values()), name + ".onnx", input_names=names, output_names=outputs,
                          dynamic_axes={axis: {0: "batch"} for axis in [*names, *outputs]})


class AE(Nets):
    def __init__(self, size, channels, filters, hidden, latent, pixels):
        super().__init__(size, channels, filters, hidden, latent, 0, pixels)
        self.code = nn.Linear(hidden, latent)

    def encode(self, x):
        return self.code(self.hidden(x))

    def loss(self, x):
        return self.pixels.nll(self.decode(self.encode(x)), x).mean()
