"""Find a layer of a model by its name, whatever the model is wrapped in."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from torch import nn

from advlearn.core.naming import suggestion

# The child under which a wrapper keeps its model: DistributedDataParallel, DataParallel and
# AveragedModel; torch.compile; FSDP; the checkpoint wrapper.
WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})


def find_layer(model: nn.Module, layer: str) -> nn.Module:
    """Return the layer of that name; names of wrappers may be left out.

    Args:
        model: Any module.
        layer: Dotted name as in ``model.named_modules()``, with or without the names that
            DistributedDataParallel (``module``) and ``torch.compile`` (``_orig_mod``) add; empty
            for the model itself.

    Raises:
        ValueError: If the model has no such layer, or several; near names are suggested.

    Example:
        >>> model = nn.Sequential(nn.Linear(3, 5), nn.ReLU())
        >>> find_layer(nn.ModuleDict({"module": model}), "1")
        ReLU()
    """
    # A layer that is used in two places has two names.
    layers = dict(model.named_modules(remove_duplicate=False))
    if layer in layers:
        return layers[layer]
    wanted = unwrapped(layer)
    found = {name: part for name, part in layers.items() if unwrapped(name) == wanted}
    # A wrapper has the name of the module that it wraps: the innermost is the layer.
    outer = {name.rpartition(".")[0] for name in found if name.rpartition(".")[2] in WRAPPERS}
    innermost = {id(part): part for name, part in found.items() if name not in outer}
    if len(innermost) == 1:
        return next(iter(innermost.values()))
    kind = type(model).__name__
    if innermost:
        names = ", ".join(name for name in found if name not in outer)
        raise ValueError(f"layer: expected one layer {layer!r} of {kind}, got {names}")
    names = list(dict.fromkeys(unwrapped(name) for name in layers if unwrapped(name)))
    hint = suggestion(layer, names, otherwise=f"it has {', '.join(names[:8])}", cutoff=0.4)
    raise ValueError(f"layer: {kind} has no layer {layer!r}; {hint}")


def unwrapped(name: str) -> str:
    """Return a dotted name without the parts that wrappers add.

    Example:
        >>> unwrapped("module._orig_mod.encoder.0")
        'encoder.0'
    """
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)
