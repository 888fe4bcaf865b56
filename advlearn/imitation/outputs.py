"""Outputs of a run of imitation: a report, a learning curve and a video."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core.arguments import Count, Positive, Seed, checked
from advlearn.core.files import atomic_write
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.sb3.making import make_environments
from advlearn.imitation.sb3.playing import playing
from advlearn.training import launch


@checked
def report(run: ImitationResult, folder: str | Path, episodes: Count = 20) -> None:
    """Save a run and its learning curve to a folder, and print the policy's return.

    Of several processes only the first one does so.

    Args:
        run: The run.
        folder: Folder for ``policy.zip``, ``reward.pt`` and ``curve.png``.
        episodes: Episodes over which the return is measured.
    """
    if not launch.is_first():
        return
    folder = run.save(folder)
    plot_learning_curve(run, folder / "curve.png")
    returns = run.returns(episodes=episodes)
    expert = run.demonstrations.expert_return
    print(
        f"return {returns.mean():.1f} +- {returns.std():.1f} over {episodes} episodes, the "
        f"expert's {'is unknown' if math.isnan(expert) else f'{expert:.1f}'}"
    )
    print(f"policy (stable-baselines3), reward and curve: {folder}")


@checked
def plot_learning_curve(run: ImitationResult, path: str | Path) -> None:
    """Plot the true return against environment steps, with a line for the expert's.

    Args:
        run: The run.
        path: The PNG file.
    """
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
    axes.set(xlabel="environment steps", ylabel="true return (hidden from the policy)")
    axes.legend()
    with atomic_write(Path(path)) as file:
        figure.savefig(file, dpi=100, format="png")


@checked
def record_video(
    run: ImitationResult,
    path: str | Path,
    *,
    env: str = "",
    seconds: Positive = 10.0,
    seed: Seed = 0,
) -> bool:
    """Write an episode of the policy's mode as an animated GIF.

    If the environment cannot be rendered, print why in one line. Classic environments need pygame;
    MuJoCo on a machine without a screen needs ``MUJOCO_GL=egl`` or ``osmesa``.

    Args:
        run: The run.
        path: The file.
        env: Environment id; if empty, one like that of the training.
        seconds: Longest video, at the environment's own speed.
        seed: Seeds the environment.

    Returns:
        Whether a video was written.
    """
    name = env or run.env_id
    try:
        shown: dict[str, Any] = {"render_mode": "rgb_array"}
        venv = (
            run.recipe.wrap(make_environments(env, seed=seed, **shown))
            if env
            else run.recipe.build(seed=seed, **shown)
        )
        frames, milliseconds = _frames(run, venv, seconds)
    # Graphics libraries raise errors of many kinds, and none of them must end a trained run.
    except Exception as error:
        reason = " ".join(str(error).split())
        print(f"video: {name or 'no environment'} cannot be rendered here ({reason})")
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
    print(f"video: {path}")
    return True


def _frames(run: ImitationResult, venv: VecEnv, seconds: float) -> tuple[list[Image], int]:
    """Return the frames of an episode, at most 25 a second, and the milliseconds of each."""
    from PIL.Image import fromarray

    try:
        rate = venv.get_attr("metadata")[0].get("render_fps", 30)
        every = max(1, round(rate / 25))
        frames: list[Image] = []
        with playing(run.policy, venv, deterministic=True) as (_, take_step):
            for step in range(max(1, round(seconds * rate))):
                if step % every == 0:
                    frames.append(fromarray(np.asarray(venv.render())))
                if take_step().ends[0]:
                    break
        return frames, round(1000 * every / rate)
    finally:
        venv.close()
