"""Save a learned reward to a file without pickles, and load it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from advlearn.core.adversary import Adversary
from advlearn.core.allocations import TooLargeError, bound_of, bounded_allocations
from advlearn.core.arguments import checked
from advlearn.core.files import RefusedFileError
from advlearn.core.objective import Setwise
from advlearn.imitation.demonstrations.transitions import Encoder, Images, Transitions
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.nets import Network, build
from advlearn.training import checkpoint, structure
from advlearn.training.structure import Count, Every, Maybe, Row

FEW_ACTIONS: Final = 10_000
"""A file may have as many discrete actions, or one for each weight of its critic."""

CONTENT: Final = {
    "objective": str,
    "critic": Maybe({"net": str}),
    "adversary": structure.STATE,
    "encoder": {
        "choices": Count(),
        "first": int,
        "critic_inputs": Maybe(str),
        "images": Every(Row((Count(), Every(Count())))),
    },
    "demonstrations": Row((Tensor,) * len(Transitions._fields)),
    "gamma": (int, float),
    "absorbing": bool,
    "reward_shape": Maybe(str),
}
"""What a file of a learned reward holds."""


@checked
def save_reward(reward: LearnedReward, path: str | Path) -> Path:
    """Write a learned reward with its critic, its encoder and its demonstrations.

    Args:
        reward: The reward. If its critic is not a network of advlearn, only the critic's weights
            are written. Functions, of its shape and of the critic's inputs, are not written. Pass
            these to `load_reward` again.
        path: The file.

    Returns:
        The file.
    """
    # Regularizers may have wrapped the critic.
    network = next((m for m in reward.adversary.critic.modules() if isinstance(m, Network)), None)
    shape = reward.reward_shape
    encoder = reward.encoder
    inputs = {
        "choices": encoder.choices,
        "first": encoder.first,
        "critic_inputs": None if encoder.function is not None else encoder.critic_inputs,
    }
    images = [[start, list(shape)] for start, shape in encoder.state_images]
    settings = {
        "reward_shape": None if callable(shape) else shape,
        "gamma": reward.gamma,
        "absorbing": reward.absorbing,
        "window": reward.window,
    }
    return checkpoint.save(
        Path(path),
        {
            "objective": repr(reward.adversary.chain),
            "critic": None if network is None else network.config(),
            "adversary": reward.adversary.state_dict(),
            "encoder": {**inputs, "images": images},
            "demonstrations": [part.cpu() for part in reward.demonstrations],
            "policy": None if reward.policy is None else [part.cpu() for part in reward.policy],
            **settings,
        },
    )


@checked
def load_reward(
    path: str | Path,
    *,
    critic: nn.Module | None = None,
    reward: Callable[[Tensor], Tensor] | None = None,
    critic_inputs: Callable[[Transitions], Tensor] | None = None,
) -> LearnedReward:
    """Read a reward that `save_reward` or `ImitationResult.save` wrote.

    The reward of AIRL is the recovered one, since the file does not hold the policy.

    Args:
        path: The file, or the folder of `ImitationResult.save`.
        critic: The critic, built as for the training; needed for a module that is not a network of
            advlearn.
        reward: The function from scores to rewards; needed if the reward was trained with one.
        critic_inputs: The function from transitions to features; needed if the reward was trained
            with one.

    Returns:
        The reward.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is truncated or of another kind, or `critic`, `reward` or
            `critic_inputs` is missing.
    """
    path = Path(path)
    file = path / "reward.pt" if path.is_dir() else path
    state = checkpoint.load(file)
    structure.check(state, CONTENT, path)
    if critic is None and state["critic"] is None:
        raise ValueError(
            f"critic: expected the module that {path} was trained with, got None; pass it as "
            "critic="
        )
    if reward is None and state["reward_shape"] is None:
        raise ValueError(
            f"reward: expected the function that {path} was trained with, got None; pass it as "
            "reward="
        )
    if critic_inputs is None and state["encoder"]["critic_inputs"] is None:
        raise ValueError(
            f"critic_inputs: expected the function that {path} was trained with, got None; pass it "
            "as critic_inputs="
        )
    if critic_inputs is not None:
        state["encoder"]["critic_inputs"] = critic_inputs
    with structure.refusing(path):
        try:
            # Its critic cannot be much larger than the weights that the file holds.
            with bounded_allocations(bound_of(file)):
                encoder, demonstrations = _encoder(state, path)
                network = _critic(state["critic"]) if critic is None else critic
                adversary = Adversary(network, state["objective"])
        except TooLargeError:
            raise RefusedFileError(
                "checkpoint: expected a critic whose weights are in the file, got a larger one in "
                f"{path}; restore a copy of the file"
            ) from None
        try:
            adversary.load_state_dict(state["adversary"])
        except RuntimeError as error:
            raise ValueError(
                f"critic: expected the architecture of {path}, got other weights: "
                f"{str(error).splitlines()[-1].strip()}"
            ) from None
        settings: Any = {name: state[name] for name in ("gamma", "absorbing")}
        settings["window"] = state.get("window", 1)
        structure.check(settings, {"window": Count()}, path)
        settings["reward_shape"] = state["reward_shape"] if reward is None else reward
        loaded = LearnedReward(adversary, encoder, demonstrations, **settings)
        policy = state.get("policy")
        if policy is not None:
            structure.check({"policy": policy}, {"policy": CONTENT["demonstrations"]}, path)
            loaded.policy = Transitions(*policy)
        elif isinstance(adversary.objective, Setwise):
            raise ValueError(
                f"path: expected transitions of the policy, with which {state['objective']} "
                f"compares, got none in {path}; train again"
            )
        return loaded


def _encoder(state: dict[str, Any], path: Path) -> tuple[Encoder, Transitions]:
    """Build the encoder of a saved reward, and its demonstrations."""
    demonstrations, inputs = Transitions(*state["demonstrations"]), state["encoder"]
    rows = {part.shape[:1] for part in demonstrations}
    if len(rows) != 1 or demonstrations.observations.ndim != 2:
        raise RefusedFileError(
            f"checkpoint: expected demonstrations of as many rows in each part, got other shapes "
            f"in {path}; restore a copy of the file"
        )
    weights = sum(v.numel() for v in state["adversary"].values() if isinstance(v, Tensor))
    if inputs["choices"] > max(weights, FEW_ACTIONS):
        # A critic with weights has at least one for each action that it reads.
        raise TooLargeError(f"{inputs['choices']} actions")
    images: Images = tuple((start, tuple(shape)) for start, shape in inputs["images"])
    return Encoder(demonstrations, **{**inputs, "images": images}), demonstrations


def _critic(config: dict[str, Any]) -> nn.Module:
    if config["net"] != AIRLCritic.__name__:
        return build(config)
    return AIRLCritic(**{name: value for name, value in config.items() if name != "net"})
