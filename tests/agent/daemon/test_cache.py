"""Two daemons, one Redis: what one answers as changed, the other shows; with Redis gone, too."""

import time

from agent.daemon.conftest import MakeDaemon
from daemons import Daemon, until
from redis_server import RedisServer, redis_server  # noqa: F401 - a fixture

_HITS = 'extraction_cache_hits_total{cache="extraction-configs"}'


def _put(daemon: Daemon, path: str, table: str) -> float:
    """Returns the seconds it took."""
    body = {"source_url": "postgresql://reader@db/shop", "definition": {"table": table}}
    begun = time.monotonic()
    answer = daemon.ask(path, "PUT", body)
    assert answer.status == 200, answer.text
    return time.monotonic() - begun


def _table(daemon: Daemon, path: str) -> str:
    answer = daemon.ask(path)
    assert answer.status == 200, answer.text
    table: str = answer.json()["definition"]["table"]
    return table


def test_a_change_on_one_is_seen_on_the_other(make_daemon: MakeDaemon, redis_server: RedisServer) -> None:  # noqa: F811 - the fixture
    daemons = [make_daemon(), make_daemon()]
    for daemon in daemons:
        daemon.configure(cache={"redis_url": redis_server.url})
        daemon.start()
    daemons[0].make_token()
    daemons[1].token = daemons[0].token
    body = {"name": "orders", "source_url": "postgresql://reader@db/shop", "definition": {"table": "t0"}}
    made = daemons[0].ask("/api/v1/configs", "POST", body)
    assert made.status == 201, made.text
    path = f"/api/v1/configs/{made.json()['id']}"

    def both_hit() -> bool:
        before = [daemon.metric(_HITS) for daemon in daemons]
        for daemon in daemons:
            _table(daemon, path)
        return all(daemon.metric(_HITS) > number for daemon, number in zip(daemons, before, strict=True))

    def change_and_look(numbers: range) -> None:
        for number in numbers:
            changing, reading = daemons[number % 2], daemons[(number + 1) % 2]
            _put(changing, path, f"t{number}")
            assert _table(reading, path) == f"t{number}"
            assert _table(changing, path) == f"t{number}"

    until(both_hit, "the cache to be used")
    change_and_look(range(1, 50))
    redis_server.kill()
    change_and_look(range(50, 60))
    assert min(_put(daemons[0], path, "t60") for _ in range(5)) < 1, (
        "while Redis is away, every change waits for a lease"
    )
    redis_server.start()
    change_and_look(range(61, 70))
    until(both_hit, "the cache to be used again")
    change_and_look(range(70, 90))
    for daemon in daemons:
        assert daemon.ask("/readiness").status == 200
        daemon.stop()
