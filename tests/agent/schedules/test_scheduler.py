"""Schedules fire once per fleet, and what becomes of each time is recorded."""

import asyncio
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

import scheduling_agent
from extraction_agent import errors
from extraction_agent.interfaces.cli.main import app
from extraction_agent.model import Consistency, Definition, Status
from extraction_agent.pipeline.start import Started, start_saved
from extraction_agent.profiles import Settings
from extraction_agent.schedules import Cron, Scheduler
from extraction_agent.sources import open_source
from extraction_agent.sources.protocol import Snapshot
from extraction_agent.store.schedules import Firing, Missed, Outcome
from extraction_agent.store.store import Config, Store
from support import Database

_NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
_HOURLY = "0 * * * *"


@pytest.fixture
def items(source: Database) -> Database:
    source.run("CREATE TABLE item AS SELECT n AS id FROM generate_series(1, 500) AS n", "ANALYZE item")
    return source


def _begin(store: Store, config: Config) -> Started:
    return start_saved(store, open_source(config.source_url), config, Settings())


class Bench:
    """One config with a schedule, one scheduler, a clock that the test sets."""

    def __init__(self, store: Database, source: Database, missed: Missed = Missed.SKIP) -> None:
        self.store, self.now = store, _NOON
        self.begin: Callable[[Store, Config], Started] = _begin
        self.held: list[tuple[int, Snapshot]] = []
        definition = Definition(table="item", consistency=Consistency.SNAPSHOT, chunk_rows=1)
        with Store(store.url) as opened:
            self.config = opened.save_config("items", "postgresql", source.url, None, definition)
            opened.set_schedule(self.config, _HOURLY, "UTC", missed, Cron.parse(_HOURLY, "UTC").after(_NOON))
        self.scheduler = self.agent("one")

    def agent(self, name: str) -> Scheduler:
        return Scheduler(self.open, self._begin, self._hold, name, lambda _: self.now)

    def open(self) -> AbstractContextManager[Store]:
        return Store(self.store.url)

    def _begin(self, store: Store, config: Config) -> Started:
        return self.begin(store, config)

    def _hold(self, extraction_id: int, snapshot: Snapshot, longest: float) -> None:
        assert longest == self.config.definition.snapshot_max_seconds
        assert self.store.value(f"SELECT count(*) FROM extractions WHERE id = {extraction_id}") == 1, "not committed"
        self.held.append((extraction_id, snapshot))
        snapshot.close()

    def at(self, **later: float) -> int:
        """Set the clock and let the scheduler look. Returns how many it fired."""
        self.now = _NOON + timedelta(**later)
        return self.scheduler.fire_due()

    def firings(self) -> list[Firing]:
        with Store(self.store.url) as opened:
            return opened.firings(self.config.id, 1000)

    def end(self) -> None:
        """End what runs."""
        with Store(self.store.url) as opened:
            for one in opened.summaries():
                opened.end(one.extraction_id, Status.CANCELLED, None)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(f"{one.due_at:%H:%M}", one.outcome.value) for one in reversed(self.firings())]


@pytest.fixture
def bench(store: Database, items: Database) -> Bench:
    return Bench(store, items)


def test_fires_when_due_and_not_before(bench: Bench) -> None:
    assert bench.at(minutes=59, seconds=59) == 0
    assert bench.store.value("SELECT count(*) FROM extractions") == 0
    assert bench.at(hours=1) == 1
    assert bench.at(hours=1, minutes=5) == 0
    [firing] = bench.firings()
    assert (firing.outcome, firing.agent, firing.detail) == (Outcome.STARTED, "one", None)
    assert (firing.due_at, firing.fired_at) == (_NOON + timedelta(hours=1), _NOON + timedelta(hours=1))
    assert bench.store.rows("SELECT id, status FROM extractions") == [(firing.extraction_id, "running")]
    assert [number for number, _ in bench.held] == [firing.extraction_id]
    bench.end()
    assert bench.at(hours=2) == 1
    assert bench.outcomes() == [("13:00", "started"), ("14:00", "started")]


