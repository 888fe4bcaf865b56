"""Test `fit` and `load`: seeds, files, data of every kind, and one-line errors."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import advlearn
from advlearn.core.adversary import Adversary
from advlearn.core.task import Batch, TaskOutput
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.run import Run, load
from advlearn.tasks.generate import Generate
from tests.training.tiny import Tiny

X = torch.randn(24, 2, generator=torch.Generator().manual_seed(0))
Y = torch.arange(24) % 3


def run(**settings: Any) -> Run:
    defaults: dict[str, Any] = {
        "task": "generate(latent=2)",
        "objective": "nsgan + gradient_penalty",
        "data": X,
        "steps": 3,
        "batch_size": 8,
    }
    return fit(**{**defaults, "device": "cpu", "callbacks": (), **settings})


def weights(of: Run) -> list[Tensor]:
    modules = (of.task, of.ema_model, *of.adversaries.values())
    return [v for m in modules for v in m.state_dict().values() if torch.is_tensor(v)]


def test_the_seed_decides_everything() -> None:
    torch.manual_seed(1)
    first = weights(run(seed=3))
    torch.manual_seed(2)
    again, other = weights(run(seed=3)), weights(run(seed=4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True) if a.ndim > 1)


def test_the_seed_decides_the_order_of_the_data() -> None:
    class Recorder(Tiny):
        def forward(self, batch: Batch) -> TaskOutput:
            batches_so_far.append(batch[0])
            return super().forward(batch)

    orders = []
    for seed in (3, 3, 4):
        batches_so_far: list[Tensor] = []
        run(task=Recorder(), seed=seed)
        orders.append(torch.cat(batches_so_far))
    assert torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[0], orders[2])


def test_fit_does_not_change_the_global_generators() -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    trained = run(seed=5)
    trained.sample(3, seed=1)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()
    assert before[2] == random.getstate()


def test_samples_of_a_seed_are_the_same() -> None:
    trained = run()
    assert torch.equal(trained.sample(4, seed=1), trained.sample(4, seed=1))
    assert not torch.equal(trained.sample(4, seed=1), trained.sample(4, seed=2))


def test_a_loaded_run_samples_the_same(tmp_path: Path) -> None:
    trained = run(task="generate(latent=2, conditional=True)", data=(X, Y), out=tmp_path / "run")
    trained.save(tmp_path / "saved.pt")
    for path in (tmp_path / "saved.pt", tmp_path / "run"):
        loaded = load(path)
        assert torch.equal(
            loaded.sample(5, labels=Y[:5], seed=7), trained.sample(5, labels=Y[:5], seed=7)
        )
        assert torch.equal(
            loaded.adversaries["data"].score((X, Y)), trained.adversaries["data"].score((X, Y))
        )


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_one_line(tmp_path: Path, share: float) -> None:
    path = run().save(tmp_path / "saved.pt")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ValueError, match=r"^checkpoint: expected a checkpoint, got a damaged .*saved\.pt"
    ) as refused:
        advlearn.load(path)
    assert "\n" not in str(refused.value)


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    run(out=tmp_path)
    with pytest.raises(ValueError, match=r"^out: .* holds a run with objective="):
        run(out=tmp_path, objective="hinge")


def test_user_modules_train_and_load(tmp_path: Path) -> None:
    def build_task() -> Generate:
        generator = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        return Generate(
            generator,
            latent=3,
            shape=(2,),
        )

    def build_critic() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))

    task = build_task()
    before = [p.detach().clone() for p in task.parameters()]
    trained = run(task=task, critic=build_critic())
    assert trained.task is task
    assert not any(torch.equal(a, b) for a, b in zip(before, task.parameters(), strict=True))
    path = trained.save(tmp_path / "own.pt")
    with pytest.raises(ValueError, match=r"^task: .*own\.pt holds your own modules"):
        load(path)
    with pytest.raises(ValueError, match=r"^critic: expected the module of data, got None"):
        load(path, task=build_task())
    again = load(path, task=build_task(), critic=build_critic())
    assert torch.equal(again.sample(4, seed=1), trained.sample(4, seed=1))


def test_a_loader_keeps_its_batch_size() -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=6, shuffle=True)
    trained = run(data=loader, batch_size=None, task="generate(latent=2, conditional=True)")
    assert trained.config["settings"]["batch_size"] == 6
    assert trained.sample(3).shape == (3, 2)


def test_fit_trains_on_a_folder_of_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 8), dtype=np.uint8)
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for i, image in enumerate(pixels):
            Image.fromarray(image).save(tmp_path / label / f"{i}.png")
    trained = run(data=str(tmp_path), task="generate(latent=2, conditional=True)")
    images = trained.sample(4, labels=torch.tensor([0, 1, 0, 1]))
    assert images.shape == (4, 1, 8, 8) and float(images.abs().max()) <= 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"data": X.clone().index_fill_(0, torch.tensor([3]), float("nan"))}, "data: .*nan"),
        ({"data": X[:0]}, "data: expected at least one sample"),
        ({"data": (X, Y - 1)}, "labels: .*got -1"),
        ({"data": (X, Y[:5])}, r"labels: .*\(24,\)"),
        ({"data": "digitz"}, "data: .*digits"),
        ({"batch_size": 25}, "batch_size: expected at most the 24 samples of the data, got 25"),
        ({"steps": 0}, "steps: expected a whole number of at least 1, got 0"),
        ({"objective": "wgan-pg"}, "objective: unknown name 'wgan-pg'; did you mean 'wgan-gp'"),
        ({"objective": "r1"}, "objective: expected an objective"),
        (
            {"objective": "gradient_penalty(wieght=5) + hinge"},
            "objective: .*'wieght'; did you mean 'weight'",
        ),
        (
            {"task": "generate(latnt=3)"},
            "latnt: generate has no such option; did you mean 'latent'",
        ),
        ({"latnt": 3}, "latnt: generate has no such option; did you mean 'latent'"),
        ({"critic_step": 3}, "critic_step: .*'critic_steps'"),
        ({"critic_steps": 0}, "critic_steps: expected a whole number of at least 1, got 0"),
        ({"optimizer": "adamm"}, "optimizer: expected one of adam, rmsprop, sgd, got 'adamm'"),
        ({"task": "hinge"}, "task: expected a task or a method, got the objective 'hinge'"),
        ({"task": "generat"}, "task: unknown name 'generat'; did you mean 'generate'"),
        ({"device": "cuda:9"}, "device: "),
        ({"precision": "fp16"}, "precision: "),
        ({"seed": -1}, "seed: "),
    ],
    ids=lambda v: next(iter(v)) if isinstance(v, dict) else "",
)
def test_a_mistake_is_one_line_before_any_training(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ValueError, match=f"^{line}") as refused:
        run(**settings)
    assert "\n" not in str(refused.value)


def test_labels_out_of_range_are_refused() -> None:
    trained = run(task="generate(latent=2, conditional=True)", data=(X, Y))
    for labels in (
        torch.tensor([0, 3]),
        torch.tensor([-1, 0]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([0]),
    ):
        with pytest.raises(ValueError, match=r"^labels: expected 2 integers below 3"):
            trained.sample(2, labels=labels)
    with pytest.raises(ValueError, match=r"^labels: expected class indices in \[0, 3\), got 3"):
        ArrayDataset(X, Y + 1, classes=3)


def test_a_mismatched_critic_is_one_line() -> None:
    task = Generate(nn.Linear(2, 2), latent=2, shape=(2,))
    with pytest.raises(ValueError, match=r"^critic: data: expected a module that takes .*\(2, 2\)"):
        run(task=task, critic=nn.Linear(5, 1))
    with pytest.raises(ValueError, match=r"^critic: expected one score per sample, 8, got"):
        Adversary(nn.Flatten(0), "nsgan").update(X[:8], X[8:16])
