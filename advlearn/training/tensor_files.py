"""Read files of tensors and plain values from anyone: no code runs, and memory is bounded."""

import copy
import os
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, cast

import torch
from torch import Tensor

from advlearn.core.files import RefusedFileError
from advlearn.core.seals import verify


def without_views(value: Any) -> Any:
    """Return plain values with copies of the tensors that are parts of larger ones.

    A file holds the whole memory of a tensor, which for a run that trains as one of several is that
    of all runs.

    Args:
        value: Plain values, lists, dicts and tensors.
    """
    if isinstance(value, Tensor):
        whole = value.untyped_storage().nbytes() if value.layout is torch.strided else 0
        return value.clone() if whole > value.nbytes else value
    if isinstance(value, dict):
        named = cast(dict[Any, Any], value)
        items = {key: without_views(item) for key, item in named.items()}
        changed = {key: item for key, item in items.items() if item is not named[key]}
        if not changed:
            return named
        # A copy keeps the attributes of a state dict.
        result = copy.copy(named)
        result.update(changed)
        return result
    if type(value) in (list, tuple):
        return type(value)(map(without_views, value))
    return value


def read(file: BinaryIO, device: str | torch.device) -> Any:
    """Read a file that `torch.save` wrote.

    A file with a checksum is compared with it, one without is compared with the checksums that
    the archive has for each part. No tensor may be larger than the file.

    Args:
        file: The file, open for reading.
        device: Device of the tensors.

    Returns:
        The saved value.

    Raises:
        RefusedFileError: The file is damaged, of another kind, or holds other objects than tensors
            and plain values. The message is only the reason.
        OSError: The file cannot be read.
    """
    size = file.seek(0, os.SEEK_END)
    sealed = verify(file)
    try:
        _check_archive(file, size, sealed)
        file.seek(0)
        content = torch.load(file, map_location=device, weights_only=True)
    except (OSError, RefusedFileError):
        raise
    except pickle.UnpicklingError:
        raise RefusedFileError("it holds objects other than tensors and plain values") from None
    except Exception:  # a damaged file can fail in any way
        raise RefusedFileError("it is not a file of tensors, or it is damaged") from None
    for tensor in _tensors(content):
        if tensor.layout != torch.strided or tensor.is_meta:
            raise RefusedFileError("it holds a tensor without values")
        if tensor.numel() * tensor.element_size() > size:
            raise RefusedFileError(
                f"it holds a tensor of shape {tuple(tensor.shape)}, which is larger than the file"
            )
    return content


def _check_archive(file: BinaryIO, size: int, sealed: bool) -> None:
    """Refuse parts that are larger than the file, and in a file without a seal damaged ones."""
    with zipfile.ZipFile(file) as archive:
        # `torch.save` does not compress, so a part that is larger than the file is a bomb.
        if sum(part.file_size for part in archive.infolist()) > size:
            raise RefusedFileError("its parts are compressed, or larger than the file")
        if not sealed and archive.testzip() is not None:
            raise RefusedFileError("its content differs from its checksums")


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors of nested dicts and sequences; each container is entered once."""
    left, seen = [value], set[int]()
    while left:
        current = left.pop()
        if isinstance(current, Tensor):
            yield current
        elif isinstance(current, Mapping | list | tuple | set) and id(current) not in seen:
            seen.add(id(current))
            left.extend(current.values() if isinstance(current, Mapping) else current)
