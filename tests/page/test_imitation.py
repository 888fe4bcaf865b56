"""Test the page of a run of imitation."""

from pathlib import Path

import pytest

import advlearn
from tests.page.test_page import data_of, lines_of

pytest.importorskip("stable_baselines3", reason="needs the extra rl")


def test_the_page_has_returns_critic_verdict_and_recipe(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = advlearn.fit("gail", data="cartpole", steps=4096, out=out, page=True, quiet=True)
    page, history = data_of(out / "run.html"), run.history
    lines = lines_of(page)
    assert lines["reward"] == ([r["steps"] for r in history], [r["reward"] for r in history])
    assert {"policy, in training", "critic loss", "real score", "accuracy"} <= set(lines)
    (step, verdicts), *_ = page["verdicts"]
    assert step == page["step"] == history[-1]["steps"]
    assert verdicts == {"critic": run.reward.adversary.health().verdict}
    recipe = dict(page["recipe"])
    assert recipe["environment"] == "CartPole-v1" and recipe["algorithm"] == "PPO"
    assert page["panels"][0]["reference"] == pytest.approx(run.demonstrations.expert_return)
