"""The interface on a port of its own, in this process, with a real store, pool, threads and agent."""

import asyncio
import http.client
import json
import logging
import ssl
import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Self

from extraction_agent import config, profiles, secrets
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.local import Local
from extraction_agent.interfaces.api import application
from extraction_agent.interfaces.api.context import Context
from extraction_agent.interfaces.api.listener import Listener
from extraction_agent.jobs import Agent
from extraction_agent.protect.threads import Threads
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Source
from extraction_agent.store import rows, tokens
from extraction_agent.store.pools import Pool
from extraction_agent.store.store import Store
from extraction_agent.store.tokens import Scope

PATIENCE = 30.0  # s, for whatever a test waits for
ALL = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def detail(self) -> str:
        """Of a problem, whose form is checked."""
        assert self.headers["Content-Type"] == "application/problem+json", self.text
        problem = self.json()
        assert problem.keys() == {"type", "title", "status", "detail", "request_id"}
        assert problem["status"] == self.status
        assert problem["request_id"] == self.headers["X-Request-ID"]
        assert problem["detail"].endswith((".", "?", "…"))
        return str(problem["detail"])


class Served:
    """Serves while it is entered, on a thread's loop."""

    def __init__(self, store_url: str, works: bool = False, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        """works: an agent runs beside it. tls: of the server. settings: parts of the configuration."""
        self.store_url, self._works, self._tls = store_url, works, tls
        self.config = config.Config.model_validate({"store": {"url": store_url}, **settings})
        self.port = 0
        self.held: list[int] = []
        self._ready, self._failed = threading.Event(), ""
        self._thread = threading.Thread(target=self._run, name="served")
        self.token = self.make_token("everything", ALL)

    def make_token(self, name: str, scopes: frozenset[Scope], seconds: float | None = None) -> str:
        text = tokens.mint()
        with Store(self.store_url) as store:
            store.create_token(text, name, scopes, seconds)
        return text

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        assert self.port
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self.loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        settings = profiles.load("optimized").settings
        pool = Pool(self.store_url, settings.pool.model_copy(update={"minimum_idle": 2}), "test")
        self.pool = pool
        with closing(Threads(4, 8, 50)) as threads:
            self.threads = threads
            agent = Agent(self.store_url, lambda extraction: self.open_source(extraction.config), threads, 2)
            self.context = Context(
                threads=threads,
                pool=pool,
                configs=Configs(pool.store, Local(), settings.cache),
                config=self.config,
                profile=profiles.load("optimized"),
                store_url=self.store_url,
                open_source=self.open_source,
                hold=agent.hold,
                reserved_secrets=frozenset({secrets.variable("own")}),
            )
            listener = Listener(application.build(self.context), lambda: self.context.config.api.connections, self._tls)
            _, self.port = await listener.open("127.0.0.1", 0)
            work = asyncio.create_task(agent.run()) if self._works else None
            self._ready.set()
            await self._end.wait()
            await listener.close(PATIENCE)
            agent.stop()
            if work is not None:
                await work
        assert pool.close(5)

    @staticmethod
    def open_source(config: rows.Config) -> Source:
        return open_source(secrets.join(config.source_url, config.secret and secrets.resolve(config.secret)))

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = "",
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:
        """One request. token: None for none. body: as JSON; raw: as it is."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token or self.token}"
        content = raw if body is None else json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, content, sent)
            with connection.getresponse() as answer:
                return Response(answer.status, dict(answer.getheaders()), answer.read().decode())


def begin(served: Served, config_id: int, key: str = "key-1", token: str = "") -> Response:
    headers = {"Idempotency-Key": key}
    return served.ask("POST", "/api/v1/extractions", {"config_id": config_id}, token, headers=headers)


def ended(served: Served, path: str) -> dict[str, Any]:
    """The extraction once it has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        shown: dict[str, Any] = served.ask("GET", path).json()
        if shown["status"] not in {"pending", "running"}:
            return shown
        time.sleep(0.05)
    raise AssertionError(f"{path} does not end")


class Lines(logging.Handler):
    """All that is logged, as it is written to the journal."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
