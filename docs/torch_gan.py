# The programs of compiler/models/gan in PyTorch, as one writes them there: for the count of lines in gallery.md.
import torch
import torch.nn.functional as F
from torch import nn


def scales(size):
    sizes = []
    while size % 2 == 0 and size > 4:
        size //= 2
        sizes.insert(0, size)
    return sizes


def generator(latent, size, channels, width, kernel):
    sizes = scales(size)
    base, width = sizes[0], width << (len(sizes) - 1)
    layers = [nn.Linear(latent, width * base * base, bias=False), nn.Unflatten(1, (width, base, base)), nn.BatchNorm2d(width), nn.ReLU()]
    pad = dict(padding=(kernel - 1) // 2, output_padding=kernel % 2)
    for _ in sizes[1:]:
        layers += [nn.ConvTranspose2d(width, width // 2, kernel, 2, bias=False, **pad), nn.BatchNorm2d(width // 2), nn.ReLU()]
        width //= 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, kernel, 2, **pad), nn.Tanh())


def critic(size, channels, width, kernel, norm):
    layers, sizes = [], scales(size)
    for i in range(len(sizes)):
        bn = norm and i > 0
        layers.append(nn.Conv2d(channels, width << i, kernel, 2, (kernel - 1) // 2, bias=not bn))
        if bn:
            layers.append(nn.BatchNorm2d(width << i))
        layers.append(nn.LeakyReLU(.2))
        channels = width << i
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * sizes[0]**2, 1))


def init(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0, .02)


def dcgan(size=28, channels=1, width=32, latent=100, lr=2e-4):
    gen, judge = generator(latent, size, channels, width, 4).apply(init), critic(size, channels, width, 4, True).apply(init)
    gen_opt, judge_opt = (torch.optim.Adam(m.parameters(), lr, (.5, .999)) for m in (gen, judge))

    def critic_step(image):
        real, fake = judge(image * 2 - 1), judge(gen(torch.randn(len(image), latent)).detach())
        loss = F.softplus(-real).mean() + F.softplus(fake).mean()
        judge_opt.zero_grad()
        loss.backward()
        judge_opt.step()
        return loss, real.sigmoid().mean(), fake.sigmoid().mean()

    def generator_step(image):
        loss = F.softplus(-judge(gen(torch.randn(len(image), latent)))).mean()
        gen_opt.zero_grad()
        loss.backward()
        gen_opt.step()
        return loss

    return gen, judge, critic_step, generator_step


def wasserstein(judge, real, fake, weight):
    mix = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1)).requires_grad_()
    slope, = torch.autograd.grad(judge(mix).sum(), mix, create_graph=True)
    penalty = (slope.flatten(1).norm(dim=1) - 1).square().mean()
    earth = judge(fake).mean() - judge(real).mean()
    return earth + weight * penalty, -earth, penalty


def wgangp(size=28, channels=1, width=32, latent=128, lr=1e-4, weight=10):
    gen, judge = generator(latent, size, channels, width, 5), critic(size, channels, width, 5, False)
    gen_opt, judge_opt = (torch.optim.Adam(m.parameters(), lr, (.5, .9)) for m in (gen, judge))

    def critic_step(image):
        fake = gen(torch.randn(len(image), latent)).detach()
        loss, distance, penalty = wasserstein(judge, image * 2 - 1, fake, weight)
        judge_opt.zero_grad()
        loss.backward()
        judge_opt.step()
        return loss, distance, penalty

    def generator_step(image):
        loss = -judge(gen(torch.randn(len(image), latent))).mean()
        gen_opt.zero_grad()
        loss.backward()
        gen_opt.step()
        return loss

    return gen, judge, critic_step, generator_step


def cgan(size=28, channels=1, classes=10, width=32, latent=32, lr=1e-4, weight=10):
    gen, judge = generator(latent + classes, size, channels, width, 5), critic(size, channels + classes, width, 5, False)
    gen_opt, judge_opt = (torch.optim.Adam(m.parameters(), lr, (.5, .9)) for m in (gen, judge))

    def generate(y):
        return gen(torch.cat([torch.randn(len(y), latent), y], 1))

    def given(y):
        planes = y[:, :, None, None].expand(-1, -1, size, size)
        return lambda x: judge(torch.cat([x, planes], 1))

    def critic_step(image, label):
        y = F.one_hot(label, classes).float()
        loss, distance, penalty = wasserstein(given(y), image * 2 - 1, generate(y).detach(), weight)
        judge_opt.zero_grad()
        loss.backward()
        judge_opt.step()
        return loss, distance, penalty

    def generator_step(label):
        y = F.one_hot(label, classes).float()
        loss = -given(y)(generate(y)).mean()
        gen_opt.zero_grad()
        loss.backward()
        gen_opt.step()
        return loss

    return gen, judge, critic_step, generator_step
