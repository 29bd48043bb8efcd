# Naive Bayes of compiler/models/bayes/bayes.go in PyTorch, as one writes it there: for the count of lines in gallery.md.
import torch
from torch import nn


class NaiveBayes(nn.Module):
    def __init__(self, values, smoothing):
        super().__init__()
        self.values, self.smoothing = torch.tensor(values), smoothing
        self.register_buffer("counts", torch.ones(len(values), max(values)))

    def weights(self):
        real = torch.arange(self.counts.shape[1]) < self.values[:, None]
        return torch.where(real, self.counts + self.smoothing, 0)

    def log_probs(self, x):
        w = self.weights().double()
        p = w / w.sum(1, keepdim=True)
        return p.gather(1, x.T).T.log()

    def draw(self, n):
        return torch.multinomial(self.weights(), n, replacement=True).T

    def fit(self, x):
        self.counts = nn.functional.one_hot(x, self.counts.shape[1]).sum(0).float()
