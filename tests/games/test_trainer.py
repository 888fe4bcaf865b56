"""Test games in the Trainer, in `fit`, by name and on the command line."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn import Adversary
from advlearn.core import registry
from advlearn.core.game import Game, game_factory
from advlearn.core.optim import adam
from advlearn.core.settings import AdversarySettings
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.batches import Batches
from advlearn.games import Extragradient, Lookahead, Optimistic
from advlearn.training import rng
from tests.training.tiny import Tiny, build, same

SPECS = ("extragradient", "optimistic", "lookahead(k=3)")


@pytest.mark.parametrize("spec", SPECS)
def test_the_trainer_makes_the_steps_of_a_loop_by_hand(spec: str) -> None:
    """Gradients of both sides at the same weights, one batch for each pass."""
    with rng.isolated(1):
        trainer = build(steps=4, game=spec)
        trainer.run()
    with rng.isolated(1):
        copy = build()
        task, adversary = copy.task, copy.adversaries["data"]
        game = game_factory(spec)(adversary, copy.optimizer)
        data: Any = copy.data
        for _ in range(4 * game.passes):
            pair = task(next(data)).pairs["data"]
            adversary.critic_loss(*pair).backward()
            adversary.player_loss(*pair).backward()
            game.step()
    assert same(trainer.task.state_dict(), task.state_dict())
    assert same(trainer.adversaries["data"].state_dict(), adversary.state_dict())


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("done", [4, 6])
def test_a_resumed_trainer_ends_bit_for_bit_as_one_that_was_not_stopped(
    spec: str, done: int
) -> None:
    with rng.isolated(0):
        whole = build(steps=9, game=spec)
        whole.run()
    with rng.isolated(0):
        first = build(steps=done, game=spec)
        first.run()
        state, random = first.state_dict(), rng.get_state()
        second = build(steps=9, game=spec)
        second.load_state_dict(state)
        rng.set_state(random)
        second.run()
    assert same(second.state_dict(), whole.state_dict())


@pytest.mark.parametrize(
    ("spec", "adam_steps", "count"),
    [("extragradient", 12, 0), ("optimistic", 6, 0), ("lookahead(k=3)", 6, 2)],
)
def test_further_critic_steps_follow_the_rule(spec: str, adam_steps: int, count: int) -> None:
    """They move the critics only, so that lookahead counts two joint steps."""
    task = Tiny()
    adversary = Adversary(torch.nn.Linear(2, 1), "nsgan", critic_steps=3)
    data = Batches(ArrayDataset(torch.randn(40, 2)), 8)
    trainer = advlearn.Trainer(task, {"data": adversary}, data, steps=2, game=spec)
    trainer.run()
    optimizer: Any = adversary.optimizer
    assert {int(s["step"]) for s in optimizer.state.values()} == {adam_steps}
    assert adversary.steps_done == 6 and task.rounds == adam_steps
    assert int(trainer.state_dict()["game"]["count"]) == count


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("method", ["wgan-gp", "dann", "semi_supervised"])
def test_fit_trains_by_a_game_and_loads_the_run(spec: str, method: str, tmp_path: Path) -> None:
    run = advlearn.fit(method, steps=2, batch_size=8, callbacks=(), game=spec)
    loaded = advlearn.load(run.save(tmp_path / "run.pt"))
    assert same(loaded.task.state_dict(), run.task.state_dict())
    assert loaded.config["settings"]["game"] == spec


def test_a_folder_resumes_within_a_cycle(tmp_path: Path) -> None:
    fit = partial(advlearn.fit, "generate", batch_size=8, callbacks=(), game="lookahead(k=3)")
    whole = fit(steps=5)
    fit(steps=4, out=tmp_path)
    resumed = fit(steps=5, out=tmp_path)
    assert same(resumed.task.state_dict(), whole.task.state_dict())
    with pytest.raises(ValueError, match=r"^out: .* holds a run with game='lookahead\(k=3\)'"):
        advlearn.fit("generate", steps=5, batch_size=8, out=tmp_path, game="optimistic")


def test_a_class_and_a_function_are_games() -> None:
    made = [Extragradient, partial(Lookahead, k=2)]
    for game in made:
        run = advlearn.fit("generate", steps=1, batch_size=8, callbacks=(), game=game)
        assert run.config["settings"]["game"] == "custom"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lookahed", "game: unknown name 'lookahed'; did you mean 'lookahead'?"),
        (
            "lookahead(k=0)",
            "game: lookahead(k=0): k: expected a whole number of at least 1, got 0; pass a whole "
            "number such as 1",
        ),
        ("lookahead(j=1)", "game: lookahead: unknown argument 'j'; known: alpha, k"),
        ("", "game: expected one of extragradient, lookahead, optimistic, got ''"),
        (
            "optimistic + lookahead",
            "game: expected one of extragradient, lookahead, optimistic, got "
            "'optimistic + lookahead'",
        ),
        ("lookahead(5)", "game: arguments of lookahead are written key=value, got 'lookahead(5)'"),
    ],
)
def test_a_wrong_game_is_refused_before_training(spec: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        AdversarySettings(game=spec)
    assert str(error.value) == message


def test_games_are_found_by_name_described_and_registered() -> None:
    assert registry.games() == {
        "extragradient": Extragradient,
        "lookahead": Lookahead,
        "optimistic": Optimistic,
    }
    assert repr(game_factory("Extra-Gradient")()) == "Extragradient()"
    text = advlearn.describe("lookahead")
    assert "advlearn fit wgan-gp --data digits --game lookahead" in text and "k = 5" in text
    assert "2006.14567" in advlearn.cite("lookahead")

    class Plain(Game):
        """Move all sides and correct nothing."""

    with registry.using({"plain-game": Plain}):
        assert isinstance(game_factory("plain-game")(), Plain)


def test_imitation_refuses_a_game() -> None:
    pytest.importorskip("stable_baselines3")
    with pytest.raises(ValueError, match=r"^game: imitation has no such option"):
        advlearn.fit("gail", game="optimistic")


def test_the_optimizer_of_the_whole_network_is_one_side() -> None:
    layer = torch.nn.Linear(1, 1)
    game = Optimistic(adam(list(layer.parameters()), lr=0.1, betas=(0.0, 0.9)))
    layer(torch.ones(1, 1)).sum().backward()
    game.step()
    assert all(p.grad is None for p in layer.parameters())
    # Adam's first update is lr in size, and the rule doubles it.
    assert float(game.kept[0][1].abs()) == pytest.approx(0.1, rel=1e-4)
