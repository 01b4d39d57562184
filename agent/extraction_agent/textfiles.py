"""Text files that a person names."""

import sys
from pathlib import Path

from extraction_agent import errors


def read(path: Path, what: str) -> str:
    """The text of a file. what: how a sentence begins that tells of it. Raises UsageError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.UsageError(f"{what} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise errors.UsageError(f"{what} cannot be read: it is no text in UTF-8.") from error


def read_or_stdin(file: str, what: str) -> str:
    """The same; `-` stands for stdin."""
    if file != "-":
        return read(Path(file), f"{what} {file}")
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise errors.UsageError("What came by stdin cannot be read: it is no text in UTF-8.") from error
