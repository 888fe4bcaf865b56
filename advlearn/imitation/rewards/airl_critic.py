"""The critic of adversarial inverse reinforcement learning (AIRL)."""

from typing import final

from torch import Tensor, nn

from advlearn.imitation.demonstrations.transitions import Images
from advlearn.nets import MLP, Network, PixelCritic


@final
class AIRLCritic(Network):
    r"""Score transitions by a reward, a potential and the policy's log-probability.

    .. math:: s = g(x) + \gamma\,h(o') - h(o) - \log \pi(a \mid o)

    At the optimum g is the reward up to a constant, and the potential h holds the part that depends
    on the dynamics.

    Args:
        width: Size of the inputs x of the reward g.
        state: Size of the inputs o and o' of the potential h.
        gamma: Discount.
        hidden: Sizes of the hidden layers of both.
        images: Start and shape (C, H, W) of each image in x.
        state_images: The same in o.

    Example:
        >>> import torch
        >>> critic = AIRLCritic(5, 3, gamma=0.9)
        >>> x, o = torch.zeros(4, 5), torch.zeros(4, 3)
        >>> critic(x, o, o, torch.ones(4), torch.zeros(4)).shape
        torch.Size([4])

    Reference:
        Fu et al., "Learning Robust Rewards with Adversarial Inverse Reinforcement Learning", 2018,
        eq. 4 and 5.

    Deviations:
        After the end of an episode the potential is zero.
    """

    def __init__(
        self,
        width: int,
        state: int,
        gamma: float,
        hidden: tuple[int, ...] = (32, 32),
        images: Images = (),
        state_images: Images = (),
    ) -> None:
        super().__init__()
        self.width, self.state, self.gamma, self.hidden = width, state, gamma, tuple(hidden)
        self.images = tuple((start, tuple(shape)) for start, shape in images)
        self.state_images = tuple((start, tuple(shape)) for start, shape in state_images)
        # The reward is the last layer, so that a bottleneck applies to it.
        self.potential = _scored(state, self.hidden, self.state_images)
        self.reward = _scored(width, self.hidden, self.images)

    def forward(
        self, x: Tensor, o: Tensor, after: Tensor, continues: Tensor, log_prob: Tensor
    ) -> Tensor:
        """Return the logits (N,) of transitions.

        Args:
            x: Inputs of the reward, (N, width).
            o: States, (N, state).
            after: States after the step, (N, state).
            continues: 0 where the episode terminated, else 1; float (N,).
            log_prob: The policy's log-probability of the actions, (N,).
        """
        shaping = self.gamma * continues * self.potential(after) - self.potential(o)
        return self.reward(x) + shaping - log_prob


def _scored(width: int, hidden: tuple[int, ...], images: Images) -> nn.Module:
    if images:
        return PixelCritic(width, images, hidden=hidden)
    return nn.Sequential(MLP(width, 1, hidden, activation="relu"), nn.Flatten(0))
