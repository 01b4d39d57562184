"""Two servers of this folder's own, which its tests stop, freeze and kill."""

from collections.abc import Iterator

import pytest

from agent.faults.harness import Bench
from extraction_agent import embedded

ROWS = 150_000
_SETTINGS = {"fsync": "off", "shared_buffers": "'64MB'", "log_min_messages": "fatal"}


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    """A source with rows and a server for stores."""
    with (
        embedded.folder() as folder,
        embedded.Server(folder / "source", _SETTINGS) as source,
        embedded.Server(folder / "store", _SETTINGS) as store,
    ):
        made = Bench(source, store, ROWS)
        made.fill()
        yield made
