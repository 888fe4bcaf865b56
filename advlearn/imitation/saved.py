"""A learned reward as a file, and back, without pickles."""

from pathlib import Path
from typing import Any

from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.imitation.critic import ShapedCritic
from advlearn.imitation.learned_reward import LearnedReward
from advlearn.imitation.transitions import Encoder, Images, Transitions
from advlearn.nets import Network, build
from advlearn.training import checkpoint


def save_reward(reward: LearnedReward, path: str | Path) -> Path:
    """Write a learned reward with all it needs: critic, scales, the demonstrations it compares with.

    Args:
        reward: The reward; its critic is one of advlearn's networks, as `imitate` makes it.
        path: The file.

    Returns:
        The file.

    Raises:
        TypeError: The critic is another module.
    """
    # Regularizers may have put something around it.
    network = next((m for m in reward.adversary.critic.modules() if isinstance(m, Network)), None)
    if network is None:
        raise TypeError(
            f"reward: expected a network of advlearn, got {type(reward.adversary.critic).__name__}"
        )
    encoder = reward.encoder
    seen = {"choices": encoder.choices, "first": encoder.first, "inputs": encoder.inputs}
    images = [[start, list(shape)] for start, shape in encoder.state_images]
    settings = {"form": reward.form, "gamma": reward.gamma, "absorbing": reward.absorbing}
    return checkpoint.save(
        Path(path),
        {
            "objective": repr(reward.adversary.chain),
            "critic": network.config(),
            "adversary": reward.adversary.state_dict(),
            "encoder": {**seen, "images": images},
            "demonstrations": [part.cpu() for part in reward.demonstrations],
            **settings,
        },
    )


def load_reward(path: str | Path) -> LearnedReward:
    """Read what `save_reward`, or `Imitation.save` as ``reward.pt``, wrote.

    Of AIRL it is the recovered reward: the policy that its critic was set against is not part of
    the file.

    Args:
        path: The file, or the folder of `Imitation.save`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is cut off, or no checkpoint of advlearn.
    """
    path = Path(path)
    state = checkpoint.load(path / "reward.pt" if path.is_dir() else path)
    demonstrations = Transitions(*state["demonstrations"])
    seen = state["encoder"]
    images: Images = tuple((start, tuple(shape)) for start, shape in seen["images"])
    encoder = Encoder(demonstrations, **{**seen, "images": images})
    adversary = Adversary(_critic(state["critic"]), state["objective"])
    adversary.load_state_dict(state["adversary"])
    settings: Any = {name: state[name] for name in ("form", "gamma", "absorbing")}
    return LearnedReward(adversary, encoder, demonstrations, **settings)


def _critic(recipe: dict[str, Any]) -> nn.Module:
    if recipe["net"] != ShapedCritic.__name__:
        return build(recipe)
    return ShapedCritic(**{name: value for name, value in recipe.items() if name != "net"})
