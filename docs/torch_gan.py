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


def given(x, y):
    if y is None:
        return x
    if x.dim() == 4:
        y = y[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat([x, y], 1)


def generator(latent, size, channels, width, kernel, conv=True):
    if not conv:
        return nn.Sequential(nn.Linear(latent, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(),
                             nn.Linear(width, channels * size**2), nn.Tanh(), nn.Unflatten(1, (channels, size, size)))
    sizes = scales(size)
    base, width = sizes[0], width << (len(sizes) - 1)
    layers = [nn.Linear(latent, width * base * base, bias=False), nn.Unflatten(1, (width, base, base)), nn.BatchNorm2d(width), nn.ReLU()]
    pad = dict(padding=(kernel - 1) // 2, output_padding=kernel % 2)
    for s in sizes[1:]:
        layers += [nn.ConvTranspose2d(width, width // 2, kernel, 2, bias=False, **pad), Cut(s), nn.BatchNorm2d(width // 2), nn.ReLU()]
        width //= 2
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, kernel, 2, **pad), Cut(size), nn.Tanh())


def body(size, channels, width, kernel, conv=True, classes=0, norm=False, wrap=lambda layer: layer):
    if not conv:
        return nn.Sequential(nn.Flatten(), wrap(nn.Linear(channels * size**2 + classes, width)), nn.LeakyReLU(.2),
                             wrap(nn.Linear(width, width)), nn.LeakyReLU(.2))
    layers, channels = [], channels + classes
    for i in range(len(scales(size))):
        bn = norm and i > 0
        layers += [nn.ZeroPad2d((0, size % 2, 0, size % 2)), wrap(nn.Conv2d(channels, width << i, kernel, 2, (kernel - 1) // 2, bias=not bn))]
        if bn:
            layers.append(nn.BatchNorm2d(width << i))
        layers.append(nn.LeakyReLU(.2))
        channels, size = width << i, (size + 1) // 2
    return nn.Sequential(*layers, nn.Flatten())


def features(size, width, conv=True):
    return scales(size)[0]**2 * width << len(scales(size)) - 1 if conv else width


class Concat(nn.Module):
    def __init__(self, body, last, conv=True):
        super().__init__()
        self.net, self.conv = nn.Sequential(*body, last), conv

    def forward(self, x, y=None):
        return self.net(given(x if self.conv else x.flatten(1), y))


def critic(size, channels, width, kernel, conv=True, classes=0, norm=False, wrap=lambda layer: layer):
    return Concat(body(size, channels, width, kernel, conv, classes, norm, wrap), wrap(nn.Linear(features(size, width, conv), 1)), conv)


class Projection(nn.Module):
    def __init__(self, phi, features, classes):
        super().__init__()
        self.phi, self.psi, self.v = phi, spectral_norm(nn.Linear(features, 1)), spectral_norm(nn.Linear(classes, features, bias=False))

    def forward(self, x, y):
        phi = self.phi(x)
        return self.psi(phi) + (phi * self.v(y)).sum(-1, keepdim=True)


def pack(v, n):
    if v is None or n == 1:
        return v
    if n > len(v):
        raise ValueError(f"packs of {n} need a batch of as many examples, not of {len(v)}")
    return torch.cat([v.roll(i, 0) for i in range(n)], 1)


def one_hot(label, classes):
    return F.one_hot(label, classes).float() if classes else None


def train(gen, judge, critic_loss, gen_loss, opt, latent, lr=2e-4, ttur=1, penalty=None, weight=0, clip=0, classes=0, pac=1, ema=.999):
    gen_opt, judge_opt = opt(gen.parameters(), lr), opt(judge.parameters(), lr * ttur)
    average = AveragedModel(gen, multi_avg_fn=get_ema_multi_avg_fn(ema), use_buffers=True)

    def draw(n, y):
        return gen(given(torch.randn(n, latent), y))

    def critic_step(image, label=None):
        y = one_hot(label, classes)
        real, fake = pack(image * 2 - 1, pac), pack(draw(len(image), y).detach(), pac)
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
        y = one_hot(label, classes)
        loss = gen_loss(judge(pack(draw(n, y), pac), pack(y, pac))).mean()
        gen_opt.zero_grad()
        loss.backward()
        gen_opt.step()
        average.update_parameters(gen)
        return loss

    return average.module, judge, critic_step, generator_step


class Generate(nn.Module):
    def __init__(self, gen, classes=0):
        super().__init__()
        self.gen, self.classes = gen, classes

    def forward(self, z, label=None):
        return self.gen(given(z, one_hot(label, self.classes))) / 2 + .5


class Judge(nn.Module):
    def __init__(self, judge, classes=0, pac=1):
        super().__init__()
        self.judge, self.classes, self.pac = judge, classes, pac

    def forward(self, image, label=None):
        return self.judge(pack(image * 2 - 1, self.pac), pack(one_hot(label, self.classes), self.pac))


def export(gen, judge, latent, size, channels, classes=0, pac=1):
    label = {"label": torch.zeros(pac + 1, dtype=torch.long)} if classes else {}
    for module, name, inputs, output in [
        (Generate(gen, classes), "generate", {"z": torch.randn(pac + 1, latent), **label}, "image"),
        (Judge(judge, classes, pac), "judge", {"image": torch.rand(pac + 1, channels, size, size), **label}, "score"),
    ]:
        torch.onnx.export(module.eval(), tuple(inputs.values()), name + ".onnx", input_names=list(inputs), output_names=[output],
                          dynamic_axes={axis: {0: "batch"} for axis in [*inputs, output]})


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


def log_loss(real, fake):
    return F.softplus(-real) + F.softplus(fake)


def gan(size=28, channels=1, width=256, latent=64, conv=False, **kw):
    gen, judge = generator(latent, size, channels, width, 4, conv), critic(size, channels, width, 4, conv)
    return train(gen, judge, log_loss, lambda fake: F.softplus(-fake), adam(.5, .999), latent, **kw)


def init(module):
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0, .02)


def dcgan_nets(latent, size, channels, width, conv):
    gen, judge = generator(latent, size, channels, width, 4, conv), critic(size, channels, width, 4, conv, norm=True)
    return gen.apply(init), judge.apply(init)


def dcgan(size=28, channels=1, width=16, latent=100, conv=True, **kw):
    gen, judge = dcgan_nets(latent, size, channels, width, conv)
    return train(gen, judge, log_loss, lambda fake: F.softplus(-fake), adam(.5, .999), latent, **kw)


def lsgan(size=28, channels=1, width=16, latent=100, conv=True, **kw):
    gen, judge = dcgan_nets(latent, size, channels, width, conv)
    return train(gen, judge, lambda real, fake: ((real - 1)**2 + fake**2) / 2, lambda fake: (fake - 1)**2 / 2, adam(.5, .999), latent, **kw)


def wgan(size=28, channels=1, width=16, latent=100, conv=True, clip=.01, **kw):
    gen, judge = generator(latent, size, channels, width, 4, conv), critic(size, channels, width, 4, conv)
    opt = lambda params, lr: torch.optim.RMSprop(params, lr)
    return train(gen, judge, lambda real, fake: fake - real, negative, opt, latent, clip=clip, **kw)


def wgangp(size=28, channels=1, width=16, latent=128, conv=True, classes=0, **kw):
    gen, judge = generator(latent + classes, size, channels, width, 5, conv), critic(size, channels, width, 5, conv, classes)
    return train(gen, judge, lambda real, fake: fake - real, negative, adam(.5, .9), latent, penalty=gradient_penalty, classes=classes, **kw)


def sngan(size=28, channels=1, width=16, latent=128, conv=True, **kw):
    gen, judge = generator(latent, size, channels, width, 4, conv), critic(size, channels, width, 4, conv, wrap=spectral_norm)
    return train(gen, judge, lambda real, fake: F.relu(1 - real) + F.relu(1 + fake), negative, adam(.5, .999), latent, **kw)


def r1gan(size=28, channels=1, width=16, latent=128, conv=True, **kw):
    gen, judge = generator(latent, size, channels, width, 4, conv), critic(size, channels, width, 4, conv)
    return train(gen, judge, log_loss, lambda fake: F.softplus(-fake), adam(0, .99), latent, penalty=r1, **kw)


def cgan(latent=32, classes=10, **kw):
    return wgangp(latent=latent, classes=classes, **kw)


def projgan(size=28, channels=1, width=16, latent=64, conv=True, classes=10, **kw):
    gen = generator(latent + classes, size, channels, width, 4, conv)
    judge = Projection(body(size, channels, width, 4, conv, wrap=spectral_norm), features(size, width, conv), classes)
    return train(gen, judge, lambda real, fake: F.relu(1 - real) + F.relu(1 + fake), negative, adam(.5, .999), latent, classes=classes, **kw)
