"""Test that several runs computed as one equal the same runs by themselves."""

import copy
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import advlearn
from advlearn.core.adversary import Adversary
from advlearn.core.callback import Callback
from advlearn.core.chain import Chain
from advlearn.core.finite import NonFiniteError
from advlearn.core.finite_state import named_tensors
from advlearn.core.grammar import Spec, resolve
from advlearn.core.host_reads import HostReads
from advlearn.core.stacked_games import StackedGames
from advlearn.core.trainer import Trainer
from advlearn.critics.build import build
from advlearn.data import ArrayDataset, Batches
from advlearn.data.stacked_batches import StackedBatches
from advlearn.run import Run
from advlearn.tasks.generate import Generate
from advlearn.testing._found import objectives, regularizers
from advlearn.training import rng
from advlearn.training.checkpoint import load
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from advlearn.training.stacked_runs import run_all
from advlearn.training.stacked_trial import generators_of, reason_of_trial

CPU = torch.device("cpu")
SEEDS = (0, 3)
POINTS, IMAGES = (2,), (1, 8, 8)
OF_IMAGES = ("Ada", "Consistency", "CutMix", "DiffAugment")
# `Assignment` solves on the host; the others are in the test of games that are not stacked.
ONE_BY_ONE = ("Assignment", "ImagePool", "HistoricalAveraging")
NO_CRITIC = ("KPlusOne", "Predictive")


def trainer_of(
    spec: Spec, seed: int, shape: tuple[int, ...] = POINTS, *, steps: int = 2, **settings: Any
) -> Trainer:
    """Build a small game in fp64 from the global generator."""
    generator = nn.Sequential(
        nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, int(torch.tensor(shape).prod()))
    )
    task = Generate(nn.Sequential(generator, nn.Unflatten(1, shape)), latent=3, shape=shape)
    chain = resolve(Chain(copy.deepcopy(spec)) if not isinstance(spec, Chain | str) else spec)
    adversaries = {
        name: Adversary(critic.double(), chain, critic_steps=2)
        for name, critic in build(task, chain, None).items()
    }
    x = torch.randn(48, *shape, generator=torch.Generator().manual_seed(9)).clamp(-1, 1)
    data = Batches(ArrayDataset(x), 12, seed=seed)
    data.columns = tuple(column.double() for column in data.columns)
    return Trainer(task.double(), adversaries, data, steps=steps, callbacks=[EMA(0.9)], **settings)


def built(spec: Spec, seeds: Sequence[int] = SEEDS, **settings: Any) -> tuple[list[Trainer], Any]:
    """Build a game for each seed, with the state of the random generators after it."""
    trainers, states = [], []
    for seed in seeds:
        with rng.isolated(seed):
            trainers.append(trainer_of(spec, seed, **settings))
            states.append(rng.get_state())
    return trainers, states


def state_of(trainer: Trainer) -> dict[str, Tensor]:
    """Return everything that a checkpoint holds, and the last losses and scores."""
    numbers = {**trainer.last_losses(), **trainer.last_scores(), "step": trainer.step}
    state = {**trainer.state_dict(), "callbacks": dict(trainer.state_dict()["callbacks"])}
    losses = {name: torch.tensor(value) for name, value in numbers.items()}
    return {**named_tensors(state), **losses}


def check_equal(spec: Spec, **settings: Any) -> None:
    """Check that runs computed as one end in the states of the runs by themselves."""
    together, states = built(spec, **settings)
    alone, _ = built(spec, **settings)
    run_all(together, states, ["a", "b"], CPU)
    for trainer, state, other in zip(alone, states, together, strict=True):
        with rng.isolated(0):
            rng.set_state(state)
            trainer.run()
        expected, found = state_of(trainer), state_of(other)
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            torch.testing.assert_close(
                found[name], value, rtol=1e-6, atol=1e-7, equal_nan=True, msg=name
            )


def shape_of(method: object) -> tuple[int, ...]:
    return IMAGES if type(method).__name__ in OF_IMAGES else POINTS


def cases(methods: Sequence[Any]) -> list[Any]:
    left_out = (*ONE_BY_ONE, *NO_CRITIC)
    return [method for method in methods if type(method).__name__ not in left_out]


