"""Test what a page holds: exact values, bounded size, escaped text, the same page from a folder."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import advlearn
from advlearn.cli import app
from advlearn.page import LARGEST, Content, content_of_folder, write_page
from advlearn.page.content import MOST_VALUES, thinned
from advlearn.run_page import PageWriter
from advlearn.training.curves import read_curves
from advlearn.training.recording import read_recording


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="run">(.*?)</script>', path.read_text())
    assert found
    return json.loads(found[1])


def lines_of(page: dict[str, Any]) -> dict[str, tuple[list[int], list[float]]]:
    return {
        line["name"]: (line["steps"], line["values"])
        for panel in page["panels"]
        for line in panel["lines"]
    }


def noise(path: Path, side: int, seed: int) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_curve_values_are_exact(tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 1e-17, -2.5e30]
    curves = [(100 * k, {"data/critic_loss": value}) for k, value in enumerate(values)]
    evaluations = [(50, {"accuracy": 2 / 3})]
    content = Content("run", 300, curves=curves, evaluations=evaluations)
    lines = lines_of(data_of(write_page(content, tmp_path / "run.html")))
    assert lines == {
        "data/critic_loss": ([0, 100, 200, 300], values),
        "accuracy": ([50], [2 / 3]),
    }


def test_values_that_are_not_finite_are_left_out(tmp_path: Path) -> None:
    curves = [(1, {"loss": float("nan")}), (2, {"loss": float("inf")}), (3, {"loss": 1.5})]
    page = data_of(write_page(Content("run", 3, curves=curves), tmp_path / "run.html"))
    assert lines_of(page) == {"loss": ([3], [1.5])}


def test_the_page_of_a_run_has_its_curves_verdicts_recipe_and_points(ring: Path) -> None:
    page = data_of(ring / "run.html")
    (step, scalars), *_ = read_curves(ring / "curves.jsonl")
    lines = lines_of(page)
    assert step == 100
    assert lines["data/critic_loss"] == ([100], [scalars["data/critic_loss"]])
    assert lines["frechet distance (raw samples)"][0] == [60, 110]
    assert [at for at, _ in page["verdicts"]] == [100, 110]
    assert all(set(by_name) == {"data"} and by_name["data"] for _, by_name in page["verdicts"])
    recipe = dict(page["recipe"])
    assert (recipe["method"], recipe["data"], recipe["steps"]) == ("wgan-gp", "ring", "110")
    assert "GradientPenalty" in recipe["objective"] and "gulrajani2017" in page["papers"]
    frames = page["plane"]["frames"]
    assert [frame["step"] for frame in frames] == list(range(1, 111))
    assert all(len(frame["fake"]) == 400 and len(frame["surface"]) == 24**2 for frame in frames)
    assert not page["pictures"] and not page["notes"]


def test_points_of_the_plane_are_those_of_the_run(ring: Path) -> None:
    header, *rows = read_recording(ring / "recording.jsonl")
    last = [row for row in rows if "fake" in row][-1]
    plane = data_of(ring / "run.html")["plane"]
    shown = np.array(plane["frames"][-1]["fake"]).reshape(-1, 2)
    expected = (np.array(last["fake"]) - header["centre"]) / header["half"]
    np.testing.assert_allclose(shown, expected, atol=1e-4)
    run = advlearn.load(ring)
    drawn = run.sample(200, seed=0).numpy()
    np.testing.assert_allclose(np.array(last["fake"]), drawn, rtol=1e-3, atol=1e-6)
    assert np.abs(plane["real"]).max() < 1


def test_the_pictures_of_a_run_on_images_are_those_of_its_folder(
    digits: Path, tmp_path: Path
) -> None:
    page = data_of(advlearn.load(digits).page(tmp_path / "run.html"))
    assert [step for step, _ in page["pictures"]] == [2, 4, 6]
    for step, address in page["pictures"]:
        kind, _, data = address.partition(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == (digits / f"step-{step:08d}.png").read_bytes()
    assert {"interpolation", "truncation"} <= {name for name, _ in page["stills"]}
    assert page["plane"] is None


def test_a_loaded_run_gives_the_same_page(ring: Path, tmp_path: Path) -> None:
    loaded = advlearn.load(ring).page(tmp_path / "loaded.html")
    assert loaded.read_bytes() == (ring / "run.html").read_bytes()


def test_a_page_with_many_large_pictures_is_small_and_says_so(tmp_path: Path) -> None:
    pictures = [(k, noise(tmp_path / f"{k}.png", 300, k)) for k in range(40)]
    stills = [noise(tmp_path / "still.png", 600, 99)]
    content = Content("run", 40, pictures=pictures, stills=stills)
    path = write_page(content, tmp_path / "run.html")
    page = data_of(path)
    assert sum(file.stat().st_size for _, file in pictures) > LARGEST
    assert path.stat().st_size <= LARGEST
    steps = [step for step, _ in page["pictures"]]
    assert (steps[0], steps[-1]) == (0, 39) and page["stills"]
    assert any("pictures are shown" in note for note in page["notes"])
    sides = Image.open(io.BytesIO(base64.b64decode(page["pictures"][0][1].partition(",")[2]))).size
    assert max(sides) <= 300


def test_a_page_with_many_points_and_curves_is_small_and_says_so(tmp_path: Path) -> None:
    curves = [(k, {f"tag {n}": k / 7 for n in range(40)}) for k in range(5000)]
    frame = {"fake": [[k / 3, k / 7] for k in range(1000)], "surface": [1 / 3] * 24**2}
    frames = [{"step": k, **frame} for k in range(900)]
    plane = {"real": frame["fake"], "centre": [0, 0], "half": 9, "cells": 24, "frames": frames}
    verdicts = [(k, {"data": "x" * 1000}) for k in range(2000)]
    content = Content("run", 5000, curves=curves, plane=plane, verdicts=verdicts)
    path = write_page(content, tmp_path / "run.html")
    page = data_of(path)
    assert path.stat().st_size <= LARGEST
    assert sum(len(v) for _, v in lines_of(page).values()) <= MOST_VALUES
    assert lines_of(page)["tag 0"][0][-1] == 4999 and page["plane"]["frames"][-1]["step"] == 899
    assert len(page["notes"]) == 3


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&<!-- ' \" {{DATA}} \u2028"


def test_hostile_text_is_escaped_and_kept(tmp_path: Path) -> None:
    content = Content(
        HOSTILE,
        1,
        {HOSTILE: HOSTILE},
        curves=[(1, {HOSTILE: 1.0})],
        verdicts=[(1, {HOSTILE: HOSTILE})],
        papers=HOSTILE,
    )
    path = write_page(content, tmp_path / "run.html")
    text, page = path.read_text(), data_of(path)
    assert page["recipe"] == [[HOSTILE, HOSTILE]] and page["papers"] == HOSTILE
    assert list(lines_of(page)) == [HOSTILE] and page["title"] == HOSTILE
    assert "alert(1)</script>" not in text and "<img src=x" not in text
    assert text.count("<script") == 2 and text.count("</script>") == 2


def test_a_page_asks_for_nothing_from_a_network(ring: Path) -> None:
    text = (ring / "run.html").read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    assert not re.findall(r"fetch\(|XMLHttp|WebSocket|import\(|@import|url\(", text)


def test_damaged_files_of_a_folder_are_left_out(ring: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "checkpoint.pt").write_bytes((ring / "checkpoint.pt").read_bytes())
    (folder / "curves.jsonl").write_text('[1, {"loss": 2.0}]\n[3, "x"]\nnot json\n')
    (folder / "recording.jsonl").write_text(
        '{"step": 1, "fake": "x"}\n{"real": 3}\n{"step": 2, "verdicts": {"data": "fine"}}\n[]\n7\n'
    )
    (folder / "step-00000001.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\xff" * 40)
    (folder / "step-00000002.png").write_text("no picture")
    content = content_of_folder(folder)
    assert content.verdicts == [(2, {"data": "fine"})] and content.plane is None
    page = data_of(write_page(content, tmp_path / "run.html"))
    assert lines_of(page)["loss"] == ([1], [2.0]) and not page["pictures"]
    assert page["notes"] == ["2 pictures could not be read."]


def test_the_page_is_also_written_after_ctrl_c(tmp_path: Path) -> None:
    class Stop(advlearn.core.Callback):
        def on_step(self, trainer: Any) -> None:
            if trainer.step == 2:
                import signal

                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        advlearn.fit(
            "gan",
            data="ring",
            steps=9,
            batch_size=8,
            out=tmp_path / "run",
            callbacks=[Stop()],
            page=True,
        )
    assert data_of(tmp_path / "run" / "run.html")["step"] == 2


def test_a_run_without_a_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    run = advlearn.fit("gan", data="ring", steps=1, batch_size=8, callbacks=())
    with pytest.raises(ValueError, match="page: expected a run with a folder"):
        run.page(tmp_path / "run.html")
    with pytest.raises(ValueError, match="page: expected a folder of the run with page=True"):
        advlearn.fit("gan", data="ring", steps=1, page=True)


def test_a_resumed_run_continues_its_recording(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": "ring", "batch_size": 8, "callbacks": ()}
    out = tmp_path / "run"
    advlearn.fit("gan", steps=3, out=out, **settings)
    advlearn.fit("gan", steps=6, out=out, resume_with={"steps": 6}, **settings)
    steps = [row["step"] for row in read_recording(out / "recording.jsonl") if "fake" in row]
    assert steps == [1, 2, 3, 4, 5, 6]


def test_recording_does_not_change_the_run(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": "ring", "batch_size": 8, "steps": 4, "callbacks": ()}
    plain = advlearn.fit("gan", **settings)
    recorded = advlearn.fit("gan", out=tmp_path / "run", page=True, **settings)
    assert (plain.sample(9, seed=1) == recorded.sample(9, seed=1)).all()


def test_the_command_writes_the_page(ring: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["page", str(ring), "--out", str(tmp_path / "run.html")])
    assert done.exit_code == 0 and (tmp_path / "run.html").is_file()
    done = CliRunner().invoke(app, ["page", str(tmp_path / "none")])
    assert done.exit_code == 1 and len(done.output.strip().splitlines()) == 1


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    writer = PageWriter(tmp_path)
    with pytest.warns(RuntimeWarning, match="cannot write a page"):
        writer.on_end(None)  # type: ignore[arg-type]


def test_rows_are_thinned_with_both_ends() -> None:
    assert thinned(list(range(1000)), 3) == [0, 500, 999]
    assert thinned([1, 2], 3) == [1, 2]
