"""Moves one chunk's rows from a source's stream into a COPY at the store."""

from collections.abc import Callable
from dataclasses import replace

from extraction_agent.copyio import CopyIn
from extraction_agent.errors import SourceError
from extraction_agent.model import Manifest
from extraction_agent.pipeline.manifest import Builder
from extraction_agent.pipeline.overlap import Sieve
from extraction_agent.sources.protocol import Stream


def relay(
    stream: Stream, sink: CopyIn, where: str, moved: Callable[[int], None], sieve: Sieve | None = None
) -> Manifest:
    """Feed the sink until the stream ends. Returns the manifest of what the store has received.

    moved: told the rows of each block. sieve: of an overlapping run, whose rows it drops or keeps in mind.
    Raises SourceError if the two sides do not agree on the number of rows, and what either side raises.
    """
    builder = Builder()
    for block in stream:
        if sieve is not None:
            sieve.sift(block)
        if block.rows:
            sink.put(block.data)
            builder.add(block)
            moved(block.rows)
    stored = sink.end()
    manifest = builder.manifest()
    dropped = 0 if sieve is None else sieve.dropped
    if stream.rows != manifest.rows + dropped or stored != manifest.rows:
        raise SourceError(
            f"{where}: the source sent {stream.rows} rows, {manifest.rows} passed, {dropped} were dropped as known and "
            f"the store took {stored}."
        )
    return manifest if sieve is None else replace(manifest, window=sieve.window())