def test_does_not_overlap(bench: Bench) -> None:
    bench.at(hours=1)
    assert bench.at(hours=2) == 1
    assert bench.outcomes() == [("13:00", "started"), ("14:00", "overlap")]
    assert "Extraction 1 of config items is not finished" in (bench.firings()[0].detail or "")
    assert bench.store.value("SELECT count(*) FROM extractions") == 1
    bench.end()
    bench.at(hours=3)
    assert bench.outcomes()[-1] == ("15:00", "started")


def test_missed_times_are_skipped(bench: Bench) -> None:
    assert bench.at(hours=5, minutes=10) == 1
    assert bench.outcomes() == [("13:00", "missed")]
    assert bench.store.value("SELECT count(*) FROM extractions") == 0
    assert bench.at(hours=6) == 1
    assert bench.outcomes() == [("13:00", "missed"), ("18:00", "started")]


def test_missed_times_are_run_once(store: Database, items: Database) -> None:
    bench = Bench(store, items, Missed.ONCE)
    assert bench.at(hours=5, minutes=10) == 1
    assert bench.outcomes() == [("13:00", "started")]
    assert "15,000 s" in (bench.firings()[0].detail or "")
    assert bench.at(hours=5, minutes=20) == 0
    bench.end()
    assert bench.at(hours=6) == 1
    assert store.value("SELECT count(*) FROM extractions") == 2


def test_a_little_late_is_not_missed(bench: Bench) -> None:
    bench.at(hours=1, seconds=59)
    assert bench.outcomes() == [("13:00", "started")]


@pytest.mark.parametrize("second", [0, 30], ids=["due together", "due meanwhile"])
def test_what_is_due_while_another_is_planned_was_not_missed(bench: Bench, second: int) -> None:
    due = _NOON + timedelta(hours=1)
    with Store(bench.store.url) as opened:
        other = opened.save_config("other", "postgresql", bench.config.source_url, None, bench.config.definition)
        opened.set_schedule(other, _HOURLY, "UTC", Missed.SKIP, due + timedelta(seconds=second))
    begun = []

    def slow(store: Store, config: Config) -> Started:
        begun.append(config.name)
        bench.now += timedelta(seconds=240)
        return _begin(store, config)

    bench.begin = slow
    assert bench.at(hours=1) == 2
    assert begun == ["items", "other"], "the other was not behind the one that takes so long"
    with Store(bench.store.url) as opened:
        [firing] = opened.firings(other.id, 10)
    assert (firing.outcome, firing.due_at) == (Outcome.STARTED, due + timedelta(seconds=second))
    assert firing.detail == f"Others were planned before it for {240 - second} s after it was due."


