"""Every method of imitation trains through `fit` on the demonstrations that are shipped."""

import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import advlearn
from advlearn import catalogue
from advlearn.core.method import Method

ROWS = [row for row in catalogue.methods().values() if row.task == catalogue.IMITATION]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_trains_on_its_data(row: Method) -> None:
    run = advlearn.fit(row.name, steps=3, device="cpu", quiet=True)
    assert run.demonstrations.env_id == "CartPole-v1"
    assert len(run.returns(episodes=1)) == 1
