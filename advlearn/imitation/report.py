"""What a run of imitation leaves behind: a line, a curve, a film, the policy and the reward."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from stable_baselines3.common.vec_env import VecEnv

from advlearn.imitation.result import ImitationResult, scaled
from advlearn.training.files import atomic_write


def report(run: ImitationResult, folder: str | Path, episodes: int = 20) -> None:
    """Save the run in `folder`, draw its learning curve beside it, and print how the policy fares.

    Args:
        run: The run.
        folder: Where ``policy.zip``, ``reward.pt`` and ``curve.png`` go.
        episodes: Episodes that the return is measured on.
    """
    folder = run.save(folder)
    plot_learning_curve(run, folder / "curve.png")
    found = run.returns(episodes=episodes)
    expert = run.demonstrations.expert_return
    print(
        f"return {found.mean():.1f} +- {found.std():.1f} over {episodes} episodes, the expert's {expert:.1f}"
    )
    print(f"policy (stable-baselines3), reward and curve: {folder}")


def plot_learning_curve(run: ImitationResult, path: str | Path) -> None:
    """Draw the return, which the policy never saw, against environment steps; the expert's as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(
        [row["steps"] for row in run.history],
        [row["return"] for row in run.history],
        label="policy",
    )
    if run.demonstrations.expert_return == run.demonstrations.expert_return:
        axes.axhline(run.demonstrations.expert_return, color="k", linestyle="--", label="expert")
    axes.set(xlabel="environment steps", ylabel="return (never seen by the policy)")
    axes.legend()
    with atomic_write(Path(path)) as file:
        figure.savefig(file, dpi=100, format="png")


def record_video(
    run: ImitationResult, path: str | Path, *, env: str = "", seconds: float = 10.0, seed: int = 0
) -> bool:
    """Write an episode of the policy's mode as an animated GIF; where it cannot be drawn, say why in one line.

    Drawing needs what gymnasium names for it: pygame for the classic environments; MuJoCo without a
    screen takes ``MUJOCO_GL=egl`` or ``osmesa``.

    Args:
        run: The run.
        path: The file.
        env: Environment id; the run's if empty.
        seconds: Longest film, at the environment's own pace.
        seed: Seeds the environment.

    Returns:
        Whether there is a film.
    """
    from stable_baselines3.common.env_util import make_vec_env

    name = env or run.env_id
    try:
        venv = make_vec_env(name, n_envs=1, seed=seed, env_kwargs={"render_mode": "rgb_array"})
        frames, milliseconds = _frames(run, scaled(venv, run.policy), seconds)
    # Whatever graphics libraries raise: their absence is no reason to lose a run.
    except Exception as error:
        print(
            f"film: {name or 'no environment'} cannot be drawn here ({' '.join(str(error).split())})"
        )
        return False
    with atomic_write(Path(path)) as file:
        frames[0].save(
            file,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=milliseconds,
            loop=0,
        )
    print(f"film: {path}")
    return True


def _frames(run: ImitationResult, venv: VecEnv, seconds: float) -> tuple[list[Image], int]:
    """Pictures of an episode, at most 25 a second, and the milliseconds that each lasts."""
    from PIL.Image import fromarray

    try:
        seen: Any = venv.reset()
        rate = venv.get_attr("metadata")[0].get("render_fps", 30)
        every = max(1, round(rate / 25))
        frames: list[Image] = []
        for step in range(max(1, round(seconds * rate))):
            if step % every == 0:
                frames.append(fromarray(np.asarray(venv.render())))
            actions, _ = run.policy.predict(seen, deterministic=True)
            seen, _, ended, _ = venv.step(actions)
            if ended[0]:
                break
        return frames, round(1000 * every / rate)
    finally:
        venv.close()
