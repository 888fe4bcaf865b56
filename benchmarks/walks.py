"""The environment of `imitation_wrappers.py`, whose observations hold the true return so far."""

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

ID = "walks:Walk-v0"
# Steps until the time limit of the id, and the distance at which an episode ends.
LIMIT, EDGE = 10, 3.0


class Walk(gym.Env[Any, Any]):
    """Walk on a line towards the side that a cue names.

    An observation is the position, the cue (1 or -1) and the sum of the rewards since the reset.
    Rewards are whole multiples of 1/64, so that the sum is exact in float32 and in the six decimals
    of a `Monitor`. The episode ends at a distance of `EDGE` from the middle.

    Args:
        discrete: Whether the actions are left, stay and right; otherwise a number in [-1, 1].
        hidden: Whether only the first observation of an episode holds the cue.
        masks: Whether `action_masks` forbids one of the discrete actions in each step.
        strict: Whether a forbidden action is an error; otherwise the walker stays.
        dicts: Whether observations are a dict of the walk (2,) and the return (1,).
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}  # gymnasium warns without

    def __init__(
        self,
        *,
        discrete: bool = False,
        hidden: bool = False,
        masks: bool = False,
        strict: bool = False,
        dicts: bool = False,
    ) -> None:
        self.discrete, self.hidden, self.strict, self.dicts = discrete, hidden, strict, dicts
        whole = gym.spaces.Box(-100, 100, (3,), np.float32)
        parts = {"walk": gym.spaces.Box(-100, 100, (2,), np.float32)}
        parts["paid"] = gym.spaces.Box(-100, 100, (1,), np.float32)
        self.observation_space = gym.spaces.Dict(parts) if dicts else whole
        box = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(3) if discrete else box
        self.position, self.cue, self.paid, self.steps = 0.0, 1, 0.0, 0
        if masks:
            self.action_masks = self._masks

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Return to a random position near the middle, with a random cue."""
        super().reset(seed=seed)
        self.position = float(self.np_random.integers(-32, 33)) / 64
        self.cue = 1 if self.np_random.integers(2) else -1
        self.paid, self.steps = 0.0, 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move, and pay for the position on the side of the cue."""
        move = float(np.asarray(action).item()) - (1 if self.discrete else 0)
        if hasattr(self, "action_masks") and not self._masks()[int(action)]:
            if self.strict:
                raise RuntimeError(f"action {action} is forbidden in step {self.steps}")
            move = 0.0
        self.steps += 1
        self.position += round(64 * move) / 64
        reward = round(64 * self.cue * self.position / 4) / 64
        self.paid += reward
        return self._observation(), reward, abs(self.position) >= EDGE, False, {}

    def _masks(self) -> Any:
        return np.arange(3) != self.steps % 3

    def _observation(self) -> Any:
        cue = 0 if self.hidden and self.steps else self.cue
        walk = np.array([self.position, cue], np.float32)
        paid = np.array([self.paid], np.float32)
        return {"walk": walk, "paid": paid} if self.dicts else np.concatenate([walk, paid])


gym.register("Walk-v0", entry_point="walks:Walk", max_episode_steps=LIMIT)
