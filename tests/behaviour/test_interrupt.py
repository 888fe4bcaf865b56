"""Test Ctrl-C: it waits for the end of a step and saves, and the same call resumes exactly."""

import os
import signal
from pathlib import Path

import pytest
import torch

from advlearn.core.interrupt import between_steps
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.training.checkpoint import load
from tests.script_server import ScriptServer

STEPS, STOPPED = 9, 4
SETTINGS = {
    "task": "generate(latent=2)",
    "objective": "wgan-gp",
    "steps": STEPS,
    "batch_size": 8,
    "device": "cpu",
}
POINTS = "torch.randn(24, 2, generator=torch.Generator().manual_seed(0))"
SCRIPT = f"""
import sys, torch
from advlearn.core.trainer import Callback
from advlearn.data import ArrayDataset
from advlearn.fitting import fit

class Wait(Callback):
    def on_step(self, trainer):
        if trainer.step == {STOPPED}:
            print("waiting", flush=True)
            sys.stdin.readline()

fit(data=ArrayDataset({POINTS}), out=sys.argv[1], callbacks=(Wait(),), **{SETTINGS!r})
"""


def source() -> ArrayDataset:
    return ArrayDataset(torch.randn(24, 2, generator=torch.Generator().manual_seed(0)))


def test_an_interrupted_run_resumes_exactly(tmp_path: Path, scripts: ScriptServer) -> None:
    child = scripts.start("-c", SCRIPT, str(tmp_path))
    first_line = child.stdout.readline()
    if first_line:
        os.kill(child.pid, signal.SIGINT)
    status, _, error = child.communicate("\n")
    assert first_line == "waiting\n", error
    assert status in (130, -signal.SIGINT), error
    assert load(tmp_path)["trainer"]["step"] == STOPPED
    resumed = fit(data=source(), out=tmp_path, callbacks=(), **SETTINGS)
    straight = fit(data=source(), callbacks=(), **SETTINGS)
    assert resumed.trainer is not None and resumed.trainer.step == STEPS
    for part, whole in ((resumed.task, straight.task), (resumed.ema_model, straight.ema_model)):
        for name, value in whole.state_dict().items():
            assert torch.equal(part.state_dict()[name], value), name
    heads = (resumed.adversaries["data"].state_dict(), straight.adversaries["data"].state_dict())
    assert all(torch.equal(heads[0][k], v) for k, v in heads[1].items() if torch.is_tensor(v))


def test_a_second_ctrl_c_stops_at_once_and_the_handler_is_restored() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), between_steps() as received:
        signal.raise_signal(signal.SIGINT)
        assert received == [signal.SIGINT]
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
