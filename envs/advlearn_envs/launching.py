"""How a batch of environments launches what is not an operator of torch."""

from collections.abc import Callable

Launch = Callable[[], None]
Launcher = Callable[[Launch], None]


def at_once(launch: Launch) -> None:
    """Launch now.

    Example:
        >>> at_once(lambda: print("stepped"))
        stepped
    """
    launch()
