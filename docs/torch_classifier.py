# The networks of compiler/models/classifier/nets.go in PyTorch, as one writes them there: for the count of lines in gallery.md.
import torch.nn.functional as F
from torch import nn


def mlp(size):
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(size, 200), nn.ReLU(),
        nn.Linear(200, 150), nn.ReLU(),
    )


def cnn(channels, side):
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.LeakyReLU(.3),
        nn.Conv2d(32, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.LeakyReLU(.3),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(.3),
        nn.Conv2d(64, 64, 3, stride=2, padding=1), nn.BatchNorm2d(64), nn.LeakyReLU(.3),
        nn.Flatten(),
        nn.Linear(64 * (side // 4)**2, 128), nn.BatchNorm1d(128), nn.LeakyReLU(.3), nn.Dropout(.5),
    )


def lenet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(),
        nn.Linear(120, 84), nn.Tanh(),
    )


def twoconv():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(.5),
    )


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, stride, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters))
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters))

    def forward(self, x):
        return F.relu(self.body(x) + self.shortcut(x))


def resnet(channels, blocks):
    net, inputs = [nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
    for i in range(3 * blocks):
        filters, stride = 16 << i // blocks, 2 if i > 0 and i % blocks == 0 else 1
        net.append(Block(inputs, filters, stride))
        inputs = filters
    return nn.Sequential(*net, nn.AdaptiveAvgPool2d(1), nn.Flatten())
