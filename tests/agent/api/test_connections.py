"""So many connections and no more: who is slow or silent keeps nobody out, and a monitor is always answered."""

import http.client
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from agent.api.served import PATIENCE, Served
from certificates import Authority
from daemons import until
from extraction_agent import deadlines
from extraction_agent.observe import metrics
from support import Database

LIMIT = 10
SPARE = 4
CONFIGS = "/api/v1/configs"
Connect = Callable[[bytes], socket.socket]


@pytest.fixture
def small(store: Database) -> Iterator[Served]:
    """An interface that takes ten connections."""
    with Served(store.url, api={"connections": LIMIT}) as running:
        yield running


@pytest.fixture
def connect(small: Served) -> Iterator[Connect]:
    """Opens connections that say something and then stay, with the least room for an answer."""
    with ExitStack() as stack:

        def make(said: bytes) -> socket.socket:
            client = stack.enter_context(closing(socket.socket()))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", small.port))
            client.sendall(said)
            return client

        yield make


def figure(name: str, **labels: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, labels)
    assert value is not None
    return value


def closed(reason: str) -> float:
    return figure("http_connections_closed_total", reason=reason)


def at_work(small: Served, connect: Connect) -> list[socket.socket]:
    """As many as may be, each with a request under way: its body is yet to come."""
    head = f"POST {CONFIGS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {small.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    clients = [connect(head.encode()) for _ in range(LIMIT)]
    for client in clients:
        assert client.recv(1024).startswith(b"HTTP/1.1 100")  # so its handler has begun
    return clients


@pytest.mark.parametrize(
    "said", [b"", b"GET /liveness HTTP/1.1\r\nHost: h\r\n", b"GET /liveness HTTP/1.1\r\nHost: h\r\n\r\n"]
)
def test_clients_that_ask_for_nothing_make_room(small: Served, connect: Connect, said: bytes) -> None:
    before = closed("idle")
    clients = [connect(said) for _ in range(LIMIT)]
    if said.endswith(b"\r\n\r\n"):
        for client in clients:
            assert client.recv(4096).startswith(b"HTTP/1.1 200")  # and now its connection is kept alive
    until(lambda: figure("http_connections_open") == LIMIT)
    assert small.ask("GET", CONFIGS).status == 200
    assert clients[0].recv(1) == b"", "the one that was silent for longest"
    clients[1].setblocking(False)
    with pytest.raises(BlockingIOError):
        clients[1].recv(1)
    assert closed("idle") == before + 1
    for _ in range(3 * LIMIT):
        assert small.ask("GET", CONFIGS).status == 200
    assert figure("http_connections_open") <= LIMIT


def test_when_all_are_at_work_a_monitor_is_answered_and_others_are_told_when_to_come_again(
    small: Served, connect: Connect
) -> None:
    clients = at_work(small, connect)
    refused = small.ask("GET", CONFIGS)
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert refused.headers["Connection"] == "close"
    assert "All connections" in refused.detail
    for path in ("/liveness", "/metrics"):
        assert small.ask("GET", path, token=None).status == 200
    for client in clients:
        client.sendall(b"{}")
        assert client.recv(4096).startswith(b"HTTP/1.1 422"), "it was let go of"
    assert small.ask("GET", CONFIGS).status == 200


def test_beyond_what_is_spare_too_a_connection_is_closed_as_it_comes(small: Served, connect: Connect) -> None:
    at_work(small, connect)
    before = closed("refused")
    request = b"GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n" * 200
    for _ in range(SPARE):
        assert connect(request).recv(1) == b"H"  # and no more of the answers is read
    until(lambda: figure("http_connections_open") == LIMIT + SPARE)
    time.sleep(0.5)  # until no more of the answers can be sent
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        small.ask("GET", "/liveness", token=None)
    assert closed("refused") == before + 1


def test_a_client_that_is_silent_in_its_handshake_is_let_go(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str]
) -> None:
    monkeypatch.setattr(deadlines, "HANDSHAKE", 0.5)
    authority = Authority()
    certificate, key = authority.issue(tmp_path)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    with Served(store.url, tls=tls, api={"connections": LIMIT}) as served:

        def ask() -> int:
            with closing(
                http.client.HTTPSConnection("127.0.0.1", served.port, timeout=PATIENCE, context=authority.trust())
            ) as client:
                client.request("GET", "/liveness")
                return client.getresponse().status

        with ExitStack() as stack:
            address = ("127.0.0.1", served.port)
            silent = [stack.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(LIMIT)]
            until(lambda: figure("http_connections_open") == LIMIT)
            assert ask() == 200
            assert silent[0].recv(1) == b""
            assert all(client.recv(1) == b"" for client in silent[1:])
        until(lambda: figure("http_connections_open") == 0)
        assert ask() == 200
    assert [line for line in lines if "did not get through its handshake" in line]
    assert not [line for line in lines if '"error"' in line]
