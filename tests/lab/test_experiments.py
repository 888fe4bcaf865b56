"""Test the experiments of the lab: they train with the library, and draw what they compute."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from advlearn.functional.gradients import input_gradient
from advlearn.lab import shapes
from advlearn.lab.catalogue import catalogue
from advlearn.lab.divergences import kl_and_js
from advlearn.lab.experiments import build
from advlearn.lab.experiments.dirac import Dirac
from advlearn.lab.experiments.generate import Generation
from advlearn.lab.messages import read_settings
from advlearn.lab.packing import pack

NAMES = catalogue()
SPECS = [*NAMES["objectives"], *(f"nsgan + {name}" for name in NAMES["regularizers"])]


def made(**settings: Any) -> Any:
    return build(read_settings({"kind": "generate", **settings}))


@pytest.mark.parametrize("spec", SPECS)
def test_every_offered_name_trains_and_draws(spec: str) -> None:
    run = made(objective=spec)
    run.train(60.0, 2)
    frame = run.frame(fresh=True)
    assert frame["step"] == 2 and frame["health"]
    assert json.dumps(frame, allow_nan=False)


@pytest.mark.parametrize("game", ["extragradient", "optimistic", "lookahead(k=2)"])
def test_every_rule_trains(game: str) -> None:
    run = made(game=game)
    run.train(60.0, 3)
    assert run.step == 3


def test_drawing_does_not_change_the_training() -> None:
    plain, drawn = made(), made()
    plain.train(60.0, 6)
    for _ in range(3):
        drawn.train(60.0, 2)
        drawn.frame(fresh=True)
    for one, other in zip(plain.task.parameters(), drawn.task.parameters(), strict=True):
        assert torch.equal(one, other)


def test_one_side_moves_at_a_time() -> None:
    run = made()
    before = [p.clone() for p in run.body.parameters()]
    critic = [p.clone() for p in run.adversary.critic.parameters()]
    run.move("critic")
    assert all(map(torch.equal, before, run.body.parameters()))
    assert not all(map(torch.equal, critic, run.adversary.critic.parameters()))
    critic = [p.clone() for p in run.adversary.critic.parameters()]
    run.move("generator")
    assert not all(map(torch.equal, before, run.body.parameters()))
    assert all(map(torch.equal, critic, run.adversary.critic.parameters()))


def test_arrows_point_up_the_critic_for_the_wasserstein_loss() -> None:
    run: Generation = made(objective="wasserstein")
    x = torch.randn(20, 2)
    (slope,) = input_gradient(run.adversary.critic, x)
    expected = slope / slope.norm(dim=1).max()
    assert torch.allclose(run._arrows(x), expected, atol=1e-5)


def test_an_edit_keeps_the_networks_whose_settings_are_the_same() -> None:
    run = made()
    run.train(60.0, 3)
    edited = made(objective="hinge", critic={"layers": [16]})
    edited.take_over(run)
    assert edited.step == 3
    assert all(map(torch.equal, run.body.parameters(), edited.body.parameters()))
    edited.train(60.0, 2)
    assert edited.step == 5


def test_uniform_noise_stays_in_its_square() -> None:
    run: Generation = made(noise={"size": 2, "kind": "uniform"})
    mapped = run.task.generator[0](torch.randn(1000, 2) * 3)  # type: ignore[index]
    assert mapped.abs().max() <= 1 and mapped.abs().max() > 0.9


def test_divergences_of_known_sets() -> None:
    x = torch.zeros(10_000, 2)
    assert kl_and_js(x, x) == (0.0, 0.0)
    _, apart = kl_and_js(x - 1, x + 1)
    # Two sets without a common cell: log 2, but for the half counts of the empty cells.
    assert apart == pytest.approx(np.log(2), abs=0.03)


@pytest.mark.parametrize("shape", ["ring", "grid", "moons", "spirals"])
def test_shapes_lie_in_the_drawn_square(shape: str) -> None:
    x = shapes.draw({"shape": shape, "points": []}, seed=0).x
    assert x.abs().max() < 1.4


def test_packed_values_are_those_of_the_tensor() -> None:
    import base64

    x = torch.randn(7, 3)
    packed = pack(x)
    whole = np.frombuffer(base64.b64decode(packed["data"]), "<i2").reshape(packed["shape"])
    assert np.abs(whole * packed["scale"] - x.numpy()).max() < 1e-4


def dirac(**settings: Any) -> Dirac:
    run = build(read_settings({"kind": "dirac", **settings}))
    assert isinstance(run, Dirac)
    run.move("both")
    for _ in range(600):
        run._both()
    return run


def test_dirac_gan_circles_and_three_cures_converge() -> None:
    assert dirac().verdict().startswith("circling")
    cures: list[dict[str, Any]] = [
        {"objective": "wasserstein + r1"},
        {"game": "extragradient"},
        {"game": "lookahead(k=5)"},
    ]
    assert [dirac(**cure).verdict().partition(":")[0] for cure in cures] == ["converged"] * 3


@pytest.mark.parametrize("kind", ["adaptation", "fairness"])
def test_other_fields_train_draw_and_move_one_side(kind: str) -> None:
    run = build(read_settings({"kind": kind}))
    run.train(60.0, 3)
    run.move("critic")
    run.move("generator")
    assert run.step == 3
    assert json.dumps([run.scene(), run.frame(fresh=True)], allow_nan=False)


def test_imitation_in_a_maze_trains_by_rollouts() -> None:
    pytest.importorskip("stable_baselines3")
    run = build(read_settings({"kind": "imitation", "maze": "CMaze-v0"}))
    try:
        run.train(0.0, 1)
        assert run.step == 1600
        frame = run.frame(fresh=True)
        assert frame["policy"]["shape"] == [6, 50, 2]
        assert json.dumps([run.scene(), frame], allow_nan=False)
    finally:
        run.close()


def test_an_unusable_objective_is_refused_before_training() -> None:
    for spec in ("k_plus_one", "r1", "no-such-loss"):
        with pytest.raises(ValueError):
            made(objective=spec)