@pytest.mark.parametrize("objective", cases(objectives()), ids=repr)
def test_every_objective_is_stacked(objective: Any) -> None:
    check_equal(objective)


@pytest.mark.parametrize("regularizer", cases(regularizers()), ids=repr)
def test_every_regularizer_is_stacked(regularizer: Any) -> None:
    check_equal(f"nsgan + {regularizer!r}", shape=shape_of(regularizer))


@pytest.mark.parametrize(
    ("spec", "settings", "reason"),
    [
        ("nsgan + image_pool", {}, "ImagePool keeps tensors that are not buffers"),
        ("nsgan + historical_averaging", {}, "aten::_foreach_sub"),
        ("nsgan", {"game": "extragradient"}, "Extragradient"),
        (
            "nsgan",
            {"optimizer": lambda ps: torch.optim.Adagrad(ps, lr=0.01)},
            "Adagrad may mix the weights",
        ),
    ],
    ids=["pool", "history", "game", "optimizer"],
)
def test_other_games_run_one_after_another(
    spec: str, settings: dict[str, Any], reason: str
) -> None:
    with pytest.warns(UserWarning, match=f"seeds: .*{reason}.*one after another"):
        check_equal(spec, **settings)


@pytest.mark.parametrize("spec", ["wgan-gp", "hinge + r1 + spectral_norm"])
def test_a_stacked_step_can_be_captured(spec: str) -> None:
    trainers, states = built(spec)
    assert reason_of_trial(trainers, states, CPU) is None
    games = StackedGames(trainers, generators_of(states, CPU), CPU)
    games.trainer.hold_on_device(CPU)
    data = StackedBatches([trainer.data for trainer in trainers])
    batches = [next(data) for _ in range(games.trainer.critic_steps)]
    for _ in range(3):
        with HostReads(CPU, games.level.generators) as reads:
            games.learn(iter(batches))
    assert reads.found is None
    with HostReads(CPU) as reads:
        games.learn(iter(batches))
    assert "draws from a private generator" in str(reads.found)


class Draws(nn.Module):
    """Add noise from the global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)


class Counts(nn.Module):
    """Scale by a tensor that is not a buffer, and that differs between two networks."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.rand(())

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class Silent(nn.Module):
    """Compute zero where torch says that the weights require no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight if self.weight.requires_grad else x * 0


class Reads(nn.Module):
    """Decide by a value."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else 2 * x


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (Draws, "random operation"),
        (nn.Dropout, "random operation"),
        (Counts, "differs between a run by itself and as one of several"),
        (Silent, "differs between a run by itself and as one of several"),
        (Reads, "data-dependent|vmap"),
    ],
)
def test_a_layer_that_cannot_be_stacked_is_found(layer: type[nn.Module], reason: str) -> None:
    def fit(**which: Any) -> Any:
        with rng.isolated(1):
            generator = nn.Sequential(nn.Linear(3, 6), layer(), nn.Linear(6, 2))
        task = Generate(generator, latent=3, shape=POINTS)
        # A copy of one task holds equal tensors, so the layers of two runs are made to differ.
        return advlearn.fit(task, "nsgan", points(), steps=2, callbacks=(), **which)

    if layer is Counts:
        together, states = built("nsgan")
        for k, trainer in enumerate(together):
            trainer.task.generator = nn.Sequential(trainer.task.generator, Counts())
            trainer.task.generator[1].scale = torch.tensor(1.0 + k)
        with pytest.warns(UserWarning, match=reason):
            run_all(together, states, ["a", "b"], CPU)
        return
    with pytest.warns(UserWarning, match=reason):
        runs = fit(seeds=SEEDS)
    for seed, run in zip(SEEDS, runs, strict=True):
        equal(run, fit(seed=seed), exactly=True)


def points() -> Tensor:
    return torch.randn(64, 2, generator=torch.Generator().manual_seed(0))


