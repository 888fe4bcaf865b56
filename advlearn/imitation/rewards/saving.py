"""A learned reward as a file, and back, without pickles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.imitation.demonstrations.transitions import Encoder, Images, Transitions
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.nets import Network, build
from advlearn.training import checkpoint


def save_reward(reward: LearnedReward, path: str | Path) -> Path:
    """Write a learned reward with all it needs: critic, scales, the demonstrations it compares with.

    Args:
        reward: The reward. Of a critic that is not a network of advlearn only the weights are
            written, of a reward function nothing: `load_reward` must be given both again.
        path: The file.

    Returns:
        The file.
    """
    # Regularizers may have put something around it.
    network = next((m for m in reward.adversary.critic.modules() if isinstance(m, Network)), None)
    shape = reward.reward_shape
    encoder = reward.encoder
    seen = {
        "choices": encoder.choices,
        "first": encoder.first,
        "critic_inputs": encoder.critic_inputs,
    }
    images = [[start, list(shape)] for start, shape in encoder.state_images]
    settings = {
        "reward_shape": None if callable(shape) else shape,
        "gamma": reward.gamma,
        "absorbing": reward.absorbing,
    }
    return checkpoint.save(
        Path(path),
        {
            "objective": repr(reward.adversary.chain),
            "critic": None if network is None else network.config(),
            "adversary": reward.adversary.state_dict(),
            "encoder": {**seen, "images": images},
            "demonstrations": [part.cpu() for part in reward.demonstrations],
            **settings,
        },
    )


def load_reward(
    path: str | Path,
    *,
    critic: nn.Module | None = None,
    reward: Callable[[Tensor], Tensor] | None = None,
) -> LearnedReward:
    """Read what `save_reward`, or `ImitationResult.save` as ``reward.pt``, wrote.

    Of AIRL it is the recovered reward: the policy that its critic was set against is not part of
    the file.

    Args:
        path: The file, or the folder of `ImitationResult.save`.
        critic: The critic, built as when the reward was trained; needed for a module that is not a
            network of advlearn.
        reward: The function from scores to rewards; needed where the reward had one.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: If the file is truncated or foreign, or `critic` or `reward` is missing.
    """
    path = Path(path)
    state = checkpoint.load(path / "reward.pt" if path.is_dir() else path)
    demonstrations = Transitions(*state["demonstrations"])
    seen = state["encoder"]
    images: Images = tuple((start, tuple(shape)) for start, shape in seen["images"])
    encoder = Encoder(demonstrations, **{**seen, "images": images})
    if critic is None and state["critic"] is None:
        raise ValueError(f"critic: {path} was trained with a module of yours; pass it as critic=")
    if reward is None and state["reward_shape"] is None:
        raise ValueError(f"reward: {path} was trained with a function of yours; pass it as reward=")
    network = _critic(state["critic"]) if critic is None else critic
    adversary = Adversary(network, state["objective"])
    adversary.load_state_dict(state["adversary"])
    settings: Any = {name: state[name] for name in ("gamma", "absorbing")}
    settings["reward_shape"] = state["reward_shape"] if reward is None else reward
    return LearnedReward(adversary, encoder, demonstrations, **settings)


def _critic(recipe: dict[str, Any]) -> nn.Module:
    if recipe["net"] != AIRLCritic.__name__:
        return build(recipe)
    return AIRLCritic(**{name: value for name, value in recipe.items() if name != "net"})
