"""The losses of two recurrent models in PyTorch, from weights and data that both sides make of one formula: torch_recurrent.json.

lstm: two layers over tokens, cross-entropy of the next one, Adam. gru: one layer both ways over series of different lengths, mean square of
the places that there are, SGD with momentum. PyTorch's LSTM has two biases that are added: one of them stays 0.

usage: torch_recurrent.py > torch_recurrent.json
"""
import json

import torch
import torch.nn.functional as F
from torch import nn

STEPS = 120
torch.set_num_threads(1)


def numbers(k, *shape):
    """Numbers in [-.5, .5) for parameter or data k."""
    i = torch.arange(torch.Size(shape).numel(), dtype=torch.int64)
    return (((i * i * 7919 + (i + 1) * (k + 1) * 104729) % 2003).double() / 2003 - .5).reshape(shape)


def weights(names):
    return {name: (numbers(k, *shape) * .8).float() for k, (name, shape) in enumerate(sorted(names.items()))}


def assign(to, value):
    with torch.no_grad():
        to.copy_(value)


def lstm():
    vocab, dim, units, batch, seq = 11, 6, 10, 5, 9
    gates = 4 * units
    w = weights({"0.weight": (vocab, dim), "1.weight": (dim, gates), "1.recurrent": (units, gates), "1.bias": (gates,),
                 "2.weight": (units, gates), "2.recurrent": (units, gates), "2.bias": (gates,), "3.weight": (units, vocab), "3.bias": (vocab,)})
    tok, body, head = nn.Embedding(vocab, dim), nn.LSTM(dim, units, num_layers=2, batch_first=True), nn.Linear(units, vocab)
    assign(tok.weight, w["0.weight"])
    for i in range(2):
        assign(getattr(body, f"weight_ih_l{i}"), w[f"{i + 1}.weight"].T)
        assign(getattr(body, f"weight_hh_l{i}"), w[f"{i + 1}.recurrent"].T)
        assign(getattr(body, f"bias_ih_l{i}"), w[f"{i + 1}.bias"])
        assign(getattr(body, f"bias_hh_l{i}"), torch.zeros(gates))
        getattr(body, f"bias_hh_l{i}").requires_grad_(False)
    assign(head.weight, w["3.weight"].T)
    assign(head.bias, w["3.bias"])
    opt = torch.optim.Adam([p for m in (tok, body, head) for p in m.parameters() if p.requires_grad], lr=1e-2)
    losses = []
    for step in range(STEPS):
        text = ((numbers(step % 3, batch, seq + 1) + .5) * vocab).long()
        h, _ = body(tok(text[:, :-1]))
        loss = F.cross_entropy(head(h).flatten(0, 1), text[:, 1:].flatten())
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


def gru():
    dim, units, batch, seq = 3, 7, 4, 8
    gates, lengths = 3 * units, torch.tensor([8, 3, 5, 1])
    names = {"head.weight": (2 * units, 1), "head.bias": (1,)}
    for way in ("", "reverse_"):
        names |= {f"body.{way}weight": (dim, gates), f"body.{way}recurrent": (units, gates), f"body.{way}bias": (gates,),
                  f"body.{way}recurrent_bias": (gates,)}
    w = weights(names)
    body, head = nn.GRU(dim, units, batch_first=True, bidirectional=True), nn.Linear(2 * units, 1)
    for way, end in (("", ""), ("reverse_", "_reverse")):
        assign(getattr(body, f"weight_ih_l0{end}"), w[f"body.{way}weight"].T)
        assign(getattr(body, f"weight_hh_l0{end}"), w[f"body.{way}recurrent"].T)
        assign(getattr(body, f"bias_ih_l0{end}"), w[f"body.{way}bias"])
        assign(getattr(body, f"bias_hh_l0{end}"), w[f"body.{way}recurrent_bias"])
    assign(head.weight, w["head.weight"].T)
    assign(head.bias, w["head.bias"])
    opt = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=5e-2, momentum=.9)
    there = (torch.arange(seq) < lengths[:, None]).float()
    losses = []
    for step in range(STEPS):
        x, y = (numbers(step % 2, batch, seq, dim) * 2).float(), numbers(step % 2 + 7, batch, seq).float()
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        h, _ = nn.utils.rnn.pad_packed_sequence(body(packed)[0], batch_first=True)
        loss = ((head(h).squeeze(-1) - y).square() * there).sum() / there.sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return losses


print(json.dumps({"torch": torch.__version__, "lstm": lstm(), "gru": gru()}, indent=1))
