"""Two processes with a cache each, that change and read the same configs; and a cache that forgets about the race."""

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from extraction_agent import profiles
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.lease import outlast
from extraction_agent.cache.protocol import NAME, Key
from extraction_agent.cache.redis import Redis
from extraction_agent.model import Definition
from extraction_agent.store.store import Config, Store

_HESITATION = 0.05  # s at most: longer than from one change of a config to its next
READERS = 2  # threads of each process that do nothing but read


class Hesitant(Redis):
    """A cache that is slow to be brought what was read: whoever read a row is often overtaken by its change."""

    def put(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        time.sleep(random.random() * _HESITATION)
        self.bring(key, ticket, value, ttl_seconds)

    def bring(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        super().put(key, ticket, value, ttl_seconds)


class Naive(Hesitant):
    """What a cache is without tickets: whoever has read a row sets it."""

    def bring(self, key: Key, ticket: str, value: str, ttl_seconds: float) -> None:
        del ticket, ttl_seconds
        self._client.set(f"{NAME}:1:{key.name}", value)


class Stores:
    """A connection a thread, as a pool would lend."""

    def __init__(self, url: str) -> None:
        self._url, self._own = url, threading.local()

    @contextmanager
    def open(self) -> Iterator[Store]:
        if getattr(self._own, "store", None) is None or not self._own.store.usable:
            self._own.store = Store(self._url)
        yield self._own.store

    def close(self) -> None:
        """This thread's connection."""
        if hasattr(self._own, "store"):
            self._own.store.close()


def save(stores: Stores, name: str, version: int) -> Config:
    """Give a config a content that tells its version."""
    with stores.open() as store:
        return store.save_config(name, "postgresql", "postgresql://db/shop", f"v{version}", Definition(table="t"))


def version_of(config: Config | None) -> int:
    assert config is not None
    assert config.secret is not None
    return int(config.secret[1:])


@dataclass(slots=True)
class Result:
    """What one process saw."""

    pairs: int = 0
    reads: int = 0
    stale: int = 0
    failed: list[str] = field(default_factory=list)


class Peer:
    """One of the two processes."""

    def __init__(self, store_url: str, redis_url: str, naive: bool, ids: list[int], answered: Any) -> None:
        self._stores = Stores(store_url)
        self._configs = Configs(self._stores.open, (Naive if naive else Hesitant)(redis_url), profiles.Cache())
        self._ids, self._answered = ids, answered
        self._end = threading.Event()
        self._result, self._lock = Result(), threading.Lock()

    def run(self, mine: list[int], pairs: int, ask: Connection, answer: Connection) -> Result:
        """Change configs of one's own, and have the other process read each at once; answer what it asks."""
        readers = [threading.Thread(target=self._guarded, args=[self._read_on]) for _ in range(READERS)]
        answering = threading.Thread(target=self._guarded, args=[self._answer_all, answer])
        for thread in (*readers, answering):
            thread.start()
        self._guarded(self._change_all, mine, pairs, ask)
        ask.send(None)
        answering.join()
        self._end.set()
        for thread in readers:
            thread.join()
        return self._result

    def _guarded(self, work: Any, *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - the test must see it
            self._result.failed.append(repr(error))

    def _change_all(self, mine: list[int], pairs: int, ask: Connection) -> None:
        for number in range(1, pairs + 1):
            which = mine[number % len(mine)]
            save(self._stores, f"config {which}", number)
            self._configs.evict(self._ids[which])
            self._answered[which] = number  # from here on nobody may read less
            ask.send(which)
            ask.recv()
            self._result.pairs += 1

    def _answer_all(self, answer: Connection) -> None:
        while (which := answer.recv()) is not None:
            self._read(which)
            answer.send(True)

    def _read_on(self) -> None:
        while not self._end.is_set():
            self._read(random.randrange(len(self._ids)))

    def _read(self, which: int) -> None:
        least = self._answered[which]
        found = version_of(self._configs.get(self._ids[which]))
        with self._lock:
            self._result.reads += 1
            self._result.stale += found < least


def _process(
    urls: tuple[str, str], naive: bool, ids: list[int], answered: Any, mine: list[int], pairs: int,
    ask: Connection, answer: Connection, results: Any,
) -> None:  # fmt: skip
    results.put(Peer(*urls, naive, ids, answered).run(mine, pairs, ask, answer))


def _put_to_use(stores: Stores, redis_url: str) -> None:
    """Have the cache in use from the first read on: agents by themselves wait seconds, in which a fast host is done."""
    cache = Redis(redis_url)
    with stores.open() as store:
        store.change_cache_epoch(store.cache_epoch(), cache.server())
        begun = store.cache_epoch()
    cache.close()
    outlast(stores.open, begun)


def two_agents(store_url: str, redis_url: str, pairs: int, *, naive: bool) -> tuple[Result, Result]:
    """Change and read `pairs` times, half of them from each side."""
    stores = Stores(store_url)
    ids = [save(stores, f"config {number}", 0).id for number in range(4)]
    _put_to_use(stores, redis_url)
    stores.close()
    context = multiprocessing.get_context("spawn")
    answered = context.Array("q", [0] * len(ids))
    results = context.Queue()
    first_asks, second_answers = context.Pipe()
    second_asks, first_answers = context.Pipe()
    urls = (store_url, redis_url)
    sides = [([0, 1], first_asks, first_answers), ([2, 3], second_asks, second_answers)]
    processes = [
        context.Process(
            target=_process, args=(urls, naive, ids, answered, mine, pairs // 2, ask, answer, results), daemon=True
        )
        for mine, ask, answer in sides
    ]
    for process in processes:
        process.start()
    deadline = time.monotonic() + 250
    found = [results.get(timeout=max(deadline - time.monotonic(), 1)) for _ in processes]
    for process in processes:
        process.join(10)
    return found[0], found[1]
