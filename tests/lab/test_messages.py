"""Test the messages of the lab: known ones are read, and each invalid one is refused in a line."""

import json
from typing import Any

import pytest

from advlearn.lab.catalogue import catalogue
from advlearn.lab.messages import MESSAGE_BYTES, read_message, read_settings


def test_defaults_are_filled_in() -> None:
    settings = read_settings({"kind": "generate", "noise": {"size": 1}})
    assert settings["noise"] == {"size": 1, "kind": "gaussian"}
    assert settings["critic"]["layers"] == [48, 48]


def test_settings_can_be_read_again() -> None:
    for preset in catalogue()["presets"]:
        for game in preset["games"]:
            settings = read_settings(game)
            assert read_settings(json.loads(json.dumps(settings))) == settings


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "message: expected JSON"),
        ("[]", "message: expected an object"),
        ("[" * 100_000, "message: expected JSON"),
        ("x" * (MESSAGE_BYTES + 1), "message: expected at most"),
        (b"\xff\xfe\xfa", "message: expected JSON"),
        ('{"type": "shutdown"}', "type: expected one of"),
        ('{"type": "play", "loud": 1}', "play: expected keys among"),
        ('{"type": "step", "side": "both sides"}', "step.side: expected one of"),
        ('{"type": "start"}', "games: expected a list"),
        ('{"type": "start", "games": [{}, {}, {}]}', "games: expected a list"),
        ('{"type": "start", "games": [{"kind": "../etc"}]}', "settings.kind: expected one of"),
        ('{"type": "edit", "settings": 3}', "settings: expected an object"),
    ],
)
def test_invalid_messages_are_refused_in_one_line(text: str | bytes, reason: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_message(text)
    line = str(refused.value)
    assert line.startswith(reason) and "\n" not in line and len(line) < 200


@pytest.mark.parametrize(
    "change",
    [
        {"seed": -1},
        {"seed": 1.5},
        {"seed": True},
        {"batch_size": 10**400},
        {"critic_steps": float("nan")},
        {"generator": {"layers": [48] * 6}},
        {"generator": {"layers": [129]}},
        {"generator": {"layers": []}},
        {"critic_step": {"lr": float("inf")}},
        {"data": {"shape": "points", "points": [[0, 0]] * 9}},
        {"data": {"shape": "points", "points": [[0, 3]] * 20}},
        {"data": {"shape": "points", "points": [[0, 0]] * 4001}},
        {"objective": "sinkhorn(iterations=1000000)"},
        {"objective": "r1(weight=" + "9" * 50 + ")"},
        {"objective": "nsgan + " * 20},
        {"objective": "a" * 201},
        {"objective": ""},
        {"game": "lookahead(k=5000)"},
        {"unknown": 1},
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as refused:
        read_settings({"kind": "generate", **change})
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250
