"""The cache of configs, call by call: what is evicted stays evicted, whatever happens to Redis meanwhile."""

import time
from collections.abc import Callable

import pytest

from cached_agent import Naive, Stores, save, version_of
from extraction_agent import deadlines, errors, profiles
from extraction_agent.cache import clock
from extraction_agent.cache.configs import Configs
from extraction_agent.cache.local import Local
from extraction_agent.cache.protocol import NAME, Place
from extraction_agent.cache.redis import Redis
from extraction_agent.model import Definition
from extraction_agent.observe import metrics
from extraction_agent.pipeline.start import start
from extraction_agent.profiles import Settings
from extraction_agent.sources import open_source
from extraction_agent.store.store import Store
from proxy import Proxy
from redis_server import RedisServer
from support import Database


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "CACHE_ADOPT", 0.3)
    monkeypatch.setattr(deadlines, "CACHE", 1.0)  # a call that a slow machine makes late would be a miss


def _count(counter: str) -> float:
    value = metrics.REGISTRY.get_sample_value(f"extraction_cache_{counter}_total", {"cache": NAME})
    return value or 0.0


def _hit(configs: Configs, config_id: int) -> bool:
    before = _count("hits")
    assert configs.get(config_id) is not None
    return _count("hits") == before + 1


def _until_cached(configs: Configs, config_id: int, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not _hit(configs, config_id):
        assert time.monotonic() < deadline, "the cache does not come into use"
        time.sleep(0.02)


def test_read_through_and_evicted(stores: Stores, agent: Callable[[Place], Configs], place: Place) -> None:
    configs = agent(place)
    first = save(stores, "orders", 1)
    assert configs.get(first.id) == first
    _until_cached(configs, first.id)
    assert configs.get(first.id) == first
    evictions = _count("evictions")
    second = save(stores, "orders", 2)
    configs.evict(first.id)
    assert _count("evictions") == evictions + 1
    assert configs.get(first.id) == second
    assert _hit(configs, first.id)
    assert configs.get(first.id + 1000) is None


def test_a_reader_that_was_overtaken_sets_nothing(
    stores: Stores, agent: Callable[[Place], Configs], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The race itself, step by step: it reads the old row, another commits and evicts, then it sets."""
    configs = agent(place)
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    configs.evict(config_id)
    read = configs._read

    def overtaken(number: int) -> object:
        old = read(number)
        save(stores, "orders", 2)
        configs.evict(number)
        return old

    monkeypatch.setattr(configs, "_read", overtaken)
    assert version_of(configs.get(config_id)) == 1  # it began before the change was answered
    monkeypatch.setattr(configs, "_read", read)
    assert version_of(configs.get(config_id)) == 2


def test_without_tickets_the_overtaken_reader_brings_the_old_value_back(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = agent(Naive(redis_server.url))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    configs.evict(config_id)
    read = configs._read

    def overtaken(number: int) -> object:
        old = read(number)
        save(stores, "orders", 2)
        configs.evict(number)
        return old

    monkeypatch.setattr(configs, "_read", overtaken)
    configs.get(config_id)
    monkeypatch.setattr(configs, "_read", read)
    assert version_of(configs.get(config_id)) == 1  # stale, for as long as the entry lives


def test_an_entry_ends_by_itself(stores: Stores, agent: Callable[[Place], Configs], place: Place) -> None:
    configs = agent(place)
    configs.reload(profiles.Cache(ttl_seconds=0.2))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    time.sleep(0.3)
    assert not _hit(configs, config_id)


def test_switched_off_every_read_asks_the_store(
    stores: Stores, agent: Callable[[Place], Configs], place: Place
) -> None:
    configs = agent(place)
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    configs.reload(profiles.Cache(enabled=False))
    assert not _hit(configs, config_id)
    configs.reload(profiles.Cache())
    _until_cached(configs, config_id)


def test_redis_killed_and_back_with_what_it_once_saved(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer
) -> None:
    """It comes back with an entry that was evicted since: nobody is given it."""
    configs = agent(Redis(redis_server.url))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    with redis_server.client() as client:
        saved = client.keys()
        client.save()
    assert len(saved) == 1
    save(stores, "orders", 2)
    configs.evict(config_id)
    redis_server.kill()
    errors_before = _count("errors")
    assert version_of(configs.get(config_id)) == 2  # straight from the store
    assert _count("errors") > errors_before
    save(stores, "orders", 3)
    configs.evict(config_id)
    redis_server.start()
    with redis_server.client() as client:
        assert client.keys() == saved, "the old entry did not come back: this test proves nothing"
    for _ in range(500):  # for longer than a lease
        assert version_of(configs.get(config_id)) == 3
        time.sleep(0.002)
    _until_cached(configs, config_id)
    assert version_of(configs.get(config_id)) == 3


def test_redis_stalled(stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer) -> None:
    """Changes and reads go on, within a bound; when it wakes up it is used again, and what it missed is not served."""
    configs, other = agent(Redis(redis_server.url)), agent(Redis(redis_server.url))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    _until_cached(other, config_id)
    redis_server.pause()
    save(stores, "orders", 2)
    begun = time.monotonic()
    configs.evict(config_id)
    assert time.monotonic() - begun < 5
    assert version_of(other.get(config_id)) == 2
    save(stores, "orders", 3)
    configs.evict(config_id)
    assert version_of(configs.get(config_id)) == version_of(other.get(config_id)) == 3
    redis_server.go_on()
    for each in (configs, other):
        _until_cached(each, config_id)
        assert version_of(each.get(config_id)) == 3


def test_an_agent_that_cannot_reach_redis_while_another_can(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer
) -> None:
    """Its eviction is lost, the other has the old entry at hand: it does not serve it once the change is answered."""
    with Proxy(redis_server.port) as proxy:
        near = agent(Redis(redis_server.url))
        far = agent(Redis(proxy.url("").replace("postgresql://postgres@", "redis://")))
        config_id = save(stores, "orders", 1).id
        _until_cached(near, config_id)
        _until_cached(far, config_id)
        proxy.freeze()
        save(stores, "orders", 2)
        assert version_of(near.get(config_id)) == 1  # in no hurry yet: the change has not been answered
        far.evict(config_id)
        with redis_server.client() as client:
            assert any(not key.endswith(":ticket") for key in client.scan_iter()), (
                "the old entry is gone: nothing is shown"
            )
        assert version_of(near.get(config_id)) == 2
        assert version_of(far.get(config_id)) == 2
        _until_cached(near, config_id)  # the one that reaches it puts it to use again
        save(stores, "orders", 3)
        near.evict(config_id)
        assert version_of(far.get(config_id)) == 3


def test_redis_flushed_while_a_reader_is_on_its_way(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = agent(Redis(redis_server.url))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    configs.evict(config_id)
    read = configs._read

    def flushed(number: int) -> object:
        old = read(number)
        save(stores, "orders", 2)
        with redis_server.client() as client:
            client.flushall()
            client.script_flush()
        configs.evict(number)
        return old

    monkeypatch.setattr(configs, "_read", flushed)
    configs.get(config_id)
    monkeypatch.setattr(configs, "_read", read)
    assert version_of(configs.get(config_id)) == 2
    assert _hit(configs, config_id)


def test_two_agents_without_redis_are_slow_but_never_stale(
    stores: Stores, agent: Callable[[Place], Configs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines, "CACHE_LEASE", 0.4)  # so that each adopts a cache some times in these rounds
    configs, other = agent(Local()), agent(Local())
    config_id = save(stores, "orders", 0).id
    for version in range(1, 8):
        for each in (configs, other):
            each.get(config_id)
        time.sleep(0.2)
        save(stores, "orders", version)
        (configs if version % 2 else other).evict(config_id)
        assert version_of(configs.get(config_id)) == version_of(other.get(config_id)) == version


def test_a_config_changed_by_the_command_line(
    source: Database, store: Database, agent: Callable[[Place], Configs], redis_server: RedisServer
) -> None:
    """`extractctl extract` knows no Redis: when it goes on, no agent takes its cache for valid."""
    source.run("CREATE TABLE item (id int PRIMARY KEY)", "CREATE TABLE other (id int PRIMARY KEY)")
    configs = agent(Redis(redis_server.url))

    def begin(table: str) -> int:
        definition = Definition(table=table)
        with Store(store.url) as opened:
            begun = start(opened, open_source(source.url), "orders", source.url, None, definition, Settings())
        store.run("UPDATE extractions SET status = 'cancelled'")
        found = store.value("SELECT config_id FROM extractions WHERE id = %(n)s", {"n": begun.extraction_id})
        assert isinstance(found, int)
        return found

    config_id = begin("item")
    _until_cached(configs, config_id)
    begin("item")  # as it was: the cache stays
    assert _hit(configs, config_id)
    assert begin("other") == config_id
    config = configs.get(config_id)
    assert config is not None
    assert config.definition.table == "other"
    _until_cached(configs, config_id)


def test_what_another_version_wrote_is_read_from_the_store(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer
) -> None:
    configs = agent(Redis(redis_server.url))
    config = save(stores, "orders", 1)
    _until_cached(configs, config.id)
    with redis_server.client() as client:
        [key] = client.keys()
        for text in ("", "[]", '{"id": 1}', '{"id": 1, "definition": {"of": "the future"}}'):
            client.set(key, text)
            assert configs.get(config.id) == config


def test_a_wrong_address_is_refused_and_no_password_told(redis_server: RedisServer) -> None:
    with pytest.raises(errors.UsageError, match=r"cache\.redis_url"):
        Redis("http://127.0.0.1")
    redis_server.kill()
    place = Redis(redis_server.url, "Geheim")
    with pytest.raises(errors.StoreUnavailable) as told:
        place.server()
    assert "Geheim" not in str(told.value)
    assert f"127.0.0.1:{redis_server.port}" in str(told.value)
    place.close()


def test_a_password(stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer) -> None:
    with redis_server.client() as client:
        client.config_set("requirepass", "Geheim")
    place = Redis(redis_server.url, "Geheim")
    configs = agent(place)
    _until_cached(configs, save(stores, "orders", 1).id)
    refused = Redis(redis_server.url)
    with pytest.raises(errors.StoreUnavailable, match=r"[Aa]uthentication"):
        refused.server()
    refused.close()


def test_a_user_of_redis_that_may_do_little(
    stores: Stores, agent: Callable[[Place], Configs], redis_server: RedisServer
) -> None:
    """docs/explanation/cache.md"""
    commands = ["+info", "+get", "+set", "+del", "+eval", "+evalsha", "+script", "+client|setname"]
    with redis_server.client() as client:
        client.acl_setuser(
            "agent", enabled=True, passwords=["+Geheim"], keys=["extraction-configs:*"], commands=commands
        )
    configs = agent(Redis(redis_server.url.replace("127.0.0.1", "agent@127.0.0.1"), "Geheim"))
    config_id = save(stores, "orders", 1).id
    _until_cached(configs, config_id)
    save(stores, "orders", 2)
    configs.evict(config_id)
    assert version_of(configs.get(config_id)) == 2
    assert _hit(configs, config_id)


def test_the_clock_of_leases_moves() -> None:
    before = clock.now()
    time.sleep(0.01)
    assert clock.now() > before