def test_a_time_zone_that_this_host_cannot_read_keeps_no_other_schedule(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with Store(bench.store.url) as opened:
        other = opened.save_config("other", "postgresql", bench.config.source_url, None, bench.config.definition)
        opened.set_schedule(other, _HOURLY, "UTC", Missed.SKIP, _NOON + timedelta(hours=1, seconds=1))
    bench.store.run(f"UPDATE extraction_schedules SET time_zone = 'Europe/Nowhere' WHERE config_id = {bench.config.id}")
    assert bench.at(hours=1, seconds=1) == 2
    [told] = [record.getMessage() for record in caplog.records if "items" in record.getMessage()]
    assert "tried again soon: this host cannot tell when it comes next" in told
    assert "There is no time zone 'Europe/Nowhere'" in told
    with Store(bench.store.url) as opened:
        assert [firing.outcome for firing in opened.firings(other.id, 10)] == [Outcome.STARTED]
    assert bench.firings() == []
    assert bench.at(hours=1, seconds=30) == 0, "it is not tried all the time"
    bench.store.run("UPDATE extraction_schedules SET time_zone = 'UTC'")  # as a host that knows it would see it
    assert bench.at(hours=1, seconds=31) == 1
    assert bench.outcomes() == [("13:00", "started")]


def test_a_source_that_is_away_is_tried_again(bench: Bench) -> None:
    def away(_store: Store, _config: Config) -> Started:
        raise errors.SourceUnavailable("source db: no answer.")

    bench.begin = away
    assert bench.at(hours=1) == 1
    assert bench.firings() == []
    assert bench.at(hours=1, seconds=29) == 0
    assert bench.at(hours=1, seconds=30) == 1
    bench.begin = _begin
    assert bench.at(hours=1, minutes=5) == 1  # later than what counts as missed, but an agent was there
    assert bench.outcomes() == [("13:00", "started")]
    bench.end()
    bench.begin = away
    bench.at(hours=2)
    bench.at(hours=2, minutes=16)
    assert bench.outcomes()[-1] == ("14:00", "failed")
    assert bench.firings()[0].detail == "source db: no answer."


def test_what_cannot_be_mended_is_recorded_and_leaves_nothing_else(bench: Bench) -> None:
    def half(store: Store, config: Config) -> Started:
        started = _begin(store, config)
        assert started.snapshot is not None
        started.snapshot.close()
        raise ZeroDivisionError("a mistake")

    bench.begin = half
    bench.at(hours=1)
    assert bench.outcomes() == [("13:00", "failed")]
    assert "ZeroDivisionError: a mistake" in (bench.firings()[0].detail or "")
    assert bench.store.value("SELECT count(*) FROM extractions") == 0
    bench.store.run('UPDATE extraction_configs SET definition = \'{"of": "the future"}\'')
    bench.at(hours=2)
    assert "cannot be read" in (bench.firings()[0].detail or "")


def test_a_store_that_goes_away_in_the_middle_leaves_nothing_and_another_fires(bench: Bench) -> None:
    def lost(store: Store, config: Config) -> Started:
        started = _begin(store, config)
        bench.store.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'extraction-agent'"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
        )
        return started

    bench.begin = lost
    with pytest.raises(errors.StoreUnavailable):
        bench.at(hours=1)
    assert bench.firings() == []
    assert bench.store.value("SELECT count(*) FROM extractions") == 0
    bench.begin = _begin
    assert bench.agent("two").fire_due() == 1
    assert [(one.outcome, one.agent) for one in bench.firings()] == [(Outcome.STARTED, "two")]


def test_two_that_are_at_it_at_once(bench: Bench) -> None:
    """While one plans, another finds nothing to do, and does not wait."""
    planning, go_on = threading.Event(), threading.Event()

    def slow(store: Store, config: Config) -> Started:
        planning.set()
        assert go_on.wait(20)
        return _begin(store, config)

    bench.begin = slow
    first = threading.Thread(target=bench.at, kwargs={"hours": 1})
    first.start()
    assert planning.wait(20)
    bench.begin = _begin
    assert bench.agent("two").fire_due() == 0
    go_on.set()
    first.join()
    assert [(one.outcome, one.agent) for one in bench.firings()] == [(Outcome.STARTED, "one")]


def test_only_the_newest_firings_are_kept(bench: Bench) -> None:
    bench.at(hours=1)
    for hour in range(2, 130):
        assert bench.at(hours=hour) == 1
    kept = bench.firings()
    assert len(kept) == 100
    assert kept[0].due_at == _NOON + timedelta(hours=129)


def test_each_firing_is_in_the_audit_log(bench: Bench) -> None:
    bench.at(hours=1)
    bench.at(hours=2)
    with Store(bench.store.url) as opened:
        entries = [(entry.action, entry.object, entry.who) for entry in opened.entries(4)]
        assert opened.verify_audit().faults == []
    assert entries[:3] == [
        ("schedule.overlap", "config items", "schedule"),
        ("schedule.started", "config items", "schedule"),
        ("extraction.created", "extraction 1", "schedule"),
    ]
    assert entries[3][:2] == ("schedule.set", "config items")


# Five agents, each a process of its own, on the store's clock

_CONFIGS = 10


