"""Load a trained expert from a folder of rl-baselines3-zoo, with its scale of observations."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import stable_baselines3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import (
    VecEnv,
    VecFrameStack,
    VecNormalize,
    is_vecenv_wrapped,
)

from advlearn.core.arguments import Seed, checked
from advlearn.imitation.sb3.making import make_environments

# The folders of the zoo, one for each algorithm, and the class of each.
ALGORITHMS = {
    "a2c": "A2C",
    "ars": "ARS",
    "crossq": "CrossQ",
    "ddpg": "DDPG",
    "dqn": "DQN",
    "her": "SAC",
    "ppo": "PPO",
    "ppo_lstm": "RecurrentPPO",
    "qrdqn": "QRDQN",
    "sac": "SAC",
    "td3": "TD3",
    "tqc": "TQC",
    "trpo": "TRPO",
}
_SCALES = ("vecnormalize.pkl", "vec_normalize.pkl")


@checked
def zoo_expert(
    folder: str | Path,
    env: str | VecEnv | None = None,
    *,
    algorithm: str | None = None,
    trust: bool = False,
    seed: Seed = 0,
) -> BaseAlgorithm:
    """Load an expert that rl-baselines3-zoo trained, with its scale of observations.

    The folder is ``ALGORITHM/ENV_1`` of the zoo, which holds ``ENV.zip`` and, if the expert reads
    normalised observations, ``ENV/vecnormalize.pkl``; or one that `ImitationResult.save` wrote,
    with ``policy.zip`` and ``vecnormalize.pkl``. The scale is fixed. `record` stores the
    observations of the environment, while the expert reads normalised ones.

    Reading these files runs code that they contain: **load only files of people whom you trust**,
    see ``docs/security.md``.

    Args:
        folder: The folder.
        env: Environment id, or a vectorised environment without normalisation; None: the one that
            the folder's name states. Needed if the expert has wrappers or settings of gymnasium.
        algorithm: A name of the zoo, such as ``"ppo"``; None: the name of the folder above.
        trust: True, to state that you trust who wrote the files.
        seed: Seeds an environment that is built from an id.

    Returns:
        The expert with its environment, for `record`.

    Raises:
        ValueError: If `trust` is not True, the algorithm is unknown, the expert needs an
            environment that the id does not make, or the environment has other spaces.
        FileNotFoundError: If the folder has no expert, or lacks the scale that its settings name.

    Example:
        >>> zoo_expert("rl-trained-agents/ppo/Pendulum-v1_1")
        Traceback (most recent call last):
        ValueError: trust: expected True, since the files of \
rl-trained-agents/ppo/Pendulum-v1_1 are pickles, which can run any code when they are read, got \
False; pass trust=True if you trust who wrote them

    Deviations:
        The expert only plays: its learning rate and clip range are zero and its replay buffer
        holds one step, as when the zoo plays an expert.
    """
    folder = Path(folder)
    if not trust:
        raise ValueError(
            f"trust: expected True, since the files of {folder} are pickles, which can run any "
            "code when they are read, got False; pass trust=True if you trust who wrote them"
        )
    kind = _class_of(algorithm or folder.absolute().parent.name)
    env_id = folder.absolute().name.rpartition("_")[0] or folder.name
    file = _first(folder, (f"{env_id}.zip", "policy.zip", "best_model.zip"))
    if file is None:
        raise FileNotFoundError(
            f"folder: expected {env_id}.zip, policy.zip or best_model.zip in {folder}, got none of "
            "them; pass a folder ALGORITHM/ENV_1 of the zoo"
        )
    settings = "".join(p.read_text() for p in sorted((folder / env_id).glob("*.yml")))
    scale = _scale_file(folder, env_id, settings)
    if env is None:
        _refuse_other_environments(settings, env_id)
    made = env_id if env is None else env
    venv = make_environments(made, seed=seed) if isinstance(made, str) else made
    try:
        expert = _load(kind, file, _wrapped(venv, scale, _setting(settings, "frame_stack")))
    except (AssertionError, ValueError) as error:
        if not re.search("spaces do not match|spaces must have", str(error)):
            raise
        raise ValueError(
            f"env: expected the expert's spaces, got others: {str(error).splitlines()[0]}; pass "
            "env= with the wrappers that the expert was trained with"
        ) from None
    expert.set_random_seed(seed)
    return expert


def _class_of(name: str) -> type[BaseAlgorithm]:
    if name not in ALGORITHMS:
        raise ValueError(
            f"algorithm: expected one of {', '.join(ALGORITHMS)}, got {name!r}; pass algorithm="
        )
    kind = getattr(stable_baselines3, ALGORITHMS[name], None)
    return kind or getattr(import_module("sb3_contrib"), ALGORITHMS[name])


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _setting(text: str, name: str) -> str | None:
    """Return a setting of the zoo's YAML files, which list names and values; None: not set.

    The files are not parsed as YAML, since theirs contain Python objects.
    """
    found = re.search(rf"^[\s-]*{name}:?[ \t]*(?:\n[\s-]*-)?[ \t]*(\S.*)?$", text, re.MULTILINE)
    value = (found[1] or "").strip() if found else ""
    return None if value.lower() in ("", "null", "none", "false", "{}", "[]") else value


def _scale_file(folder: Path, env_id: str, settings: str) -> Path | None:
    """Return the file of the scale; refuse an expert that lacks the one it was trained with."""
    found = _first(folder / env_id, _SCALES) or _first(folder, _SCALES)
    if found is None and _setting(settings, "normalize") is not None:
        raise FileNotFoundError(
            f"folder: expected {env_id}/vecnormalize.pkl in {folder}, since its settings normalise "
            "observations, got none; copy it too"
        )
    return found


def _refuse_other_environments(settings: str, env_id: str) -> None:
    for name in ("env_wrapper", "env_kwargs"):
        if (value := _setting(settings, name)) is not None:
            raise ValueError(
                f"env: expected an environment with {name} {value}, as in the expert's settings, "
                f"got None, which makes {env_id} without them; pass env="
            )


def _wrapped(venv: VecEnv, scale: Path | None, frames: str | None) -> VecEnv:
    """Return the environment in the expert's wrappers, in the zoo's order."""
    if scale is not None and not is_vecenv_wrapped(venv, VecNormalize):
        loaded = VecNormalize.load(str(scale), venv)
        loaded.training, loaded.norm_reward = False, False
        venv = loaded
    if frames is not None and not is_vecenv_wrapped(venv, VecFrameStack):
        venv = VecFrameStack(venv, int(frames))
    return venv


def _load(kind: type[BaseAlgorithm], file: Path, venv: VecEnv) -> BaseAlgorithm:
    """Load an expert without its schedules, which another Python version cannot unpickle."""
    schedules = {"learning_rate": 0.0, "lr_schedule": _zero, "clip_range": _zero}
    buffer: dict[str, Any] = {"buffer_size": 1} if issubclass(kind, OffPolicyAlgorithm) else {}
    return kind.load(file, env=venv, device="cpu", custom_objects=schedules, **buffer)


def _zero(_: Any) -> float:
    return 0.0
