"""A Redis for each test of the cache, and agents with a cache each."""

from collections.abc import Callable, Iterator

import pytest

from cached_agent import Stores
from extraction_agent import profiles
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.local import Local
from extraction_agent.cache.protocol import Place
from extraction_agent.cache.redis import Redis
from redis_server import RedisServer, redis_server  # noqa: F401 - a fixture
from support import Database


@pytest.fixture
def stores(store: Database) -> Iterator[Stores]:
    opened = Stores(store.url)
    yield opened
    opened.close()


@pytest.fixture
def agent(stores: Stores) -> Iterator[Callable[[Place], Configs]]:
    """Makes caches, as agents of one fleet have them."""
    made: list[Configs] = []

    def make(place: Place) -> Configs:
        made.append(Configs(stores.open, place, profiles.Cache()))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(params=["redis", "local"])
def place(request: pytest.FixtureRequest) -> Place:
    if request.param == "local":
        return Local()
    server: RedisServer = request.getfixturevalue("redis_server")
    return Redis(server.url)
