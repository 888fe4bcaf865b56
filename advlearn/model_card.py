"""The model card of a run, a README.md with the header that the Hugging Face Hub expects."""

import html
import json
from dataclasses import dataclass, field
from typing import Any, final

from advlearn import catalogue

# Tasks whose kind has a name on the Hub whatever their data.
PIPELINES = {
    "paired_translation": "image-to-image",
    "unpaired_translation": "image-to-image",
}
HEAD = "<!-- written by advlearn -->"
"""The first line after the header of every card."""


@final
@dataclass(slots=True)
class Facts:
    """Hold what a model card states of a run.

    Args:
        config: The recipe of the run.
        step: Steps of the learner, or None if unknown.
        evaluation: The last results on held-out data, by name.
        verdicts: The last verdict on each adversary.
        papers: BibTeX entries.
        methods: Names of the run's methods that apply: ``sample``, ``predict``.
        has_picture: Whether ``samples.png`` is in the folder.
        has_page: Whether ``run.html`` is in the folder.
        images: Whether the samples are images.
    """

    config: dict[str, Any]
    step: int | None = None
    evaluation: dict[str, float] = field(default_factory=dict)
    verdicts: dict[str, str] = field(default_factory=dict)
    papers: str = ""
    methods: tuple[str, ...] = ()
    has_picture: bool = False
    has_page: bool = False
    images: bool = False


def model_card(facts: Facts, address: str, licence: str | None) -> str:
    """Return the text of a model card.

    Args:
        facts: What is known of the run.
        address: What `advlearn.load` takes.
        licence: The licence's name for the header, or None.

    Example:
        >>> config = {"task": "generate", "objective": "hinge", "settings": {"data": "ring"}}
        >>> card = model_card(Facts(config), "hub:me/rings", "mit")
        >>> card.splitlines()[:3]
        ['---', 'library_name: "advlearn"', 'license: "mit"']
    """
    config, settings = facts.config, facts.config["settings"]
    method = config.get("method") or config["task"] or "own task"
    data = settings.get("data", "unknown data")
    parts = [
        _header(facts, licence),
        HEAD,
        f"# {_cell(method)} on {_cell(data)}",
        "A run of [advlearn](https://pypi.org/project/advlearn/), trained against "
        f"{'a critic' if len(facts.verdicts) < 2 else 'critics'}.",
        "![samples of the run next to real ones](samples.png)" if facts.has_picture else "",
        "`run.html` plays the training." if facts.has_page else "",
        "## Task, data and objective",
        _table(("setting", "value"), _recipe(facts)),
        "## Metrics",
        _metrics(facts),
        "## Health",
        _health(facts),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(facts)),
        "## Load it",
        _loading(facts, address),
        "## Citation" if facts.papers else "",
        f"```bibtex\n{facts.papers}\n```" if facts.papers else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _header(facts: Facts, licence: str | None) -> str:
    """Return the YAML header; strings are written as JSON, which YAML includes."""
    task = facts.config["task"]
    pipeline = PIPELINES.get(task or "")
    if "sample" in facts.methods and facts.images:
        pipeline = "unconditional-image-generation"
    values = {"library_name": "advlearn", "license": licence, "pipeline_tag": pipeline}
    lines = [f"{name}: {json.dumps(value)}" for name, value in values.items() if value]
    tags = [tag for tag in ("advlearn", "adversarial-learning", task) if tag]
    return "\n".join(["---", *lines, "tags:", *[f"- {json.dumps(tag)}" for tag in tags], "---"])


def _recipe(facts: Facts) -> list[tuple[str, Any]]:
    config, settings = facts.config, dict(facts.config["settings"])
    rows = [("task", config["task"]), ("method", config.get("method"))]
    rows += [
        ("data", settings.pop("data", None)),
        ("samples in the data", settings.pop("count", 0)),
    ]
    rows += [("classes", ", ".join(map(str, settings.pop("class_names", ())[:50])))]
    rows += [("objective", config["objective"]), ("steps", facts.step), *settings.items()]
    return [(name, value) for name, value in rows if value not in (None, "", 0)]


def _metrics(facts: Facts) -> str:
    if not facts.evaluation:
        return "The run was not measured on held-out data."
    rows = [(name, f"{value:.6g}") for name, value in facts.evaluation.items()]
    return "On held-out data, at the last evaluation:\n\n" + _table(("metric", "value"), rows)


def _health(facts: Facts) -> str:
    if not facts.verdicts:
        return "No verdict is known."
    return _table(("critic", "verdict on its last batch"), list(facts.verdicts.items()))


def _limits(facts: Facts) -> list[str]:
    settings = facts.config["settings"]
    count, data = settings.get("count"), _cell(settings.get("data", "its data"))
    lines = [
        f"It knows only {data}{f' ({count} samples)' if count else ''}, and repeats what that data "
        "lacks or over-represents.",
        "It was not checked for memorised samples, for fairness or for harmful output, unless the "
        "metrics above say so.",
    ]
    if not facts.evaluation:
        lines.append("Its quality was not measured.")
    row = catalogue.find(facts.config.get("method") or "")
    if row is not None and row.deviations:
        lines.append(f"It differs from the paper: {_cell(row.deviations)}")
    return lines


def _loading(facts: Facts, address: str) -> str:
    own = facts.config["parts"] is None if "parts" in facts.config else False
    extra = ", task=task" if own else ""
    note = (
        "The networks are the author's own modules: build the same task and pass it.\n\n"
        if own
        else ""
    )
    lines = ["import advlearn", "", f"run = advlearn.load({address!r}{extra})"]
    uses = {"sample": "samples = run.sample(16)", "predict": "outputs = run.predict(x)"}
    lines += [uses[name] for name in facts.methods]
    return f"{note}```python\n" + "\n".join(lines) + "\n```\n\nThe file holds tensors only."


def _table(heads: tuple[str, str], rows: list[tuple[str, Any]]) -> str:
    lines = [f"| {heads[0]} | {heads[1]} |", "|---|---|"]
    return "\n".join([*lines, *[f"| {_cell(a)} | {_cell(b)} |" for a, b in rows]])


def _cell(value: Any) -> str:
    """Return a value as text that is neither HTML nor the end of a cell."""
    text = html.escape(" ".join(str(value).split()), quote=False)
    return text.replace("|", "\\|")[:600]
