"""One chunk, exactly once: claim, relay, fence, commit. Rows, manifest and chunk state are one transaction."""

from collections.abc import Callable
from struct import Struct

from psycopg import sql as q

from extraction_agent import copyio, deadlines, errors, postgres, sql
from extraction_agent.model import Chunk, Format, Manifest
from extraction_agent.observe import metrics
from extraction_agent.observe.throughput import of_this_agent
from extraction_agent.pipeline.overlap import Sieve, shared
from extraction_agent.pipeline.relay import relay
from extraction_agent.protect.pace import Pace, Paced
from extraction_agent.sources.protocol import Session
from extraction_agent.store.store import Extraction, Store
from extraction_agent.waiting import Socket, Stop
from extraction_agent.walker import Block

_INT4, _INT8 = Struct(">ii"), Struct(">iq")  # fields of the binary COPY: length, value


def record_columns(extraction: Extraction) -> tuple[str, ...]:
    """What a stored record calls the columns that came from the source."""
    if extraction.plan.format is Format.JSON:
        return ("data",)
    return tuple(column.name for column in extraction.plan.columns)


def prefix(extraction: Extraction, chunk_no: int) -> tuple[bytes, ...]:
    """The fields put before each row's own: the chunk, and in a shared table the extraction."""
    chunk = _INT4.pack(_INT4.size - 4, chunk_no)
    return (chunk,) if extraction.part is not None else (chunk, _INT8.pack(_INT8.size - 4, extraction.id))


def prefix_bytes(extraction: Extraction) -> int:
    """Bytes of a stored row's message that the prefix takes."""
    return len(b"".join(prefix(extraction, 0)))


def stored_columns(extraction: Extraction) -> q.Composed:
    """The columns of a stored row in the order they are sent, for COPY in either direction."""
    format_ = extraction.plan.format
    ours = [format_.chunk_column] if extraction.part is not None else [format_.chunk_column, format_.extraction_column]
    return q.SQL(", ").join(q.Identifier(name) for name in [*ours, *record_columns(extraction)])


def copy_chunk(
    extraction: Extraction,
    chunk_no: int,
    session: Session,
    store: Store,
    agent: str,
    stop: Stop,
    pace: Pace | None = None,
) -> Manifest | None:
    """Copy one chunk, at a pace. Returns None if it was done already or its extraction is over.

    Raises Fenced if another attempt took over meanwhile; on any error nothing of the chunk is in the store.
    """
    claimed = store.claim(extraction.id, chunk_no, agent)
    if claimed is None:
        return None
    attempt, chunk = claimed
    try:
        with of_this_agent.chunk() as moved, store.transaction():
            manifest = _copy(extraction, chunk_no, chunk, session, store, stop, moved, pace)
            session.check_schema(extraction.plan)
            if not store.fence(extraction.id, chunk_no, attempt, manifest):
                raise errors.Fenced(
                    f"Chunk {chunk_no} of extraction {extraction.id} was taken over by another attempt."
                )
            if extraction.part is None and not store.finish(extraction.id):
                raise errors.Fenced(f"Extraction {extraction.id} is no longer running.")
    except errors.ExtractionError as error:
        raise _told(error, extraction, session) from error.__cause__
    metrics.RECORDS.inc(manifest.rows)
    metrics.BYTES.inc(manifest.bytes)
    return manifest


def _copy(
    extraction: Extraction,
    chunk_no: int,
    chunk: Chunk,
    session: Session,
    store: Store,
    stop: Stop,
    moved: Callable[[int], None],
    pace: Pace | None,
) -> Manifest:
    connection = store.connection
    stalled = errors.StoreUnavailable(
        f"{store.where}: not a byte taken for {deadlines.STALL:g} s; the server or the network is stalled."
    )
    statement = q.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.trusted(extraction.table), stored_columns(extraction)
    )
    sieve = None
    if extraction.plan.deduplicate or chunk.window:
        taken = shared((store.where, extraction.id), lambda: store.window_digests(extraction.config.id))
        sieve = Sieve(taken, keep=chunk.window)
    stream = session.stream(extraction.plan, chunk, Block(prefix(extraction, chunk_no)), stop)
    if pace is not None:
        stream = Paced(stream, pace)
    with postgres.translated(postgres.STORE, store.where):
        sink = copyio.CopyIn(
            connection.pgconn,
            statement.as_bytes(connection),
            Socket(connection.fileno(), stop, deadlines.STALL, stalled),
        )
        return relay(stream, sink, f"extraction {extraction.id}, chunk {chunk_no}", moved, sieve)


def _told(error: errors.ExtractionError, extraction: Extraction, session: Session) -> errors.ExtractionError:
    """A refusal that a changed schema explains is told as that."""
    if error.transient or isinstance(error, errors.Fenced | errors.Cancelled) or not session.usable:
        return error
    try:
        session.check_schema(extraction.plan)
    except errors.SchemaChanged as changed:
        return changed
    except errors.ExtractionError:
        return error
    return error
