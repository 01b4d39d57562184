"""A real daemon on trial: confirmed by the store, taken back by it, by its deadline and by any start."""

import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from agent.daemon.controller import (
    BACK,
    BEFORE,
    NARROW,
    TRIAL,
    WIDE,
    Controller,
    on_trial,
    pool_maximum,
    profile,
    tuning,
    wait_for,
)
from daemons import Daemon, until
from extraction_agent.store.rollout_rows import RolloutState, TrialState
from extraction_agent.store.tokens import Scope
from proxy import Proxy
from support import Database

SETTLE = [sys.executable, "-m", "extraction_agent.interfaces.settle", "--config"]
MARKED = [sys.executable, str(Path(__file__).parent / "program.py"), "marked"]


def _settle(daemon: Daemon) -> str:
    """As the unit does before each start."""
    done = subprocess.run([*SETTLE, str(daemon.file)], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr == ""
    return done.stdout


# What the store decides


def test_what_is_committed_holds_and_outlasts_a_start(host: Daemon, controller: Controller) -> None:
    assert tuning(host) | {"guards": []} == tuning(host) | {
        "generation": None, "state": "configured", "rollout": None, "token": 0, "trial": None, "last_back": None,
        "restart": None, "guards": [],
    }  # fmt: skip
    begun = controller.try_(host, profile(pool=WIDE))
    shown = tuning(host)
    assert (shown["state"], shown["generation"], shown["profile"]) == ("trial", 1, "tried")
    assert (shown["rollout"], shown["token"]) == (begun.id, begun.token)
    assert TRIAL - 5 < shown["trial"]["seconds_left"] <= TRIAL
    assert pool_maximum(host) == 12
    assert on_trial(host)
    until(lambda: controller.host(begun) is TrialState.TRIAL, "the host's word")
    controller.commit(begun)
    shown = wait_for(host, "confirmed")
    assert (shown["generation"], shown["trial"], pool_maximum(host)) == (1, None, 12)
    assert host.metric("extraction_generation") == 1
    # Counted once the disk has it: the word of the API comes a moment before.
    until(lambda: host.metric('extraction_trials_total{result="confirmed"}') == 1, "the trial's end, counted")
    until(lambda: controller.host(begun) is TrialState.CONFIRMED, "the host's word")
    host.stop()
    assert "begins with generation 1." in _settle(host)
    host.start()
    assert (tuning(host)["state"], pool_maximum(host)) == ("confirmed", 12)
    host.stop()
    done = [action for action, _ in controller.actions()]
    wanted = ["rollout.begun", "tuning.tried", "rollout.trial", "rollout.committed", "rollout.confirmed"]
    assert [action for action in done if action in wanted] == wanted
    assert ("tuning.tried", "token:test") in controller.actions()


def test_what_is_not_committed_is_taken_back(host: Daemon, controller: Controller) -> None:
    for lease, reason in ((60, "enough"), (5, "its lease ran out")):
        begun = controller.try_(host, profile(pool=WIDE), lease=lease)
        if reason == "enough":
            controller.abort(begun, reason)
        shown = wait_for(host, "configured")
        assert (shown["generation"], pool_maximum(host)) == (None, BEFORE)
        assert reason in shown["last_back"]["reason"]
        assert controller.found(begun).state is RolloutState.ABORTED
        until(lambda: controller.host(begun) is TrialState.BACK, "the host's word")  # noqa: B023 - called at once
    host.stop()


@pytest.mark.ci
def test_it_asks_only_the_store_whether_it_may_stay(host: Daemon, controller: Controller) -> None:
    """At its deadline nothing is decided: the host goes back, and so does the fleet."""
    begun = controller.try_(host, profile(pool=WIDE), seconds=8)
    time.sleep(3)
    assert controller.put(host, begun, seconds=12).json()["generation"] == 1, "asked again, it only lasts longer"
    time.sleep(6)
    assert tuning(host)["state"] == "trial"
    shown = wait_for(host, "configured")
    assert shown["last_back"]["reason"] == "its trial has ended and the rollout was not committed"
    until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")
    host.stop()


def test_the_way_back_is_open_to_the_controller(host: Daemon, controller: Controller) -> None:
    """To and fro, as often as the judge wants; the rollout goes on."""
    wanted = profile(pool=WIDE)
    begun = controller.try_(host, wanted)
    for number in (1, 2):
        assert controller.put(host, begun).json()["generation"] == number
        assert pool_maximum(host) == 12
        for _ in range(2):
            answer = host.ask("/api/v1/tuning/back", "POST", {"rollout": begun.id, "token": begun.token})
            assert (answer.status, answer.json()["state"]) == (200, "configured")
        assert pool_maximum(host) == BEFORE
    assert controller.found(begun).running
    assert [action for action, _ in controller.actions()].count("tuning.back") == 2
    host.stop()


@pytest.mark.ci
def test_a_host_that_is_new_or_was_away_joins(make_host: Callable[..., Daemon], controller: Controller) -> None:
    begun = controller.begin(profile(pool=WIDE))
    controller.commit(begun)
    host = make_host().start()
    host.make_token()
    shown = wait_for(host, "confirmed")
    assert (shown["generation"], shown["rollout"], pool_maximum(host)) == (1, begun.id, 12)
    host.stop()
    controller.commit(controller.begin(profile("newer", pool={"maximum": 14, "minimum_idle": 3})))
    host.start()
    until(lambda: tuning(host)["profile"] == "newer", "joining", 10)
    assert (tuning(host)["generation"], pool_maximum(host)) == (2, 14)
    host.stop()


# What is refused


def test_whom_it_does_not_obey(host: Daemon, controller: Controller) -> None:
    """Each is told why, and nothing changes."""
    lost = controller.begin(profile(pool=WIDE))
    controller.abort(lost)
    begun = controller.begin(profile(pool=WIDE))
    other = {**begun.settings, "settings": {**begun.settings["settings"], "pool": NARROW}}
    for changes, status, said in (
        ({"token": begun.token + 1}, 409, f"The token of rollout {begun.id} is {begun.token}"),
        ({"rollout": lost.id, "token": lost.token}, 409, f"Rollout {lost.id} is aborted"),
        ({"rollout": 4711}, 404, "There is no rollout 4711"),
        ({"profile": other}, 409, "was begun with another profile"),
        ({"profile": {**begun.settings, "setings": {}}}, 409, "was begun with another profile"),
        ({"trial_seconds": 1}, 422, "trial_seconds"),
    ):
        refused = controller.put(host, begun, changes=changes)
        assert (refused.status, said in refused.text) == (status, True), refused.text
    assert tuning(host)["state"] == "configured"
    assert controller.put(host, begun).status == 200
    late = controller.put(host, lost)
    assert (late.status, "is lower than" in late.text) == (409, True)
    late = host.ask("/api/v1/tuning/back", "POST", {"rollout": lost.id, "token": lost.token})
    assert (late.status, "is lower than" in late.text) == (409, True)
    assert tuning(host)["state"] == "trial"
    host.make_token(Scope.READ, Scope.OPERATE)
    assert controller.put(host, begun).status == 403
    host.stop()


def test_without_a_place_for_generations_nothing_is_tried(daemon: Daemon, controller: Controller) -> None:
    answer = controller.put(daemon, controller.begin(profile(pool=WIDE)))
    assert (answer.status, "name a state_directory" in answer.text) == (409, True)
    assert pool_maximum(daemon) == BEFORE
    daemon.stop()


def test_a_full_disk_changes_nothing(host: Daemon, controller: Controller, tmp_path: Path) -> None:
    begun = controller.begin(profile(pool=WIDE))
    files = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))
    refused = controller.put(host, begun)
    resource.prlimit(host.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert (refused.status, "cannot be written: File too large" in refused.text) == (507, True), refused.text
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()} == files
    assert (tuning(host)["state"], pool_maximum(host)) == ("configured", BEFORE)
    assert controller.put(host, begun).json()["generation"] == 1
    host.stop()


