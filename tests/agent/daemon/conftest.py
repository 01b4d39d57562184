"""Daemons for tests: real processes, each with a store of its own."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.daemon.controller import Controller
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


@pytest.fixture
def controller(store: Database) -> Iterator[Controller]:
    made = Controller(store)
    yield made
    made.close()


@pytest.fixture
def make_host(make_daemon: MakeDaemon, tmp_path: Path) -> Callable[..., Daemon]:
    """Makes daemons that keep generations and are not started yet."""

    def make(name: str = "state", **options: Any) -> Daemon:
        made = make_daemon(**options)
        made.configure(state_directory=str(tmp_path / name))
        return made

    return make


@pytest.fixture
def host(make_host: Callable[..., Daemon]) -> Daemon:
    """One that is ready, with a token of every scope."""
    made = make_host().start()
    made.make_token()
    return made
