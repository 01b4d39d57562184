"""What proves a chunk: rows, bytes, and a sum of per-row digests that does not depend on their order.

A sum, not an xor: xor cancels a row that was doubled. xxh64 finds accidents, it does not stop a forger.
The digest is taken of the bytes of a row's own fields that went to the store; the store can give the same bytes back,
so nothing has to be read at the source again.
"""

from array import array

from extraction_agent.model import DIGEST_BYTES, Manifest
from extraction_agent.walker import Block

MOST_DIGESTS = 2_000_000  # rows; a longer chunk keeps the sum only, so that memory stays bounded


class Builder:
    """Collects the manifest of one chunk while its blocks pass by."""

    def __init__(self) -> None:
        self._rows = self._bytes = self._sum = 0
        self._digests: bytearray | None = bytearray()

    def add(self, block: Block) -> None:
        self._rows += block.rows
        self._bytes += block.used
        self._sum += block.sum
        if self._digests is not None:
            self._digests += block.halves.tobytes()
            if self._rows > MOST_DIGESTS:
                self._digests = None

    def manifest(self) -> Manifest:
        return Manifest(
            rows=self._rows,
            bytes=self._bytes,
            hash=signed(self._sum),
            digests=None if self._digests is None else bytes(self._digests),
            window=None,
        )


def signed(total: int) -> int:
    """A sum of digests modulo 2^64, as the store's bigint."""
    total %= 2**64
    return total - 2**64 if total >= 2**63 else total


def halves(digests: bytes) -> "array[int]":
    """The kept half of each row's digest as integers, in the order the rows were sent."""
    values = array("I", digests)
    assert values.itemsize == DIGEST_BYTES
    return values