# Starts, stops and stores that are away


def test_killed_in_a_trial_it_starts_with_what_held_before(host: Daemon, controller: Controller) -> None:
    begun = controller.try_(host, profile(pool=WIDE))
    assert on_trial(host)
    host.signal(signal.SIGKILL)
    host.wait()
    assert "goes back to the profile that the configuration names" in _settle(host)
    host.start()
    assert (tuning(host)["state"], pool_maximum(host)) == ("configured", BEFORE)
    until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")
    assert "the agent was started anew during the trial" in str(controller.found(begun).reason)
    host.stop()


@pytest.mark.ci
def test_stopped_over_its_deadline_it_goes_back(host: Daemon, controller: Controller) -> None:
    begun = controller.try_(host, profile(pool=WIDE), seconds=5)
    host.signal(signal.SIGSTOP)
    time.sleep(6)
    host.signal(signal.SIGCONT)
    begun_again = time.monotonic()
    until(lambda: not on_trial(host), "the way back", BACK)
    print(f"back {time.monotonic() - begun_again:.1f} s after it could")
    assert pool_maximum(host) == BEFORE
    until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")
    host.stop()


@pytest.mark.ci
def test_with_the_store_away_at_the_end_it_goes_back(
    make_host: Callable[..., Daemon], controller: Controller, store: Database
) -> None:
    """And when the store is there again it aborts what was not decided, or does what was."""
    with Proxy(int(str(conninfo_to_dict(store.url)["port"]))) as proxy:
        host = make_host(store_url=proxy.url(store.url.rpartition("/")[2])).start()
        host.store_url = store.url
        host.make_token()
        for decided in (False, True):
            since = time.monotonic()
            begun = controller.try_(host, profile(pool=WIDE), seconds=5)
            proxy.freeze()
            if decided:
                controller.commit(begun)
            until(lambda: not on_trial(host), "the way back", 5 + BACK)
            took = time.monotonic() - since
            print(f"back {took - 5:.1f} s after the deadline")
            assert took >= 5, "it stayed until its deadline"
            assert pool_maximum(host) == BEFORE
            assert controller.found(begun).running is not decided
            proxy.thaw()
            if not decided:
                until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")  # noqa: B023 - called at once
                assert pool_maximum(host) == BEFORE
                until(lambda: host.ask("/readiness").status == 200, "the store")
        until(lambda: pool_maximum(host) == 12, "joining")
        assert host.metric("extraction_generation") == 3
        host.stop()


