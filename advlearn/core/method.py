"""A row of the method catalogue: the settings of a published method."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

from advlearn.core.chain import Defaults
from advlearn.core.described import Reference


def _no_options() -> Mapping[str, Any]:
    return MappingProxyType({})


@final
@dataclass(frozen=True, slots=True)
class Method:
    """A published method: its task, objective and settings.

    Args:
        name: The name, for example ``"cdan+e"``.
        task: Name of the task it trains.
        objective: Spec of its objective and regularizers, for example ``"wasserstein +
            gradient_penalty"``.
        summary: What the method does, in one line.
        paper: Where it was published; None for a method without a paper.
        options: Options of the task, by name.
        defaults: Training settings of the paper; gaps are filled from the objective's defaults.
        data: Name of an example data set.
        networks: One line on the networks it trains, for ``describe``.
        deviations: Differences from the paper.
        aliases: Other spellings of the name.
        first_stage: Options of the task in a first stage of training; None for a method with one
            stage. The second stage trains what the trained task's method ``second_stage`` returns.
        second_stage: Name of the method of the task that returns the task of the second stage.

    Example:
        >>> row = Method(
        ...     "dann",
        ...     task="domain_adaptation",
        ...     objective="nsgan",
        ...     summary="Confuse a domain critic.",
        ... )
        >>> row.name, dict(row.options)
        ('dann', {})
    """

    name: str
    task: str
    objective: str
    summary: str
    paper: Reference | None = None
    options: Mapping[str, Any] = field(default_factory=_no_options)
    defaults: Defaults = field(default_factory=Defaults)
    data: str | None = None
    networks: str = ""
    deviations: str = ""
    aliases: tuple[str, ...] = ()
    first_stage: Mapping[str, Any] | None = None
    second_stage: str = ""
