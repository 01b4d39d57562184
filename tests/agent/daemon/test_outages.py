"""Each part the daemon needs goes away and comes back, in every way, while rows move and clients ask."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest
from psycopg import sql as q

from agent.daemon.conftest import MakeDaemon
from agent.daemon.outage import OPEN, STORED, Scene
from daemons import until
from extraction_agent import embedded
from extraction_agent.store.store import Store
from proxy import Way
from redis_server import RedisServer, redis_server  # noqa: F401 - a fixture
from support import Database

P99 = 0.15  # s
NOISE = 4  # times that, on a machine that does other things too; the figure itself is printed
TRUTH = 2.0  # s after which readiness says so to whoever asks
RESUMED = 10.0  # s after the return
PARTS = ("source", "store", "Redis")
SETTLED = 0.5  # s after which nothing is under way any more
SHORT = 3.0  # s
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Outage:
    """What goes away, for how long."""

    name: str
    parts: frozenset[str]  # source, store, Redis
    begin: Callable[[Scene], None]
    end: Callable[[Scene], None]
    seconds: float = SHORT

    def __str__(self) -> str:
        return self.name


def stalled(way: Way | None, *parts: str, seconds: float = SHORT) -> Outage:
    """Nothing passes, one way or (None) both; connections stand, and new ones are taken."""
    ways = () if way is None else (way,)

    def begin(scene: Scene) -> None:
        for part in parts:
            scene.proxies[part].freeze(*ways)

    def end(scene: Scene) -> None:
        for part in parts:
            scene.proxies[part].thaw()

    return Outage(f"{', '.join(parts)} stalled, {way or 'both ways'}", frozenset(parts), begin, end, seconds)


def reset(*parts: str) -> Outage:
    """Connections are reset, old and new."""

    def begin(scene: Scene) -> None:
        for part in parts:
            scene.proxies[part].refuse()

    def end(scene: Scene) -> None:
        for part in parts:
            scene.proxies[part].accept()

    return Outage(f"{', '.join(parts)} reset", frozenset(parts), begin, end)


RESTARTED = Outage(
    "store restarted",
    frozenset({"store"}),
    lambda scene: scene.store_server.stop("immediate"),
    lambda scene: scene.store_server.start(),
)
KILLED = Outage(
    "Redis killed and back",
    frozenset({"Redis"}),
    lambda scene: scene.redis_server.kill(),
    lambda scene: scene.redis_server.start(),
)


@pytest.fixture(scope="module")
def store_server() -> Iterator[embedded.Server]:
    """A server for stores alone, to be restarted."""
    settings = {"fsync": "off", "shared_buffers": "'32MB'"}
    with embedded.folder() as folder, embedded.Server(folder / "own", settings) as server:
        yield server


@pytest.fixture
def scene(
    make_daemon: MakeDaemon,
    source: Database,
    store_server: embedded.Server,
    redis_server: RedisServer,  # noqa: F811 - the fixture
) -> Iterator[Scene]:
    name = f"store_{next(_numbers)}"
    with psycopg.connect(store_server.url(), autocommit=True) as connection:
        connection.execute(q.SQL("CREATE DATABASE {}").format(q.Identifier(name)))
    store = Database(store_server.url(name))
    with Store(store.url, check=False) as opened:
        opened.migrate()
    with Scene(make_daemon(store_url=store.url), source, store, store_server, redis_server) as entered:
        yield entered


@pytest.mark.ci
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "outages",
    [
        [stalled(None, "source", seconds=10)],
        [RESTARTED],
        [KILLED, stalled("to the server", "Redis")],
        [stalled("to the server", *PARTS), stalled("to the client", *PARTS), reset(*PARTS)],
    ],
    ids=["source", "store", "Redis", "network"],
)
def test_what_goes_away_comes_back_and_nothing_is_lost(scene: Scene, outages: list[Outage]) -> None:
    for outage in outages:
        live_through(scene, outage)
    scene.assert_exact()
    scene.daemon.stop()


def live_through(scene: Scene, outage: Outage) -> None:
    """One outage: what must hold in it and after it."""
    figures: dict[str, float] = {}
    if outage is KILLED:
        until(lambda: scene.hits() > 0, "the cache to be used")
    begun = time.monotonic()
    outage.begin(scene)
    if "store" in outage.parts:
        figures["away told after"] = scene.turned("/readiness", 503, time.monotonic())
    time.sleep(SETTLED)
    stood = outage is RESTARTED or scene.done()
    time.sleep(max(begun + outage.seconds - time.monotonic(), 0))
    if outage is not RESTARTED and outage.parts & {"source", "store"}:
        assert scene.done() == stood, "nothing went away"
    outage.end(scene)
    ended = time.monotonic()  # a server takes its time to start
    before = scene.done()
    until(lambda: scene.done() > before + 2, "work", RESUMED)
    figures["work resumed after"] = time.monotonic() - ended
    if "store" in outage.parts:
        figures["back told after"] = scene.turned("/readiness", 200, ended)
    if outage is KILLED:
        hits = scene.hits()
        until(lambda: scene.hits() > hits, "the cache to be used")
        figures["cache used after"] = time.monotonic() - ended
    figures["p99 open"] = scene.p99(OPEN, begun)
    if "store" not in outage.parts:
        figures["p99 stored"] = scene.p99(STORED, begun)
    print(f"\n{outage}: {', '.join(f'{name} {value:.3f} s' for name, value in figures.items())}")
    assert figures["p99 open"] < NOISE * P99
    assert figures.get("away told after", 0) < TRUTH
    assert figures.get("back told after", 0) < TRUTH
    answers = {path: {one.status for one in scene.asked((path,), begun, time.monotonic())} for path in (*OPEN, *STORED)}
    always = set(OPEN) - {"/readiness"}
    if "store" not in outage.parts:
        always = {*OPEN, *STORED}
        assert figures["p99 stored"] < NOISE * P99
    assert {path: answers[path] for path in always} == {path: {200} for path in always}
