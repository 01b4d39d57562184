"""Two agents, one Redis: a config that was changed on one is never read as it was on the other."""

import os
from typing import Any

import pytest

from cached_agent import two_agents
from redis_server import RedisServer
from support import Database

pytestmark = pytest.mark.ci  # minutes; the race itself is in test_configs.py, step by step

# A change on one agent, and a read of it on the other: 10,000 take two minutes.
PAIRS = int(os.environ.get("EXTRACTION_CACHE_PAIRS", "2500"))


def test_each_change_is_read_at_once_by_the_other(store: Database, redis_server: RedisServer) -> None:
    first, second = two_agents(store.url, redis_server.url, PAIRS, naive=False)
    assert first.failed + second.failed == []
    assert first.pairs + second.pairs == PAIRS
    assert first.stale + second.stale == 0
    with redis_server.client() as client:
        stats: Any = client.info("stats")
    hits = int(stats["keyspace_hits"])
    print(f"{first.reads + second.reads:,} reads, {hits:,} hits in Redis")
    assert hits > 1000, "the cache was hardly used"


def test_without_tickets_stale_reads_are_found(store: Database, redis_server: RedisServer) -> None:
    """What the test above would say of a cache that forgets about the race."""
    first, second = two_agents(store.url, redis_server.url, 400, naive=True)
    assert first.failed + second.failed == []
    assert first.stale + second.stale > 0
    print(f"{first.stale + second.stale:,} of {first.reads + second.reads:,} reads were stale")
