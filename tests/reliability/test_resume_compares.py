"""A resumed run has the data and the settings of its checkpoint, or is refused in one line."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from typer.testing import CliRunner

import advlearn
from advlearn.cli import app
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import ArrayDataset, load
from advlearn.data.fingerprint import WHOLE, fingerprint
from advlearn.tasks.generate import Generate
from advlearn.training import checkpoint
from tests.training.tiny import same

X = torch.randn(32, 2, generator=torch.Generator().manual_seed(1))
Y = torch.arange(32) % 2


def changed(x: Tensor) -> Tensor:
    x = x.clone()
    x.view(-1)[7] += 1e-6
    return x


def fit(out: Path | None = None, **given: Any) -> Any:
    settings: dict[str, Any] = {"steps": 4, "batch_size": 8, "device": "cpu", "callbacks": ()}
    settings |= {"task": "generate", "objective": "hinge", "data": (X, Y), **given}
    return advlearn.fit(out=out, **settings)


def loader(y: Tensor = Y, **given: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(X, y), batch_size=8, **{"shuffle": True, **given})


def rates(lr: float) -> Callable[[Any], torch.optim.Optimizer]:
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)


def network(width: int = 4, slope: float = 0.2) -> nn.Module:
    return nn.Sequential(nn.Linear(2, width), nn.LeakyReLU(slope), nn.Linear(width, 1))


def own(latent: int = 2) -> Generate:
    return Generate(nn.Linear(latent, 2), latent=latent, shape=(2,))


DIFFERENT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"data": (changed(X), Y)}, "data_contents.stored='float32 (32, 2) "),
    ({}, {"data": (X, 1 - Y)}, "data_contents.y='int64 (32,) "),
    (
        {"data": loader()},
        {"data": loader(shuffle=False)},
        "loader.shuffle=True, got False",
    ),
    (
        {"data": loader()},
        {"data": loader(drop_last=True)},
        "loader.drop_last=False, got True",
    ),
    ({"data": loader()}, {"data": loader(y=1 - Y)}, "data_contents.items="),
    ({}, {"precision": "bf16"}, "precision='fp32', got 'bf16'"),
    ({}, {"lr": 0.5}, "lr=None, got 0.5"),
    ({"critic_lr": 0.5}, {}, "critic_lr=0.5, got None"),
    ({}, {"seed": 1}, "seed=0, got 1"),
    ({}, {"latent": 3}, "latent="),
    ({"optimizer": rates(0.1)}, {"optimizer": rates(0.2)}, "functions.optimizer="),
    ({"critic": network()}, {"critic": network(5)}, "networks.critic.data='Sequential of 17 "),
    ({"critic": network()}, {"critic": network(slope=0.1)}, "networks.critic.data='"),
    ({"task": own()}, {"task": own(3)}, "networks.generator='Linear of 6 parameters"),
]


@pytest.mark.parametrize(("first", "second", "line"), DIFFERENT, ids=[c[2] for c in DIFFERENT])
def test_a_difference_is_named_and_nothing_is_trained(
    first: dict[str, Any], second: dict[str, Any], line: str, tmp_path: Path
) -> None:
    fit(tmp_path, **first)
    before = (tmp_path / checkpoint.NAME).read_bytes()
    with pytest.raises(ValueError, match=r"^out: .* holds a run with ") as caught:
        fit(tmp_path, **{**second, "steps": 9})
    assert line in str(caught.value) and "; choose another folder, or " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (tmp_path / checkpoint.NAME).read_bytes() == before


def test_equal_calls_and_more_steps_resume(tmp_path: Path) -> None:
    for settings in ({}, {"data": loader()}, {"optimizer": rates(0.1)}, {"critic": network}):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        given: dict[str, Any] = {k: v() if v is network else v for k, v in settings.items()}
        fit(folder, **given)
        assert fit(folder, **{**given, "steps": 6}).trainer.step == 6


def test_the_rate_changes_on_request_and_stays_changed(tmp_path: Path) -> None:
    fit(tmp_path, lr=1e-3)
    with pytest.raises(ValueError, match=r"or continue with resume_with=\{'lr': 0\.01\}$"):
        fit(tmp_path, lr=1e-2)
    run = fit(tmp_path, lr=1e-3, steps=6, resume_with={"lr": 1e-2})
    groups = [run.trainer.optimizer, run.adversaries["data"].optimizer]
    assert [group.param_groups[0]["lr"] for group in groups] == [1e-2, 1e-2]
    # The same call resumes again, and so does one that names the rate as its own.
    assert fit(tmp_path, lr=1e-3, steps=6, resume_with={"lr": 1e-2}).trainer.step == 6
    assert fit(tmp_path, lr=1e-2, steps=7).trainer.step == 7
    with pytest.raises(ValueError, match=r"holds a run with lr=0\.01, got 0\.001"):
        fit(tmp_path, lr=1e-3)
    run = fit(tmp_path, lr=1e-2, steps=8, resume_with={"critic_lr": 0.5})
    assert run.adversaries["data"].optimizer.param_groups[0]["lr"] == 0.5
    assert run.trainer.optimizer.param_groups[0]["lr"] == 1e-2


def test_a_changed_rate_equals_a_change_during_the_run(tmp_path: Path) -> None:
    class Change(Callback):
        def on_step(self, trainer: Trainer) -> None:
            if trainer.step == 3:
                for optimizer in trainer.rates.optimizers:
                    optimizer.param_groups[0]["lr"] = 0.05

    whole = fit(lr=1e-3, steps=7, callbacks=[Change()])
    fit(tmp_path, lr=1e-3, steps=3)
    resumed = fit(tmp_path, lr=1e-3, steps=7, resume_with={"lr": 0.05})
    assert same(resumed.task.state_dict(), whole.task.state_dict())


def test_another_batch_size_draws_no_sample_twice_in_the_epoch(tmp_path: Path) -> None:
    fit(tmp_path, steps=1, batch_size=12)
    run = fit(tmp_path, steps=2, batch_size=12, resume_with={"batch_size": 8})
    # 12 samples are drawn: the second batch of 8 has some of them, the third has none.
    assert run.trainer.data.order.state_dict() == {
        "epoch": 0, "position": 3, "seed": 0, "samples": 32, "batch_size": 8,
    }  # fmt: skip
    assert run.config["settings"]["batch_size"] == 8


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"seed": 1}, "resume_with: expected settings among batch_size, critic_lr, lr, steps, got"),
        ({"lr": -1.0}, "resume_with: lr: expected a finite number above 0, got -1.0"),
        ({"steps": 1.5}, "resume_with: steps: expected a whole number of at least 1, got 1.5"),
        ([("lr", 1)], "resume_with: expected a mapping, got [('lr', 1)]"),
    ],
)
def test_a_wrong_change_is_one_line(given: Any, line: str, tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises((ValueError, TypeError)) as caught:
        fit(tmp_path, resume_with=given)
    assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_changes_need_a_checkpoint_and_an_optimizer_by_name(tmp_path: Path) -> None:
    for folder in (None, tmp_path / "new"):
        with pytest.raises(ValueError, match=r"^resume_with: expected a folder with a checkpoint"):
            fit(folder, resume_with={"lr": 1e-3})
    fit(tmp_path, optimizer=rates(0.1))
    with pytest.raises(ValueError, match=r"^resume_with: expected an optimizer by name with lr"):
        fit(tmp_path, optimizer=rates(0.1), resume_with={"lr": 1e-3})


def test_a_warm_start_takes_networks_optimizers_and_average(tmp_path: Path) -> None:
    first = fit(tmp_path / "a", steps=5, lr=1e-3)
    starts: list[Any] = []

    class Look(Callback):
        def on_start(self, trainer: Trainer) -> None:
            average = trainer.callbacks[0]
            held = [trainer.step, trainer.state_dict(), average.module.state_dict()]  # type: ignore[attr-defined]
            starts.append(copy.deepcopy(held))

    run = fit(
        tmp_path / "b", data=X + 1, lr=0.1, warm_start=tmp_path / "a", callbacks=[Look()], steps=3
    )
    [(step, state, average)] = starts
    saved = checkpoint.load(tmp_path / "a")["trainer"]
    assert step == 0 and run.trainer.step == 3
    assert same(state["task"], saved["task"]) and same(average, first.ema_model.state_dict())
    assert same(state["optimizer"]["state"], saved["optimizer"]["state"])
    assert state["optimizer"]["param_groups"][0]["lr"] == 0.1
    old, new = saved["adversaries"]["data"], state["adversaries"]["data"]
    assert old.pop("steps_done") == 5 and new.pop("steps_done") == 0
    rate = "optimizer.learning_rates"
    assert (old.pop(rate).item(), new.pop(rate).item()) == (1e-3, 0.1)
    assert same(old, new)
    # The same call resumes its own folder; one without the start is another run.
    same_call: dict[str, Any] = {"data": X + 1, "lr": 0.1, "steps": 4}
    assert fit(tmp_path / "b", warm_start=tmp_path / "a", **same_call).trainer.step == 4
    with pytest.raises(ValueError, match=r"holds a run with warm_start='.*', got None"):
        fit(tmp_path / "b", **same_call)


def test_a_warm_start_keeps_the_settings_of_the_new_optimizers(tmp_path: Path) -> None:
    fit(tmp_path / "a", objective="nsgan")
    trainer = fit(None, objective="wgan-gp", warm_start=tmp_path / "a").trainer
    fresh = fit(None, objective="wgan-gp").trainer
    groups = [one.optimizer.param_groups[0] for one in (trainer, fresh)]
    critics = [a.optimizer.param_groups[0] for a in trainer.adversaries.values()]
    assert groups[0]["betas"] == groups[1]["betas"] == critics[0]["betas"] == (0.0, 0.9)


def test_a_wrong_warm_start_is_one_line(tmp_path: Path) -> None:
    run = fit(tmp_path / "a")
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path / "no", {}, "checkpoint: expected a file or a run's folder"),
        (run.save(tmp_path / "saved.pt"), {}, "warm_start: expected a checkpoint that fit wrote"),
        (tmp_path / "a", {"latent": 7}, "warm_start: expected a run with the networks"),
        (tmp_path / "a", {"task": "adda", "objective": None, "data": None}, "warm_start: expected"),
    ]
    for path, given, line in cases:
        with pytest.raises((ValueError, FileNotFoundError)) as caught:
            fit(None, warm_start=path, **given)
        assert str(caught.value).startswith(line) and "\n" not in str(caught.value)


def test_a_checkpoint_of_an_older_version_resumes_with_a_warning(tmp_path: Path) -> None:
    fit(tmp_path)
    path = tmp_path / checkpoint.NAME
    payload = checkpoint.load(path)
    del payload["config"]["compared"], payload["format"], payload["advlearn"]
    checkpoint.save(path, payload)
    with pytest.raises(ValueError, match=r"holds a run with seed=0, got 1"):
        fit(tmp_path, seed=1)
    with pytest.warns(UserWarning, match=r"of an older version.*: .*data_contents.*") as caught:
        run = fit(tmp_path, steps=6)
    assert run.trainer.step == 6 and len(caught) == 1


def test_fewer_steps_than_the_run_has_are_a_warning(tmp_path: Path) -> None:
    fit(tmp_path, steps=6)
    with pytest.warns(UserWarning, match=r"^out: .* holds a run of 6 steps, more than steps=4; "):
        assert fit(tmp_path, steps=4).trainer.step == 6


def test_compilation_is_reported(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.warns(UserWarning, match=r"^out: .* compile False before, True now$"):
        fit(tmp_path, compile=True)


class Items(Dataset[tuple[Tensor, int]]):
    """Items too many for memory; `noise` is a function that draws a random number."""

    def __init__(self, x: Tensor, noise: Callable[[], float] = lambda: 0.0) -> None:
        self.x, self.noise = x, noise

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.x[index] + self.noise(), index % 2


def streamed(x: Tensor, noise: Callable[[], float] = lambda: 0.0) -> Any:
    return load(DataLoader(Items(x, noise), batch_size=4))


def test_a_fingerprint_depends_on_each_value_and_label() -> None:
    data = ArrayDataset(X, Y, classes=2)
    assert fingerprint(data) == fingerprint(ArrayDataset(X.clone(), Y.clone(), classes=2))
    others = [
        ArrayDataset(changed(X), Y, classes=2),
        ArrayDataset(X, 1 - Y, classes=2),
        ArrayDataset(X),
        ArrayDataset(X.flip(0), Y, classes=2),
        ArrayDataset(X.view(16, 4), Y[:16], classes=2),
    ]
    assert len({repr(fingerprint(d)) for d in (data, *others)}) == 6


def test_a_large_tensor_is_sampled_and_summed() -> None:
    x = torch.zeros(3 * WHOLE // 4, 1)
    x[0], x[-1] = 1.0, 2.0
    first = fingerprint(ArrayDataset(x))
    x[5_000_001] = 1e-20
    assert fingerprint(ArrayDataset(x)) != first
    x[5_000_001], x[0], x[-1] = 0.0, 2.0, 1.0  # the same sum, in another order
    assert fingerprint(ArrayDataset(x)) != first


def test_a_tensor_in_another_memory_layout_is_the_same_data() -> None:
    images = torch.rand(6, 3, 4, 4)
    other = images.contiguous(memory_format=torch.channels_last)
    assert fingerprint(ArrayDataset(images)) == fingerprint(ArrayDataset(other))


def test_a_streamed_data_set_counts_by_some_items() -> None:
    assert fingerprint(streamed(X)) == fingerprint(streamed(X.clone()))
    assert fingerprint(streamed(X)) != fingerprint(streamed(X + 1))
    assert fingerprint(streamed(X)) != fingerprint(streamed(X[:31]))


def test_random_items_count_by_their_values_at_fixed_seeds_or_by_their_shape() -> None:
    def from_global() -> float:
        return float(torch.rand(()))

    private = torch.Generator().manual_seed(0)
    before = torch.get_rng_state()
    assert fingerprint(streamed(X, from_global)) == fingerprint(streamed(X, from_global))
    assert fingerprint(streamed(X, from_global)) != fingerprint(streamed(X + 1, from_global))
    assert torch.equal(torch.get_rng_state(), before)

    def from_private() -> float:
        return float(torch.rand((), generator=private))

    assert fingerprint(streamed(X, from_private)) == fingerprint(streamed(X + 1, from_private))


def test_all_tensors_and_labels_of_a_torch_data_set_count() -> None:
    assert fingerprint(load(loader())) != fingerprint(load(loader(y=1 - Y)))
    first, second = Items(X), Items(X)
    first.targets, second.targets = [0, 1], [1, 1]  # type: ignore[attr-defined]
    assert fingerprint(load(DataLoader(first, batch_size=4))) != fingerprint(
        load(DataLoader(second, batch_size=4))
    )


def test_data_of_another_class_counts_by_its_length() -> None:
    class Unknown:
        def __len__(self) -> int:
            return 3

    assert fingerprint(Unknown()) == {"kind": "Unknown", "length": 3}


def test_the_order_of_a_loader_is_plain() -> None:
    found = fingerprint(load(loader()))["loader"]
    assert found.pop("collate").startswith("default_collate#")
    assert found == {
        "shuffle": True, "sampler": "RandomSampler", "drop_last": False, "collate_values": None,
    }  # fmt: skip


def test_a_run_without_a_folder_draws_no_item_for_a_fingerprint() -> None:
    drawn: list[int] = []

    class Counted(Items):
        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            drawn.append(index)
            return super().__getitem__(index)

    data = load(DataLoader(Counted(X), batch_size=8))
    drawn.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(data=data, steps=1)
    assert drawn == list(range(8))


def test_the_command_line_changes_a_setting_and_starts_warm(tmp_path: Path) -> None:
    def run(*options: str, folder: str = "a") -> Any:
        fixed = ["fit", "generate", "--steps", "2", "--batch-size", "8", "--device", "cpu"]
        return CliRunner().invoke(app, [*fixed, "--out", str(tmp_path / folder), *options])

    assert run().exit_code == 0
    refused = run("--lr", "0.001")
    assert refused.exit_code == 1 and "resume_with={'lr': 0.001}" in refused.output
    assert run("--resume-with", "lr=0.001", "--resume-with", "steps=3").exit_code == 0
    saved = checkpoint.load(tmp_path / "a")
    assert saved["config"]["settings"]["lr"] == 0.001 and saved["trainer"]["step"] == 3
    assert run("--warm-start", str(tmp_path / "a"), folder="b").exit_code == 0
    assert checkpoint.load(tmp_path / "b")["config"]["compared"]["warm_start"] == str(
        tmp_path / "a"
    )
    assert "resume-with: expected key=value" in run("--resume-with", "lr").output
