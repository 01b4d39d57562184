"""What is due begins by itself, whichever of two daemons is first, and what was due while none was there too."""

from datetime import UTC, datetime, timedelta

from agent.daemon.conftest import MakeDaemon
from daemons import until
from extraction_agent.model import Consistency, Definition
from extraction_agent.store.schedules import Missed, Outcome
from extraction_agent.store.store import Config, Store
from support import Database


def _config(store: Store, source: Database) -> Config:
    definition = Definition(table="item", consistency=Consistency.SNAPSHOT, chunk_rows=1)
    return store.save_config("items", "postgresql", source.url, None, definition)


def test_two_daemons_one_schedule(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 500) AS n", "ANALYZE item")
    daemons = [make_daemon().start(), make_daemon().start()]
    with Store(store.url) as opened:
        config = _config(opened, source)
        opened.set_schedule(config, "0 0 1 1 *", "UTC", Missed.SKIP, opened.now())
        until(lambda: opened.counts() == {"succeeded": 1}, "the extraction")
        [firing] = opened.firings(config.id, 10)
        assert firing.outcome is Outcome.STARTED
        assert opened.schedules()[0].next_at > datetime.now(UTC)
        assert {entry.who for entry in opened.entries(10, object_="extraction 1")} >= {"schedule"}
    assert store.value("SELECT count(*) FROM extraction_data") == 500
    for daemon in daemons:
        daemon.stop()


def test_what_was_due_while_no_daemon_was_there(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 500) AS n", "ANALYZE item")
    with Store(store.url) as opened:
        config = _config(opened, source)
        opened.set_schedule(config, "0 0 1 1 *", "UTC", Missed.ONCE, opened.now() - timedelta(hours=3))
    daemon = make_daemon().start()
    with Store(store.url) as opened:
        until(lambda: opened.counts() == {"succeeded": 1}, "the extraction")
        [firing] = opened.firings(config.id, 10)
        assert (firing.outcome, "10,8" in (firing.detail or "")) == (Outcome.STARTED, True)
    daemon.stop()


def test_a_source_that_is_not_allowed_any_more(make_daemon: MakeDaemon, source: Database, store: Database) -> None:
    with Store(store.url) as opened:
        config = _config(opened, source)
        opened.set_schedule(config, "0 0 1 1 *", "UTC", Missed.ONCE, opened.now())
    daemon = make_daemon()
    daemon.configure(sources={"hosts": ["*.db.example"]})
    daemon.start()
    with Store(store.url) as opened:
        until(lambda: opened.firings(config.id, 10) != [], "the firing")
        [firing] = opened.firings(config.id, 10)
        assert firing.outcome is Outcome.FAILED
        assert "The host 127.0.0.1 is not allowed" in (firing.detail or "")
        assert opened.counts() == {}
    daemon.stop()
