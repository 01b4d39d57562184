"""The way back from what was committed, in the store: once, to what was before, and only while it is watched."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from psycopg import sql as q

from agent.tuning.records import SETTINGS, commit
from extraction_agent import errors
from extraction_agent.store.rollout_rows import IndexState, Point, Rollout, RolloutState, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.indexes.limits import Limits
from extraction_agent.tuning.indexes.place import Place
from extraction_agent.tuning.indexes.rollout import apply
from extraction_agent.tuning.indexes.sweep import Sweeper
from extraction_agent.tuning.watched import Outcome, Watched
from extraction_agent.waiting import Stop
from support import Database

WHY = "host one: the guard pool tripped: of a test"
CONFIGURED: dict[str, Any] = {"name": "baseline", "settings": {"pool": {"maximum": 10}}}
POINT = Point("one", 0, 3600, 40_000, 120, 10, 1, 12, 50)


def _commit(store: Store, profile: str, watch: float = 60, settings: dict[str, Any] = SETTINGS) -> Rollout:
    begun = store.begin_rollout(profile, {**settings, "name": profile}, "a test", 60, watch)
    return commit(store, begun)


def _take_back(store: Store, rollout: Rollout, host: str = "one") -> Rollout | None:
    return store.take_back(rollout.id, host, WHY, "baseline", CONFIGURED)


def test_the_profile_before_is_the_fleets_again(opened: Store, other: Store) -> None:
    before, bad = _commit(opened, "before"), _commit(opened, "bad")
    assert 59 < bad.watch_left <= 60
    with other.acting("agent:one"):
        written = _take_back(other, bad)
    assert written is not None
    assert (written.state, written.profile, written.settings) == (RolloutState.COMMITTED, "before", before.settings)
    assert (written.undoes, written.reason, written.holder) == (bad.id, WHY, "the watch on one")
    assert (written.watch_seconds, written.token > bad.token) == (0, True)
    assert opened.committed_rollout() == written
    assert opened.rollout(bad.id).state is RolloutState.COMMITTED, "an ended rollout never changes"
    entry = opened.entries(1)[0]
    assert (entry.action, entry.who, entry.object) == ("rollout.taken_back", "agent:one", f"rollout {written.id}")
    assert entry.after is not None
    assert (entry.after["because"], entry.after["undoes"]) == (WHY, bad.id)
    assert opened.verify_audit().faults == []


def test_where_nothing_was_before_the_configured_profile_is_the_fleets(opened: Store) -> None:
    written = _take_back(opened, _commit(opened, "first"))
    assert written is not None
    assert (written.profile, written.settings) == ("baseline", CONFIGURED)


def test_it_is_undone_once_whoever_trips_beside(opened: Store, other: Store) -> None:
    _commit(opened, "before")
    bad = _commit(opened, "bad")
    with ThreadPoolExecutor(2) as threads:
        answers = [one.result(10) for one in [threads.submit(_take_back, side, bad) for side in (opened, other)]]
    assert [one is None for one in answers].count(True) == 1
    fleets = opened.committed_rollout()
    assert fleets is not None
    assert fleets.profile == "before"
    assert _take_back(opened, fleets) is None, "what is a way back is not watched"
    assert _take_back(opened, bad) is None
    assert opened.committed_rollout() == fleets


@pytest.mark.parametrize("why", ["not watched", "over", "over, with another on top", "followed", "running"])
def test_what_is_not_watched_is_not_taken_back(opened: Store, store: Database, why: str) -> None:
    watched = _commit(opened, "kept", watch=0 if why == "not watched" else 60)
    if why.startswith("over"):
        store.run("UPDATE rollouts SET ended_at = ended_at - interval '61 s'")
        if why != "over":
            opened.begin_rollout("next", SETTINGS, "a test", 60, 60)
    elif why == "followed":
        _commit(opened, "next")
    elif why == "running":
        store.run("UPDATE rollouts SET state = 'running', ended_at = NULL, lease_until = now() + interval '1 min'")
    before = [(one.id, one.state) for one in opened.rollouts(10)]
    assert _take_back(opened, watched) is None
    assert [(one.id, one.state) for one in opened.rollouts(10)] == before


def test_a_rollout_on_top_of_it_is_aborted(opened: Store) -> None:
    bad = _commit(opened, "bad")
    running = opened.begin_rollout("next", SETTINGS, "a test", 60, 60)
    written = _take_back(opened, bad)
    assert written is not None
    assert opened.committed_rollout() == written
    ended = opened.rollout(running.id)
    assert ended.state is RolloutState.ABORTED
    assert WHY in str(ended.reason)
    with pytest.raises(errors.Conflict):
        opened.commit_rollout(running.id, running.token)


def test_its_indexes_in_the_store_go_and_those_of_others_stay(opened: Store, store: Database) -> None:
    def wanting(*names: str) -> dict[str, Any]:
        return {"description": "of a test", "settings": {"indexes": {"store": list(names)}}}

    kept, gone = "idx_extraction_status_created", "idx_extraction_data_extracted_at"
    place = Place.store(store.url)
    for profile, names in (("before", (kept,)), ("bad", (kept, gone))):
        begun = opened.begin_rollout(profile, {**wanting(*names), "name": profile}, "a test", 60, 60)
        apply(opened, place, begun.id, begun.token, Limits(), lambda _: None)
        bad = commit(opened, begun)

    def there() -> set[str]:
        return {row[0] for row in store.rows("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'idx_extraction%'")}

    sweeper = Sweeper(store.url, "agent:one", Stop())
    sweeper.sweep(opened)
    assert there() == {kept, gone}
    assert _take_back(opened, bad) is not None
    sweeper.sweep(opened)
    assert there() == {kept}
    assert [one.state for one in opened.rollout_indexes(bad.id) if one.ours] == [IndexState.DROPPED]


# What is kept of it


def test_points_are_kept_once_and_the_longer_counts(opened: Store, other: Store) -> None:
    bad = _commit(opened, "bad")
    opened.note_host(bad.id, "one", 1, TrialState.CONFIRMED)
    opened.note_host(bad.id, "two", 1, TrialState.CONFIRMED)
    for point in (POINT, POINT, Point("one", 0, 20, 1, 1, 1, 0, 1, 50), Point("one", 47, 100, 0, 0, 0, 0, 2, 50)):
        other.note_point(bad.id, point)
    assert [(one.no, one.seconds, one.records) for one in opened.points(bad.id)] == [(0, 3600, 40_000), (47, 100, 0)]
    with pytest.raises(errors.StoreError, match="rollout_points_no_check"):
        other.note_point(bad.id, Point("one", 48, 1, 0, 0, 0, 0, 0, 50))
    report = Watched.of(opened, opened.rollout(bad.id))
    assert report.outcome is Outcome.WATCHED
    assert str(report).endswith("more; no guard tripped, and hosts look, two not yet.")
    one, two = report.as_dict()["hosts"]
    assert (one["seconds"], one["least_records_per_busy_minute"], one["error_rate"]) == (3700, 20_000, 0.1)
    assert (one["pool_use"], two["seconds"], two["points"]) == (0.24, 0, [])


def test_what_became_of_it_is_told(opened: Store, store: Database) -> None:
    assert Watched.of(opened, _commit(opened, "unwatched", watch=0)).outcome is Outcome.NONE
    held = _commit(opened, "held")
    opened.note_point(held.id, POINT)
    store.run("UPDATE rollouts SET ended_at = ended_at - interval '61 s' WHERE profile = 'held'")
    told = str(Watched.of(opened, opened.rollout(held.id)))
    assert told.endswith("has held: no guard tripped in 60 s, and each host has looked for 1 h 0 min at least.")
    followed, bad = _commit(opened, "followed"), _commit(opened, "bad")
    assert f"followed by rollout {bad.id} before" in str(Watched.of(opened, opened.rollout(followed.id)))
    assert Watched.of(opened, opened.rollout(held.id)).outcome is Outcome.HELD, "it had been watched to its end"
    written = _take_back(opened, bad)
    assert written is not None
    told = str(Watched.of(opened, opened.rollout(bad.id)))
    assert told == f"Rollout {bad.id} was taken back by rollout {written.id}, to profile followed: {WHY}."


def _over(store: Store, rollout: Rollout) -> Watched:
    """The report an hour and a bit later, as if all had happened then: its watch of an hour is over."""
    for table, column in (("rollouts", "ended_at"), ("rollout_hosts", "entered_at")):
        statement = q.SQL("UPDATE {0} SET {1} = {1} - interval '3601 s'")
        store.connection.execute(statement.format(q.Identifier(table), q.Identifier(column)))
    return Watched.of(store, store.rollout(rollout.id))


@pytest.mark.parametrize(
    ("points", "outcome", "said"),
    [
        ((), Outcome.UNSEEN, "cannot be said to have held: no guard tripped in 1 h 0 min, but no host has looked."),
        (
            (("one", 3600), ("two", 1200)),
            Outcome.UNSEEN,
            "cannot be said to have held: no guard tripped in 1 h 0 min, but two has looked for 20 min of 1 h 0 min.",
        ),
        (
            (("one", 3600), ("two", 3400)),
            Outcome.HELD,
            "has held: no guard tripped in 1 h 0 min, and each host has looked for 56 min at least.",
        ),
    ],
)
def test_only_what_every_host_has_looked_at_has_held(
    opened: Store, points: tuple[tuple[str, float], ...], outcome: Outcome, said: str
) -> None:
    watched = _commit(opened, "watched", watch=3600)
    for host in ("one", "two"):
        opened.note_host(watched.id, host, 1, TrialState.CONFIRMED)
    for host, seconds in points:
        opened.note_point(watched.id, replace(POINT, host=host, seconds=seconds))
    report = _over(opened, watched)
    assert (report.outcome, str(report)) == (outcome, f"Rollout {watched.id} {said}")


def test_a_host_that_joined_late_is_asked_for_its_own_time(opened: Store) -> None:
    watched = _commit(opened, "watched", watch=3600)
    opened.note_host(watched.id, "one", 1, TrialState.CONFIRMED)
    opened.note_point(watched.id, POINT)
    _over(opened, watched)
    opened.note_host(watched.id, "later", 1, TrialState.CONFIRMED)
    [one] = Watched.of(opened, opened.rollout(watched.id)).hosts
    assert one.host == "one"
    opened.connection.execute("UPDATE rollout_hosts SET entered_at = entered_at - interval '61 s' WHERE host = 'later'")
    report = Watched.of(opened, opened.rollout(watched.id))
    assert report.outcome is Outcome.UNSEEN
    [late, one] = report.hosts
    assert (late.host, round(late.due)) == ("later", 60)
    assert one.seen
    opened.note_point(watched.id, replace(POINT, host="later", seconds=58))
    assert Watched.of(opened, opened.rollout(watched.id)).outcome is Outcome.HELD


def test_a_guard_that_tripped_in_vain_is_not_forgotten(opened: Store) -> None:
    """No right to take the fleet back, say; and after a start the host sees nothing wrong."""
    watched = _commit(opened, "watched", watch=3600)
    opened.note_host(watched.id, "one", 1, TrialState.CONFIRMED)
    opened.note_point(watched.id, replace(POINT, seconds=20, tripped=WHY))
    opened.note_point(watched.id, POINT)
    assert f"more; {WHY}, and each host" in str(Watched.of(opened, opened.rollout(watched.id)))
    report = _over(opened, watched)
    assert report.outcome is Outcome.TRIPPED
    assert str(report) == f"Rollout {watched.id} was not taken back, though {WHY}; the agent's log says why not."
