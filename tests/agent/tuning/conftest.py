"""Two sides of one store: a controller's connection and another's."""

from collections.abc import Iterator

import pytest

from extraction_agent.store.store import Store
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
