import json
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from advlearn.training.launch import check_local_rank, is_first, launched, start, stop
from tests.script_server import ScriptServer

ROOT = Path(__file__).resolve().parents[2]


def test_without_torchrun_it_only_chooses_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert start("cpu").type == "cpu" and not dist.is_initialized()
    stop()  # there is no group
    with launched("cpu") as device:
        assert device.type == "cpu" and not dist.is_initialized()


def test_a_missing_device_is_refused_before_a_group_is_created() -> None:
    with pytest.raises(ValueError, match=r"^device: "):
        start("cuda:99")
    assert not dist.is_initialized()


@pytest.mark.parametrize("rank", ["0", "1"])
def test_the_first_process_is_known_before_the_processes_meet(
    rank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_first()
    given = {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "MASTER_ADDR": "localhost"}
    for name, value in {**given, "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    assert is_first() is (rank == "0")


@pytest.mark.parametrize(
    ("rank", "local_processes", "device", "refused"),
    [
        ("0", "2", "cuda:1", True),
        ("1", "2", torch.device("cuda", 2), True),
        ("1", None, "cuda:2", True),  # not by torchrun, which states the number
        ("1", "2", torch.device("cuda", 1), False),
        ("0", "1", "cuda:1", False),  # the only process of its machine
        ("1", "2", "cuda", False),
        ("1", "2", "cpu", False),
    ],
)
def test_the_device_of_another_local_rank_is_refused(
    rank: str,
    local_processes: str | None,
    device: str | torch.device,
    refused: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {"RANK": rank, "WORLD_SIZE": "2", "LOCAL_RANK": rank, "MASTER_ADDR": "localhost"}
    given |= {} if local_processes is None else {"LOCAL_WORLD_SIZE": local_processes}
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for name, value in {**given, "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    if not refused:
        check_local_rank("device", device, "pass another")
        return
    line = f"^device: expected cuda:{rank} in the process of local rank {rank}, .* got {device}; "
    with pytest.raises(ValueError, match=line):
        check_local_rank("device", device, "pass another")
    with pytest.raises(ValueError, match=line + 'pass "cuda"'):
        start(device)
    assert not dist.is_initialized()


def test_two_processes_of_torchrun_train_together_with_every_callback(
    tmp_path: Path, torch_only: ScriptServer
) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = (*launcher, "-m", "tests.training.two_processes", str(tmp_path))
    result = torch_only.python(*command, cwd=ROOT, env=environment)
    assert result.returncode == 0, result.stderr
    first, second = sorted(
        map(json.loads, result.stdout.splitlines()), key=lambda report: report["rank"]
    )
    assert (first["rank"], second["rank"], first["world_size"], second["world_size"]) == (
        0,
        1,
        2,
        2,
    )
    assert first["device"] == second["device"] == ["cpu", "cpu"]
    # The mean over the processes, 0.5 step, does not fall: both stop after three evaluations.
    assert first["step"] == second["step"] == 6
    assert first["total"] == second["total"]
    assert not first["left"] and not second["left"]
    assert (
        first["files"] == ["checkpoint", "events", "step-00000005", "step-00000006"]
        and second["files"] == []
    )
    lines = (tmp_path / "progress-0").read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("step ")] == [
        "2/20",
        "4/20",
        "6/20",
    ]
    assert (tmp_path / "progress-1").read_text() == ""
