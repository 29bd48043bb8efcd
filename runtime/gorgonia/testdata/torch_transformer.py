"""The losses of two models in PyTorch, from weights and data that both sides make of one formula: torch_transformer.json.

transformer: two causal layers with the norm first over tokens, the output of the embedding's weights, cross-entropy of the next token,
AdamW. critic: convolution and dense layers with every kind of normalisation, applied to real and to made images in one step, squares, SGD
with momentum.

usage: torch_transformer.py > torch_transformer.json
"""
import json

import torch
import torch.nn.functional as F

STEPS = 100
torch.set_num_threads(1)


def numbers(k, *shape):
    """Numbers in [-.5, .5) for parameter or data k."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return (((i * i * 7919 + (i + 1) * (k + 1) * 104729) % 2003).double() / 2003 - .5).reshape(shape)


def weights(names):
    return {name: (numbers(k, *shape) * .8).float().requires_grad_() for k, (name, shape) in enumerate(sorted(names.items()))}


def train(opt, loss_of):
    losses = []
    for step in range(STEPS):
        loss = loss_of(step)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


def transformer():
    vocab, width, heads, batch, seq = 13, 12, 3, 4, 10
    names = {"tok.weight": (vocab, width), "pos.weight": (16, width), "norm.scale": (width,), "norm.bias": (width,)}
    for b in ("blocks.0", "blocks.1"):
        for r in ("0", "1"):
            names |= {f"{b}.{r}.0.scale": (width,), f"{b}.{r}.0.bias": (width,)}
        for p in ("query", "key", "value", "out"):
            names |= {f"{b}.0.1.{p}": (width, width), f"{b}.0.1.{p}_bias": (width,)}
        names |= {f"{b}.1.1.weight": (width, 4 * width), f"{b}.1.1.bias": (4 * width,), f"{b}.1.3.weight": (4 * width, width), f"{b}.1.3.bias": (width,)}
    w = weights(names)

    def norm(x, name):
        return F.layer_norm(x, (width,), w[name + ".scale"], w[name + ".bias"])

    def attend(x, name):
        def project(p):
            return (x @ w[f"{name}.{p}"] + w[f"{name}.{p}_bias"]).view(batch, seq, heads, width // heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(project("query"), project("key"), project("value"), is_causal=True)
        return y.transpose(1, 2).reshape(batch, seq, width) @ w[name + ".out"] + w[name + ".out_bias"]

    def loss_of(step):
        text = ((numbers(step % 3, batch, seq + 1) + .5) * vocab).long()
        x = w["tok.weight"][text[:, :-1]] + w["pos.weight"][:seq]
        for b in ("blocks.0", "blocks.1"):
            x = x + attend(norm(x, b + ".0.0"), b + ".0.1")
            h = F.gelu(norm(x, b + ".1.0") @ w[b + ".1.1.weight"] + w[b + ".1.1.bias"])
            x = x + h @ w[b + ".1.3.weight"] + w[b + ".1.3.bias"]
        logits = norm(x, "norm") @ w["tok.weight"].T
        return F.cross_entropy(logits.flatten(0, 1), text[:, 1:].flatten())

    return train(torch.optim.AdamW(w.values(), lr=3e-3), loss_of)


def critic():
    batch = 6
    w = weights({"0.weight": (5, 2, 3, 3), "0.bias": (5,), "1.scale": (5,), "1.bias": (5,), "3.scale": (5,), "3.bias": (5,), "4.scale": (5,),
                 "4.bias": (5,), "6.weight": (80, 7), "6.bias": (7,), "7.scale": (7,), "7.bias": (7,), "9.scale": (7,), "10.weight": (7, 1), "10.bias": (1,)})

    def judge(x):
        x = F.conv2d(x, w["0.weight"], w["0.bias"], padding=1)
        x = F.leaky_relu(F.batch_norm(x, None, None, w["1.scale"], w["1.bias"], training=True), .2)
        x = F.group_norm(x, 1, w["3.scale"], w["3.bias"])
        x = F.instance_norm(x, weight=w["4.scale"], bias=w["4.bias"])
        x = F.batch_norm(x.flatten(1) @ w["6.weight"] + w["6.bias"], None, None, w["7.scale"], w["7.bias"], training=True)
        return F.rms_norm(torch.tanh(x), (7,), w["9.scale"], 1e-5) @ w["10.weight"] + w["10.bias"]

    def loss_of(step):
        real, fake = (numbers(step % 3, batch, 2, 4, 4) * 2).float(), (numbers(step % 3 + 5, batch, 2, 4, 4) * 3).float()
        return (judge(real) - 1).square().mean() + judge(fake).square().mean()

    return train(torch.optim.SGD(w.values(), lr=5e-3, momentum=.9), loss_of)


print(json.dumps({"torch": torch.__version__, "transformer": transformer(), "critic": critic()}, indent=1))
