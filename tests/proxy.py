"""A TCP proxy that a test can make misbehave: freeze, either way alone too, cut, refuse, or cut at a given place."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from typing import Literal, Self

COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"  # the whole message of the simple protocol
_ROUND = 0.2  # s between two looks at whether the proxy has ended

Way = Literal["to the server", "to the client"]
Act = Literal["pass", "cut before", "cut after"]
Judge = Callable[[int, bool, bytes], Act]  # sees the connection's number, whether its client speaks, and the bytes


class Proxy:
    """Passes bytes between its clients and a server on loopback until told otherwise."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_ROUND)
        self._flows: dict[Way, threading.Event] = {
            "to the server": threading.Event(),
            "to the client": threading.Event(),
        }
        self._refuses = False
        self.thaw()
        self._ended = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._connections = 0
        self._threads: list[threading.Thread] = []
        self.cuts = 0  # connections that were cut
        self.judge: Judge | None = None  # None: everything passes

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.thaw()
        self.cut()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def freeze(self, *ways: Way) -> None:
        """Let nothing through from now on, and tell nobody; new connections are taken all the same."""
        for way in ways or self._flows:
            self._flows[way].clear()

    def thaw(self) -> None:
        for flow in self._flows.values():
            flow.set()

    def refuse(self) -> None:
        """Reset every connection, and from now on each new one."""
        self._refuses = True
        self.cut()

    def accept(self) -> None:
        self._refuses = False

    def cut(self) -> None:
        """Reset every connection."""
        for pair in self._pairs:
            self._reset(*pair)
        self._pairs.clear()

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                client, _ = self._listener.accept()
                if self._refuses:
                    self._reset(client)
                    continue
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                self._connections += 1
                self._pairs.append((client, server))
                self._spawn(self._pump, self._connections, client, server, True)
                self._spawn(self._pump, self._connections, server, client, False)

    def _pump(self, number: int, giver: socket.socket, taker: socket.socket, from_client: bool) -> None:
        with contextlib.suppress(OSError):  # from here on: the other way may have ended both already
            giver.settimeout(None)
            while data := giver.recv(65536):
                self._flows["to the server" if from_client else "to the client"].wait()
                act = self.judge(number, from_client, data) if self.judge is not None else "pass"
                if act == "cut before":
                    self._reset(giver, taker)
                    return
                if act == "cut after":
                    taker.sendall(data)
                    taker.shutdown(socket.SHUT_WR)  # the server reads it all, then sees us leave
                    self._reset(giver)
                    return
                taker.sendall(data)
        self._reset(giver, taker)

    def _reset(self, *sockets: socket.socket) -> None:
        self.cuts += 1
        for each in sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def after_bytes(count: int, from_client: bool) -> Judge:
    """Cut the connection that carries the n-th byte from the clients, or from the server; once."""
    left = count

    def judge(_: int, client_speaks: bool, data: bytes) -> Act:
        nonlocal left
        if client_speaks != from_client:
            return "pass"
        before, left = left, left - len(data)
        return "cut before" if left <= 0 < before else "pass"

    return judge


def at_commit(of: bytes, act: Act) -> Judge:
    """Act at the COMMIT of the first transaction that said these words; once."""
    said: set[int] = set()
    acted = False

    def judge(number: int, client_speaks: bool, data: bytes) -> Act:
        nonlocal acted
        if client_speaks and not acted:
            if of in data:
                said.add(number)
            if number in said and data.endswith(COMMIT):
                acted = True
                return act
        return "pass"

    return judge
