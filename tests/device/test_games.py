"""Test every task on a second device: no tensor stays on the host, and no step synchronises."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import advlearn
from advlearn import Adversary
from advlearn.core.grammar import resolve
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.nets import architectures
from tests.conformance.test_games import GAMES, REGULARIZERS, TASKS, shared
from tests.device.second import DEVICE, NAME, SecondDevice, devices

GENERATE = "generate(latent=2)"
# Where the host may synchronise: before the first step, at the end, and once per epoch.
SETUP = {"train_task.py build_run", "data/batches.py __init__", "core/adversary.py __init__"}
SETUP |= {"regularizers/bottleneck.py __init__", "regularizers/spectral_norm.py wrap"}
SETUP |= {"core/contracts.py finds_mixing", "core/head.py __init__"}
ALLOWED = {
    f"advlearn/{place}"
    for place in SETUP
    | {"core/finite.py failures", "core/finite_state.py _not_finite", "data/batches.py __next__"}
}
# Its solver runs on the host.
SOLVED = {"assignment": {"advlearn/objectives/assignment.py distance"}}


def is_compatible(objective: str, form: str) -> bool:
    """Return whether the task takes the objective; other tests check the reason if it does not."""
    return shared(form)[0].check_compatibility(resolve(objective).required_objective()) is None


CROSSED = [(o, GENERATE) for o in [*GAMES, *REGULARIZERS] if is_compatible(o, GENERATE)]
CROSSED += [(o, form) for form in TASKS for o in ("nsgan", "k-plus-one") if is_compatible(o, form)]


# On a GPU the solver of `assignment` keeps its steps from being captured.
@pytest.mark.filterwarnings("ignore:capture:UserWarning")
@pytest.mark.parametrize(("objective", "form"), CROSSED)
def test_training_stays_on_the_device_and_steps_do_not_synchronise(
    objective: str, form: str, second: SecondDevice
) -> None:
    run = fit(form, objective, shared(form)[1], steps=3, batch_size=8, device=NAME, callbacks=())
    assert second.waits.keys() <= ALLOWED | SOLVED.get(objective, set()), second.waits
    assert devices(run.task, run.ema_model, *run.adversaries.values()) == {DEVICE}
    assert all(health.verdict for health in run.health().values())


@pytest.mark.parametrize("name", architectures())
def test_networks_are_on_the_device(name: str, second: SecondDevice) -> None:
    side = min(architectures()[name].sides)
    images = ArrayDataset(torch.rand(12, 3, side, side), torch.arange(12) % 3, "images", classes=3)
    task = f"generate(latent=8, base_channels=4, architecture={name!r}, conditional=True)"
    run = fit(
        task, "hinge + spectral_norm", images, steps=2, batch_size=6, device=NAME, callbacks=()
    )
    assert devices(run.task, *run.adversaries.values()) == {DEVICE}
    assert run.sample(4).device == DEVICE


@pytest.mark.parametrize("objective", ["began", "vdb + instance_noise + historical_averaging"])
@pytest.mark.usefixtures("second")
def test_a_run_resumes_from_its_checkpoint_and_loads_on_the_host(
    objective: str, tmp_path: Path
) -> None:
    def trained(out: str, steps: int) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "batch_size": 8,
            "seed": 3,
            "device": NAME,
            "out": tmp_path / out,
        }
        run = fit(GENERATE, objective, shared(GENERATE)[1], steps=steps, **settings)
        return run.task.state_dict()

    whole = trained("whole", 4)
    trained("parts", 2)
    parts = trained("parts", 4)
    assert {t.device for t in parts.values()} == {DEVICE}
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert devices(advlearn.load(tmp_path / "whole", device="cpu").ema_model) == {
        torch.device("cpu")
    }


@pytest.mark.usefixtures("second")
def test_an_objective_moves_to_the_device_of_its_critic() -> None:
    assert devices(Adversary(nn.Linear(2, 1).to(DEVICE), "began")) == {DEVICE}
    assert devices(Adversary(nn.Linear(2, 1), "began").to(DEVICE)) == {DEVICE}
