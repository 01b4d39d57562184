"""A daemon at work behind proxies, clients that ask it all the while, and what they saw of a part that was away."""

import http.client
import itertools
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import LiteralString, Self
from urllib.parse import urlsplit

from daemons import PATIENCE, Daemon, until
from extraction_agent import embedded
from extraction_agent.model import Consistency, Definition
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from proxy import Proxy
from redis_server import RedisServer
from support import Database

ROWS = 4000
_CHUNK_ROWS = 20
OPEN = ("/liveness", "/readiness", "/metrics", "/openapi.json")  # need none of source, store and Redis
STORED = ("/api/v1/configs/1", "/api/v1/configs", "/api/v1/extractions/1", "/api/v1/extractions")  # need the store
_PAUSE = 0.02  # s between two requests of a client
_HITS = 'extraction_cache_hits_total{cache="extraction-configs"}'

# Each chunk has one row whose column takes its time to become JSON.
_PASS: LiteralString = """
CREATE FUNCTION pass(slow) RETURNS json LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_sleep(seconds) FROM pace; RETURN to_json('passed'::text); END $$
"""
_TABLE: LiteralString = """
CREATE TABLE item AS
    SELECT n AS id, 'name of ' || n AS name, CASE WHEN n % 20 = 10 THEN 'here'::slow END AS slow
    FROM generate_series(1, 4000) AS n
"""
_SOURCE: tuple[LiteralString, ...] = (
    "CREATE TABLE pace AS SELECT 0.3::float AS seconds",
    "CREATE TYPE slow AS ENUM ('here')",
    _PASS,
    "CREATE CAST (slow AS json) WITH FUNCTION pass(slow)",
    _TABLE,
    "ALTER TABLE item ADD PRIMARY KEY (id)",
    "VACUUM ANALYZE item",
)
_EXACT: LiteralString = (
    "SELECT count(*), count(DISTINCT data->>'id'), sum((data->>'id')::int), "
    "count(*) FILTER (WHERE data->>'name' = 'name of ' || (data->>'id')) FROM extraction_data"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a client."""

    path: str
    begun: float  # monotonic
    seconds: float
    status: int  # 0: there was no answer


class Client(threading.Thread):
    """Asks for one path after another, over and over, on one connection."""

    def __init__(self, daemon: Daemon, paths: tuple[str, ...]) -> None:
        super().__init__(daemon=True)
        self._port = urlsplit(daemon.url).port
        self._headers = {"Authorization": f"Bearer {daemon.token}"}
        self._paths = paths
        self._ended = threading.Event()
        self.asked: list[Asked] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with closing(connection):
            while not self._ended.is_set():
                for path in self._paths:
                    begun, status = time.monotonic(), 0
                    try:
                        connection.request("GET", path, headers=self._headers)
                        with connection.getresponse() as answer:
                            answer.read()
                            status = answer.status
                    except (OSError, http.client.HTTPException):
                        connection.close()
                    self.asked.append(Asked(path, begun, time.monotonic() - begun, status))
                    self._ended.wait(_PAUSE)

    def stop(self) -> None:
        self._ended.set()
        self.join()


class Scene:
    """A daemon that extracts, behind a proxy for each part it needs, and four clients of it."""

    def __init__(
        self, daemon: Daemon, source: Database, store: Database, store_server: embedded.Server, redis: RedisServer
    ) -> None:
        """daemon: not started. source: empty. store: prepared, on its server."""
        self.daemon, self.source, self.store = daemon, source, store
        self.store_server, self.redis_server = store_server, redis
        ports = {"source": urlsplit(source.url).port, "store": store_server.port, "Redis": redis.port}
        self.proxies = {part: Proxy(port or 0) for part, port in ports.items()}
        self._stack = ExitStack()
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        for proxy in self.proxies.values():
            self._stack.enter_context(proxy)
        self.source.run(*_SOURCE)
        daemon = self.daemon
        daemon.make_token()
        daemon.store_url = self._through("store", self.store)
        redis_url = f"redis://127.0.0.1:{self.proxies['Redis'].port}/0"
        daemon.configure(cache={"redis_url": redis_url}, api={"rate_per_second": 1000})
        url = self._through("source", self.source)
        definition = Definition(table="item", chunk_rows=_CHUNK_ROWS, consistency=Consistency.CHUNK)
        with Store(self.store.url) as opened:
            start(opened, open_source(url), "items", url, None, definition, Settings())
        daemon.start()
        self._clients = [Client(daemon, paths) for paths in (OPEN, OPEN, STORED, STORED)]
        for client in self._clients:
            client.start()
            self._stack.callback(client.stop)
        until(lambda: self.done() > 0, "the first chunk")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _through(self, part: str, database: Database) -> str:
        return self.proxies[part].url(database.url.rpartition("/")[2])

    def done(self) -> int:
        """Chunks in the store; asked past the proxy."""
        return int(self.store.value("SELECT count(*) FROM extraction_chunks WHERE state = 'done'"))

    def hits(self) -> float:
        """Of the cache."""
        return self.daemon.metric(_HITS)

    def asked(self, paths: tuple[str, ...], begun: float, ended: float) -> list[Asked]:
        """The requests of a period."""
        found = [one for client in self._clients for one in list(client.asked)]
        return sorted(
            (one for one in found if one.path in paths and begun <= one.begun < ended), key=lambda one: one.begun
        )

    def p99(self, paths: tuple[str, ...], begun: float) -> float:
        """In seconds, from then until now, or until there are enough to tell."""

        def seconds() -> list[float]:
            return sorted(one.seconds for one in self.asked(paths, begun, time.monotonic()))

        until(lambda: len(seconds()) >= 100, "100 requests")
        found = seconds()
        return found[int(len(found) * 0.99)]

    def turned(self, path: str, status: int, after: float) -> float:
        """Seconds until a path was asked in vain for the last time, before it is first answered so.

        Counted to when it was asked: how long an answer takes is another figure.
        """

        def found() -> list[Asked]:
            return self.asked((path,), after, time.monotonic())

        until(lambda: any(one.status == status for one in found()), f"{status} of {path}")
        in_vain = itertools.takewhile(lambda one: one.status != status, found())
        return max((one.begun - after for one in in_vain), default=0.0)

    def assert_exact(self) -> None:
        """The extraction succeeds, with every row once."""
        self.source.run("UPDATE pace SET seconds = 0")
        until(lambda: self.store.value("SELECT status FROM extractions") == "succeeded", "success")
        assert self.store.rows(_EXACT) == [(ROWS, ROWS, ROWS * (ROWS + 1) // 2, ROWS)]
