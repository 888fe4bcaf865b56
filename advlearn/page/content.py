"""What a page shows: curves, frames, verdicts and the recipe, as plain values of bounded size."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from advlearn.training.curves import Panel, Point, panels_of

MOST_VALUES = 30_000
"""Largest number of values in all curves together."""
MOST_VERDICTS = 300
"""Largest number of steps with verdicts."""
MOST_LINES = 120
"""Largest number of curves."""
LONGEST = 400
"""Longest text of a recipe or a verdict, in characters."""


@final
@dataclass(slots=True)
class Page:
    """Hold the values that are embedded in a page.

    Args:
        title: The title.
        step: The last step.
        recipe: Names and values of the settings.
        panels: Groups of curves, each with ``title``, ``reference`` and ``lines``.
        verdicts: Steps, and the verdicts by adversary.
        plane: The recorded plane with its frames, or None.
        pictures: Steps and pictures as data addresses.
        stills: Names and pictures without a step.
        papers: BibTeX entries.
        notes: What was left out or thinned out, a sentence each.
    """

    title: str
    step: int
    recipe: list[tuple[str, str]] = field(default_factory=list)
    panels: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    plane: dict[str, Any] | None = None
    pictures: list[tuple[int, str]] = field(default_factory=list)
    stills: list[tuple[str, str]] = field(default_factory=list)
    papers: str = ""
    notes: list[str] = field(default_factory=list)


@final
@dataclass(slots=True)
class Content:
    """Hold what was recorded of a run, of any size.

    Args:
        title: The title.
        step: The last step.
        recipe: Names and values of the settings.
        curves: Steps, and scalars by tag.
        evaluations: Steps, and results by name.
        panels: Further groups of curves: a panel and its lines by name.
        verdicts: Steps, and the verdicts by adversary.
        plane: The recorded plane, ``{"real", "centre", "half", "cells", "frames"}``, or None.
        pictures: Steps and picture files.
        stills: Picture files without a step.
        papers: BibTeX entries.

    Example:
        >>> content = Content("a run", 20, curves=[(10, {"data/critic_loss": 0.5})])
        >>> content.page().panels[0]["lines"]
        [{'name': 'data/critic_loss', 'steps': [10], 'values': [0.5]}]
    """

    title: str
    step: int
    recipe: dict[str, Any] = field(default_factory=dict)
    curves: list[Point] = field(default_factory=list)
    evaluations: list[Point] = field(default_factory=list)
    panels: list[tuple[Panel, dict[str, list[tuple[int, float]]]]] = field(default_factory=list)
    verdicts: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    plane: dict[str, Any] | None = None
    pictures: list[tuple[int, Path]] = field(default_factory=list)
    stills: list[Path] = field(default_factory=list)
    papers: str = ""

    def page(self) -> Page:
        """Return everything but the pictures, whose size depends on the room that is left."""
        page = Page(_short(self.title), self.step, papers=self.papers[: 100 * LONGEST])
        page.recipe = [(_short(name), _short(value)) for name, value in self.recipe.items()]
        self._add_curves(page)
        rows = thinned(self.verdicts, MOST_VERDICTS)
        page.verdicts = [
            (step, {_short(name): _short(text) for name, text in list(by_name.items())[:8]})
            for step, by_name in rows
        ]
        _note(page, "verdicts", len(self.verdicts), len(rows))
        page.plane = None if self.plane is None else self._plane(page)
        return page

    def _add_curves(self, page: Page) -> None:
        found = [*panels_of(self.curves, self.evaluations), *self.panels]
        count = sum(len(lines) for _, lines in found)
        most = max(2, MOST_VALUES // max(1, min(count, MOST_LINES)))
        longest, left = 0, MOST_LINES
        for panel, lines in found:
            shown = list(lines.items())[:left]
            left -= len(shown)
            longest = max(longest, *(len(line) for line in lines.values()))
            rows = [(name, thinned(_finite(line), most)) for name, line in shown]
            rows = [(name, line) for name, line in rows if line]
            if rows:
                page.panels.append(
                    {
                        "title": _short(panel.title),
                        "reference": panel.reference,
                        "lines": [
                            {
                                "name": _short(name),
                                "steps": [step for step, _ in line],
                                "values": [value for _, value in line],
                            }
                            for name, line in rows
                        ],
                    }
                )
        _note(page, "points of each curve", longest, min(most, longest))
        _note(page, "curves", count, min(count, MOST_LINES))

    def _plane(self, page: Page) -> dict[str, Any]:
        """Return the plane scaled to a square from -1 to 1, as the drawing expects it."""
        plane, (x, y), half = self.plane or {}, *((self.plane or {})[k] for k in ("centre", "half"))

        def scaled(points: list[list[float]]) -> list[float]:
            flat = [(p - c) / half for point in points for p, c in zip(point, (x, y), strict=True)]
            return [round(value, 4) for value in flat]

        kept = thinned(plane["frames"], 200)
        _note(page, "frames", len(plane["frames"]), len(kept))
        cells = plane["cells"]
        frames = [
            {"step": row["step"], "fake": scaled(row["fake"][:400])}
            | ({"surface": row["surface"]} if len(row.get("surface", ())) == cells**2 else {})
            for row in kept
        ]
        real = scaled(plane["real"][:400])
        ranges = [f"{c - half:.3g} to {c + half:.3g}" for c in (x, y)]
        return {"real": real, "cells": cells, "ranges": ranges, "frames": frames}


def thinned(rows: list[Any], most: int) -> list[Any]:
    """Return at most a number of the rows, evenly spaced, with the first and the last.

    Args:
        rows: The rows.
        most: Largest number, at least 2.

    Example:
        >>> thinned([0, 1, 2, 3, 4], 3)
        [0, 2, 4]
    """
    if len(rows) <= most:
        return rows
    last = len(rows) - 1
    return [rows[round(k * last / (most - 1))] for k in range(most)]


def _finite(line: list[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(step, value) for step, value in line if math.isfinite(value)]


def _note(page: Page, what: str, count: int, kept: int) -> None:
    if kept < count:
        page.notes.append(f"{kept} of {count} {what} are shown, evenly spaced.")


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
