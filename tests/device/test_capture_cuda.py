"""Test captured training on a GPU; without one these tests are skipped."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import advlearn
from advlearn import Adversary
from advlearn.core.graphs import CudaGraphs, outside
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import ArrayDataset, Batches
from advlearn.run import Run
from advlearn.tasks.generate import Generate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


class Losses(Callback):
    """Keep the losses of every step."""

    def __init__(self) -> None:
        self.losses: list[dict[str, float]] = []

    def on_step(self, trainer: Trainer) -> None:
        self.losses.append(trainer.last_losses())


def fitted(*game: Any, **settings: Any) -> tuple[Run, Losses]:
    losses = Losses()
    given: dict[str, Any] = {"steps": 30, "seed": 3, "device": "cuda", "callbacks": [losses]}
    return advlearn.fit(*game, **{**given, **settings}), losses


def state(run: Run) -> dict[str, Tensor]:
    modules = {"task": run.task, "average": run.ema_model, **run.adversaries}
    return {
        f"{name}/{key}": value
        for name, module in modules.items()
        for key, value in module.state_dict().items()
        if torch.is_tensor(value)
    }


def replays(run: Run) -> int:
    assert run.trainer is not None and run.trainer.captured is not None
    return run.trainer.captured.replays


GAMES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "wgan-gp": (("generate", "wgan-gp", "ring"), {}),
    "falling rate": (("generate", "r3gan", "ring"), {}),
    "lazy penalty": (("generate", "hinge + r1(every=3)", "ring"), {}),
    "bf16": (("generate", "hinge + r1", "ring"), {"precision": "bf16"}),
    "rmsprop": (("generate", "wgan", "ring"), {}),
    "sgd": (("generate", "nsgan", "ring"), {"optimizer": "sgd"}),
    "rising weight": (("dann",), {}),
    "image pool": (("generate", "nsgan + image_pool(size=16)", "ring"), {"batch_size": 16}),
}


@pytest.mark.parametrize("name", GAMES)
def test_captured_training_equals_eager_training(name: str) -> None:
    game, settings = GAMES[name]
    eager, expected = fitted(*game, **settings, capture=False)
    captured, found = fitted(*game, **settings)
    assert replays(captured) >= 20
    assert found.losses == expected.losses
    states = state(eager), state(captured)
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    for one, other in zip(eager.adversaries.values(), captured.adversaries.values(), strict=True):
        assert one.steps_done == other.steps_done


@pytest.mark.parametrize("first", [False, True])
def test_a_checkpoint_resumes_the_other_way(first: bool, tmp_path: Path) -> None:
    game = ("generate", "wgan-gp", "ring")
    whole, _ = fitted(*game, steps=40)
    fitted(*game, steps=20, out=tmp_path / "run", capture=first)
    resumed, _ = fitted(*game, steps=40, out=tmp_path / "run", capture=not first)
    expected, found = whole.task.state_dict(), resumed.task.state_dict()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


class Planted(nn.Module):
    """Generate from a linear layer, and break a rule of captured steps."""

    count: Tensor

    def __init__(self, rule: str) -> None:
        super().__init__()
        self.rule = rule
        self.layer = nn.Linear(8, 2)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, z: Tensor) -> Tensor:
        samples = self.layer(z)
        if self.rule == "reads":
            return samples * (1 + self.count.item())
        if self.rule == "replaces":
            self.count = self.count + 1
        elif self.rule == "copies":
            return samples + torch.ones(2).to(samples)
        elif self.rule == "reads in a capture" and torch.cuda.is_current_stream_capturing():
            self.count.item()
        return samples


REASONS = {
    "reads": "_local_scalar_dense reads a value on the host at test_capture_cuda.py",
    "replaces": "replaces the tensor 'count'",
    "copies": "copies between host and device",
    "reads in a capture": "CUDA error",
}


@pytest.mark.parametrize("rule", REASONS)
def test_a_step_that_cannot_be_captured_continues_after_one_warning(rule: str) -> None:
    task = Generate(Planted(rule).cuda(), latent=8, shape=(2,))
    adversary = Adversary(nn.Linear(2, 1).cuda(), "hinge")
    data = Batches(ArrayDataset(torch.randn(64, 2)), 16, device="cuda")
    trainer = Trainer(task, {"data": adversary}, data, steps=12)
    with pytest.warns(UserWarning, match="capture: ") as warned:
        trainer.run()
    assert len(warned) == 1 and REASONS[rule] in str(warned[0].message)
    assert (trainer.step, adversary.steps_done) == (12, 12)
    assert torch.rand(3, device="cuda").isfinite().all()


def test_a_critic_step_is_captured_in_the_users_own_graph() -> None:
    critic = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)).cuda()
    captured = Adversary(critic, "hinge + r1")
    eager = copy.deepcopy(captured)
    real, fake = torch.randn(16, 4, device="cuda"), torch.randn(16, 4, device="cuda")
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            captured.update(real, fake)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = captured.update(real, fake)
    for _ in range(5):
        graph.replay()
    expected = [eager.update(real, fake) for _ in range(8)][-1]
    assert torch.equal(loss, expected)
    captured.raise_if_not_finite()


def test_a_launch_between_the_graphs_of_a_step_is_made_in_each_replay() -> None:
    total, given, taken = torch.zeros(3, 4, device="cuda").unbind()
    calls: list[int] = []

    def launch() -> None:
        calls.append(1)
        taken.copy_(given * 10)

    def step() -> None:
        given.copy_(total + torch.rand(4, device="cuda"))
        outside(launch)
        total.add_(taken)

    graphs = CudaGraphs(torch.device("cuda"))
    replay = graphs.capture(step)
    assert not calls and total.tolist() == [0] * 4
    torch.manual_seed(5)
    for _ in range(3):
        replay()
    found = total.clone()
    total.zero_()
    torch.manual_seed(5)
    for _ in range(3):
        step()
    assert len(calls) == 6 and torch.equal(found, total)


def test_the_generators_of_a_failed_capture_draw_on() -> None:
    own = torch.Generator("cuda").manual_seed(1)
    graphs = CudaGraphs(torch.device("cuda"), [own])

    def step() -> None:
        x = torch.rand(2, device="cuda", generator=own) + torch.rand(2, device="cuda")
        x.sum().item()

    with pytest.raises(RuntimeError):
        graphs.capture(step)
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
    assert torch.rand(2, device="cuda", generator=own).isfinite().all()
    assert torch.rand(2, device="cuda").isfinite().all()
