"""Drops the rows that a config's last overlapping run took, and keeps what the next one must know.

A row is known by 8 bytes of a digest of its content: its message without the columns we put before it. Two rows of
one content count as two, so a second one that came later is new.
"""

from array import array
from bisect import bisect_left
from typing import cast

from xxhash import xxh3_64_intdigest

from extraction_agent.copyio import Block
from extraction_agent.errors import SourceError

MOST_WINDOW_ROWS = 50_000_000  # 400 MB of digests; a value of the store holds 1 GB
_WORD = "Q"
_SIZES = {"int4": 4, "int8": 8}  # of the prefix columns' values


class Sieve:
    """One chunk's. Rows pass block by block."""

    def __init__(self, taken: bytes, prefix: tuple[tuple[int, str], ...], keep: bool) -> None:
        """taken: the last run's digests in any order. prefix: the columns before each row's own. keep: a window."""
        self._taken = array(_WORD, sorted(array(_WORD, taken)))
        self._met = bytearray(len(self._taken))
        self._skip = 2 + sum(4 + _SIZES[type_] for _value, type_ in prefix)  # count of fields; length and value each
        self._kept = array(_WORD) if keep else None
        self.dropped = 0

    def new(self, block: Block) -> Block:
        """The rows of a block that the last run did not take."""
        digests = [xxh3_64_intdigest(row[self._skip :]) for row in block]
        if self._kept is not None:
            self._kept.extend(digests)
            if len(self._kept) > MOST_WINDOW_ROWS:
                raise SourceError(
                    f"More than {MOST_WINDOW_ROWS:,} rows lie within the overlap: use a shorter one, or a watermark "
                    "column that is not the same in so many rows."
                )
        if not self._taken:
            return block
        new = [row for row, digest in zip(block, digests, strict=True) if not self._meet(digest)]
        passed = cast("Block", new)  # rows of the block's own kind
        self.dropped += len(block) - len(passed)
        return passed

    def window(self) -> bytes | None:
        """Digests of all rows that came, dropped ones too; None: the chunk is not a window."""
        return None if self._kept is None else self._kept.tobytes()

    def _meet(self, digest: int) -> bool:
        """Whether the last run took this row; each of its rows is met once."""
        taken, met = self._taken, self._met
        place = bisect_left(taken, digest)
        while place < len(taken) and taken[place] == digest:
            if not met[place]:
                met[place] = 1
                return True
            place += 1
        return False
