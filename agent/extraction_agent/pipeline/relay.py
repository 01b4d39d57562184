"""Moves one chunk's rows from a source's stream into a COPY at the store. Nothing is done per row but its digest."""

from extraction_agent.copyio import CopyIn
from extraction_agent.errors import SourceError
from extraction_agent.model import Manifest
from extraction_agent.pipeline.manifest import Builder
from extraction_agent.sources.protocol import Stream


def relay(stream: Stream, sink: CopyIn, where: str) -> Manifest:
    """Feed the sink until the stream ends. Returns the manifest of what the store has received.

    Raises SourceError if the two sides do not agree on the number of rows, and what either side raises.
    """
    builder = Builder()
    for block in stream:
        data = b"".join(block)
        sink.put(data)
        builder.add(block, len(data))
    stored = sink.end()
    manifest = builder.manifest()
    if not stream.rows == stored == manifest.rows:
        raise SourceError(
            f"{where}: the source sent {stream.rows} rows, {manifest.rows} passed and the store took {stored}."
        )
    return manifest
