"""Chunks in the store: taken, fenced, given back, listed."""

from typing import Any

from extraction_agent import deadlines, errors, model
from extraction_agent.store.connection import StoreConnection
from extraction_agent.store.rows import ChunkRow


class Chunks(StoreConnection):
    """The state of chunks, which is the truth about an extraction."""

    def claim(self, extraction_id: int, chunk_no: int, agent: str) -> tuple[int, model.Chunk] | None:
        """Take a chunk: its attempt and range. None: it is done or its extraction over.

        The backend of an earlier attempt is ended first. Raises StoreUnavailable if it will not end.
        """
        wait_ms = int(deadlines.TERMINATE * 1000)
        row = self._one("end_lost_attempt", extraction_id=extraction_id, chunk_no=chunk_no, wait_ms=wait_ms)
        if row is not None and not row[0]:
            raise errors.StoreUnavailable(
                f"{self.where}: the backend of an earlier attempt at chunk {chunk_no} does not end; it is tried again."
            )
        row = self._one("claim_chunk", extraction_id=extraction_id, chunk_no=chunk_no, agent=agent)
        return None if row is None else (row[0], _range(row[1], extraction_id, chunk_no))

    def fence(self, extraction_id: int, chunk_no: int, attempt: int, manifest: model.Manifest) -> bool:
        """The last statement of a chunk's transaction. False: roll back, another attempt has the chunk."""
        cursor = self._run(
            "fence_chunk",
            extraction_id=extraction_id,
            chunk_no=chunk_no,
            attempt=attempt,
            rows=manifest.rows,
            bytes=manifest.bytes,
            hash=manifest.hash,
            digests=manifest.digests,
            window_digests=manifest.window,
        )
        return cursor.rowcount == 1

    def release(
        self, extraction_id: int, chunk_no: int, agent: str, error: str | None, *, counted: bool = True
    ) -> int | None:
        """End an agent's attempt at a chunk. error: kept, and counted as a failure.

        Returns the failures so far; None if the attempt was taken over, or the chunk is done.
        """
        row = self._one(
            "release_chunk",
            extraction_id=extraction_id,
            chunk_no=chunk_no,
            agent=agent,
            failed=int(counted and error is not None),
            error=error,
        )
        return None if row is None else int(row[0])

    def chunk(self, extraction_id: int, chunk_no: int) -> model.Chunk:
        """A chunk's range; everything, if the chunk is no more."""
        row = self._one("chunk", extraction_id=extraction_id, chunk_no=chunk_no)
        return _range({} if row is None else row[0], extraction_id, chunk_no)

    def chunks(self, extraction_id: int) -> list[ChunkRow]:
        return [
            ChunkRow(row[0], _range(row[1], extraction_id, row[0]), *row[2:])
            for row in self._run("chunks", extraction_id=extraction_id)
        ]

    def orphans(self, extraction_id: int | None) -> list[tuple[int, int]]:
        """Unfinished chunks that no job will run."""
        rows = self._run("orphaned_chunks", extraction_id=extraction_id, patience=deadlines.ORPHANED)
        return [(row[0], row[1]) for row in rows]

    def needs_source(self, extraction_id: int) -> bool:
        """Whether an extraction goes on and has a chunk that is not done: one that is being finished has none."""
        row = self._one("needs_source", extraction_id=extraction_id)
        return row == (True,)

    def reached_lately(self, extraction_id: int) -> bool:
        """Whether anybody is at a chunk of it, or has begun or done one lately."""
        row = self._one("reached_lately", extraction_id=extraction_id, seconds=deadlines.REACHED_LATELY)
        return row == (True,)

    def complete(self, extraction_id: int | None) -> list[int]:
        """Running extractions whose chunks are all done."""
        return [row[0] for row in self._run("complete_extractions", extraction_id=extraction_id)]


def _range(value: Any, extraction_id: int, chunk_no: int) -> model.Chunk:
    return model.Chunk.recorded(value, f"The range of chunk {chunk_no} of extraction {extraction_id}")
