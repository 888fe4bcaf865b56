"""Complete names on the command line; each module is imported when it is needed."""


def names(incomplete: str) -> list[str]:
    """Complete the names that `describe` accepts."""
    from advlearn import kinds

    names = {spelling for item in kinds.items() for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def objectives(incomplete: str) -> list[str]:
    """Complete the names of objectives and regularizers."""
    from advlearn import kinds

    items = (item for item in kinds.items() if item.kind in ("objective", "regularizer"))
    names = {spelling for item in items for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def methods(incomplete: str) -> list[str]:
    """Complete the names of methods and tasks."""
    from advlearn import kinds

    items = (item for item in kinds.items() if item.kind in ("method", "task"))
    names = {spelling for item in items for spelling in (item.name, *item.aliases)}
    return sorted(name for name in names if name.startswith(incomplete))


def games(incomplete: str) -> list[str]:
    """Complete the names of games."""
    from advlearn.core import registry

    return [name for name in registry.games() if name.startswith(incomplete)]


def fields(incomplete: str) -> list[str]:
    """Complete the fields of methods."""
    from advlearn import catalogue

    names = (name.replace("_", "-") for name in catalogue.fields())
    return [name for name in names if name.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Complete the kinds of names."""
    from advlearn import kinds

    return [kind for kind in kinds.KINDS if kind.startswith(incomplete)]


def data_names(incomplete: str) -> list[str]:
    """Complete the names of data sets."""
    from advlearn.data import names as known

    return [name for name in known() if name.startswith(incomplete)]
