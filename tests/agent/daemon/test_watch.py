"""Real daemons that watch what was committed: a regression in the middle takes the fleet back, and it is told why."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from agent.daemon.controller import (
    BACK,
    BEFORE,
    NARROW,
    WIDE,
    Controller,
    Mill,
    pool_maximum,
    profile,
    tuning,
    wait_for,
)
from daemons import Daemon, until
from extraction_agent.profiles import Profile
from extraction_agent.store.rollout_rows import Rollout
from support import Database

EXTRACTCTL = Path(sys.executable).parent / "extractctl"
BRISK = [sys.executable, str(Path(__file__).with_name("brisk.py"))]
WATCH = float(os.environ.get("EXTRACTION_WATCH_SECONDS", "60"))  # the two days, scaled
GRIND: dict[str, Any] = {"reading": {"chunks_in_flight": 4}, "source_guard": {"enabled": False}}


def _printed(store: Database) -> dict[str, Any]:
    """What `extractctl rollout watch` says."""
    done = subprocess.run(
        [str(EXTRACTCTL), "rollout", "watch", "--json"],
        capture_output=True, text=True, check=True, timeout=30, env={**os.environ, "EXTRACTION_STORE": store.url},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _committed(controller: Controller, wanted: Profile, watch: float, *hosts: Daemon) -> Rollout:
    begun = controller.begin(wanted, watch=watch)
    for host in hosts:
        assert controller.put(host, begun).status == 200
    controller.commit(begun)
    for host in hosts:
        wait_for(host, "confirmed")
        until(lambda: tuning(host)["watch"] is not None, "the watch")  # noqa: B023 - called at once
    return begun


def _seconds(controller: Controller, rollout: Rollout) -> float:
    """For how long the hosts have looked, as the store knows."""
    seen: float = sum(host["seconds"] for host in controller.watched(rollout)["hosts"])
    return seen


@pytest.mark.ci
def test_a_regression_in_the_middle_of_a_watch_takes_the_fleet_back(
    make_host: Callable[..., Daemon], controller: Controller, source: Database, store: Database
) -> None:
    """A minute, or EXTRACTION_WATCH_SECONDS, in 48 parts, each with a point. After some the source turns slow."""
    wanted = profile("before", pool={"maximum": 14, "minimum_idle": 3}, **GRIND)
    before = _committed(controller, wanted, 10 * WATCH)  # it must last until the way back, however slow the starts are
    fleet = [make_host(name, program=BRISK) for name in ("one", "two")]
    for host in fleet:
        host.tune(**GRIND)
    with ThreadPoolExecutor(len(fleet)) as starting:
        list(starting.map(Daemon.start, fleet))
    mill = Mill(source, round(10_000 * WATCH))
    mill.set(seconds=0.02)
    for host in fleet:
        host.make_token()
        until(lambda: tuning(host)["watch"] is not None, "the first watch")  # noqa: B023 - called at once
    floor = {"throughput_records_per_minute": 40_000, "throughput_busy_seconds": 5}  # rows come a chunk at a time
    tried = _committed(controller, profile("tried", pool=WIDE, guards=floor, **GRIND), WATCH, *fleet)
    mill.extraction(store, chunk_rows=500)
    some = 24 if WATCH >= 240 else 3  # a guard looks back on a minute, which must be left
    until(lambda: len(controller.watched(tried)["hosts"][0]["points"]) >= some, "some points", WATCH)
    assert [pool_maximum(host) for host in fleet] == [12, 12], "so far it holds"
    assert controller.watched(tried)["outcome"] == "watched"
    mill.set(seconds=1)
    since = time.monotonic()
    until(lambda: all(pool_maximum(host) == 14 for host in fleet), "the fleet's way back", 70 + BACK)
    took = time.monotonic() - since
    report = _printed(store)
    print(f"all back {took:.1f} s after the source turned slow: {report['said']}")
    assert report["rollout_id"] == tried.id
    assert (report["outcome"], report["by"]["profile"], report["by"]["undoes"]) == ("taken back", "before", tried.id)
    assert "the guard throughput tripped" in report["said"]
    assert "below the floor of 40,000" in report["said"]
    assert any(host["tripped"] for host in report["hosts"])
    assert all(tuning(host)["rollout"] == report["by"]["rollout_id"] for host in fleet)
    assert [tuning(host)["watch"] for host in fleet] == [None, None], "the way back is not watched"
    assert controller.watched(before)["outcome"] == "followed"
    assert ("rollout.taken_back", "agent:" + os.uname().nodename.partition("-")[0]) in controller.actions()
    mill.set()
    for host in fleet:
        host.stop()


def test_the_first_of_all_goes_back_to_the_configuration(host: Daemon, controller: Controller, store: Database) -> None:
    """A pool of two, both at a table that is locked: exhausted. That the store takes no points changes nothing."""
    tried = _committed(controller, profile(pool=NARROW), 60, host)
    assert pool_maximum(host) == 2
    store.run("ALTER TABLE rollout_points ADD CONSTRAINT none_at_all CHECK (records < 0) NOT VALID")
    until(lambda: "none_at_all" in host.text, "a point that is refused")
    with psycopg.connect(store.url) as blocking, ThreadPoolExecutor(6) as clients:
        blocking.execute("LOCK TABLE extraction_configs")
        since = time.monotonic()
        asked = [clients.submit(host.ask, "/api/v1/configs") for _ in range(6)]
        until(lambda: pool_maximum(host) == BEFORE, "the way back", 5 + BACK)
        took = time.monotonic() - since
        blocking.rollback()
        assert {one.result().status for one in asked} == {200}, "those who waited were served"
    print(f"back {took:.1f} s after the pool was exhausted, of which the rule asks 5")
    assert 5 <= took < 5 + BACK
    assert host.metric('extraction_watch_trips_total{guard="pool"}') == 1
    assert host.metric("extraction_watch_seconds_left") == 0
    report = controller.watched(tried)
    assert (report["outcome"], report["by"]["profile"]) == ("taken back", "test")
    host.stop()


@pytest.mark.ci
def test_a_watch_that_nobody_saw_to_its_end_is_not_said_to_have_held(
    make_host: Callable[..., Daemon], controller: Controller, store: Database
) -> None:
    """It goes on after a start in the middle of it; then, for the store, the minute is over."""
    host = make_host(program=BRISK).start()
    host.make_token()
    tried = _committed(controller, profile(pool=WIDE), 60, host)
    until(lambda: _seconds(controller, tried) > 0, "a point")
    host.stop()
    host.start()
    until(lambda: tuning(host)["watch"] is not None, "the watch")
    before = _seconds(controller, tried)
    until(lambda: _seconds(controller, tried) > before, "another point")
    store.run(
        "UPDATE rollouts SET ended_at = ended_at - interval '1 minute'",
        "UPDATE rollout_hosts SET entered_at = entered_at - interval '1 minute'",
    )
    until(lambda: tuning(host)["watch"] is None, "the end")
    report = controller.watched(tried)
    assert report["outcome"] == "not seen"
    assert f"Rollout {tried.id} cannot be said to have held: no guard tripped in 60 s, but" in report["said"]
    [seen] = report["hosts"]
    assert 0 < seen["seconds"] < seen["due_seconds"] <= 60
    assert pool_maximum(host) == 12
    host.stop()
