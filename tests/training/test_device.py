from collections.abc import Iterator
from typing import Any

import pytest
import torch

from advlearn.training.device import pick, precision
from advlearn.training.rng import isolated
from tests.training.tiny import build

BACKENDS: Any = torch.backends


def switches() -> list[Any]:
    newer = [
        BACKENDS.cuda.matmul.fp32_precision,
        BACKENDS.cudnn.conv.fp32_precision,
        BACKENDS.cudnn.rnn.fp32_precision,
        BACKENDS.mkldnn.matmul.fp32_precision,
    ]
    return [*newer, torch.get_float32_matmul_precision(), BACKENDS.cudnn.allow_tf32]


@pytest.fixture(autouse=True)
def _as_found() -> Iterator[None]:
    before = switches()
    yield
    torch.set_float32_matmul_precision(before[4])
    BACKENDS.cudnn.allow_tf32 = before[5]
    BACKENDS.cuda.matmul.fp32_precision, BACKENDS.cudnn.conv.fp32_precision = before[0], before[1]
    BACKENDS.cudnn.rnn.fp32_precision, BACKENDS.mkldnn.matmul.fp32_precision = before[2], before[3]


def test_auto_is_cuda_where_there_is_one_and_the_cpu_otherwise() -> None:
    assert pick().type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick("cpu") == pick(torch.device("cpu")) == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta", "xla"])
def test_an_unknown_device_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(
        ValueError, match=r"^device: expected auto, cpu, cuda, cuda:N or mps, got "
    ) as caught:
        pick(name)
    assert "\n" not in str(caught.value)


def test_a_missing_device_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"^device: cuda:99 is not ") as caught:
        pick("cuda:99")
    assert "\n" not in str(caught.value)


# Without a GPU torch warns of autocast on CUDA; the switches are set all the same.
@pytest.mark.filterwarnings("ignore:.*CUDA is not available:UserWarning")
@pytest.mark.parametrize(
    ("name", "device", "exact"),
    [
        ("fp32", "cpu", True),
        ("fp32", "cuda", True),
        ("tf32", "cuda", False),
        ("bf16", "cpu", True),
        ("bf16", "cuda", False),
    ],
)
def test_precision_sets_every_switch_and_restores_it(name: Any, device: str, exact: bool) -> None:
    before = switches()
    with precision(name, device):
        assert switches() == (
            ["ieee"] * 4 + ["highest", False] if exact else ["tf32"] * 4 + ["high", True]
        )
    assert switches() == before


def test_switches_are_restored_after_an_error_and_from_any_setting() -> None:
    torch.set_float32_matmul_precision("medium")
    before = switches()
    with pytest.raises(KeyError), precision("fp32"):
        raise KeyError
    assert switches() == before


def test_newer_switches_without_older_ones_are_restored() -> None:
    BACKENDS.cuda.matmul.fp32_precision = "tf32"  # torch now refuses to read the older switch
    with precision("fp32"):
        assert BACKENDS.cuda.matmul.fp32_precision == "ieee"
    assert BACKENDS.cuda.matmul.fp32_precision == "tf32"
    torch.set_float32_matmul_precision("highest")


def test_bf16_over_several_steps_sees_the_weights_of_each() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    values = []
    with precision("bf16"):
        for value in (1.0, 2.0):
            with torch.no_grad():
                layer.weight.fill_(value)
            out = layer(torch.ones(1, 1))
            assert out.dtype == torch.bfloat16
            values.append(out.item())
    assert values == [1.0, 2.0]
    assert layer(torch.ones(1, 1)).dtype == torch.float32


def test_bf16_trains_as_fp32_does_to_its_precision() -> None:
    ends = []
    for name in ("fp32", "bf16"):
        trainer = build(20)
        start = torch.cat([p.detach().flatten() for p in trainer.task.parameters()])
        with isolated(0), precision(name):  # type: ignore[arg-type]
            trainer.run()
        ends.append(torch.cat([p.detach().flatten() for p in trainer.task.parameters()]) - start)
    exact, rounded = ends
    assert rounded.dtype == torch.float32
    assert 0 < (exact - rounded).norm() < 0.2 * exact.norm()


def test_fp32_does_not_change_dtypes() -> None:
    with precision("fp32"):
        assert torch.nn.Linear(1, 1)(torch.ones(1, 1)).dtype == torch.float32


def test_unknown_precision_and_tf32_off_cuda_are_refused() -> None:
    with (
        pytest.raises(
            ValueError, match=r"^precision: expected one of fp32, tf32, bf16, got 'fp16'$"
        ),
        precision("fp16"),
    ):  # type: ignore[arg-type]
        pass
    with (
        pytest.raises(ValueError, match=r"^precision: tf32 exists on CUDA only"),
        precision("tf32", "cpu"),
    ):
        pass
