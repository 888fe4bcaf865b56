"""What a run of imitation leaves behind: a line, a curve, the policy and the reward."""

from pathlib import Path

from advlearn.engine.files import replacing
from advlearn.imitation.imitation import Imitation


def report(run: Imitation, folder: str | Path, episodes: int = 20) -> None:
    """Save the run in `folder`, draw its learning curve beside it, and print how the policy fares.

    Args:
        run: The run.
        folder: Where ``policy.zip``, ``reward.pt`` and ``curve.png`` go.
        episodes: Episodes that the return is measured on.
    """
    folder = run.save(folder)
    draw(run, folder / "curve.png")
    found = run.returns(episodes=episodes)
    expert = run.demonstrations.expert_return
    print(f"return {found.mean():.1f} +- {found.std():.1f} over {episodes} episodes, the expert's {expert:.1f}")
    print(f"policy (stable-baselines3), reward and curve: {folder}")


def draw(run: Imitation, path: str | Path) -> None:
    """Draw the return, which the policy never saw, against environment steps; the expert's as a line."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([row["steps"] for row in run.history], [row["return"] for row in run.history], label="policy")
    if run.demonstrations.expert_return == run.demonstrations.expert_return:
        axes.axhline(run.demonstrations.expert_return, color="k", linestyle="--", label="expert")
    axes.set(xlabel="environment steps", ylabel="return (never seen by the policy)")
    axes.legend()
    with replacing(Path(path)) as file:
        figure.savefig(file, dpi=100, format="png")
