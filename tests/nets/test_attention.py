"""Test self-attention against its formula and at its limits."""

import pytest
import torch
from torch.nn.functional import max_pool2d

from advlearn.nets.blocks.attention import SelfAttention


def opened(channels: int = 16) -> SelfAttention:
    layer = SelfAttention(channels)
    torch.nn.init.constant_(layer.gate, 0.7)
    return layer


def test_attention_starts_as_the_identity_and_its_gate_learns() -> None:
    x, layer = torch.randn(2, 16, 6, 6), SelfAttention(16)
    y = layer(x)
    assert torch.equal(y, x)
    y.square().sum().backward()
    assert layer.gate.grad is not None and layer.gate.grad != 0


def test_attention_agrees_with_its_formula() -> None:
    x, layer = torch.randn(2, 16, 4, 6), opened()
    weight = {
        name: getattr(layer, name).weight[:, :, 0, 0]
        for name in ("query", "key", "value", "output")
    }
    y = layer(x)
    for sample, result in zip(x, y, strict=True):
        pooled = {
            n: max_pool2d(torch.einsum("oc,chw->ohw", weight[n], sample)[None], 2)[0]
            for n in ("key", "value")
        }
        for i in range(4):
            for j in range(6):
                query = weight["query"] @ sample[:, i, j]
                weights = torch.softmax((query[:, None, None] * pooled["key"]).sum(0).flatten(), 0)
                found = pooled["value"].flatten(1) @ weights
                torch.testing.assert_close(
                    result[:, i, j], sample[:, i, j] + 0.7 * weight["output"] @ found
                )


def test_a_zero_query_gets_the_mean() -> None:
    x, layer = torch.randn(2, 16, 4, 4), opened()
    torch.nn.init.zeros_(layer.query.weight)
    mean = max_pool2d(layer.value(x), 2).mean((2, 3), keepdim=True)
    torch.testing.assert_close(layer(x), x + 0.7 * layer.output(mean).expand_as(x))


def test_attention_has_a_second_derivative() -> None:
    layer = opened(4).double()
    x = torch.randn(1, 4, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(layer, (x,))


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="channels: expected a whole number of at least 1"):
        SelfAttention(0)
