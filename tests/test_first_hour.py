"""Test what a newcomer meets in the first hour: messages that say what to do instead."""

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import advlearn
from advlearn import report
from advlearn.data import load
from advlearn.listing import listing


@pytest.mark.parametrize("text", ["hinge", "hinge + spectral_norm"])
def test_an_objective_in_place_of_a_task_is_told_as_it_was_written(text: str) -> None:
    with pytest.raises(ValueError, match=r"^task: ") as error:
        advlearn.fit(text, steps=1)
    assert f"use fit('generate', objective={text!r})" in str(error.value)


def test_a_mistyped_kind_or_field_has_a_near_name() -> None:
    with pytest.raises(ValueError, match=r"^kind: expected one of .*'objective'"):
        listing(kind="objectiv")
    with pytest.raises(ValueError, match=r"^for: expected one of .*'fairness'"):
        listing("fairnes")
    with pytest.raises(ValueError, match=r"got 'xyzzy'$"):
        listing("xyzzy")


def test_a_report_on_few_samples_says_why_it_has_no_metrics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    x = torch.rand(9, 2)
    run = advlearn.fit("generate", "nsgan", x, steps=1, batch_size=4, callbacks=())
    report.report(run, x)
    assert "no metrics: expected 12 samples or more, got 9" in capsys.readouterr().out


def test_images_of_two_sizes_are_named_by_height_and_width(tmp_path: Path) -> None:
    for name, shape in (("a", (6, 8)), ("b", (5, 8))):
        Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=r"6x8 pixels \(height x width\) like 'a.png', got 5x8"):
        load(tmp_path)


def test_a_port_in_use_is_one_line() -> None:
    pytest.importorskip("starlette", reason="needs the extra lab")
    from advlearn.lab.serving import serve

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"^port: expected a free port, got {port}: "):
            serve(port, browser=False)


def test_an_unknown_return_of_the_expert_is_not_printed_as_a_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("stable_baselines3", reason="needs the extra rl")
    from dataclasses import replace

    from advlearn.imitation import imitate, load_demonstrations
    from advlearn.imitation.outputs import report as report_on_imitation

    demonstrations: Any = replace(load_demonstrations("cartpole"), expert_return=float("nan"))
    assert repr(demonstrations) == (
        f"Demonstrations(episodes=50, transitions={len(demonstrations)}, env_id='CartPole-v1', "
        "expert_return=nan)"
    )
    run = imitate(demonstrations, steps=2048)
    assert repr(run) == (
        "ImitationResult(method='gail', policy='PPO', env_id='CartPole-v1', steps=2048)"
    )
    report_on_imitation(run, tmp_path / "run", episodes=1)
    found = capsys.readouterr()
    assert "the expert's is unknown" in found.out
    assert "return" in found.err and "nan" not in found.err + found.out


def test_a_run_is_printed_in_one_line(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": "ring", "steps": 2, "batch_size": 8, "callbacks": ()}
    run = advlearn.fit("nsgan", out=tmp_path, **settings)
    kept = f"out={str(tmp_path)!r})"
    assert repr(run) == f"Run(method='nsgan', data='ring', step=2, {kept}"
    assert repr(advlearn.load(tmp_path)) == f"Run(method='nsgan', data='ring', step=None, {kept}"
