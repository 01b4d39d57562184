"""The port: takes connections for an application, so many at once and no more.

When there are as many as may be, the one that has asked for nothing for longest makes room, as in nginx: so clients
that are slow or silent cannot keep others out. When all are at work, a few more are taken, that a monitor is answered;
all else is refused on them with 503. Beyond those, a connection is closed as it comes.
"""

import asyncio
import itertools
import logging
import socket
import ssl
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web

from extraction_agent import deadlines
from extraction_agent.interfaces.api import problems
from extraction_agent.observe import metrics

log = logging.getLogger(__name__)

ALWAYS = {"Server": "extraction-agent", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_OPEN_REQUESTS = 5.0  # s that requests under way are waited for at the end
_BACKLOG = 1024  # connections that the system keeps until they are taken: beyond, clients come again a second later
_AT_ONCE = 16  # connections taken in one turn of the loop: a flood of them is no reason to answer nobody
_AGAIN = 0.1  # s until the next try after one could not be taken, for want of files say


class Connection(web.RequestHandler):
    """A client's. What is no HTTP is told in our form."""

    def __init__(self, server: web.Server, spare: bool, gone: Callable[["Connection"], None]) -> None:
        """spare: beyond the limit. gone: is told when it has ended."""
        loop = asyncio.get_running_loop()
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=deadlines.KEEP_ALIVE,
            lingering_time=deadlines.LINGER,
            access_log=None,  # type: ignore[arg-type] # which aiohttp's own type leaves out
            logger=_of_the_protocol(),
        )
        self.spare, self._gone = spare, gone
        self.since = loop.time()  # that it has asked for nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        client = transport.get_extra_info("socket")
        # A client that does not read its answer loses its connection: the system sees to it.
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(deadlines.UNREAD * 1000))

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self._gone(self)

    async def finish_response(self, *arguments: Any, **named: Any) -> tuple[web.StreamResponse, bool]:
        try:
            return await super().finish_response(*arguments, **named)
        finally:
            self.since = self._loop.time()

    @property
    def waits(self) -> bool:
        """For a request, or for the rest of its head."""
        return self._waiter is not None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # which logs it, and raises if an answer was begun
        said = HTTPStatus(status).description
        if status == HTTPStatus.BAD_REQUEST:
            said = f"This is no HTTP request: {(message or said).partition(chr(10))[0].rstrip(':.')}"
        request_id = uuid.uuid4().hex
        response = problems.answer(problems.Refused(HTTPStatus(status), f"{said}."), request_id)
        response.headers.update({**ALWAYS, "X-Request-ID": request_id})
        response.force_close()
        return response


class Listener:
    """From `open` to `close`."""

    def __init__(
        self, application: web.Application, limit: Callable[[], int], tls: ssl.SSLContext | None = None
    ) -> None:
        """limit: connections at once, asked for each new one."""
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=_OPEN_REQUESTS)
        self._limit, self._tls = limit, tls
        self._sockets: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        self._open: dict[Connection, asyncio.Task[None]] = {}  # with what greets it
        metrics.HTTP_CONNECTIONS.set_function(lambda: len(self._open))
        metrics.HTTP_CONNECTIONS_MAX.set_function(limit)

    async def open(self, host: str, port: int) -> tuple[str, int]:
        """Listen on all addresses of a host. Returns the first, with its port. Raises OSError."""
        await self._runner.setup()
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(found):
            listening = socket.create_server(address, family=family, backlog=_BACKLOG)
            listening.setblocking(False)
            self._sockets.append(listening)
            self._accepting.append(asyncio.create_task(self._accept(listening), name="listener"))
        first = self._sockets[0].getsockname()
        return first[0], first[1]

    async def close(self, seconds: float) -> None:
        """Take no other connection; requests under way are waited for. Raises TimeoutError."""
        for task in (*self._accepting, *self._open.values()):
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listening in self._sockets:
            listening.close()
        await asyncio.wait_for(self._runner.cleanup(), seconds)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for taken in itertools.count(1):
            try:
                client, _ = await loop.sock_accept(listening)  # waits, and lets the loop turn, only if there is none
            except OSError as error:
                log.warning("a connection could not be taken: %s", error.strerror)
                await asyncio.sleep(_AGAIN)
                continue
            self._take(client)
            if taken % _AT_ONCE == 0:
                await asyncio.sleep(0)

    def _take(self, client: socket.socket) -> None:
        limit, server = self._limit(), self._runner.server
        assert server is not None
        full = len(self._open) >= limit and not self._make_room()
        if full and len(self._open) >= limit + max(limit // 10, 4):
            metrics.HTTP_CONNECTIONS_CLOSED.labels("refused").inc()
            client.close()
            return
        connection = Connection(server, full, self._gone)
        greeting = asyncio.create_task(self._greet(client, connection), name="greeting")
        greeting.add_done_callback(lambda ended: client.close() if ended.cancelled() else None)  # maybe before it began
        self._open[connection] = greeting

    async def _greet(self, client: socket.socket, connection: Connection) -> None:
        """Until it is ready for its first request."""
        patience = None if self._tls is None else deadlines.HANDSHAKE
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, client, ssl=self._tls, ssl_handshake_timeout=patience
            )
        except OSError as error:
            log.info("a client did not get through its handshake: %s", error)
            self._gone(connection)
        except BaseException:
            self._gone(connection)
            raise

    def _make_room(self) -> bool:
        """Close the connection that has asked for nothing for longest, if there is one that asks for nothing."""
        idle = [one for one, greeting in self._open.items() if one.waits or not greeting.done()]
        if not idle:
            return False
        longest = min(idle, key=lambda one: one.since)
        self._open.pop(longest).cancel()
        longest.force_close()
        metrics.HTTP_CONNECTIONS_CLOSED.labels("idle").inc()
        return True

    def _gone(self, connection: Connection) -> None:
        self._open.pop(connection, None)


def _of_the_protocol() -> logging.Logger:
    """Where aiohttp tells what is no HTTP: a line without a trace, which would quote what was sent."""

    def plain(record: logging.LogRecord) -> bool:
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
        return True

    protocol = log.getChild("http")
    protocol.filters = [plain]
    return protocol
