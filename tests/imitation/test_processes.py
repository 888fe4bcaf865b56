"""Several processes that imitate together equal one process with all environments."""

from pathlib import Path
from typing import Any, cast

import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from advlearn.imitation import imitate, processes
from tests.imitation.counting import counting, small
from tests.imitation.joined import (
    GAIL,
    N,
    T,
    expert,
    learner_of,
    resume_one_of_two,
    train_alone,
    train_one_of_two,
)
from tests.processes import run_in_processes

CASES = [
    ("device", GAIL, False),
    ("ppo", GAIL, False),
    ("a2c", GAIL, True),
    ("device", GAIL, True),
    ("device stopped", GAIL, False),
    ("device", "gmmil", False),
    ("ppo", "airl", False),
    ("device", "airl", True),
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


def test_a_resumed_run_of_two_processes_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    run_in_processes(resume_one_of_two, (str(tmp_path),))
    for kind in ("ppo", "device"):
        found = [torch.load(tmp_path / f"{kind} {rank}.pt", weights_only=True) for rank in (0, 1)]
        for each in found:
            for name, expected in each["whole"].items():
                assert torch.equal(each["broken"][name], expected), f"{kind} {name}"
        first, second = (each["whole"] for each in found)
        assert torch.equal(first["policy.log_std"], second["policy.log_std"])
        # Each process draws its own actions, and only the first one writes.
        assert not torch.equal(first["actions"], second["actions"])
        names = sorted(path.name for path in (tmp_path / f"{kind} whole").iterdir())
        assert names == ["checkpoint.pt", "history.csv"]
    with pytest.raises(ValueError, match=r"^out: .* holds a run of 2 processes, got 1; start 2, "):
        imitate(
            expert(), GAIL, steps=6 * T * N, out=tmp_path / "ppo whole", save_every=2 * T,
            algorithm=learner_of("ppo", 0, N, policy="MlpPolicy"), batch_size=8, critic_steps=2,
            critic_replay_size=2 * T * N, absorbing=False, quiet=True,
        )  # fmt: skip


class Stop(BaseCallback):
    def _on_step(self) -> bool:
        return False


def normalised() -> PPO:
    """Return an algorithm whose policy has batch normalisation in its features."""
    algorithm = small(counting())
    features = cast(Any, algorithm.policy).features_extractor
    features.flatten = nn.Sequential(features.flatten, nn.BatchNorm1d(1))
    return algorithm


def on(device: str, of_policy: str | None = None) -> PPO:
    """Return an algorithm that states a device; its policy has no memory on it."""
    algorithm = small(counting())
    algorithm.device = torch.device(device)
    if of_policy is not None:
        with FakeTensorMode():
            algorithm.policy = cast(Any, nn.ParameterList([torch.empty(1, device=of_policy)]))
    return algorithm


OF_ANOTHER = (
    r"^algorithm: expected cuda:0 in the process of local rank 0, .*, got cuda:1; build it, .*"
    r' the device of launched\("cuda"\); see docs/cluster\.md$'
)
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"algorithm": "sac"}, r"^algorithm: expected 'ppo', 'a2c', .* in 2 processes, .* got 'sac'"),
    ({"algorithm": "trpo"}, r"^algorithm: .* got 'trpo'"),
    ({"callbacks": [Stop()]}, r"^callbacks: expected none in 2 processes, .* got 1; leave "),
    ({"env": VecNormalize(counting())}, r"^env: expected none in VecNormalize in 2 processes"),
    ({"algorithm": small(counting(), target_kl=0.1)}, r"^target_kl: .* got 0\.1; use DevicePPO"),
    ({"algorithm": normalised()}, r"^policy: expected no batch normalisation in 2 processes, "),
    ({"algorithm": on("cuda:1")}, OF_ANOTHER),
    ({"algorithm": on("cuda", of_policy="cuda:1")}, OF_ANOTHER),
    ({"algorithm": small(VecNormalize(counting()))}, r"^env: expected none in VecNormalize"),
]


@pytest.fixture
def first_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be the first of two, which have not met yet."""
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv("MASTER_PORT", "1")


@pytest.mark.parametrize(("given", "line"), REFUSED, ids=lambda value: str(value)[:30])
def test_what_two_processes_cannot_join_is_refused_at_once(
    given: dict[str, Any], line: str, first_of_two: None
) -> None:
    with pytest.raises(ValueError, match=line):
        imitate("no such demonstrations", steps=8, **given)


@pytest.mark.parametrize("algorithm", [on("cuda:0"), on("cuda", of_policy="cuda:0")])
def test_an_algorithm_on_the_device_of_its_process_is_taken(
    algorithm: PPO, first_of_two: None
) -> None:
    with pytest.raises(FileNotFoundError, match=r"^demonstrations: "):
        imitate("no such demonstrations", steps=8, algorithm=algorithm)


@pytest.mark.parametrize("has_logger", [False, True])
def test_the_log_of_an_algorithm_is_as_before_after_a_block_without_one(has_logger: bool) -> None:
    algorithm = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16)
    if has_logger:
        algorithm.set_logger(Logger(None, []))
    names = ("_logger", "_custom_logger")
    before = {name: vars(algorithm).get(name) for name in names}
    with processes._without_log(algorithm):
        assert algorithm.logger is not before["_logger"] and not algorithm.logger.output_formats
    assert {name: vars(algorithm).get(name) for name in names} == before
