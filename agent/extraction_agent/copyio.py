"""COPY through psycopg.pq without ever waiting inside libpq, which would hold the GIL.

`get_copy_data(0)`, `exec_` and `get_result` block with the GIL held for as long as a server stalls; here every
wait is a poll(). Rows are collected by a loop that runs in C; all else happens once per block.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from extraction_agent.waiting import Socket

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, flags, length of the extension
TRAILER = b"\xff\xff"
BLOCK_BYTES = 64 * 1024  # measured against 16, 256 and 1024 KiB: docs/benchmarks.md
_PIECE_BYTES = 1024 * 1024
_LOW_WATER = 64 * 1024  # wake for this many bytes instead of each packet
_NOTHING_YET = (0, b"")  # what get_copy_data answers when a whole message has not come yet
_END = -1
_READS_PER_BLOCK = 4  # of 16 KiB, libpq's input buffer

Block = list[memoryview] | list[bytes]


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


def set_low_water(connection: PGconn, size: int) -> None:
    """Let poll() sleep until `size` bytes have come: fewer wake-ups for the same bytes."""
    with socket.socket(fileno=os.dup(connection.socket)) as duplicate:  # closes the duplicate only
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


class CopyOut:
    """Rows of a `COPY … TO STDOUT (FORMAT binary)`, as blocks of messages without header and trailer."""

    def __init__(self, connection: PGconn, statement: bytes, socket_: Socket) -> None:
        self._connection, self._statement, self._socket = connection, statement, socket_
        self.rows = 0  # as the server counted them; known at the end
        self.largest = 0  # bytes of the longest row, to which libpq's buffer has grown

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of some 64 KiB, or of one longer row."""
        start(self._connection, self._statement, pq.ExecStatus.COPY_OUT, self._socket)
        set_low_water(self._connection, _LOW_WATER)
        blocks = self._blocks()
        block: list[memoryview] = next(blocks, [])
        if block:
            block[0] = block[0][len(HEADER) :]
        for following in blocks:  # one behind, for the last block ends with the trailer
            yield block
            block = following
        set_low_water(self._connection, 1)
        if block and len(block[-1]) == len(TRAILER):
            block.pop()
        if block:
            yield block
        self.rows = finish(self._connection, self._socket)

    def _blocks(self) -> Iterator[list[memoryview]]:
        """Collect messages as they come. The loop over rows is C's: in Python it cost the relay a third more CPU."""
        next_message = partial(self._connection.get_copy_data, 1)
        messages: list[tuple[int, memoryview]] = []
        reads = 0
        ended = False
        while not ended:
            had = len(messages)
            try:
                messages.extend(iter(next_message, _NOTHING_YET))
            except psycopg.OperationalError:  # asked once more after the end; the result will tell what ended it
                ended = True
                if messages and messages[-1][0] == _END:
                    messages.pop()
            if len(messages) > had:
                reads += 1
                self._socket.moved()
            if messages and (ended or reads == _READS_PER_BLOCK or messages[-1][0] > BLOCK_BYTES):
                lengths, block = zip(*messages, strict=True)
                self.largest = max(self.largest, *lengths)
                yield list(block)
                messages.clear()
                reads = 0
            if not ended:
                self._socket.readable(low_water=True)
                self._connection.consume_input()


class CopyIn:
    """The other end: a `COPY … FROM STDIN (FORMAT binary)`."""

    def __init__(self, connection: PGconn, statement: bytes, socket_: Socket) -> None:
        self._connection, self._socket = connection, socket_
        start(connection, statement, pq.ExecStatus.COPY_IN, socket_)
        self.put(HEADER)

    def put(self, data: bytes) -> None:
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
