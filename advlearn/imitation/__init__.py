"""Adversarial imitation on stable-baselines3: install ``advlearn[rl]``."""

from advlearn.imitation.cloning import clone_behaviour
from advlearn.imitation.demonstrations import Demonstrations, from_arrays, load_demonstrations
from advlearn.imitation.imitate import imitate
from advlearn.imitation.imitation import Imitation
from advlearn.imitation.learned_reward import LearnedReward
from advlearn.imitation.methods import METHODS
from advlearn.imitation.report import draw, film, report
from advlearn.imitation.resident import ResidentPPO
from advlearn.imitation.rewarded import Rewarded
from advlearn.imitation.rewards import FORMS
from advlearn.imitation.saved import load_reward, save_reward
from advlearn.imitation.sources import (
    from_huggingface,
    from_minari,
    from_trajectories,
    record,
    save_demonstrations,
)
from advlearn.imitation.transitions import Encoder, Transitions

__all__ = [
    "FORMS",
    "METHODS",
    "Demonstrations",
    "Encoder",
    "Imitation",
    "LearnedReward",
    "ResidentPPO",
    "Rewarded",
    "Transitions",
    "clone_behaviour",
    "draw",
    "film",
    "from_arrays",
    "from_huggingface",
    "from_minari",
    "from_trajectories",
    "imitate",
    "load_demonstrations",
    "load_reward",
    "record",
    "report",
    "save_demonstrations",
    "save_reward",
]
