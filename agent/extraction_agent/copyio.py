"""COPY through psycopg.pq without ever waiting inside libpq, which would hold the GIL.

`get_copy_data(0)`, `exec_` and `get_result` block with the GIL held for as long as a server stalls; here every
wait is a poll(), and everything happens once per block.
"""

from collections.abc import Iterator
from contextlib import suppress

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from extraction_agent.sockets import set_low_water
from extraction_agent.waiting import Socket
from extraction_agent.walker import Block, Outcome

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags, length of the extension
TRAILER = b"\xff\xff"
_PIECE_BYTES = 1024 * 1024
_LOW_WATER = 64 * 1024  # wake for this many bytes instead of each packet


def raise_error(connection: PGconn, result: PGresult | None) -> None:
    """Raise what the server said, as psycopg would."""
    if result is None or connection.status != pq.ConnStatus.OK:
        message = connection.get_error_message() if connection.status == pq.ConnStatus.OK else ""
        raise psycopg.OperationalError(message or "the connection was closed by the server")
    raise psycopg.errors.error_from_result(result)


def result_of(connection: PGconn, socket_: Socket) -> PGresult | None:
    """Wait for the next result; None: the connection is idle again."""
    while connection.flush():
        socket_.writable()
        connection.consume_input()
    while connection.is_busy():
        socket_.readable()
        connection.consume_input()
    socket_.moved()
    return connection.get_result()


def settle(connection: PGconn, result: PGresult | None, socket_: Socket) -> None:
    """Read on after an error until the connection is at rest and can serve again; a broken one cannot."""
    with suppress(psycopg.OperationalError):
        while result is not None:
            result = result_of(connection, socket_)
        connection.nonblocking = 0


def start(connection: PGconn, statement: bytes, expected: pq.ExecStatus, socket_: Socket) -> None:
    """Send a COPY statement and wait until the server is ready to stream."""
    connection.nonblocking = 1
    connection.send_query(statement)
    result = result_of(connection, socket_)
    if result is None or result.status != expected:
        settle(connection, result, socket_)
        raise_error(connection, result)


def finish(connection: PGconn, socket_: Socket) -> int:
    """Wait for a COPY's end. Returns the rows the server counted."""
    result = result_of(connection, socket_)
    if result is None or result.status != pq.ExecStatus.COMMAND_OK:
        settle(connection, result, socket_)
        raise_error(connection, result)
        raise AssertionError  # unreachable; for the type checker
    moved = result.command_tuples or 0
    while result_of(connection, socket_) is not None:
        pass
    connection.nonblocking = 0
    return moved


class CopyOut:
    """Rows of a `COPY … TO STDOUT (FORMAT binary)`."""

    def __init__(
        self, connection: PGconn, statement: bytes, socket_: Socket, block: Block, *, narrow: bool = False
    ) -> None:
        """narrow: the connection is, and never holds as much as one would wait for."""
        self._connection, self._statement, self._socket, self._block = connection, statement, socket_, block
        self._low_water = 1 if narrow else _LOW_WATER
        self.rows = 0  # as the server counted them; known at the end

    def __iter__(self) -> Iterator[Block]:
        """Yield the block each time it has been filled."""
        connection, socket_, block = self._connection, self._socket, self._block
        start(connection, self._statement, pq.ExecStatus.COPY_OUT, socket_)
        set_low_water(connection.socket, self._low_water)
        block.begin()
        try:
            while (outcome := block.drain(connection)) in {Outcome.FILLED, Outcome.WAIT}:
                if outcome is Outcome.FILLED:
                    socket_.moved()
                    yield block
                    block.clear()
                else:
                    socket_.readable(low_water=self._low_water > 1)
            if outcome is Outcome.MALFORMED:
                raise psycopg.OperationalError("the server does not answer with PostgreSQL's binary COPY as asked for")
            if block.rows:
                yield block
        finally:
            block.end()
        set_low_water(connection.socket, 1)
        self.rows = finish(connection, socket_)


class CopyIn:
    """The other end: a `COPY … FROM STDIN (FORMAT binary)`."""

    def __init__(self, connection: PGconn, statement: bytes, socket_: Socket) -> None:
        self._connection, self._socket = connection, socket_
        start(connection, statement, pq.ExecStatus.COPY_IN, socket_)
        self.put(HEADER)

    def put(self, data: bytes | memoryview) -> None:
        """Send bytes, waiting while the server is slower than the source."""
        connection, socket_ = self._connection, self._socket
        for begin in range(0, len(data), _PIECE_BYTES):  # libpq's buffer grows to the largest piece and stays so
            while not connection.put_copy_data(data[begin : begin + _PIECE_BYTES]):
                socket_.writable()
            while connection.flush():
                socket_.writable()
                connection.consume_input()
            socket_.moved()

    def end(self) -> int:
        """Send the trailer. Returns the rows the server counted."""
        self.put(TRAILER)
        while not self._connection.put_copy_end():
            self._socket.writable()
        return finish(self._connection, self._socket)