@pytest.mark.ci
def test_a_planned_restart_is_begun_with_once(make_host: Callable[..., Daemon], controller: Controller) -> None:
    """The first dies on trial; the second is confirmed."""
    host = make_host(program=MARKED).start()
    host.make_token()
    for number in (1, 2):
        begun = controller.try_(host, profile(pool={"leak_seconds": 7}))
        assert host.wait() == 75
        assert host.said("only a restart can follow a change of pool.leak_seconds")
        assert f"begins with generation {number}, on trial, as planned" in _settle(host)
        host.start()
        shown = tuning(host)
        assert (shown["state"], shown["generation"]) == ("trial", number)
        assert shown["settings"]["pool"]["leak_seconds"] == 7
        if number == 1:
            host.signal(signal.SIGKILL)
            host.wait()
            assert "goes back" in _settle(host)
            host.start()
            assert tuning(host)["settings"]["pool"]["leak_seconds"] == 60
            until(lambda: controller.found(begun).state is RolloutState.ABORTED, "the rollout's end")  # noqa: B023 - called at once
    controller.commit(begun)
    assert wait_for(host, "confirmed")["settings"]["pool"]["leak_seconds"] == 7
    host.stop()


def test_a_reload_keeps_what_is_on_trial(host: Daemon, controller: Controller) -> None:
    begun = controller.try_(host, profile(pool=WIDE))
    host.tune(pool={"maximum": 33})
    assert host.reload()["STATUS"] == "ready, reloaded"
    assert (tuning(host)["state"], pool_maximum(host)) == ("trial", 12)
    controller.abort(begun)
    wait_for(host, "configured")
    assert pool_maximum(host) == 33, "the configuration's profile, as it is now"
    host.stop()


# Before a start


def test_settling_needs_neither_store_nor_profile(tmp_path: Path) -> None:
    """And without generations it has nothing to do."""
    file = tmp_path / "agent.yml"
    file.write_text(
        f"store: {{url: 'postgresql://a@192.0.2.1/b'}}\nprofile: missing.yml\nstate_directory: {tmp_path / 'state'}\n",
        encoding="utf-8",
    )
    begun = time.monotonic()
    done = subprocess.run([*SETTLE, file], capture_output=True, text=True, timeout=10, check=True)
    print(f"settled in {time.monotonic() - begun:.2f} s")
    assert done.stdout == "The agent begins with the profile that the configuration names.\n"
