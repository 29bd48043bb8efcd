# Naive Bayes of compiler/models/bayes in PyTorch, as one writes it there: for the count of lines in gallery.md.
import torch
import torch.nn.functional as F
from torch import nn


class NaiveBayes(nn.Module):
    def __init__(self, values, smoothing):
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("values", torch.tensor(values))
        self.register_buffer("counts", torch.ones(len(values), max(values)))

    def weights(self):
        real = torch.arange(self.counts.shape[1]) < self.values[:, None]
        return torch.where(real, self.counts + self.smoothing, 0.)

    def log_probs(self, x):
        if (x < 0).any() or (x >= self.values).any():
            raise ValueError("a feature is a whole number from 0 to the number of its values, less one")
        w = self.weights().double()
        p = w / w.sum(1, keepdim=True)
        return p.gather(1, x.T).T.log()

    def draw(self, u):
        w = self.weights()
        below = u[:, :, None] * w.sum(1, keepdim=True) >= w.cumsum(1)
        return below.sum(2).minimum(self.values - 1)

    def mean_log_probs(self, v):
        down, part = v.floor().long(), (v - v.floor()).double()
        above = torch.where(part > 0, self.log_probs(down + (part > 0)) * part, 0.)
        return self.log_probs(down) * (1 - part) + above


def fit(m, batches):
    counts, n, most = torch.zeros_like(m.counts, dtype=torch.double), 0, m.counts.shape[1]
    for x in batches:
        down, part = x.floor().long(), (x - x.floor()).double()[..., None]
        up = (down + 1).clamp(max=most - 1)
        counts += (F.one_hot(down, most) * (1 - part) + F.one_hot(up, most) * part).sum(0)
        n += len(x)
    m.counts = counts.float()
    p = m.weights().double()
    p /= p.sum(1, keepdim=True)
    return -torch.xlogy(counts / n, p).sum(), -torch.xlogy(p, p).sum()
