"""A fleet of three agents on two stores, idle until a test gives them work; and their sources."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from agent.daemon.controller import Mill
from agent.tuning.index_bench import fill
from daemons import Daemon
from prometheus import free_port
from proxy import Proxy
from support import Database

_PROGRAM = [sys.executable, str(Path(__file__).parents[1] / "sampling_agent.py")]
_MILL_ROWS = 50_000
# The settings of who works.
WORKING: dict[str, dict[str, Any]] = {"reading": {"chunks_in_flight": 4}, "source_guard": {"enabled": False}}


class Scene:
    """`worker` has the store `store`; `starved`, with a pool of two, and `frail` have another."""

    def __init__(self, folder: Path, make_database: Callable[[str], Database]) -> None:
        self.store, self.other_store = make_database("store"), make_database("store")
        self.mill_source, self.orders = make_database("source"), make_database("source")
        self.worker = Daemon(folder / "worker", self.store.url, _PROGRAM)
        self.worker.configure(state_directory=str(folder / "state"))
        self.worker.tune(**WORKING)
        self.starved = Daemon(folder / "starved", self.other_store.url, _PROGRAM)
        self.starved.tune(pool={"maximum": 2, "minimum_idle": 0})
        self.frail = Daemon(folder / "frail", self.other_store.url, _PROGRAM)
        self.frail.configure(api={"port": free_port()})  # the same one when it comes back
        self.proxy = Proxy(urlsplit(self.orders.url).port or 0)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.proxy)
            for daemon in self.daemons:
                stack.callback(daemon.close)
            with ThreadPoolExecutor() as threads:
                for daemon in threads.map(Daemon.start, self.daemons):
                    daemon.make_token()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def daemons(self) -> tuple[Daemon, Daemon, Daemon]:
        return self.worker, self.starved, self.frail

    def furnish(self) -> None:
        """Fill the sources; nobody is told of them yet."""
        self.mill = Mill(self.mill_source, _MILL_ROWS)
        fill(self.orders)  # the table `item`
        self.orders.run(
            "CREATE TABLE orders (id bigint PRIMARY KEY, updated_at timestamptz NOT NULL DEFAULT now())",
            "INSERT INTO orders SELECT n FROM generate_series(1, 1000) AS n",
            "ANALYZE orders",
        )
