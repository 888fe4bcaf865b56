"""Rewards learned from demonstrations: critics, shapes, scales and files."""

from advlearn._lazy import lazy

_NAMES = {
    "REWARD_SHAPES": "shapes",
    "AIRLCritic": "airl_critic",
    "LearnedReward": "learned_reward",
    "ReturnScale": "return_scale",
    "load_reward": "saving",
    "save_reward": "saving",
    "sign": "shapes",
}


def _where() -> dict[str, str]:
    return {name: f"{__name__}.{module}" for name, module in _NAMES.items()}


__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = lazy(__name__, _where)
