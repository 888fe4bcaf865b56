"""Open recordings in the lab's page: a damaged one is refused as a whole, in one line."""

import copy
import json
import math
from pathlib import Path
from typing import Any

import pytest

from advlearn.lab.catalogue import catalogue
from advlearn.lab.experiments import build
from advlearn.lab.messages import KINDS
from tests.lab.conftest import BROWSER, wait

pytestmark = BROWSER

# Values that the page does not read.
UNREAD = {"trained", "noise", "expert_return"}
# Returns why each recording is refused, or "" for one that is taken.
CHECK = """async ([recordings, catalogue]) => {
  const { check } = await import(new URL("check.js", location.href).href);
  return recordings.map((text) => {
    try { check(JSON.parse(text), catalogue); return ""; } catch (error) { return error.message; }
  });
}"""


def recorded(kind: str, steps: int = 2) -> dict[str, Any]:
    """Return a recording, as the page saves it."""
    experiment = build(catalogue()["defaults"][kind])
    try:
        games = [experiment.frame(fresh=True)]
        for _ in range(steps):
            experiment.move("both")
            games.append(experiment.frame(fresh=True))
        started = {"games": [{"settings": experiment.settings, "scene": experiment.scene()}]}
    finally:
        experiment.close()
    frames = [{"type": "frame", "games": [game]} for game in games]
    return json.loads(json.dumps({"advlearn_lab": 1, "started": started, "frames": frames}))


def as_json(recording: dict[str, Any]) -> str:
    """Return JSON text, in which an infinite number is one that is too large."""
    return json.dumps(recording).replace("Infinity", "1e999")


def damaged_in_each_value(recording: dict[str, Any]) -> dict[str, str]:
    """Return copies of a recording by the place of a value that is missing, cut or infinite."""
    found: dict[str, str] = {}

    def damage(place: str, values: Any, name: Any, given: Any) -> None:
        kept = values[name]
        values[name] = given
        found[place] = as_json(recording)
        values[name] = kept

    start, last = recording["started"]["games"][0], recording["frames"][-1]["games"][0]
    parts = {
        "start: settings.": start["settings"],
        "start: ": start["scene"],
        "frame 3 of 3: ": last,
    }
    for part, values in parts.items():
        for name in values.keys() - UNREAD:
            place, value = part + name, values[name]
            damage(f"{place}, missing", values, name, None)
            if isinstance(value, list) and name not in ("layers", "walls"):
                damage(f"{place}, cut", values, name, value[:-1])
            if isinstance(value, dict) and "scale" in value:
                damage(f"{place}.data, cut", value, "data", value["data"][:-4])
                damage(f"{place}.scale, infinite", value, "scale", math.inf)
                damage(f"{place}.shape, flat", value, "shape", value["shape"][:-1])
            if isinstance(value, int | float):
                damage(f"{place}, infinite", values, name, math.inf)
    for name in last["figures"]:
        damage(f"frame 3 of 3: figures.{name}, infinite", last["figures"], name, math.inf)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_cut_or_infinite_value_of_a_recording_is_named(page: Any, kind: str) -> None:
    recording = recorded(kind)
    whole, damaged = json.dumps(recording), damaged_in_each_value(recording)
    assert page.evaluate(CHECK, [[whole], catalogue()]) == [""]
    lines = page.evaluate(CHECK, [list(damaged.values()), catalogue()])
    assert len(damaged) > 20
    for place, line in zip(damaged, lines, strict=True):
        assert line.startswith(f"recording: {place.split(',')[0]}"), (place, line)
        assert ": expected " in line and ", got " in line and "\n" not in line, line


