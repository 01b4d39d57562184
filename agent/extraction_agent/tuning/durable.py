"""Files that are there whole or not at all, whatever ends the process or the machine in between."""

import contextlib
import os
from pathlib import Path

from extraction_agent import errors


def write(path: Path, text: str) -> None:
    """Put a file in the place of another. Raises HostError; then the old one is as it was."""
    beside = path.with_name(f".{path.name}.new")
    try:
        _fill(beside, text.encode())
        beside.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise errors.HostError(
            f"{path} cannot be written: {error.strerror}. Nothing was changed; make room there, or mend the disk."
        ) from error


def _fill(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while content:
            content = content[os.write(handle, content) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """So that the new name outlasts a power cut, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
