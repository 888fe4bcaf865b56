"""Messages between page and server: their schema, and the settings of each experiment."""

import json
from collections.abc import Mapping
from typing import Any, cast

from advlearn.core import grammar
from advlearn.lab.fields import (
    Choice,
    Field,
    Number,
    Record,
    Sequence,
    Text,
    refuse,
    short,
)

MESSAGE_BYTES = 256 * 1024
"""Size of the largest message that the server reads."""
MOST_POINTS = 4000
# Bounds of numbers in a spec such as "sinkhorn(iterations=50)": they bound the work of a step.
LARGEST_INTEGER, LARGEST_NUMBER = 100, 1e4
SHAPES = ("ring", "grid", "moons", "spirals", "points")
ACTIVATIONS = ("leaky_relu", "relu", "elu", "silu", "softplus", "tanh")
OPTIMIZERS = ("adam", "rmsprop", "sgd")

_LAYERS = Sequence(Number(1, 128, whole=True), 1, 5, default=[48, 48])
_RATE = Number(1e-6, 1.0, default=2e-3)
_SEED = Number(0, 2**31 - 1, default=0, whole=True)
_BATCH = Number(16, 512, default=128, whole=True)
_POINT = Sequence(Number(-2, 2), 2, 2)
_SPEC = Text(200, default="nsgan")
_GAME = Text(60, default="")
_NETWORK = Record({"layers": _LAYERS, "activation": Choice(ACTIVATIONS, "leaky_relu")})
_SIDE: dict[str, Field] = {"optimizer": Choice(OPTIMIZERS, "adam"), "lr": _RATE}
_CRITIC_STEPS = Number(1, 10, default=1, whole=True)

SETTINGS: dict[str, Record] = {
    "generate": Record(
        {
            "kind": Choice(("generate",), "generate"),
            "seed": _SEED,
            "data": Record(
                {
                    "shape": Choice(SHAPES, "ring"),
                    "points": Sequence(_POINT, 0, MOST_POINTS, default=[]),
                }
            ),
            "noise": Record(
                {
                    "size": Number(1, 2, default=2, whole=True),
                    "kind": Choice(("gaussian", "uniform"), "gaussian"),
                }
            ),
            "objective": _SPEC,
            "generator": _NETWORK,
            "critic": _NETWORK,
            "generator_step": Record(_SIDE),
            "critic_step": Record(_SIDE),
            "critic_steps": _CRITIC_STEPS,
            "batch_size": _BATCH,
            "game": _GAME,
        }
    ),
    "adaptation": Record(
        {
            "kind": Choice(("adaptation",), "adaptation"),
            "seed": _SEED,
            "angle": Number(0, 180, default=50),
            "objective": _SPEC,
            "adversarial_weight": Number(0, 10, default=1),
            "layers": _LAYERS,
            "lr": _RATE,
            "critic_steps": _CRITIC_STEPS,
            "batch_size": _BATCH,
        }
    ),
    "fairness": Record(
        {
            "kind": Choice(("fairness",), "fairness"),
            "seed": _SEED,
            "bias": Number(0, 1, default=0.7),
            "criterion": Choice(
                ("demographic_parity", "equalized_odds", "equal_opportunity"),
                "demographic_parity",
            ),
            "objective": _SPEC,
            "adversarial_weight": Number(0, 10, default=1),
            "layers": _LAYERS,
            "lr": _RATE,
            "critic_steps": _CRITIC_STEPS,
            "batch_size": _BATCH,
        }
    ),
    "imitation": Record(
        {
            "kind": Choice(("imitation",), "imitation"),
            "seed": _SEED,
            "maze": Choice(("CMaze-v0", "CMazeMirrored-v0", "SMaze-v0", "SMazeMirrored-v0")),
            "objective": Text(200, default="gail + r1"),
            "lr": Number(1e-6, 1.0, default=1e-3),
        }
    ),
    "dirac": Record(
        {
            "kind": Choice(("dirac",), "dirac"),
            "seed": _SEED,
            "objective": Text(200, default="wasserstein"),
            "lr": Number(1e-6, 1.0, default=0.2),
            "game": _GAME,
        }
    ),
}
KINDS = tuple(SETTINGS)

