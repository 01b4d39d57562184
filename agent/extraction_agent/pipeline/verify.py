"""Proves an extraction: its stored rows, read back as the messages that were sent, against the manifest.

One scan sums the digests of every chunk. Only the chunks that differ are read again, a bounded number of rows at a
time, and compared digest by digest: a digest that is not met is a row missing or altered, one that was never sent is
a row altered or added, one met too often a row doubled.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Any

from extraction_agent import errors
from extraction_agent.model import Chunk, Status
from extraction_agent.pipeline.commit import prefix_bytes, stored_columns
from extraction_agent.pipeline.manifest import halves, signed
from extraction_agent.store.proof import Place, Proof, Record
from extraction_agent.store.store import ChunkRow, Extraction, Store
from extraction_agent.waiting import Stop

MOST_NAMED = 20  # rows of one chunk
_MOST_COMPARED = 500_000  # rows whose digests are in memory at once
_MOST_EXAMINED = 1_000  # chunks whose rows are looked for
_NUMBER = Struct(">2xii")  # of a message, after the count of fields: the chunk number's length (-1: NULL) and value


@dataclass(frozen=True, slots=True)
class Named:
    """A row in the store that is not as it was sent."""

    kind: str
    table: str
    ctid: str
    record: Record

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "table": self.table, "ctid": self.ctid,
            "key": self.record.key, "record": self.record.text,
        }  # fmt: skip


@dataclass(slots=True)
class Difference:
    """A chunk whose stored rows are not those that were sent. chunk_no None: rows that name no chunk."""

    chunk_no: int | None
    range: Chunk | None  # None: the manifest does not know the chunk
    expected: int
    found: int
    missing: int = 0
    altered: int = 0
    doubled: int = 0
    extra: int = 0
    rows: list[Named] = field(default_factory=list)
    lost: frozenset[int] = frozenset()  # digests of some of the rows that are missing or were altered
    at_source: list[Record] = field(default_factory=list)  # those rows, as the source still has them
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "chunk": self.chunk_no,
            "range": None if self.range is None else self.range.model_dump(mode="json", exclude_defaults=True),
            "expected_rows": self.expected,
            "found_rows": self.found,
            "missing": self.missing,
            "altered": self.altered,
            "doubled": self.doubled,
            "extra": self.extra,
            "rows": [row.as_dict() for row in self.rows],
            "at_source": [{"key": record.key, "record": record.text} for record in self.at_source],
            "note": self.note,
        }


@dataclass(slots=True)
class Report:
    """What was found in the store."""

    extraction_id: int
    rows: int
    bytes: int
    chunks: int
    seconds: float
    differences: list[Difference]
    faults: list[str]  # of the whole extraction

    @property
    def proved(self) -> bool:
        return not self.differences and not self.faults

    def as_dict(self) -> dict[str, Any]:
        return {
            "extraction_id": self.extraction_id,
            "proved": self.proved,
            "rows": self.rows,
            "bytes": self.bytes,
            "chunks": self.chunks,
            "chunks_proved": self.chunks - sum(found.range is not None for found in self.differences),
            "seconds": round(self.seconds, 3),
            "faults": self.faults,
            "differences": [found.as_dict() for found in self.differences],
        }


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    sum: int = 0


def refuse_unfit(extraction: Extraction) -> None:
    """Raise UsageError for an extraction that has nothing to be proved by."""
    if extraction.plan.method == "pages":
        raise errors.UsageError(
            f"Extraction {extraction.id} was made the old way, which keeps no proof: there is nothing to compare with."
        )
    if extraction.status is not Status.SUCCEEDED:
        advice = {
            Status.FAILED: f"`extractctl resume {extraction.id}` finishes it when the cause is mended",
            Status.CANCELLED: "nothing of it is in the store",
        }.get(extraction.status, f"wait, or finish it with `extractctl resume {extraction.id}`")
        raise errors.UsageError(
            f"Extraction {extraction.id} is {extraction.status}; only a succeeded one is proved: {advice}."
        )


def verify(store: Store, extraction: Extraction, stop: Stop) -> Report:
    """Compare the stored rows with the manifest. Raises UsageError, StoreError, StoreUnavailable, Cancelled."""
    refuse_unfit(extraction)
    begun = time.monotonic()
    proof = Proof(store, extraction, stored_columns(extraction), prefix_bytes(extraction), stop)
    with store.transaction():  # of one snapshot, so that a row's place holds from one scan to the next
        store.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        store.extraction(extraction.id)  # pruned meanwhile, there would be nothing to differ
        chunks = store.chunks(extraction.id)
        faults = _faults(proof, extraction)
        tallies = {} if proof.lacks(extraction.target) else _scan(proof)
        differences = list(_differing(chunks, tallies))
        for batch in _batches(differences[:_MOST_EXAMINED]):
            _examine(proof, batch)
    for found in differences[_MOST_EXAMINED:]:
        found.note = f"its rows were not compared: {_MOST_EXAMINED:,} chunks before it differ"
    seconds = time.monotonic() - begun
    rows, size = sum(chunk.rows or 0 for chunk in chunks), sum(chunk.bytes or 0 for chunk in chunks)
    return Report(extraction.id, rows, size, len(chunks), seconds, differences, faults)


def _faults(proof: Proof, extraction: Extraction) -> list[str]:
    if proof.lacks(extraction.target):
        return [f"The table {extraction.target}, where its records belong, is gone."]
    if extraction.part is not None and proof.lacks(extraction.part):
        return [f"Its part {extraction.part} is gone."]
    return []


def _scan(proof: Proof) -> dict[int | None, _Tally]:
    """Rows and sum of digests by chunk number."""
    tallies: dict[int | None, _Tally] = defaultdict(_Tally)

    def add(number: tuple[int, ...], rows: int, total: int) -> None:
        tally = tallies[_chunk_no(number)]
        tally.rows += rows
        tally.sum += total

    for block in proof.rows():
        numbers = list(map(_NUMBER.unpack_from, block.messages()))
        if numbers.count(numbers[0]) == len(numbers):  # the rule: a chunk's rows lie together
            add(numbers[0], block.rows, block.sum)
        else:
            for number, run in groupby(zip(numbers, block.digests, strict=True), itemgetter(0)):
                digests = [digest for _number, digest in run]
                add(number, len(digests), sum(digests))
    return tallies


def _chunk_no(number: tuple[int, ...]) -> int | None:
    length, value = number
    return None if length < 0 else value


def _differing(chunks: list[ChunkRow], tallies: dict[int | None, _Tally]) -> Iterator[Difference]:
    for chunk in chunks:
        tally = tallies.pop(chunk.no, _Tally())
        if (tally.rows, signed(tally.sum)) != (chunk.rows, chunk.hash):
            yield Difference(chunk.no, chunk.range, chunk.rows or 0, tally.rows)
    for number, tally in tallies.items():
        yield Difference(number, None, 0, tally.rows, note="the manifest does not know this chunk")


def _batches(differences: list[Difference]) -> Iterator[list[Difference]]:
    """Chunks whose digests may be in memory together."""
    batch: list[Difference] = []
    rows = 0
    for found in differences:
        if batch and rows + found.expected + found.found > _MOST_COMPARED:
            yield batch
            batch, rows = [], 0
        batch.append(found)
        rows += found.expected + found.found
    if batch:
        yield batch


class _Comparison:
    """The digests that were sent, struck out as they are met."""

    def __init__(self, sent: bytes) -> None:
        self.left = Counter(halves(sent))
        self.foreign = self.doubled = 0
        self.places: list[tuple[bool, Place]] = []  # (doubled, where)

    def meet(self, digest: int, message: memoryview | bytes) -> None:
        known = digest in self.left
        if known and self.left[digest] > 0:
            self.left[digest] -= 1
            return
        if known:
            self.doubled += 1
        else:
            self.foreign += 1
        if len(self.places) < MOST_NAMED:
            self.places.append((known, Place.of(message)))


def _examine(proof: Proof, batch: list[Difference]) -> None:
    """Say of each chunk what is missing, altered, doubled or added."""
    comparisons: dict[int | None, _Comparison] = {}
    for found in batch:
        sent = b"" if found.range is None or found.chunk_no is None else proof.digests(found.chunk_no)
        if sent is None or len(sent) // 4 != found.expected:
            found.missing, found.extra = max(found.expected - found.found, 0), max(found.found - found.expected, 0)
            found.note = "too many rows for a digest of each to be kept, so its rows cannot be told apart"
        else:
            comparisons[found.chunk_no] = _Comparison(sent)
    if any(found.found for found in batch if found.chunk_no in comparisons):
        _meet(proof, comparisons)
    for found in batch:
        if found.chunk_no in comparisons:
            _conclude(proof, found, comparisons[found.chunk_no])


def _meet(proof: Proof, comparisons: dict[int | None, _Comparison]) -> None:
    for block in proof.suspects(comparisons):
        for half, message in zip(block.halves, block.messages(), strict=True):
            comparisons[_chunk_no(_NUMBER.unpack_from(message))].meet(half, message)


def _conclude(proof: Proof, found: Difference, comparison: _Comparison) -> None:
    lost = [digest for digest, times in comparison.left.items() if times > 0]
    unmet = sum(comparison.left[digest] for digest in lost)
    found.altered = min(unmet, comparison.foreign)
    found.missing = unmet - found.altered
    found.extra = comparison.foreign - found.altered
    found.doubled = comparison.doubled
    found.lost = frozenset(lost[:MOST_NAMED])
    foreign = "altered" if not found.extra else "altered or extra" if found.altered else "extra"
    for doubled, place in comparison.places:
        kind = "doubled" if doubled else foreign
        found.rows.append(Named(kind, proof.table(place), place.ctid, proof.record(place)))
    if not (unmet or comparison.foreign or comparison.doubled):
        found.note = "an altered row has the kept half of its digest in common with what was sent"
