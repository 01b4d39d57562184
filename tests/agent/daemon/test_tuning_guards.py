"""A real daemon whose guards take it back: a starved pool, one thread, errors at the source; and what trips none."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from agent.daemon.controller import (
    BACK,
    BEFORE,
    NARROW,
    Controller,
    Mill,
    on_trial,
    pool_maximum,
    profile,
    tuning,
    wait_for,
)
from daemons import Daemon, until
from extraction_agent.store.rollout_rows import RolloutState
from support import Database


def _taken_back(host: Daemon, guard: str) -> None:
    until(lambda: not on_trial(host), f"the guard {guard}", 3 * BACK)
    assert host.metric(f'extraction_trial_trips_total{{guard="{guard}"}}') == 1
    assert pool_maximum(host) == BEFORE


def _figure(host: Daemon, guard: str) -> dict[str, Any]:
    return next(figure for figure in tuning(host)["guards"] if figure["guard"] == guard)


def test_a_starved_pool_takes_it_back(host: Daemon, controller: Controller, store: Database) -> None:
    """Two connections, both at a table that is locked, and others waiting for one."""
    begun = controller.try_(host, profile(pool=NARROW))
    with psycopg.connect(store.url) as blocking, ThreadPoolExecutor(6) as clients:
        blocking.execute("LOCK TABLE extraction_configs")
        since = time.monotonic()
        asked = [clients.submit(host.ask, "/api/v1/configs") for _ in range(6)]
        until(lambda: host.metric('hikari_pool_pending_connections{pool="store"}') > 0, "waiting")
        _taken_back(host, "pool")
        took = time.monotonic() - since
        blocking.rollback()
        assert {one.result().status for one in asked} == {200}, "those who waited were served"
    print(f"back {took:.1f} s after the pool was exhausted, of which the rule asks 5")
    assert 5 <= took < 5 + BACK
    until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")
    assert "all 2 connections of the pool in use and callers waiting" in str(controller.found(begun).reason)
    host.stop()


@pytest.fixture
def mill(source: Database) -> Mill:
    """50,000 rows."""
    return Mill(source, 50_000)


@pytest.fixture
def grinding(make_host: Callable[..., Daemon]) -> Daemon:
    """A host that reads with four threads, unguarded."""
    made = make_host()
    made.tune(reading={"chunks_in_flight": 4}, source_guard={"enabled": False})
    made.start()
    made.make_token()
    return made


@pytest.mark.ci
def test_one_thread_is_too_slow_and_taken_back(
    grinding: Daemon, controller: Controller, mill: Mill, store: Database
) -> None:
    """The floor lies between what four threads make of a slow source, and what one does."""
    mill.set(seconds=0.1)  # 1 s a chunk, so that what a slow machine needs beside it is little
    mill.extraction(store, chunk_rows=100)
    floor = {"throughput_records_per_minute": 12_000, "throughput_busy_seconds": 3}
    until(lambda: grinding.metric("extraction_records_extracted_total") > 2_000, "some work")
    before = grinding.metric("extraction_throughput_records_per_minute")
    assert before > 12_000
    begun = controller.try_(
        grinding,
        profile(
            guards=floor,
            reading={"chunks_in_flight": 1},
            threads={"core": 1, "maximum": 1},
            source_guard={"enabled": False},
        ),
    )
    since = time.monotonic()
    _taken_back(grinding, "throughput")
    took = time.monotonic() - since
    print(f"{before:,.0f} records per minute before; back {took:.1f} s after the change")
    assert 3 <= took < 3 + BACK
    until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")
    assert "below the floor of 12,000" in str(controller.found(begun).reason)
    grinding.stop()


def test_errors_at_the_source_take_it_back(
    grinding: Daemon, controller: Controller, mill: Mill, store: Database
) -> None:
    mill.set(seconds=0.005)
    mill.extraction(store, chunk_rows=100)
    until(lambda: grinding.metric('extraction_chunks_total{result="done"}') > 20, "some work")
    guards = {"throughput_records_per_minute": 0, "error_attempts": 20}
    begun = controller.try_(
        grinding, profile(guards=guards, reading={"chunks_in_flight": 4}, source_guard={"enabled": False})
    )
    until(lambda: _figure(grinding, "error_rate")["value"] == 0, "enough attempts, and none that failed")
    mill.set(seconds=0.005, failing=0.02)  # of ten rows each: of a chunk some 18 %
    since = time.monotonic()
    until(lambda: not on_trial(grinding), "the guard", 3 * BACK)
    took = time.monotonic() - since
    mill.set()
    print(f"back {took:.1f} s after the first could fail; {controller.found(begun).reason}")
    assert took < BACK
    assert grinding.metric('extraction_trial_trips_total{guard="error_rate"}') == 1
    until(lambda: "of the attempts at chunks failed" in str(controller.found(begun).reason), "the reason")
    grinding.stop()


@pytest.mark.ci
def test_neither_idleness_nor_a_small_job_trips_anything(
    grinding: Daemon, controller: Controller, source: Database, store: Database
) -> None:
    """200 rows that take seconds: far below the floor per minute, but nobody could reach it with them."""
    small = Mill(source, 200)
    small.set(seconds=0.2)
    guards = {"throughput_busy_seconds": 2}
    begun = controller.try_(grinding, profile(guards=guards, reading={"chunks_in_flight": 4}))
    time.sleep(2)  # idle
    small.extraction(store, chunk_rows=200)
    until(lambda: grinding.metric('extraction_chunks_total{result="done"}') == 1, "the small job")
    assert 0 < grinding.metric("extraction_throughput_records_per_minute") < 10_000, "it was slow"
    assert [figure["tripped"] for figure in tuning(grinding)["guards"]] == [None, None, None]
    assert on_trial(grinding)
    assert controller.found(begun).running
    controller.commit(begun)
    wait_for(grinding, "confirmed")
    grinding.stop()
