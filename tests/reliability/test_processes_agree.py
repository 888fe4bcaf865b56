"""Processes that differ stop with one line in every rank, and processes that agree end together."""

import os
import signal
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

import advlearn
from advlearn import Adversary
from advlearn.core import distributed
from advlearn.core.trainer import Callback, Trainer
from advlearn.tasks.generate import Generate
from advlearn.training.early_stopping import EarlyStopping
from tests.head.spawned import Job, Results, in_two_processes
from tests.training.tiny import build

X = torch.randn(32, 2, generator=torch.Generator().manual_seed(1))
OTHER = X.clone()
OTHER[5, 1] += 1e-3
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "seed": ({"seed": 1}, "seed in every process, got 0 in rank 0 and 1 in rank 1"),
    "steps": ({"steps": 5}, "steps in every process, got 4 in rank 0 and 5 in rank 1"),
    "lr": ({"lr": 0.5}, "lr in every process, got None in rank 0 and 0.5 in rank 1"),
    "objective": (
        {"objective": "hinge"},
        "share=1.0)\" in rank 0 and 'Hinge()' in rank 1; start every process with the same",
    ),
    "content": ({"data": OTHER}, "data_contents.stored in every process, got 'float32 (32, 2) "),
    "length": ({"data": X[:16]}, "count in every process, got 32 in rank 0 and 16"),
    "option": ({"latent": 3}, "latent in every process, got "),
    "critic": ({"critic": nn.Sequential(nn.Linear(2, 1))}, "networks.critic.data in every process"),
    "precision": ({"precision": "bf16"}, "precision in every process, got 'fp32' in rank 0"),
    "refused": ({"batch_size": 64}, "rank 1 refused to start: batch_size: expected at most the 32"),
}


def fit(**given: Any) -> Any:
    settings = {"objective": "nsgan + r1", "data": X, "steps": 4, "batch_size": 8, **given}
    return advlearn.fit(
        "generate", device="cpu", callbacks=settings.pop("callbacks", ()), **settings
    )


def weights(run: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in run.task.parameters()])


def differ(given: dict[str, Any], rank: int, world: int) -> Results:
    critic = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    shared = {"critic": critic} if "critic" in given else {}
    return {"weights": weights(fit(**(given if rank else shared)))}


def agree(rank: int, world: int) -> Results:
    return {"weights": weights(fit())}


class Stop(Callback):
    """Stop at a step, in one process only."""

    def __init__(self, at: int, rank: int = 1) -> None:
        self.at, self.rank = at, rank

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.at and distributed.rank() == self.rank:
            trainer.stop_reason = "good enough"


