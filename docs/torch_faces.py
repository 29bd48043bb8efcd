# The model of compiler/models/faces in PyTorch, as one writes it there: for the count of lines in gallery.md.
import torch
from torch import nn


class VAE(nn.Module):
    def __init__(self, size, first, width, latent):
        super().__init__()
        base = size // 16
        flat = width * base * base
        enc, dec, channels = [], [], 3
        for i, filters in enumerate([first, width, width, width]):
            enc += [nn.Conv2d(channels, filters, 3, 2, 1), nn.BatchNorm2d(filters), nn.LeakyReLU(.3)]
            channels = filters
        dec += [nn.Linear(latent, flat), nn.BatchNorm1d(flat), nn.LeakyReLU(.3), nn.Unflatten(1, (width, base, base))]
        for filters in [width, width, first]:
            dec += [nn.ConvTranspose2d(channels, filters, 3, 2, 1, 1), nn.BatchNorm2d(filters), nn.LeakyReLU(.3)]
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
    return weight * mse + kl