def test_five_agents_race_for_each_time(store: Database, items: Database) -> None:
    with Store(store.url) as opened:
        for number in range(_CONFIGS):
            config = opened.save_config(
                f"c{number}", "postgresql", items.url, None, Definition(table="item", key=("id",))
            )
            opened.set_schedule(config, "* * * * *", "UTC", Missed.ONCE, opened.now())
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(5), context.Queue()
    processes = [
        context.Process(target=scheduling_agent.live, args=(store.url, f"agent {number}", _CONFIGS, barrier, results))
        for number in range(5)
    ]
    for process in processes:
        process.start()
    assert [results.get(timeout=150) for _ in processes] == [""] * 5
    for process in processes:
        process.join()
    firings = store.rows("SELECT config_id, due_at, count(*), min(outcome) FROM extraction_firings GROUP BY 1, 2")
    assert {outcome for *_, outcome in firings} == {"started"}
    assert len({config for config, *_ in firings}) == _CONFIGS
    per_config = store.rows("SELECT config_id, count(*) FROM extractions GROUP BY config_id ORDER BY 1")
    fired = store.rows("SELECT config_id, count(*) FROM extraction_firings GROUP BY config_id ORDER BY 1")
    assert per_config == fired, "an extraction without its firing, or a firing without its extraction"
    assert len(store.rows("SELECT DISTINCT agent FROM extraction_firings")) > 1, "they did not race"
    minutes = store.value(
        "SELECT ceil(extract(epoch FROM max(fired_at) - min(due_at)) / 60)::int FROM extraction_firings"
    )
    assert all(number <= minutes + 1 for _, number in fired)


def test_the_commands(store: Database) -> None:
    with Store(store.url) as opened:
        opened.save_config("orders", "postgresql", "postgresql://db/shop", None, Definition(table="orders"))

    def run(*arguments: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["schedule", *arguments, "--store", store.url, "--json"])
        if done.exception is not None:
            raise done.exception
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    with pytest.raises(errors.UsageError, match="has no schedule"):
        run("show", "orders")
    made = run("set", "orders", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin", "--missed", "once")
    assert (made["cron"], made["missed"], len(made["coming"])) == ("30 2 * * *", "once", 3)
    assert datetime.fromisoformat(made["next_at"]) > datetime.now(UTC)
    assert run("list")["schedules"][0]["config"] == "orders"
    assert run("show", "orders")["firings"] == []
    changed = run("set", "orders", "--cron", "0 4 * * 1-5", "--time-zone", "UTC")
    assert (changed["cron"], changed["missed"]) == ("0 4 * * 1-5", "skip")
    with pytest.raises(errors.UsageError, match="five fields"):
        run("set", "orders", "--cron", "daily", "--time-zone", "UTC")
    with pytest.raises(errors.UsageError, match="Did you mean orders"):
        run("set", "order", "--cron", "0 4 * * *", "--time-zone", "UTC")
    shown = CliRunner().invoke(app, ["schedule", "show", "orders", "--store", store.url])
    assert "04:00:00 +0000" in shown.stdout
    assert run("clear", "orders")["cron"] is None
    with pytest.raises(errors.UsageError, match="has no schedule"):
        run("clear", "orders")
    with Store(store.url) as opened:
        [cleared, replaced, made_entry] = opened.entries(3)
    assert (cleared.action, replaced.action, made_entry.action) == ("schedule.cleared", "schedule.set", "schedule.set")
    assert replaced.before == {"cron": "30 2 * * *", "time_zone": "Europe/Berlin", "missed": "once"}


def test_a_config_that_is_deleted_takes_its_schedule_along(bench: Bench) -> None:
    bench.at(hours=1)
    bench.end()
    bench.store.run("DELETE FROM extractions", "DELETE FROM extraction_configs")
    assert bench.store.value("SELECT count(*) FROM extraction_schedules") == 0
    assert bench.at(hours=2) == 0


def test_the_loop_goes_on_while_the_store_is_away(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extraction_agent.deadlines.SCHEDULE", 0.02)
    bench.now = _NOON + timedelta(hours=1)
    tries = 0
    open_ = bench.open

    def sometimes() -> AbstractContextManager[Store]:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise errors.StoreUnavailable("store: away.")
        return open_()

    scheduler = Scheduler(
        sometimes, _begin, lambda _id, snapshot, _longest: snapshot.close(), "one", lambda _: bench.now
    )

    async def live() -> None:
        task = asyncio.create_task(scheduler.run(asyncio.to_thread))
        deadline = time.monotonic() + 20
        while not await asyncio.to_thread(bench.firings):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        scheduler.stop()
        await task

    asyncio.run(live())
    assert tries >= 3
    assert bench.outcomes() == [("13:00", "started")]
