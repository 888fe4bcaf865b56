"""Test games in a user's loop: scalers, batches in parts, penalties, state, and device waits."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.core.game import Game
from advlearn.games import Extragradient, Lookahead, Optimistic
from advlearn.testing.no_sync import NoSync
from tests.training.tiny import same

RULES: dict[str, Callable[..., Game]] = {
    "extragradient": Extragradient,
    "optimistic": Optimistic,
    "lookahead": lambda *sides: Lookahead(*sides, k=3),
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
REAL = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
NOISE = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


class Loop:
    """A generator and a critic in a loop of the user, with weights from seed 0."""

    def __init__(
        self,
        rule: Callable[..., Game],
        objective: str = "nsgan",
        adam: bool = True,
        **settings: Any,
    ) -> None:
        torch.manual_seed(0)
        critic = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        self.generator = nn.Linear(3, 2)

        def make(p: Any) -> torch.optim.Optimizer:
            return torch.optim.Adam(p, lr=0.01, fused=True) if adam else torch.optim.SGD(p, lr=0.1)

        self.adversary = Adversary(critic, objective, optimizer=make, **settings)
        self.optimizer = make(self.generator.parameters())
        self.game = rule(self.adversary, self.optimizer)

    def backward(
        self, scale: Callable[[Tensor], Tensor] = lambda x: x, rows: slice = slice(None)
    ) -> None:
        fake = self.generator(NOISE[rows])
        scale(self.adversary.critic_loss(REAL[rows], fake)).backward()
        scale(self.adversary.player_loss(REAL[rows], fake)).backward()

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.backward()
            self.game.step()

    def weights(self) -> list[Tensor]:
        modules = (self.adversary.critic, self.generator)
        return [p.detach().clone() for m in modules for p in m.parameters()]

    def state(self) -> dict[str, Any]:
        parts = {"generator": self.generator, "adversary": self.adversary, "game": self.game}
        states = {name: part.state_dict() for name, part in parts.items()}
        return copy.deepcopy({**states, "optimizer": self.optimizer.state_dict()})

    def load(self, state: dict[str, Any]) -> None:
        for name in ("generator", "adversary", "game", "optimizer"):
            getattr(self, name).load_state_dict(state[name])


@every_rule
@pytest.mark.parametrize("objective", ["nsgan", "hinge + r1", "wgan-gp", "wgan + spectral_norm"])
@pytest.mark.parametrize("done", [3, 4])
def test_a_resumed_loop_ends_bit_for_bit_as_one_that_was_not_stopped(
    rule: Callable[..., Game], objective: str, done: int
) -> None:
    whole, first, second = (Loop(rule, objective, ema=0.5) for _ in range(3))
    torch.manual_seed(3)
    whole.run(done)
    random = torch.get_rng_state()
    whole.run(7)
    torch.manual_seed(3)
    first.run(done)
    second.run(1)  # other weights and another point of the cycle
    second.load(first.state())
    torch.set_rng_state(random)
    second.run(7)
    assert same(second.state(), whole.state())


@every_rule
def test_the_state_consists_of_tensors_that_keep_their_storage(rule: Callable[..., Game]) -> None:
    loop = Loop(rule)
    before = loop.game.state_dict()
    places = [x.data_ptr() for kept in loop.game.kept for x in kept]
    loop.run(7)
    assert all(isinstance(x, Tensor) for x in before.values())
    assert before.keys() == loop.game.state_dict().keys()
    loop.game.load_state_dict(copy.deepcopy(loop.game.state_dict()))
    assert places == [x.data_ptr() for kept in loop.game.kept for x in kept]


def test_the_state_of_other_sides_is_refused() -> None:
    loop = Loop(Optimistic)
    other = Optimistic(loop.optimizer, loop.adversary).state_dict()
    with pytest.raises(ValueError, match=r"^state: expected that of a game with the same sides"):
        loop.game.load_state_dict(other)


@every_rule
def test_a_batch_in_two_parts_gives_the_step_of_the_whole(rule: Callable[..., Game]) -> None:
    whole, parts = Loop(rule, adam=False), Loop(rule, adam=False)
    whole.run(4)
    for _ in range(4):
        for rows in (slice(4), slice(4, 8)):
            parts.backward(lambda loss: loss / 2, rows)
        parts.game.step()
    torch.testing.assert_close(parts.weights(), whole.weights())


@every_rule
def test_a_scaled_loop_gives_the_same_weights(rule: Callable[..., Game]) -> None:
    plain, scaled = Loop(rule, adam=False), Loop(rule, adam=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    plain.run(6)
    for _ in range(6):
        scaled.backward(scaler.scale)
        scaled.game.step(scaler=scaler)
        scaler.update()
    torch.testing.assert_close(scaled.weights(), plain.weights())


@every_rule
def test_a_step_that_the_scaler_skips_is_an_update_of_zero(rule: Callable[..., Game]) -> None:
    skipped, still = Loop(rule, adam=False), Loop(rule, adam=False)
    scaler = torch.amp.GradScaler("cpu", init_scale=1.0)
    for i in range(6):
        for loop in (skipped, still):
            loop.backward(scaler.scale if loop is skipped else lambda loss: loss)
        if i == 3:
            first = next(skipped.adversary.critic.parameters())
            first.grad = torch.full_like(first, float("inf"))
            for p in still.adversary.critic.parameters():
                p.grad = torch.zeros_like(p)
        skipped.game.step(scaler=scaler)
        still.game.step()
        scaler.update()
    torch.testing.assert_close(skipped.weights(), still.weights())


@every_rule
def test_each_side_is_clipped_by_its_own_norm(rule: Callable[..., Game]) -> None:
    loop, expected = Loop(rule, adam=False), Loop(rule, adam=False)
    for _ in range(4):
        for each in (loop, expected):
            each.backward()
        loop.game.step(clip=0.01)
        for module in (expected.adversary.critic, expected.generator):
            nn.utils.clip_grad_norm_(module.parameters(), 0.01)
        expected.game.step()
    torch.testing.assert_close(loop.weights(), expected.weights())


def test_what_follows_a_critic_step_follows_updates_and_not_extrapolations() -> None:
    loop = Loop(Extragradient, "wgan(limit=0.05)", ema=0.5)
    average: Any = loop.adversary.average
    for updates in (1, 2, 3):
        start = [p.detach().clone() for p in loop.adversary.critic.parameters()]
        loop.run(2)
        assert loop.adversary.steps_done == updates and int(average.n_averaged) == updates
        assert all(bool((p.abs() <= 0.05).all()) for p in loop.adversary.critic.parameters())
        assert updates == 1 or not same(start, list(loop.adversary.critic.parameters()))


@every_rule
def test_no_step_waits_for_the_device(rule: Callable[..., Game]) -> None:
    loop = Loop(rule, "hinge + r1")
    loop.run(1)  # the first call of an adversary finds out what its critic returns
    with NoSync():
        loop.run(6)


def test_a_game_without_sides_or_with_another_side_is_refused() -> None:
    loop, other = Loop(Optimistic), Loop(Optimistic)
    with pytest.raises(ValueError, match=r"^sides: expected an Adversary and the model's"):
        Lookahead().step()
    with pytest.raises(ValueError, match=r"^sides: expected sides of this game, got another"):
        loop.game.step(other.adversary)
    with pytest.raises(
        TypeError, match=r"^sides: expected an Adversary or an optimizer, got Linear"
    ):
        Optimistic(loop.generator)  # type: ignore[arg-type]
