"""What the kernel is told of a connection: how much may lie unread in it, and when an answer came."""

import fcntl
import os
import socket
import termios
import time
from array import array
from collections.abc import Iterator

import pytest

from extraction_agent import sockets

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A server's end, and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as ours:
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1400)  # as between hosts
        ours.connect(listening.getsockname())
        its, _ = listening.accept()
        with its:
            yield its, ours


def unread(ours: socket.socket, its: socket.socket) -> int:
    """Bytes that lie at our end when a server has sent all that it can, some of it read meanwhile."""
    its.setblocking(False)
    lying = array("i", [0])
    for _ in range(20):
        try:
            while its.send(bytes(65536)):
                pass
        except BlockingIOError:
            time.sleep(0.01)
        fcntl.ioctl(ours.fileno(), termios.FIONREAD, lying)
        ours.recv(4096)
    return lying[0]


def test_little_lies_in_a_narrow_connection(pair: Pair) -> None:
    its, ours = pair
    sockets.narrow(ours.fileno())
    assert 0 < unread(ours, its) <= 48 * 1024


def test_much_lies_in_another(pair: Pair) -> None:
    its, ours = pair
    assert unread(ours, its) >= 50_000


def test_a_local_connection_stays_as_it_is() -> None:
    its, ours = socket.socketpair()
    with its, ours:
        before = ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        sockets.narrow(ours.fileno())
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) == before


def test_an_answer_counts_from_when_it_came_not_from_when_it_is_read(pair: Pair) -> None:
    its, ours = pair
    arrivals = sockets.Arrivals(ours.fileno())
    time.sleep(0.1)  # the kernel begins to keep the time a moment after it was asked to
    arrivals.sent()
    its.send(b"here")
    time.sleep(0.3)  # the thread that would read waits for a core
    arrivals.came()
    assert arrivals.seconds < 0.2
    assert ours.recv(16) == b"here", "it has been looked at, not taken"
    arrivals.close()


def test_an_answer_that_takes_long_counts_as_long(pair: Pair) -> None:
    its, ours = pair
    arrivals = sockets.Arrivals(ours.fileno())
    arrivals.sent()
    time.sleep(0.3)
    its.send(b"late")
    time.sleep(0.1)
    arrivals.came()
    assert 0.3 <= arrivals.seconds < 0.4 + 1
    arrivals.close()


def test_a_local_connection_keeps_no_time_of_arrival() -> None:
    its, ours = socket.socketpair()
    with its, ours:
        arrivals = sockets.Arrivals(ours.fileno())
        arrivals.sent()
        its.send(b"x")
        time.sleep(0.1)
        arrivals.came()
        assert arrivals.seconds >= 0.1
        arrivals.close()


def test_the_descriptor_that_was_given_stays_open(pair: Pair) -> None:
    _, ours = pair
    sockets.Arrivals(ours.fileno()).close()
    sockets.set_low_water(ours.fileno(), 1)
    os.fstat(ours.fileno())
