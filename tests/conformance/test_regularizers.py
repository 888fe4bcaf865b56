"""Every regularizer there is against every property that the library asks of one, and under the compiler."""

import copy

import pytest
import torch
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.regularizer import Regularizer
from advlearn.core.spec import resolve
from advlearn.testing._found import regularizers
from advlearn.testing._material import critic, sides
from advlearn.testing.regularizer import CHECKS

REGULARIZERS = regularizers()


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_property(regularizer: Regularizer, check: str) -> None:
    if check == "host_sync" and getattr(regularizer, "host_sync", False):
        pytest.skip(f"host_sync is True: {type(regularizer).reasons['host_sync']}")
    CHECKS[check](copy.deepcopy(regularizer))


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_the_printed_form_is_a_spec(regularizer: Regularizer) -> None:
    assert repr(resolve(repr(regularizer)).regularizers[0]) == repr(regularizer)


@pytest.mark.parametrize("regularizer", REGULARIZERS, ids=repr)
def test_the_compiled_critic_loss_has_the_eager_gradients(regularizer: Regularizer) -> None:
    """The whole loss in one graph, which a second derivative through ``autograd.grad`` would break."""

    def gradients(compiled: bool) -> list[Tensor]:
        torch.manual_seed(0)
        adversary = Adversary(
            critic(dtype=torch.float32), Chain(resolve("nsgan").objective, (copy.deepcopy(regularizer),))
        )
        score = adversary._score_critic
        if compiled:
            score = torch.compile(score, backend="aot_eager", fullgraph=True)
        torch.manual_seed(1)
        total = torch.stack(list(score(*sides(torch.float32), None, None).values())).sum()
        total.backward()
        return [total, *(p.grad for p in adversary.critic.parameters() if p.grad is not None), *adversary.buffers()]

    try:
        eager, compiled = gradients(False), gradients(True)
    finally:
        torch._dynamo.reset()
    assert len(eager) == len(compiled) > 1
    for a, b in zip(eager, compiled, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)
