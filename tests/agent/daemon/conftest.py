"""Daemons for tests: real processes, each with a store of its own."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemons import Daemon
from support import Database

MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def make_daemon(tmp_path: Path, store: Database) -> Iterator[MakeDaemon]:
    """Makes daemons that are not started yet; each is killed after the test.

    make_daemon(store_url=…, program=[…], WATCHDOG_USEC="600000"); without a URL all have the same store.
    """
    numbers = itertools.count(1)
    with contextlib.ExitStack() as stack:

        def make(store_url: str = store.url, program: list[str] | None = None, **environment: str) -> Daemon:
            daemon = Daemon(tmp_path / f"agent{next(numbers)}", store_url, program, **environment)
            stack.callback(daemon.close)
            return daemon

        yield make


@pytest.fixture
def daemon(make_daemon: MakeDaemon) -> Daemon:
    """A daemon that is ready, and a token of every scope."""
    ready = make_daemon().start()
    ready.make_token()
    return ready