def equal(run: Run, other: Run, *, exactly: bool = False) -> None:
    """Check that two runs have the same weights and averages.

    In fp32 the first steps of Adam follow the sign of gradients that are zero up to rounding, so a
    few weights may differ by a step.
    """
    largest, mean = (0.0, 0.0) if exactly else (2e-3, 1e-5)
    for own, its in ((run.task, other.task), (run.ema_model, other.ema_model)):
        for name, value in its.state_dict().items():
            gap = (own.state_dict()[name].double() - value.double()).abs()
            assert float(gap.max()) <= largest, name
            assert float(gap.mean()) <= mean, name


SPECS = ("wgan-gp", "hinge + spectral_norm", "lsgan + r1(every=2)")


@pytest.mark.parametrize("spec", SPECS)
def test_fit_returns_a_run_for_each_seed(spec: str) -> None:
    before = torch.get_rng_state()
    runs = advlearn.fit("generate", spec, "digits", steps=3, seeds=SEEDS, callbacks=())
    assert torch.equal(torch.get_rng_state(), before)
    assert [run.config["settings"]["seed"] for run in runs] == list(SEEDS)
    for seed, run in zip(SEEDS, runs, strict=True):
        alone = advlearn.fit("generate", spec, "digits", steps=3, seed=seed, callbacks=())
        equal(run, alone)
        assert run.trainer is not None and alone.trainer is not None
        assert run.trainer.last_losses() == pytest.approx(alone.trainer.last_losses(), abs=1e-4)
        health = run.health()["data"]
        assert health.verdict == alone.health()["data"].verdict


@pytest.mark.parametrize("task", ["dann", "cdan", "generate(conditional=True)", "aae"])
def test_other_tasks_are_stacked(task: str) -> None:
    runs = advlearn.fit(task, steps=2, seeds=SEEDS, callbacks=())
    for seed, run in zip(SEEDS, runs, strict=True):
        alone = advlearn.fit(task, steps=2, seed=seed, callbacks=())
        equal(run, alone)


class StopAt(Callback):
    """Draw at each step, and stop the run at one."""

    def __init__(self, step: int, reason: str | None = None) -> None:
        self.step, self.reason = step, reason
        self.drawn: list[float] = []

    def on_step(self, trainer: Trainer) -> None:
        self.drawn.append(float(torch.rand(())))
        if trainer.step == self.step:
            trainer.stop_reason = self.reason


class FailAt(Callback):
    """Raise an error at a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            raise RuntimeError("failed")


def folder_fit(out: Path | None, callbacks: Sequence[Callback] = (), **which: Any) -> Any:
    return advlearn.fit(
        "wgan-gp", data=points(), steps=6, batch_size=16, out=out, callbacks=callbacks,
        save_every=2, picture_every=100, **which,
    )  # fmt: skip


def test_runs_are_saved_loaded_and_resumed(tmp_path: Path) -> None:
    whole = folder_fit(None, seeds=SEEDS)
    with pytest.raises(RuntimeError, match="failed"):
        folder_fit(tmp_path, [FailAt(4)], seeds=SEEDS)
    saved = load(tmp_path / "seed-3")
    assert saved["trainer"]["step"] == 4
    # A view of the stacked tensors would put the weights of all runs into each file.
    for value in named_tensors(saved).values():
        assert value.untyped_storage().nbytes() == value.nbytes
    resumed = folder_fit(tmp_path, seeds=SEEDS)
    for run, other, seed in zip(whole, resumed, SEEDS, strict=True):
        equal(run, other, exactly=True)
        equal(advlearn.load(tmp_path / f"seed-{seed}"), run, exactly=True)


def test_one_run_of_several_resumes_by_itself(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="failed"):
        folder_fit(tmp_path, [FailAt(4)], seeds=SEEDS)
    alone = folder_fit(tmp_path / "seed-3", seed=3)
    equal(alone, folder_fit(None, seed=3))
    with pytest.warns(UserWarning, match="different steps.*one after another"):
        runs = folder_fit(tmp_path, seeds=SEEDS)
    equal(runs[1], alone, exactly=True)
    equal(runs[0], folder_fit(None, seed=0))


def test_callbacks_of_each_run_draw_as_by_themselves() -> None:
    runs = folder_fit(None, [StopAt(9)], seeds=SEEDS)
    for seed, run in zip(SEEDS, runs, strict=True):
        own = StopAt(9)
        equal(run, folder_fit(None, [own], seed=seed))
        (copied,) = (c for c in run.trainer.callbacks if isinstance(c, StopAt))
        assert copied.drawn == own.drawn


def test_a_run_that_a_callback_stops_keeps_its_state() -> None:
    class StopLater(StopAt):
        def on_start(self, trainer: Trainer) -> None:
            self.step = 2 if trainer.data.order.seed == SEEDS[0] else 9

    runs = folder_fit(None, [StopLater(9, "enough")], seeds=SEEDS)
    assert [run.trainer.step for run in runs] == [2, 6]
    for seed, run in zip(SEEDS, runs, strict=True):
        equal(run, folder_fit(None, [StopLater(9, "enough")], seed=seed))


def test_the_best_model_of_each_run_is_kept() -> None:
    settings: dict[str, Any] = {"evaluate": 2, "keep": "best"}
    runs = folder_fit(None, seeds=SEEDS, **settings)
    for seed, run in zip(SEEDS, runs, strict=True):
        alone = folder_fit(None, seed=seed, **settings)
        equal(run, alone)
        assert [step for step, _ in run.evaluations] == [step for step, _ in alone.evaluations]


class Poison(Callback):
    """Make the weights of the run with one seed infinite."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.data.order.seed == SEEDS[1] and trainer.step == 2:
            with torch.no_grad():
                next(trainer.task.parameters()).fill_(float("inf"))


