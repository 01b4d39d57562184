"""A disk that fails, or a machine that ends, at the n-th step of writing. What was not synced may be lost then."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class Crash(BaseException):
    """The machine ends here."""


class Steps:
    """Counts the steps of writing, and fails at one."""

    def __init__(self, fail_at: int, make: Callable[[], BaseException], forever: bool) -> None:
        self.done = 0
        self._fail_at, self._make, self._forever = fail_at, make, forever
        self.unsynced: dict[str, bytes] = {}  # files whose bytes are not on the disk yet

    def step(self) -> None:
        self.done += 1
        if self.done == self._fail_at or (self._forever and self.done > self._fail_at):
            raise self._make()

    def lose(self, kept: int) -> None:
        """What a power cut leaves of files that were not synced: their first bytes."""
        for path in self.unsynced:
            if Path(path).exists():
                os.truncate(path, min(kept, Path(path).stat().st_size))


@contextmanager
def failing(at: int, make: Callable[[], BaseException] = Crash, *, forever: bool = False) -> Iterator[Steps]:
    """Every open, write, sync and rename of durable.py is a step. forever: from that step on."""
    steps = Steps(at, make, forever)
    real = {name: getattr(os, name) for name in ("open", "write", "fsync")}
    names: dict[int, str] = {}

    def opened(path: Any, flags: int, *mode: int) -> int:
        steps.step()
        handle: int = real["open"](path, flags, *mode)
        names[handle] = str(path)
        if flags & os.O_WRONLY:
            steps.unsynced[str(path)] = b""
        return handle

    def written(handle: int, content: bytes) -> int:
        steps.step()
        count: int = real["write"](handle, content[: max(len(content) // 2, 1)])  # never all at once
        return count

    def synced(handle: int) -> None:
        steps.step()
        real["fsync"](handle)
        steps.unsynced.pop(names[handle], None)

    def renamed(self: Path, target: Path) -> Path:
        steps.step()
        assert str(self) not in steps.unsynced, "a file must be synced before it takes another's place"
        os.rename(self, target)  # noqa: PTH104 - the one that is watched
        return target

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", opened)
        patch.setattr(os, "write", written)
        patch.setattr(os, "fsync", synced)
        patch.setattr(Path, "replace", renamed)
        yield steps
