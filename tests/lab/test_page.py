"""Click through the lab's page in Chromium; skipped where Debian's chromium is not installed."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.lab.conftest import BROWSER, wait

pytestmark = BROWSER


def health(page: Any) -> str:
    return page.inner_text("#health")


def choose(page: Any, title: str) -> None:
    frames = page.evaluate("lab.frames")
    page.select_option("#preset", label=title)
    wait(page, f"lab.frames > {frames}")


def test_train_step_and_slow_motion(page: Any) -> None:
    for button, step in (("#step-both", 1), ("#step-critic", 1), ("#step-generator", 1)):
        frames = page.evaluate("lab.frames")
        page.click(button)
        wait(page, f"lab.frames > {frames}")
        assert page.evaluate("lab.step") == step
    page.click("#play")
    wait(page, "lab.step > 20")
    page.click("#play")
    wait(page, "!lab.playing")
    assert "Health" in health(page) and len(health(page)) > 20
    names = page.inner_text("#curves")
    for name in ("critic's loss", "generator's loss", "KL", "JS", "Wasserstein", "modes"):
        assert name in names
    page.click("#slow")
    page.wait_for_selector("#slow-text:has-text('1. Noise')")
    page.wait_for_selector("#slow-text:has-text('6. Critic learns')")
    assert page.locator("#graph path.flow").count() >= 1
    page.click("#slow")


def test_edit_while_it_runs(page: Any) -> None:
    page.click("#play")
    wait(page, "lab.step > 5")
    edits = {
        "set-objective": "hinge + r1",
        "set-critic.layers": "24 24 24",
        "set-generator_step.lr": "0.004",
        "set-critic_steps": "2",
    }
    for name, value in edits.items():
        page.fill(f"[id='{name}']", value)
        page.press(f"[id='{name}']", "Tab")
        page.wait_for_function(f"document.getElementById('{name}').value === '{value}'")
    page.select_option("[id='set-noise.size']", "1")
    page.select_option("[id='set-critic_step.optimizer']", "rmsprop")
    page.select_option("[id='set-game']", "extragradient")
    page.select_option("[id='set-data.shape']", "spirals")
    page.select_option("#set-regularizer", "spectral_norm")
    page.wait_for_selector("figcaption:has-text('SpectralNorm')")
    step = page.evaluate("lab.step")
    wait(page, f"lab.step > {step} + 3 && lab.playing")
    page.fill("[id='set-objective']", "no-such-loss")
    page.press("[id='set-objective']", "Tab")
    page.wait_for_selector("#refused:has-text('no-such-loss')")


def test_layers_theme_keys_and_a_narrow_screen(page: Any) -> None:
    for layer in ("real", "fake", "surface", "manifold", "arrows"):
        before = page.locator(".game canvas").first.screenshot()
        page.click(f"#layer-{layer}")
        page.wait_for_timeout(120)
        assert page.locator(".game canvas").first.screenshot() != before
    page.click("body", position={"x": 400, "y": 20})
    theme = page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") != theme
    page.keyboard.press("?")
    assert page.is_visible("#keys")
    page.keyboard.press(" ")
    wait(page, "lab.playing")
    page.keyboard.press("s")
    wait(page, "!lab.playing || lab.step > 0")
    page.set_viewport_size({"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas')].filter((e) => "
        "!(e.textContent.trim() || e.labels?.length || e.getAttribute('aria-label'))).length"
    )
    assert unnamed == 0


def test_own_data_drawn_and_from_a_csv_file(page: Any, tmp_path: Path) -> None:
    page.click("#open-draw")
    box = page.locator("#draw-canvas").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 200, steps=12)
    page.mouse.up()
    page.click("#draw-apply")
    page.wait_for_function("document.getElementById('set-data.shape').value === 'points'")
    table = tmp_path / "points.csv"
    rows = "\n".join(f"row {k},{k % 7},{k * k % 11}" for k in range(200))
    table.write_text(f"name,x,y\n{rows}\n")
    page.click("#open-draw")
    page.set_input_files("#csv", str(table))
    page.wait_for_selector("#draw-count:has-text('200 points')")
    page.click("#draw-apply")
    page.click("#play")
    wait(page, "lab.step > 3")


def test_share_record_replay_and_two_games(page: Any, tmp_path: Path) -> None:
    page.click("#pair")
    page.wait_for_function("document.querySelectorAll('.game').length === 2")
    page.click(".game >> nth=1 >> text=Edit B")
    page.fill("[id='set-objective']", "wgan-gp")
    page.press("[id='set-objective']", "Tab")
    page.wait_for_selector(".game >> nth=1 >> figcaption:has-text('Wasserstein')")
    page.click("#play")
    wait(page, "lab.step > 5 && lab.frames > 12")
    page.click("#play")
    wait(page, "!lab.playing")
    page.click("#share")
    page.wait_for_function("location.hash.length > 50")
    last = page.evaluate("lab.step")
    page.evaluate("document.getElementById('replay').focus()")
    page.keyboard.press("Home")
    wait(page, f"lab.replaying && lab.step < {last}")
    page.click("#live")
    wait(page, f"!lab.replaying && lab.step === {last}")
    with page.expect_download() as saved:
        page.click("#save-recording")
    saved.value.save_as(tmp_path / "run.json")
    page.reload()
    page.wait_for_function("document.querySelectorAll('.game').length === 2")
    assert page.input_value("[id='set-objective']") == "nsgan"
    wait(page, "lab.step === 0")
    page.set_input_files("#open-recording", str(tmp_path / "run.json"))
    wait(page, "lab.replaying")
    page.evaluate("document.getElementById('replay').focus()")
    page.keyboard.press("End")
    wait(page, f"lab.step === {last}")


def test_a_late_message_does_not_change_an_opened_recording(page: Any, tmp_path: Path) -> None:
    for k in range(3):
        page.click("#step-both")
        wait(page, f"lab.step === {k + 1}")
    with page.expect_download() as saved:
        page.click("#save-recording")
    saved.value.save_as(tmp_path / "run.json")
    recording = json.loads((tmp_path / "run.json").read_text())
    choose(page, "Dirac-GAN circles")
    page.set_input_files("#open-recording", str(tmp_path / "run.json"))
    wait(page, "lab.replaying && document.getElementById('replay').max === '3'")
    late = copy.deepcopy(recording["frames"][-1])
    late["games"][0]["step"] = 99
    for message in (recording["started"], late):
        page.evaluate("(m) => socket.onmessage({data: JSON.stringify(m)})", message)
    page.evaluate("document.getElementById('replay').focus()")
    page.keyboard.press("End")
    wait(page, "lab.step === 3")
    page.click("#live")
    wait(page, "!lab.replaying && lab.step === 99")


def test_an_edit_of_an_opened_recording_starts_its_games(page: Any, tmp_path: Path) -> None:
    page.click("#pair")
    page.wait_for_function("document.querySelectorAll('.game').length === 2")
    page.click("#step-both")
    wait(page, "lab.step === 1")
    with page.expect_download() as saved:
        page.click("#save-recording")
    saved.value.save_as(tmp_path / "run.json")
    page.click("#pair")
    page.wait_for_function("document.querySelectorAll('.game').length === 1")
    page.set_input_files("#open-recording", str(tmp_path / "run.json"))
    page.wait_for_function("document.querySelectorAll('.game').length === 2")
    page.click(".game >> nth=1 >> text=Edit B")
    page.fill("[id='set-objective']", "wgan-gp")
    page.press("[id='set-objective']", "Tab")
    page.wait_for_selector(".game >> nth=1 >> figcaption:has-text('Wasserstein')")
    wait(page, "!lab.replaying && lab.step === 0")
    assert page.is_hidden("#refused")


@pytest.mark.parametrize("started", [{"games": []}, {"games": [{"settings": {}, "scene": {}}]}])
def test_a_damaged_recording_leaves_the_live_game(
    page: Any, tmp_path: Path, started: dict[str, Any]
) -> None:
    file = tmp_path / "run.json"
    frame = {"games": [{"step": 7}] * len(started["games"])}
    file.write_text(json.dumps({"advlearn_lab": 1, "started": started, "frames": [frame]}))
    page.set_input_files("#open-recording", str(file))
    page.wait_for_selector("#refused:not([hidden])")
    page.click("#step-both")
    wait(page, "!lab.replaying && lab.step === 1")


def test_every_preset_and_the_gallery_train(page: Any) -> None:
    titles = page.evaluate("[...document.querySelectorAll('#preset option')].map((o) => o.text)")
    groups = page.evaluate("[...document.querySelectorAll('#preset optgroup')].map((o) => o.label)")
    assert groups == ["Presets", "Other fields", "Gallery of failures"]
    for title in titles:
        choose(page, title)
        wait(page, "lab.step === 0")
        page.click("#step-both")
        wait(page, "lab.step > 0")
        assert page.is_hidden("#refused"), page.inner_text("#refused")
