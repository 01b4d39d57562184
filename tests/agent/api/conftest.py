"""The interface served for each test."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent.api.served import Lines, Served
from extraction_agent.observe import logs
from support import Database


@pytest.fixture
def served(store: Database) -> Iterator[Served]:
    """The interface with its defaults, and no agent."""
    with Served(store.url) as running:
        yield running


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What the test made the program log."""
    handler = Lines()
    handler.setFormatter(logs.Json(priorities=False))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)
    root.setLevel(before)


@pytest.fixture
def items(source: Database) -> Database:
    """A source with 5,000 rows in `item`."""
    source.run(
        "CREATE TABLE item AS SELECT n AS id, 'name of ' || n name, n / 7.0 AS share FROM generate_series(1, 5000) n",
        "ALTER TABLE item ADD PRIMARY KEY (id)",
        "ANALYZE item",
    )
    return source


@pytest.fixture
def new_config(items: Database) -> Callable[..., dict[str, Any]]:
    """The body that makes a config of `item`."""

    def make(name: str = "items", **definition: Any) -> dict[str, Any]:
        return {"name": name, "source_url": items.url, "definition": {"table": "item", **definition}}

    return make
