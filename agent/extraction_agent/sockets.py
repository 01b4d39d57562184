"""What the kernel is told of, and asked about, a connection that a driver has opened."""

import os
import socket
import struct
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from psycopg.waiting import Ready

_NARROW_BYTES = 16 * 1024  # that a narrow connection keeps on its way at least
_NARROW_RATE = 32_000_000  # bytes per second that it still brings over a long way
_LONGEST_BYTES = 200_000  # of a buffer that one may ask for (net.core.rmem_max); what is longer than that stays wide
_INFO = struct.Struct("84x I 60x I")  # of struct tcp_info: the longest segment we take; the least round trip, µs
_TIMESTAMPNS = 35  # SO_TIMESTAMPNS of socket(7), which Python does not name
_TIMESPEC = struct.Struct("q q")
_ANCILLARY_BYTES = 64
_SHORTEST = 1e-6  # s, of an answer, whatever a clock does that is being set

Y = TypeVar("Y")
R = TypeVar("R")


@contextmanager
def _of(fd: int) -> Iterator[socket.socket]:
    with socket.socket(fileno=os.dup(fd)) as duplicate:  # closes the duplicate only
        yield duplicate


def set_low_water(fd: int, size: int) -> None:
    """Let poll() sleep until `size` bytes have come: fewer wake-ups for the same bytes."""
    with _of(fd) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


def narrow(fd: int) -> None:
    """Keep few bytes on their way, for as long as the connection lives; to be told before many have come.

    A server works ahead until the buffers between us are full, and goes on when a third of its own is empty. Of a wide
    connection that is a megabyte and milliseconds of a core, in which everybody else waits, however slowly we read.
    One that cannot be narrowed stays wide: a local one, whose buffer is the sender's, or one over a way of 6 ms.
    """
    with suppress(OSError, struct.error), _of(fd) as connection:
        segment, micros = _INFO.unpack(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size))
        # Less than two segments, and the sender waits for a timer between one and the next.
        size = max(_NARROW_BYTES, 2 * segment, int(_NARROW_RATE * micros / 1e6))
        if size <= _LONGEST_BYTES:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


class Arrivals:
    """How long answers take by the kernel's clock: not until a thread of a busy host gets to look at them."""

    def __init__(self, fd: int) -> None:
        self._connection: socket.socket | None = None
        with suppress(OSError):  # no descriptor is left: then our clock counts
            self._connection = socket.socket(fileno=os.dup(fd))
            self._connection.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
        self._sent = self._came = time.time()

    def sent(self) -> None:
        """A question is about to be sent."""
        self._sent = time.time()

    def came(self) -> None:
        """Bytes lie there, not yet read."""
        self._came = time.time()  # of a local socket, which keeps no time
        if self._connection is None:
            return
        try:
            _, ancillary, _, _ = self._connection.recvmsg(1, _ANCILLARY_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:  # read by now, or broken: who reads will tell
            return
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _TIMESTAMPNS):
                seconds, nanos = _TIMESPEC.unpack_from(data)
                self._came = seconds + nanos / 1e9

    @property
    def seconds(self) -> float:
        """From the last question to the bytes that came last."""
        return max(self._came - self._sent, _SHORTEST)

    def noting(self, generator: Generator[Y, Ready | int, R]) -> Generator[Y, Ready | int, R]:
        """A driver's waiting generator, noted as a question and its answer."""
        self.sent()
        try:
            value = next(generator)
            while True:
                ready = yield value
                if ready & Ready.R:
                    self.came()
                value = generator.send(ready)
        except StopIteration as end:
            result: R = end.value
            return result

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
