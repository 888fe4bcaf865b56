"""docs/imitation.md lists the names of the code, and its Python blocks run."""

import re
from pathlib import Path

import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn.imitation import REWARD_SHAPES, methods, specify
from advlearn.imitation.demonstrations.transitions import INPUTS
from advlearn.imitation.rewards.shapes import sign

PAGE = (Path(__file__).parents[2] / "docs" / "imitation.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its first row."""
    lines = [
        line
        for line in PAGE.partition(f"## {heading}")[2].partition("\n## ")[0].splitlines()
        if "|" in line
    ]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_it_lists_every_method_with_its_reward() -> None:
    assert {
        name.strip("`"): reward_shape.strip("`")
        for name, _, reward_shape, _ in rows("Which method")
    } == {name: specify(name).reward for name in methods()}


def test_it_lists_every_shape_of_the_reward_with_its_sign() -> None:
    listed = {
        reward_shape.strip("`"): words.partition(":")[0]
        for reward_shape, _, words in rows("The form of the reward")
    }
    words = {1: "never negative", -1: "never positive", 0: "either"}
    assert listed == {
        reward_shape: words[sign(reward_shape)] for reward_shape in (*REWARD_SHAPES, "own")
    }


def test_it_lists_all_inputs_of_the_critic() -> None:
    assert set(
        re.findall(
            r'"([a-z-]+)"', PAGE.partition("## What the critic sees")[2].partition("\n## ")[0]
        )
    ) == set(INPUTS)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec("\n".join(blocks), {})
    assert {path.name for path in tmp_path.iterdir()} == {"policy.zip", "reward.pt"}
