"""Test that losses compiled in one graph have the gradients of eager mode, for every name."""

import pytest
import torch
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.grammar import resolve
from advlearn.core.objective import Pointwise
from advlearn.core.regularizer import Regularizer
from advlearn.testing._found import objectives, regularizers
from advlearn.testing._material import critic, sides

CHAINS = [Chain.of(o) for o in objectives()] + [
    Chain(resolve("nsgan").objective, (r,)) for r in regularizers()
]


def has_plain_operations(chain: Chain, loss: str) -> bool:
    """Return whether a loss adds only operations of scores to that of nsgan, which is compiled."""
    if chain.regularizers:
        penalties = [type(r).player_penalty for r in chain.regularizers]
        return loss == "learner" and all(p is Regularizer.player_penalty for p in penalties)
    objective = chain.required_objective()
    is_nsgan = repr(objective) == repr(resolve("nsgan").objective)
    return isinstance(objective, Pointwise) and not objective.state_dict() and not is_nsgan


# After a graph break, Dynamo itself reads the .grad of tensors that are not leaves.
@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf Tensor:UserWarning"
)
@pytest.mark.parametrize("loss", ["critic", "learner"])
@pytest.mark.parametrize("chain", CHAINS, ids=repr)
def test_compiled_gradients_are_the_eager_ones(chain: Chain, loss: str) -> None:
    """A second derivative by ``autograd.grad``, a hook or a branch on a value breaks the graph.

    The graph's own derivative is compiled as well where a loss may have derivatives of the critic,
    change buffers or use linear algebra. Elsewhere the graph holds plain operations of scores, and
    compiling their derivative for every name would prove the same again; it takes the most time.
    """

    def gradients(compiled: bool) -> list[Tensor]:
        torch.manual_seed(0)
        objective = chain.required_objective()
        adversary = Adversary(critic(objective.critic_output, torch.float32), chain)
        score = adversary._losses._critic if loss == "critic" else adversary._losses._learner
        if compiled:
            # What runs on the host cannot be part of a graph.
            whole = "host_sync" not in objective.EXEMPT
            backend = "eager" if has_plain_operations(chain, loss) else "aot_eager"
            score = torch.compile(score, backend=backend, fullgraph=whole)
        real, fake = (side.requires_grad_(loss == "learner") for side in sides(torch.float32))
        terms, _ = score(adversary.critic, real, fake, None, None)
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        leaves = (real, fake, *adversary.critic.parameters())
        return [total, *(x.grad for x in leaves if x.grad is not None), *adversary.buffers()]

    try:
        eager, compiled = gradients(False), gradients(True)
    finally:
        torch._dynamo.reset()
    assert len(eager) == len(compiled) > 1
    for a, b in zip(eager, compiled, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-6)