DAMAGES: dict[str, tuple[str, Any, str]] = {
    "missing": ("fake", None, "frame 3 of 3: fake: expected an array, got null"),
    "short": (
        "fake", {"shape": [400, 2], "scale": 1.0, "data": "AAAA"},
        "frame 3 of 3: fake.data: expected 800 numbers of 2 bytes, got 3 bytes",
    ),
    "shape": (
        "surface", {"shape": [0, 0], "scale": 1.0, "data": ""},
        "frame 3 of 3: surface.shape: expected (rows, columns), got (0, 0)",
    ),
    "figure": (
        "figures", {"kl": "high"}, 'frame 3 of 3: figures.kl: expected a finite number, got "high"',
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_recording_with_a_damaged_later_frame_leaves_the_live_game(
    page: Any, tmp_path: Path, damage: str
) -> None:
    name, value, line = DAMAGES[damage]
    recording, file = recorded("generate"), tmp_path / "run.json"
    recording["frames"][-1]["games"][0][name] = value
    file.write_text(json.dumps(recording))
    page.set_input_files("#open-recording", str(file))
    page.wait_for_selector("#refused:not([hidden])")
    assert page.inner_text("#refused") == f"recording: {line}; open a file that the lab saved"
    assert page.evaluate("document.getElementById('replay').max") == "0"
    page.click("#step-both")
    wait(page, "!lab.replaying && lab.step === 1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("surface", {"shape": [0, 0], "scale": 1.0, "data": ""}),  # fails while it is drawn
        ("fake", {"shape": [1, 2], "scale": 1.0, "data": "?"}),  # fails before
    ],
)
def test_a_live_frame_that_cannot_be_drawn_does_not_stop_the_animation(
    page: Any, name: str, value: Any
) -> None:
    frame = copy.deepcopy(recorded("generate", steps=0)["frames"][0])
    frame["games"][0][name] = value
    page.evaluate("window.sent = []")
    page.evaluate("(m) => socket.onmessage({data: JSON.stringify(m)})", {**frame, "speed": 0})
    # The server waits for this answer before it sends more frames.
    assert page.evaluate("sent.filter((m) => m.type === 'drawn').length") == 1
    page.wait_for_selector("#refused:has-text('picture: expected a frame that can be drawn')")
    assert "\n" not in page.inner_text("#refused")
    page.click("#step-both")
    wait(page, "lab.step === 1")
    wait(page, "document.getElementById('refused').hidden")
    canvas = page.locator(".game canvas").first
    before = canvas.screenshot()
    page.click("#layer-real")
    page.wait_for_timeout(120)
    assert canvas.screenshot() != before


def receive(page: Any, *messages: dict[str, Any]) -> None:
    """Hand messages to the page as the server sends them."""
    for message in messages:
        page.evaluate("(m) => socket.onmessage({data: JSON.stringify(m)})", message)


def drawn_curves(page: Any) -> list[list[str]]:
    """Return the name, the value and the pixels of each curve."""
    return page.evaluate(
        "[...document.querySelectorAll('#curves figure')].map("
        "(figure) => [figure.innerText, figure.querySelector('canvas').toDataURL()])"
    )


def live_messages(steps: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the message of a start and frames, as the server sends them."""
    recording = recorded("generate", steps)
    frames = [{**frame, "speed": 0} for frame in recording["frames"]]
    return {"type": "started", "playing": False, **recording["started"]}, frames


def test_the_curves_of_the_live_games_are_kept_while_a_recording_is_open(
    page: Any, tmp_path: Path
) -> None:
    file = tmp_path / "run.json"
    file.write_text(json.dumps(recorded("dirac")))
    started, frames = live_messages(4)
    receive(page, started, *frames[:4])
    before = drawn_curves(page)
    assert len(before) > 5
    for late in ([], frames[4:]):
        page.set_input_files("#open-recording", str(file))
        wait(page, "lab.replaying && document.getElementById('replay').max === '2'")
        assert "KL" not in page.inner_text("#curves") and "distance" in page.inner_text("#curves")
        receive(page, *late)
        assert "KL" not in page.inner_text("#curves")
        page.click("#live")
        after = drawn_curves(page)
        assert (after == before) is (not late)
    # The same frames without a recording in between.
    page.click("#restart")
    wait(page, "lab.step === 0")
    receive(page, started, *frames)
    assert drawn_curves(page) == after


def test_the_curves_of_a_replay_end_at_its_step(page: Any) -> None:
    started, frames = live_messages(3)
    pictures = []
    for message in (started, *frames):
        receive(page, message)
        pictures.append(drawn_curves(page))
    page.evaluate("document.getElementById('replay').focus()")
    for key, count in (("ArrowLeft", 2), ("ArrowLeft", 1), ("End", 3)):
        page.keyboard.press(key)
        wait(page, f"lab.step === {count}")
        assert drawn_curves(page) == pictures[1 + count]