_COMMANDS: dict[str, Record] = {
    "start": Record({"games": Sequence(Record({}), 1, 2)}),
    "edit": Record({"game": Number(0, 1, default=0, whole=True), "settings": Record({})}),
    "play": Record({}),
    "pause": Record({}),
    "step": Record({"side": Choice(("critic", "generator", "both"), "both")}),
    "drawn": Record({}),
}


def read_message(text: str | bytes) -> dict[str, Any]:
    """Read a message of the page.

    Args:
        text: JSON text of an object with a key ``type``.

    Returns:
        The message, with every default filled in.

    Raises:
        ValueError: If anything in it is not as expected; the message is one line.

    Example:
        >>> read_message('{"type": "step"}')
        {'type': 'step', 'side': 'both'}
    """
    if len(text) > MESSAGE_BYTES:
        raise ValueError(f"message: expected at most {MESSAGE_BYTES} bytes, got {len(text)}")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("message: expected JSON, got text that is not") from None
    if not isinstance(value, dict):
        raise refuse("message", "an object", value)
    given = cast(dict[str, Any], value)
    kind = Choice(tuple(_COMMANDS)).read("type", given.pop("type", None))
    if kind == "start":
        return {"type": kind, "games": _games(given)}
    if kind == "edit":
        settings = read_settings(given.pop("settings", None))
        return {"type": kind, **_COMMANDS[kind].read(kind, given), "settings": settings}
    return {"type": kind, **_COMMANDS[kind].read(kind, given)}


def _games(given: dict[str, Any]) -> list[dict[str, Any]]:
    games = given.pop("games", None)
    if given:
        raise refuse("start", "only the key games", next(iter(given)))
    if not isinstance(games, list) or not 1 <= len(cast(list[Any], games)) <= 2:
        raise refuse("games", "a list of one or two experiments", games)
    return [read_settings(settings) for settings in cast(list[Any], games)]


def read_settings(value: Any) -> dict[str, Any]:
    """Read the settings of an experiment, with every default filled in.

    Raises:
        ValueError: If a setting is unknown or out of its range.

    Example:
        >>> read_settings({"kind": "dirac"})["game"]
        ''
    """
    if not isinstance(value, dict):
        raise refuse("settings", "an object", value)
    given = cast(Mapping[str, Any], value)
    kind = Choice(KINDS).read("settings.kind", given.get("kind"))
    settings = SETTINGS[kind].read("settings", dict(given))
    check_spec("objective", settings["objective"])
    if settings.get("game"):
        check_spec("game", settings["game"])
    shape = settings.get("data", {})
    if shape.get("shape") == "points" and len(shape["points"]) < 10:
        raise refuse("settings.data.points", "at least 10 points", len(shape["points"]))
    return settings


def check_spec(name: str, text: str) -> None:
    """Refuse a spec with numbers so large that a step would take long.

    Raises:
        ValueError: If the spec cannot be parsed, or one of its numbers is too large.

    Example:
        >>> check_spec("objective", "hinge + r1(weight=5)")
    """
    terms = grammar.parse(text)
    if len(terms) > 6:
        raise refuse(name, "at most 6 terms", len(terms))
    for term in terms:
        for key, value in term.arguments.items():
            _check_argument(f"{name}: {short(term.name)}({short(key)})", value)


def _check_argument(name: str, value: Any) -> None:
    if isinstance(value, str) and len(value) <= 40:
        return
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int) and abs(value) <= LARGEST_INTEGER:
        return
    if isinstance(value, float) and abs(value) <= LARGEST_NUMBER:
        return
    if isinstance(value, tuple | list) and len(cast(list[Any], value)) <= 8:
        for part in cast(list[Any], value):
            _check_argument(name, part)
        return
    raise refuse(
        name,
        f"integers up to {LARGEST_INTEGER}, numbers up to {LARGEST_NUMBER:g} or a short list",
        value,
    )
