"""Reads an extraction's chunks at the source again and compares them with what was copied.

The snapshot the extraction was read in no longer stands: a difference says that the source has changed since, or that
the rows were never copied. Which of the two, it cannot say.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from extraction_agent import postgres
from extraction_agent.model import Chunk, Manifest
from extraction_agent.pipeline.commit import prefix, prefix_bytes, stored_columns
from extraction_agent.pipeline.manifest import Builder, halves
from extraction_agent.pipeline.verify import MOST_NAMED, Difference
from extraction_agent.sources.protocol import Session
from extraction_agent.store.proof import Proof
from extraction_agent.store.store import ChunkRow, Extraction, Store
from extraction_agent.waiting import Stop
from extraction_agent.walker import Block


@dataclass(frozen=True, slots=True)
class Change:
    """A chunk that the source has otherwise now. only_there, only_here: rows; None: no digests were kept."""

    chunk_no: int
    range: Chunk
    rows_there: int
    rows_here: int
    only_there: int | None
    only_here: int | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "chunk": self.chunk_no,
            "range": self.range.model_dump(mode="json", exclude_defaults=True),
            "rows_there": self.rows_there,
            "rows_here": self.rows_here,
            "only_there": self.only_there,
            "only_here": self.only_here,
        }


@dataclass(slots=True)
class SourceReport:
    """What the source has now."""

    chunks: int
    rows: int = 0
    seconds: float = 0.0
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {
            "chunks": self.chunks,
            "chunks_equal": self.chunks - len(self.changes),
            "rows": self.rows,
            "seconds": round(self.seconds, 3),
            "changes": [change.as_dict() for change in self.changes],
            "notes": self.notes,
        }


def verify_source(
    store: Store,
    extraction: Extraction,
    session: Session,
    differences: list[Difference],
    stop: Stop,
    where: str,
) -> SourceReport:
    """Compare the source with the manifest; where the store lacks rows, add them to `differences` as they are there.

    Raises SourceError, SourceUnavailable, StoreError, StoreUnavailable, Cancelled.
    """
    begun = time.monotonic()
    plan = extraction.plan
    session.check_schema(plan)
    proof = Proof(store, extraction, stored_columns(extraction), prefix_bytes(extraction), stop)
    by_chunk = {found.chunk_no: found for found in differences}
    chunks = store.chunks(extraction.id)
    report = SourceReport(
        len(chunks), notes=["The snapshot of the extraction no longer stands: the source is as it is now."]
    )
    if plan.deduplicate:
        report.notes.append(
            "Rows that the run before took were dropped on purpose, so rows only there are not counted."
        )
    for chunk in chunks:
        wanted = _Wanted(by_chunk.get(chunk.no), proof)
        with postgres.translated(postgres.SOURCE, where):
            now = _read(session, extraction, chunk, stop, wanted.look)
        report.rows += now.rows
        change = _change(chunk, now, proof)
        if change is not None and not (plan.deduplicate and change.only_here == 0):
            report.changes.append(change)
        wanted.conclude()
    report.seconds = time.monotonic() - begun
    return report


def _read(
    session: Session, extraction: Extraction, chunk: ChunkRow, stop: Stop, look: Callable[[Block], None]
) -> Manifest:
    builder = Builder()
    for block in session.stream(extraction.plan, chunk.range, Block(prefix(extraction, chunk.no)), stop):
        builder.add(block)
        look(block)
    return builder.manifest()


def _change(chunk: ChunkRow, now: Manifest, proof: Proof) -> Change | None:
    if (now.rows, now.hash) == (chunk.rows, chunk.hash):
        return None
    kept = proof.digests(chunk.no)
    only_there = only_here = None
    if kept is not None and now.digests is not None:
        there, here = Counter(halves(now.digests)), Counter(halves(kept))
        only_there, only_here = (there - here).total(), (here - there).total()
    return Change(chunk.no, chunk.range, now.rows, chunk.rows or 0, only_there, only_here)


class _Wanted:
    """Rows that a chunk of the store lacks, looked for at the source."""

    def __init__(self, found: Difference | None, proof: Proof) -> None:
        self._found, self._proof = found, proof
        self._digests = set() if found is None else set(found.lost)
        self._messages: list[bytes] = []

    def look(self, block: Block) -> None:
        if self._digests:
            rows = zip(block.halves, block.messages(), strict=True)
            self._messages += [bytes(row) for half, row in rows if half in self._digests]
            del self._messages[MOST_NAMED:]

    def conclude(self) -> None:
        if self._found is not None and self._messages:
            self._found.at_source = self._proof.read(self._messages)
