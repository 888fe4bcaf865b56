"""Learned rewards for the algorithms of stable-baselines3."""

from advlearn._lazy import lazy

_NAMES = {
    "Checkpoints": "checkpoints",
    "LearnedRewardVecEnv": "reward_wrapper",
    "OffPolicyReward": "off_policy",
    "OnPolicyReward": "on_policy",
    "RecordingVecEnv": "recording",
    "RelabelingReplayBuffer": "off_policy",
    "check_env": "environment_checks",
    "record_environment": "recorder",
    "zoo_expert": "zoo",
}


def _where() -> dict[str, str]:
    return {name: f"{__name__}.{module}" for name, module in _NAMES.items()}


__all__ = list(_NAMES)  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = lazy(__name__, _where)
