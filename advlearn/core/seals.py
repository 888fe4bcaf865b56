"""Checksums in zip files: the formats of checkpoints and of npz files are zip.

A seal is the comment at the end of a zip file, 80 bytes: ``"advlearn sha256 "`` and the SHA-256
of all bytes before it in hexadecimal digits. Every program that reads zip files ignores it.
"""

import hashlib
import os
import struct
from typing import BinaryIO

from advlearn.core.files import RefusedFileError

_MARK = b"advlearn sha256 "
_LENGTH = len(_MARK) + 64
_END = b"PK\x05\x06"  # begins the last record of a zip file
_RECORD = 22  # bytes of that record, which end with the length of the comment
_CHUNK = 2**20


def seal(file: BinaryIO) -> None:
    """Add a checksum to a zip file that was just written.

    Args:
        file: The file, open for reading and writing, without a comment.

    Example:
        >>> import io, zipfile
        >>> file = io.BytesIO()
        >>> with zipfile.ZipFile(file, "w") as archive:
        ...     archive.writestr("note", "text")
        >>> seal(file)
        >>> verify(file)
        True
    """
    end = file.seek(-_RECORD, os.SEEK_END)
    if file.read(4) != _END:
        raise ValueError("file: expected a zip file without a comment, got another file")
    file.seek(end + _RECORD - 2)
    file.write(struct.pack("<H", _LENGTH))
    file.write(_MARK)
    size = file.tell()
    file.write(_digest(file, size))


def verify(file: BinaryIO) -> bool:
    """Compare the checksum of a zip file with its content.

    Args:
        file: The file, open for reading; its position is at the start afterwards.

    Returns:
        Whether the file has a checksum; a file of an earlier version or another program has none.

    Raises:
        RefusedFileError: The content differs from the checksum, or the file does not end like a
            zip file.
    """
    size = file.seek(0, os.SEEK_END)
    if _comment_length(file, size, _RECORD) == 0:
        file.seek(0)
        return False
    if _comment_length(file, size, _RECORD + _LENGTH) != _LENGTH:
        raise RefusedFileError("it is cut off, or is not a zip file")
    file.seek(size - _LENGTH)
    comment = file.read(_LENGTH)
    if not comment.startswith(_MARK) or comment != _MARK + _digest(file, size - 64):
        raise RefusedFileError("its checksum differs from its content")
    file.seek(0)
    return True


def _comment_length(file: BinaryIO, size: int, before: int) -> int | None:
    """Return the length of the comment by the record `before` the end, or None without one."""
    if size < before:
        return None
    file.seek(size - before)
    record = file.read(_RECORD)
    return struct.unpack("<H", record[-2:])[0] if record.startswith(_END) else None


def _digest(file: BinaryIO, size: int) -> bytes:
    """Return the SHA-256 of the first `size` bytes in hexadecimal digits, and move after them."""
    digest = hashlib.sha256()
    file.seek(0)
    while size > 0:
        chunk = file.read(min(size, _CHUNK))
        if not chunk:
            break
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest().encode()
