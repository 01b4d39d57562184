"""Two sides of one store: a controller's connection and another's."""

from collections.abc import Iterator

import pytest

from agent.tuning.index_bench import Side, begin, fill, profile
from extraction_agent import profiles
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.place import Place
from support import Database


@pytest.fixture
def opened(store: Database) -> Iterator[Store]:
    """The controller's."""
    with Store(store.url) as connection:
        yield connection


@pytest.fixture
def other(store: Database) -> Iterator[Store]:
    """Somebody else's."""
    with Store(store.url) as connection:
        yield connection


@pytest.fixture
def filled(source: Database) -> Database:
    """A source with a table to be indexed."""
    fill(source)
    return source


@pytest.fixture
def side(opened: Store, filled: Database) -> Side:
    """A rollout that wants an index of the source."""
    return Side(opened, Place.source(filled.url), begin(opened, profile(filled)))


@pytest.fixture
def at_store(opened: Store, store: Database) -> Side:
    """A rollout that wants the store's three."""
    return Side(opened, Place.store(store.url), begin(opened, profiles.load("optimized")))
