"""Addresses of models on the Hugging Face Hub: download and upload with its own client."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from advlearn._optional_imports import huggingface_hub
from advlearn.training.checkpoint import NAME

PREFIX = "hub:"
_ADDRESS = re.compile(r"hub:([\w.-]{1,96}/[\w.-]{1,96})(?:@([\w./-]{1,96}))?", re.ASCII)


class Address(NamedTuple):
    """A repository on the Hub, and a branch, tag or commit of it."""

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse an address.

        Args:
            text: Such as ``"hub:owner/name"`` or ``"hub:owner/name@v1"``.

        Raises:
            ValueError: For another text.

        Example:
            >>> Address.parse("hub:owner/name@v1")
            Address(repository='owner/name', revision='v1')
        """
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise ValueError(
                f"path: expected 'hub:owner/name' or 'hub:owner/name@revision', got {text[:80]!r}"
            )
        return cls(found[1], found[2])


def is_address(path: str | Path) -> bool:
    """Return whether a path is an address on the Hub.

    Args:
        path: A path or an address.
    """
    return isinstance(path, str) and path.startswith(PREFIX)


def download(text: str) -> Path:
    """Download the file of a run, and nothing else of its repository.

    Args:
        text: The address, ``"hub:owner/name"``, with an optional ``"@revision"``.

    Returns:
        The file in the client's cache.

    Raises:
        ImportError: If the client is not installed.
        ValueError: If the address has another form.
        OSError: If the file cannot be downloaded.
    """
    address = Address.parse(text)
    client = huggingface_hub()
    with _one_line(f"load: cannot download {NAME} of {text}"):
        found = client.hf_hub_download(
            address.repository, NAME, revision=address.revision, library_name="advlearn"
        )
    return Path(found)


def upload(folder: Path, text: str, *, private: bool) -> str:
    """Upload a folder, with the access that the client has stored.

    Args:
        folder: The folder.
        text: The address; the repository is created if it does not exist.
        private: Whether a new repository is private.

    Returns:
        The web address of the repository.

    Raises:
        ImportError: If the client is not installed.
        ValueError: If the address has another form.
        OSError: If the folder cannot be uploaded.
    """
    address = Address.parse(text)
    client: Any = huggingface_hub().HfApi(library_name="advlearn")
    with _one_line(f"push: cannot upload to {text}"):
        created = client.create_repo(address.repository, private=private, exist_ok=True)
        client.upload_folder(
            repo_id=address.repository,
            folder_path=folder,
            revision=address.revision,
            commit_message="Upload a run of advlearn",
        )
    return str(created)


@contextmanager
def _one_line(what: str) -> Generator[None]:
    """Turn errors of the client into an OSError of one line."""
    try:
        yield
    # The client raises its own errors, and those of the network and of the file system.
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise OSError(f"{what}: {reason}") from error
