"""Every method of imitation trains through `fit` on the demonstrations that are shipped."""

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import advlearn
from advlearn import catalogue
from advlearn.core.method import Method
from advlearn.imitation import imitate

ROWS = [row for row in catalogue.methods().values() if row.task == catalogue.IMITATION]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_trains_on_its_data(row: Method) -> None:
    run = advlearn.fit(row.name, steps=3, device="cpu", quiet=True)
    assert run.demonstrations.env_id == "CartPole-v1"
    assert len(run.returns(episodes=1)) == 1


@pytest.mark.parametrize(
    "given", [{"critic": torch.nn.Linear(5, 1)}, {"reward": torch.tanh}, {"critic_steps": 2}]
)
def test_cloning_refuses_what_only_an_adversary_has(given: dict[str, Any]) -> None:
    name = next(iter(given))
    with pytest.raises(ValueError, match=f"^{name}: expected None with behaviour cloning"):
        imitate("cartpole", "bc", quiet=True, **given)


def test_cloning_leaves_its_files(tmp_path: Path) -> None:
    imitate("cartpole", "bc", bc_steps=1, out=tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "policy.zip").exists()
