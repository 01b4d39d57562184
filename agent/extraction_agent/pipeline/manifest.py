"""What proves a chunk: rows, bytes, and a sum of per-row digests that does not depend on their order.

A sum, not an xor: xor cancels a row that was doubled. xxh3_64 finds accidents, it does not stop a forger.
The digest is taken of each row's binary COPY message, the bytes that went to the store; the store can give the same
bytes back, so nothing has to be read at the source again.
"""

from array import array

from xxhash import xxh3_64_digest

from extraction_agent.copyio import Block
from extraction_agent.model import DIGEST_BYTES, Manifest

MOST_DIGESTS = 2_000_000  # rows; a longer chunk keeps the sum only, so that memory stays bounded


class Builder:
    """Collects the manifest of one chunk while its blocks pass by."""

    def __init__(self) -> None:
        self._rows = self._bytes = self._sum = 0
        self._digests: list[bytes] | None = []

    def add(self, block: Block, size: int) -> None:
        words = words_of(block)
        self._rows += len(words)
        self._bytes += size
        self._sum += sum(words)
        if self._digests is not None:
            self._digests.append(array("I", words.tobytes())[::2].tobytes())  # half of each digest
            if self._rows > MOST_DIGESTS:
                self._digests = None

    def manifest(self) -> Manifest:
        return Manifest(
            rows=self._rows,
            bytes=self._bytes,
            hash=signed(self._sum),
            digests=None if self._digests is None else b"".join(self._digests),
            window=None,
        )


def words_of(block: Block) -> "array[int]":
    """Each row's digest."""
    return array("Q", b"".join(map(xxh3_64_digest, block)))


def signed(total: int) -> int:
    """A sum of digests modulo 2^64, as the store's bigint."""
    total %= 2**64
    return total - 2**64 if total >= 2**63 else total


def half(message: bytes | memoryview) -> int:
    """The half of a row's digest that is kept."""
    return array("I", xxh3_64_digest(message))[0]


def halves(digests: bytes) -> "array[int]":
    """The kept half of each row's digest as integers, in the order the rows were sent."""
    values = array("I", digests)
    assert values.itemsize == DIGEST_BYTES
    return values