class Interrupt(Callback):
    """Send Ctrl-C to the second process only."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 2 and distributed.rank() == 1:
            os.kill(os.getpid(), signal.SIGINT)


def stop(rank: int, world: int) -> Results:
    run = fit(steps=50, callbacks=[Stop(3)])
    return {"step": run.trainer.step, "reason": run.trainer.stop_reason, "weights": weights(run)}


def stop_early(rank: int, world: int) -> Results:
    # Measured from the learner's state of each process, and averaged.
    stopping = EarlyStopping(lambda trainer: float(trainer.step + rank), every=2, patience=2)
    run = fit(steps=50, callbacks=[stopping])
    return {"step": run.trainer.step, "reason": run.trainer.stop_reason}


def interrupt(rank: int, world: int) -> Results:
    trainer = build(50, [Interrupt()], rank=rank, world_size=world)
    try:
        trainer.run()
    except KeyboardInterrupt:
        return {"step": trainer.step}
    return {}


def other_steps_of_a_trainer(rank: int, world: int) -> Results:
    build(5 + rank, rank=rank, world_size=world).run()
    return {}


def update(change: str, rank: int, world: int) -> Results:
    """Make an update that differs between the processes, then one that is equal."""
    torch.manual_seed(3)
    head = Adversary(nn.Linear(2, 1), "hinge")
    real, fake, ones = torch.randn(4, 2), torch.randn(4, 2), torch.ones(4)
    error = ""
    try:
        if change == "weights":
            head.update(real, fake, ones if rank else None)
        elif change == "uneven":
            head.update(real[: 4 - rank], fake)
        elif change == "empty":
            head.update(real, fake[: 4 * (1 - rank)])
        elif change == "model":
            head.player_loss(real, fake.requires_grad_(), None, ones if rank == 0 else None)
    except ValueError as raised:
        error = str(raised)
    head.update(real, fake.detach(), ones, ones)
    return {"error": error, "weight": head.critic.weight.detach().clone()}


def batch_norm(rank: int, world: int) -> Results:
    net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        task = Generate(net, latent=2, shape=(2,))
        advlearn.fit(task, "hinge", X, steps=1, batch_size=8, device="cpu", callbacks=())
    return {"lines": [str(w.message) for w in caught]}


def imitation(rank: int, world: int) -> Results:
    pytest.importorskip("stable_baselines3")
    from advlearn.imitation import imitate

    imitate("cartpole", steps=64, seed=rank, quiet=True)
    return {}


def cloning(rank: int, world: int) -> Results:
    pytest.importorskip("stable_baselines3")
    from advlearn.imitation import imitate

    imitate("cartpole", "bc", bc_steps=(4, 2)[rank], quiet=True)
    return {}


def other_environment(rank: int, world: int) -> Results:
    pytest.importorskip("stable_baselines3")
    from advlearn.imitation import imitate

    imitate("cartpole", steps=64, env=("CartPole-v1", "Pendulum-v1")[rank], quiet=True)
    return {}


def shared_policy(rank: int, world: int) -> Results:
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import PPO

    from advlearn.imitation.on_device.update import share_policy

    policy = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=16, seed=rank).learn(16).policy
    share_policy(policy)
    states = policy.optimizer.state_dict()["state"].values()
    moments = [float(state[name].sum()) for state in states for name in ("exp_avg", "exp_avg_sq")]
    return {"values": [float(p.sum()) for p in policy.parameters()] + moments}


def save(folder: str, rank: int, world: int) -> Results:
    return {"weights": weights(fit(out=folder))}


JOBS: dict[str, Job] = {
    **{name: partial(differ, given) for name, (given, _) in DIFFERENT.items()},
    **{f"update {c}": partial(update, c) for c in ("weights", "uneven", "empty", "model")},
    "stop": stop,
    "stop early": stop_early,
    "interrupt": interrupt,
    "trainer": other_steps_of_a_trainer,
    "batch norm": batch_norm,
    "imitation": imitation,
    "cloning": cloning,
    "other environment": other_environment,
    "shared policy": shared_policy,
    "agree": agree,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    return in_two_processes({**JOBS, "save": partial(save, str(folder))})


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_one_line_in_every_rank(name: str, found: list[dict[str, Any]]) -> None:
    first, second = (results[name] for results in found)
    line = DIFFERENT[name][1]
    if name == "refused":
        assert line in first and second.startswith("ValueError: batch_size: expected at most")
        return
    assert first == second and line in first, first
    assert first.startswith("ValueError: processes: expected the same ")


def test_equal_calls_train_together(found: list[dict[str, Any]]) -> None:
    first, second = (results["agree"] for results in found)
    assert torch.equal(first["weights"], second["weights"])
    assert not dist.is_initialized()
    torch.testing.assert_close(first["weights"], agree(0, 1)["weights"], rtol=0, atol=1e-5)


def test_one_process_stops_all_at_the_same_step(found: list[dict[str, Any]]) -> None:
    first, second = (results["stop"] for results in found)
    assert first["step"] == second["step"] == 3
    assert (first["reason"], second["reason"]) == ("rank 1 stopped: good enough", "good enough")
    assert torch.equal(first["weights"], second["weights"])


def test_early_stopping_keeps_its_step(found: list[dict[str, Any]]) -> None:
    first, second = (results["stop early"] for results in found)
    assert first == second and first["step"] == 6 and first["reason"].startswith("no improvement")


def test_ctrl_c_in_one_process_ends_all(found: list[dict[str, Any]]) -> None:
    assert [results["interrupt"] for results in found] == [{"step": 2}, {"step": 2}]


def test_steps_of_a_trainer_are_compared(found: list[dict[str, Any]]) -> None:
    line = (
        "ValueError: processes: expected the same steps in every process, got 5 in rank 0 and 6 in "
        "rank 1; start every process with the same arguments"
    )
    assert [results["trainer"] for results in found] == [line, line]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("weights", "the same real_weights in every process, got 'None' in rank 0 and 'a tensor"),
        ("uneven", "the same number of real samples in every process, got '4' in rank 0 and '3'"),
        ("empty", "the same number of fake samples in every process, got '4' in rank 0 and '0'"),
        ("model", "the same fake_weights in every process, got 'a tensor of 1 axes' in rank 0"),
    ],
)
def test_a_call_that_cannot_be_joined_is_one_line(
    change: str, line: str, found: list[dict[str, Any]]
) -> None:
    first, second = (results[f"update {change}"] for results in found)
    assert first["error"] == second["error"] and line.replace("'", "") in first["error"]
    assert torch.equal(first["weight"], second["weight"])


def test_batch_normalisation_warns_in_the_first_process(found: list[dict[str, Any]]) -> None:
    first, second = (results["batch norm"]["lines"] for results in found)
    assert len(first) == 1 and first[0].startswith("processes: batch normalisation (1 layers)")
    assert second == []


def test_imitation_with_another_seed_is_refused(found: list[dict[str, Any]]) -> None:
    line = "ValueError: processes: expected the same seed in every process, got 0 in rank 0 and 1"
    for results in found:
        assert str(results["imitation"]).startswith(line), results["imitation"]


def test_cloning_with_other_steps_is_refused(found: list[dict[str, Any]]) -> None:
    for results in found:
        assert "processes: expected the same bc_steps in every process" in results["cloning"]


def test_an_environment_refused_in_one_process_stops_both(found: list[dict[str, Any]]) -> None:
    first, second = (str(results["other environment"]) for results in found)
    assert first.startswith("ValueError: processes: rank 1 refused to start: "), first
    assert second.startswith("ValueError: ") and "processes" not in second, second


def test_a_policy_that_was_trained_before_is_shared_with_its_moments(
    found: list[dict[str, Any]],
) -> None:
    values, others = (results["shared policy"]["values"] for results in found)
    assert values == others and any(values)


def test_another_number_of_processes_resumes_with_a_warning(
    folder: Path, found: list[dict[str, Any]]
) -> None:
    assert isinstance(found[0]["save"], dict), found[0]["save"]
    with pytest.warns(UserWarning, match=r"^out: .* processes 2 before, 1 now$"):
        run = fit(out=folder, steps=6)
    assert run.trainer.step == 6
