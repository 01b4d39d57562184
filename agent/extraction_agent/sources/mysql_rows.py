"""Rows as MySQL's text protocol brings them: taken by the compiled loop, one by one in Python where that passes."""

import io
from collections.abc import Callable, Iterator

import pymysql
from pymysql import err
from pymysql.constants import CR

from extraction_agent.model import Plan
from extraction_agent.walker import Block, Kind, Outcome

Values = tuple[bytes | None, ...]

_READ_BYTES = 256 * 1024
_HEAD = 4  # bytes before each packet: three of its length, a number
_SHORTEST_ERROR = 9  # bytes: its number and state
_LONGEST = 0xFFFFFF  # bytes of a packet; one as long goes on in the next
_ERROR, _END = 0xFF, 0xFE
_NULL = 0xFB
_LENGTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}  # bytes of a length, by what stands before it
_KINDS = {
    "bigint": Kind.INT8,
    "boolean": Kind.BOOLEAN,
    "bytea": Kind.BYTEA,
    "date": Kind.DATE,
    "double precision": Kind.FLOAT8,
    "integer": Kind.INT4,
    "interval": Kind.INTERVAL,
    "json": Kind.JSON,
    "numeric": Kind.NUMERIC,
    "real": Kind.FLOAT4,
    "smallint": Kind.INT2,
    "text": Kind.STRING,
    "timestamp with time zone": Kind.TIMESTAMPTZ,
    "timestamp without time zone": Kind.TIMESTAMP,
    "uuid": Kind.UUID,
}


def fields(plan: Plan) -> list[tuple[str, Kind]]:
    """Name and kind of each column."""
    return [(column.name, _KINDS.get(column.sent_as.partition("(")[0], Kind.OTHER)) for column in plan.columns]


class Packets:
    """The packets of a result after its head. Raises the driver's errors, those that the server sends too."""

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader
        self._data, self._at = b"", 0
        self.ended = False

    def blocks(self, block: Block, columns: int, encode: Callable[[Values], bytes]) -> Iterator[Block]:
        """Yield the block each time it has been filled. encode: a row that the compiled loop leaves alone."""
        block.clear()
        try:
            while not self.ended:
                outcome, self._at = block.take_packets(self._data, self._at)
                if outcome is Outcome.WAIT:
                    self._read_on()
                elif outcome is Outcome.FILLED:
                    yield block
                    block.clear()
                elif (values := self._row()) is not None:
                    if len(values) != columns:
                        raise _malformed(f"a row of {len(values)} values where there are {columns} columns")
                    message = encode(values)
                    while not block.append(message):
                        yield block
                        block.clear()
            if block.rows:
                yield block
                block.clear()
        finally:
            block.end()

    def _row(self) -> Values | None:
        """The next row, decoded no further; None: the result has ended."""
        packet = self._packet()
        if not packet:
            raise _malformed("a packet is empty")
        if packet[0] == _ERROR:
            if len(packet) < _SHORTEST_ERROR:
                raise _malformed("an error has no number")
            err.raise_mysql_exception(packet)
        if packet[0] == _END and len(packet) < 9:
            self.ended = True
            return None
        return tuple(_values(packet))

    def _packet(self) -> bytes:
        """The next, with those that continue it."""
        parts: list[bytes] = []
        while not parts or len(parts[-1]) == _LONGEST:
            length = int.from_bytes(self._take(_HEAD)[:3], "little")
            parts.append(self._take(length))
        return b"".join(parts)

    def _take(self, count: int) -> bytes:
        self._need(count)
        self._at += count
        return self._data[self._at - count : self._at]

    def _read_on(self) -> None:
        """Until the next packet is there."""
        self._need(_HEAD)
        self._need(_HEAD + int.from_bytes(self._data[self._at : self._at + 3], "little"))

    def _need(self, count: int) -> None:
        """Read until so many bytes are there."""
        parts = [self._data[self._at :]]
        have = len(parts[0])
        if have >= count:
            return
        while have < count:
            try:
                read = self._reader.read1(_READ_BYTES)
            except OSError as error:
                raise _lost(str(error)) from error
            if not read:
                raise _lost("it was closed")
            parts.append(read)
            have += len(read)
        self._data, self._at = b"".join(parts), 0


def _values(packet: bytes) -> Iterator[bytes | None]:
    """Each value of a row, with its length before it."""
    at = 0
    while at < len(packet):
        first = packet[at]
        at += 1
        if first == _NULL:
            yield None
            continue
        if first > max(_LENGTHS):
            raise _malformed("a value has no length")
        size = _LENGTHS.get(first, 0)
        length = int.from_bytes(packet[at : at + size], "little") if size else first
        at += size
        if at + length > len(packet):
            raise _malformed("a row is shorter than its values")
        yield packet[at : at + length]
        at += length


def _lost(why: str) -> pymysql.OperationalError:
    return pymysql.OperationalError(CR.CR_SERVER_LOST, f"the connection was lost in the midst of a result ({why})")


def _malformed(what: str) -> pymysql.OperationalError:
    return pymysql.OperationalError(CR.CR_MALFORMED_PACKET, what)