def test_a_loss_that_is_not_finite_names_its_seed() -> None:
    with pytest.raises(NonFiniteError, match="seed 3: step 3: data/"):
        folder_fit(None, [Poison()], seeds=SEEDS)


def test_a_critic_of_the_user_is_copied_for_each_run() -> None:
    critic = nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 1))
    before = copy.deepcopy(critic.state_dict())
    first, second = folder_fit(None, critic=critic, seeds=SEEDS)
    assert all(torch.equal(before[name], value) for name, value in critic.state_dict().items())
    equal(second, folder_fit(None, critic=copy.deepcopy(critic), seed=SEEDS[1]))
    assert not torch.equal(
        first.adversaries["data"].critic[0].weight, second.adversaries["data"].critic[0].weight
    )


def test_the_runs_share_no_memory_in_the_end() -> None:
    runs = folder_fit(None, seeds=SEEDS)
    for run in runs:
        for value in named_tensors(run.trainer.state_dict()).values():
            assert value.untyped_storage().nbytes() == value.nbytes
    before = copy.deepcopy(runs[1].task.state_dict())
    runs[0].trainer.steps = 8
    runs[0].trainer.run()
    assert all(torch.equal(before[k], v) for k, v in runs[1].task.state_dict().items())


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"seeds": []}, "seeds: expected one or more different seeds, got []"),
        ({"seeds": [1, 1]}, "seeds: expected one or more different seeds, got [1, 1]"),
        ({"seeds": [1, 2], "seed": 3}, "seed: expected none with seeds, got 3"),
        ({"seeds": [-1]}, "seeds"),
    ],
)
def test_other_seeds_are_refused(which: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        folder_fit(None, **which)


def test_one_seed_needs_no_stacking() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (run,) = folder_fit(None, seeds=[2], compile=False)
    equal(run, folder_fit(None, seed=2), exactly=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [({"precision": "bf16"}, "bf16"), ({"game": "extragradient"}, "extragradient")],
)
def test_settings_that_cannot_be_stacked_are_named(settings: dict[str, Any], reason: str) -> None:
    with pytest.warns(UserWarning, match=f"seeds: .*{reason}.*one after another"):
        runs = folder_fit(None, seeds=SEEDS, **settings)
    equal(runs[1], folder_fit(None, seed=SEEDS[1], **settings), exactly=True)


def test_early_stopping_is_copied_for_each_run() -> None:
    stopping = EarlyStopping(lambda _: 1.0, every=1, patience=2)
    runs = folder_fit(None, [stopping], seeds=SEEDS)
    assert [run.trainer.step for run in runs] == [3, 3]
    assert all(
        "no better" in str(run.trainer.stop_reason) or run.trainer.stop_reason for run in runs
    )
