# The programs of compiler/models/gan in PyTorch, as one writes them there: for the count of lines in gallery.md.
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


def scales(size):
    sizes = []
    while size > 4:
        size = (size + 1) // 2
        sizes.insert(0, size)
    return sizes


class Cut(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        return x[:, :, :self.size, :self.size]


def generator(latent, size, channels, width, kernel):
    sizes = scales(size)
    base, width = sizes[0], width << (len(sizes) - 1)
    layers = [nn.Linear(latent, width * base * base, bias=False), nn.Unflatten(1, (width, base, base)), nn.BatchNorm2d(width), nn.ReLU()]
    pad = dict(padding=(kernel - 1) // 2, output_padding=kernel % 2)
    for s in sizes[1:]:
        layers += [nn.ConvTranspose2d(width, width // 2, kernel, 2, bias=False, **pad), Cut(s), nn.BatchNorm2d(width // 2), nn.ReLU()]
        width //= 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, kernel, 2, **pad), Cut(size), nn.Tanh())


def body(size, channels, width, kernel, norm=False, wrap=lambda layer: layer):
    layers = []
    for i in range(len(scales(size))):
        bn = norm and i > 0
        layers.append(wrap(nn.Conv2d(channels, width << i, kernel, 2, kernel // 2, bias=not bn)))
        if bn:
            layers.append(nn.BatchNorm2d(width << i))
        layers.append(nn.LeakyReLU(.2))
        channels = width << i
    return nn.Sequential(*layers, nn.Flatten())


class Concat(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.net = nn.Sequential(*layers)

    def forward(self, x, y=None):
        if y is not None:
            x = torch.cat([x, y[:, :, None, None].expand(-1, -1, *x.shape[2:])], 1)
        return self.net(x)


class Projection(nn.Module):
    def __init__(self, phi, features, classes):
        super().__init__()
        self.phi, self.psi, self.v = phi, spectral_norm(nn.Linear(features, 1)), spectral_norm(nn.Linear(classes, features, bias=False))

    def forward(self, x, y):
        phi = self.phi(x)
        return self.psi(phi) + (phi * self.v(y)).sum(-1, keepdim=True)


def pack(v, n):
    return v if v is None or n == 1 else torch.cat([v.roll(i, 0) for i in range(n)], 1)


def train(gen, judge, critic_loss, gen_loss, opt, latent, lr=2e-4, ttur=1, penalty=None, weight=0, clip=0, classes=0, pac=1, ema=.999):
    gen_opt, judge_opt = opt(gen.parameters(), lr), opt(judge.parameters(), lr * ttur)
    average = AveragedModel(gen, multi_avg_fn=get_ema_multi_avg_fn(ema), use_buffers=True)

    def draw(net, n, y):
        z = torch.randn(n, latent)
        return net(z if y is None else torch.cat([z, y], 1))

    def one_hot(label):
        return F.one_hot(label, classes).float() if classes else None

    def critic_step(image, label=None):
        y = one_hot(label)
        real, fake = pack(image * 2 - 1, pac), pack(draw(gen, len(image), y).detach(), pac)
        score = lambda x: judge(x, pack(y, pac))
        of_real, of_fake = score(real), score(fake)
        loss = critic_loss(of_real, of_fake).mean()
        if penalty:
            loss = loss + weight * penalty(score, real, fake).mean()
        judge_opt.zero_grad()
        loss.backward()
        judge_opt.step()
        if clip:
            with torch.no_grad():
                for p in judge.parameters():
                    p.clamp_(-clip, clip)
        return loss, of_real.mean(), of_fake.mean()

    def generator_step(n, label=None):
        y = one_hot(label)
        loss = gen_loss(judge(pack(draw(gen, n, y), pac), pack(y, pac))).mean()
        gen_opt.zero_grad()
        loss.backward()
        gen_opt.step()
        average.update_parameters(gen)
        return loss

    return average, critic_step, generator_step


def adam(b1, b2):
    return lambda params, lr: torch.optim.Adam(params, lr, (b1, b2))


def negative(fake):
    return -fake


def slope(score, x):
    x = x.detach().requires_grad_()
    return torch.autograd.grad(score(x).sum(), x, create_graph=True)[0].flatten(1)


def gradient_penalty(score, real, fake):
    mix = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1))
    return (slope(score, mix).norm(dim=1) - 1).square()


def r1(score, real, fake):
    return slope(score, real).square().sum(1)


def gan(size=28, channels=1, width=256, latent=64, **kw):
    n = channels * size * size
    gen = nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                        nn.Linear(width, n), nn.Tanh(), nn.Unflatten(1, (channels, size, size)))
    judge = Concat(nn.Flatten(), nn.Linear(n, width), nn.LeakyReLU(.2), nn.Linear(width, width), nn.LeakyReLU(.2), nn.Linear(width, 1))
    return train(gen, judge, lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: F.softplus(-fake), adam(.5, .999), latent, **kw)


def init(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0, .02)


def dcgan_nets(latent, size, channels, width):
    judge = Concat(body(size, channels, width, 4, norm=True), nn.LazyLinear(1))
    return generator(latent, size, channels, width, 4).apply(init), judge.apply(init)


def dcgan(size=28, channels=1, width=16, latent=100, **kw):
    gen, judge = dcgan_nets(latent, size, channels, width)
    return train(gen, judge, lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: F.softplus(-fake), adam(.5, .999), latent, **kw)


def lsgan(size=28, channels=1, width=16, latent=100, **kw):
    gen, judge = dcgan_nets(latent, size, channels, width)
    return train(gen, judge, lambda real, fake: ((real - 1)**2 + fake**2) / 2, lambda fake: (fake - 1)**2 / 2, adam(.5, .999), latent, **kw)


def wgan(size=28, channels=1, width=16, latent=100, clip=.01, **kw):
    gen, judge = generator(latent, size, channels, width, 4), Concat(body(size, channels, width, 4), nn.LazyLinear(1))
    opt = lambda params, lr: torch.optim.RMSprop(params, lr)
    return train(gen, judge, lambda real, fake: fake - real, negative, opt, latent, clip=clip, **kw)


def wgangp(size=28, channels=1, width=16, latent=128, weight=10, **kw):
    gen, judge = generator(latent, size, channels, width, 5), Concat(body(size, channels, width, 5), nn.LazyLinear(1))
    return train(gen, judge, lambda real, fake: fake - real, negative, adam(.5, .9), latent, penalty=gradient_penalty, weight=weight, **kw)


def sngan(size=28, channels=1, width=16, latent=128, **kw):
    features = scales(size)[0]**2 * width << len(scales(size)) - 1
    gen = generator(latent, size, channels, width, 4)
    judge = Concat(body(size, channels, width, 4, wrap=spectral_norm), spectral_norm(nn.Linear(features, 1)))
    return train(gen, judge, lambda real, fake: F.relu(1 - real) + F.relu(1 + fake), negative, adam(.5, .999), latent, **kw)


def r1gan(size=28, channels=1, width=16, latent=128, weight=5, **kw):
    gen, judge = generator(latent, size, channels, width, 4), Concat(body(size, channels, width, 4), nn.LazyLinear(1))
    return train(gen, judge, lambda real, fake: F.softplus(-real) + F.softplus(fake), lambda fake: F.softplus(-fake), adam(0, .99), latent,
                 penalty=r1, weight=weight, **kw)


def cgan(size=28, channels=1, classes=10, width=16, latent=32, weight=10, **kw):
    gen = generator(latent + classes, size, channels, width, 5)
    judge = Concat(body(size, channels + classes, width, 5), nn.LazyLinear(1))
    return train(gen, judge, lambda real, fake: fake - real, negative, adam(.5, .9), latent, penalty=gradient_penalty, weight=weight, classes=classes, **kw)


def projgan(size=28, channels=1, classes=10, width=16, latent=64, **kw):
    features = scales(size)[0]**2 * width << len(scales(size)) - 1
    gen = generator(latent + classes, size, channels, width, 4)
    judge = Projection(body(size, channels, width, 4, wrap=spectral_norm), features, classes)
    return train(gen, judge, lambda real, fake: F.relu(1 - real) + F.relu(1 + fake), negative, adam(.5, .999), latent, classes=classes, **kw)
