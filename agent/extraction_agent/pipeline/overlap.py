"""Drops the rows that a config's last overlapping run took, and keeps what the next one must know.

A row is known by 8 bytes of a digest of its content. Two rows of one content count as two, so a second one that came
later is new.
"""

import threading
from array import array
from collections.abc import Callable
from weakref import WeakValueDictionary

from extraction_agent import walker
from extraction_agent.errors import SourceError

MOST_WINDOW_ROWS = 5_000_000  # 40 MB of digests in an agent's memory


class Sieve:
    """One chunk's. Rows pass block by block."""

    def __init__(self, taken: "array[int]", keep: bool) -> None:
        """taken: the last run's digests, sorted. keep: the chunk is a window, whose digests the next run needs."""
        self._taken = taken
        self._met = array("B", bytes(len(taken)))
        self._kept = array("Q") if keep else None
        self.dropped = 0

    def sift(self, block: walker.Block) -> None:
        """Leave the rows of a block that the last run did not take."""
        if self._kept is not None and block.in_window:
            self._kept.extend(block.digests)
            if len(self._kept) > MOST_WINDOW_ROWS:
                raise SourceError(
                    f"More than {MOST_WINDOW_ROWS:,} rows lie within the overlap: use a shorter one, or a watermark "
                    "column that is not the same in so many rows."
                )
        if self._taken:
            before = block.rows
            block.sift(self._taken, self._met)
            self.dropped += before - block.rows

    def window(self) -> bytes | None:
        """Digests of all rows that came, dropped ones too; None: the chunk is not a window."""
        return None if self._kept is None else self._kept.tobytes()


_lock = threading.Lock()
_in_use: WeakValueDictionary[tuple[str, int], "array[int]"] = WeakValueDictionary()


def shared(key: tuple[str, int], load: Callable[[], bytes]) -> "array[int]":
    """The digests that all chunks of an extraction ask about, sorted; in memory once, while any of them runs.

    key: store and extraction. A config has one extraction at a time, so what it took before does not change meanwhile.
    """
    with _lock:
        taken = _in_use.get(key)
        if taken is None:
            taken = array("Q", load())
            walker.sort(taken)
            _in_use[key] = taken
        return taken
