"""Several processes that imitate together equal one process with all environments."""

from typing import Any

import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from tests.imitation.joined import train_alone, train_one_of_two
from tests.processes import run_in_processes

GAIL = "gail + r1(weight=1)"
CASES = [
    ("device", GAIL, False),
    ("ppo", GAIL, False),
    ("a2c", GAIL, True),
    ("device", GAIL, True),
    ("device", "gmmil", False),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Any]]]:
    """Return the weights of every case, of each process."""
    folder = tmp_path_factory.mktemp("two")
    run_in_processes(train_one_of_two, (str(folder), CASES))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_two_processes_equal_one_on_the_joined_rollouts(case: Any, trained: Any) -> None:
    first, second = (weights[CASES.index(case)] for weights in trained)
    alone = train_alone(*case)
    for name, expected in alone.items():
        assert torch.equal(first[name], second[name]), name
        torch.testing.assert_close(first[name], expected, rtol=1e-6, atol=1e-6, msg=name)
