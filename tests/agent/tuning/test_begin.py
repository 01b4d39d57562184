"""What a rollout needs to begin, as a controller and a person at the command line meet it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent.tuning.records import begin, begin_and_lose, commit
from extraction_agent import errors, profiles
from extraction_agent.interfaces.cli.main import app
from extraction_agent.profiles import Settings
from extraction_agent.store.allowance import Allowance
from extraction_agent.store.rollout_rows import RolloutState, TrialState
from extraction_agent.store.store import Store
from extraction_agent.tuning.budget import Budget, Need
from support import Database

_SMALL = {"pool": {"maximum": 4, "minimum_idle": 1}, "reading": {"chunks_in_flight": 1}}


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A profile that fits everywhere."""
    file = tmp_path / "small.yml"
    file.write_text(json.dumps({"name": "small", "description": "d", "settings": _SMALL}), encoding="utf-8")
    return str(file)


def _run(store: Database, *arguments: str, status: int = 0, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(app, ["rollout", *arguments, "--store", store.url], input=stdin)
    failed = isinstance(result.exception, errors.ExtractionError)
    ended = result.exception.exit_status if failed else result.exit_code  # type: ignore[union-attr] # it has failed
    assert ended == status, (result.output, result.exception)
    return result


def _json(store: Database, *arguments: str, stdin: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_run(store, *arguments, "--json", stdin=stdin).stdout)
    return found


def _begin(store: Database, profile: str, *arguments: str) -> tuple[str, str]:
    """Its number and its token, as arguments."""
    begun = _json(store, "begin", profile, "--hosts", "2", *arguments)
    return str(begun["rollout_id"]), str(begun["token"])


# The budget


def _budget(hosts: int, maximum: int, pool: int = 50, before: Need | None = None) -> Budget:
    settings = Settings.model_validate({"pool": {"maximum": pool, "minimum_idle": 2}})
    return Budget("optimized", hosts, Need.of(settings), before, Allowance(maximum, 3, 4))


def test_three_agents_with_the_users_pool_are_too_many_for_a_default_server() -> None:
    budget = _budget(3, 100)
    each = Need.of(profiles.load("optimized").settings).total
    assert budget.needed == 3 * each + 4
    with pytest.raises(errors.UsageError) as told:
        budget.check()
    assert str(told.value).startswith(f"Profile optimized needs {budget.needed} connections of the store: 3 × {each} ")
    assert "The store has 93: 100 at most, less 3 reserved and 4 in use by others." in str(told.value)


@pytest.mark.parametrize(("hosts", "maximum"), [(3, 100), (2, 100), (7, 300), (10, 400)])
def test_what_the_budget_advises_fits_and_one_more_does_not(hosts: int, maximum: int) -> None:
    with pytest.raises(errors.UsageError) as told:
        _budget(hosts, maximum).check()
    advice = str(told.value).split("Set pool.maximum to ")[1]
    pool, allowed = int(advice.split(",")[0]), int(advice.split("at least ")[1].split()[0])
    _budget(hosts, maximum, pool).check()
    assert not _budget(hosts, maximum, pool + 1).fits
    _budget(hosts, allowed).check()
    assert not _budget(hosts, allowed - 1).fits


def test_no_pool_is_small_enough_for_some_servers() -> None:
    with pytest.raises(errors.UsageError, match=r"It must allow at least \d+ \(max_connections\)\.$"):
        _budget(20, 100).check()


def test_while_profiles_change_the_larger_of_each_counts() -> None:
    large = Need.of(Settings.model_validate({"pool": {"maximum": 80}, "reading": {"chunks_in_flight": 1}}))
    assert _budget(1, 200, 10, large).needed == _budget(1, 200, 80).needed
    with pytest.raises(errors.UsageError, match="It must allow"):  # a smaller pool would not help
        _budget(2, 100, 10, large).check()


def test_what_needs_no_more_of_anything_is_not_refused_though_others_hold_more_than_before() -> None:
    before = Need.of(Settings.model_validate({"pool": {"maximum": 50}}))
    for pool in (10, 50):
        budget = _budget(3, 100, pool, before)
        budget.check()
        assert (budget.fits, budget.grows) == (False, False)
        assert str(budget).endswith(" None of it is more than the fleet may have now: not refused.")
    with pytest.raises(errors.UsageError, match=r"in use by others\. It must allow"):
        _budget(3, 100, 51, before).check()


def test_a_way_back_begins_though_the_store_is_full(opened: Store, store: Database, small: str) -> None:
    begun = opened.begin_rollout("optimized", profiles.load("optimized").model_dump(mode="json"), "c", 60)
    commit(opened, begun)
    found = _json(store, "budget", small, "--hosts", "30")
    assert (found["fits"], found["grows"]) == (False, False)
    assert _json(store, "begin", small, "--hosts", "30")["state"] == "running"


def test_the_allowance_is_the_servers(opened: Store, store: Database) -> None:
    allowance = opened.allowance()
    assert allowance.maximum == int(store.value("SHOW max_connections"))
    assert allowance.reserved >= 3
    before = allowance.others
    store.run("SELECT 1")
    with Store(store.url, "psql"):
        assert opened.allowance().others == before + 1
    name = store.value("SELECT current_database()")
    store.run(f'ALTER DATABASE "{name}" CONNECTION LIMIT 20')
    assert (opened.allowance().maximum, opened.allowance().reserved) == (20, 0)


def test_a_profile_beyond_the_budget_stops_before_the_first_change(store: Database) -> None:
    told = _run(store, "begin", "optimized", "--hosts", "30", status=2)
    assert "needs 1" in str(told.exception)
    assert "The store has " in str(told.exception)
    assert store.value("SELECT count(*) FROM rollouts") == 0
    found = _run(store, "budget", "optimized", "--hosts", "30", "--json", status=2)
    assert json.loads(found.stdout)["fits"] is False


def test_the_profile_that_is_left_counts_too(opened: Store, store: Database, small: str) -> None:
    before = _json(store, "budget", small, "--hosts", "1")
    begun = opened.begin_rollout("large", {"settings": {"pool": {"maximum": 60}}}, "c", 60)
    commit(opened, begun)
    after = _json(store, "budget", small, "--hosts", "1")
    assert (before["each"]["pool"], after["each"]["pool"]) == (4, 60)
    store.run("""UPDATE rollouts SET settings = '{"settings": {"of another version": 1}}'""")
    assert _json(store, "budget", small, "--hosts", "1") == before


# Windows and alerts


def test_no_rollout_while_an_alert_fires_or_outside_the_window(opened: Store, store: Database, small: str) -> None:
    now = opened.now()
    window = f"{now + timedelta(hours=2):%H:%M}-{now + timedelta(hours=3):%H:%M}"
    told = _run(store, "begin", small, "--hosts", "1", "--firing", "B", "--firing", "A", "--window", window, status=1)
    assert "alerts fire: A, B; it is " in str(told.exception)
    assert f"the maintenance window is {window} (UTC)" in str(told.exception)
    assert store.value("SELECT count(*) FROM rollouts") == 0
    here = f"{now - timedelta(hours=1):%H:%M}-{now + timedelta(hours=1):%H:%M}"
    assert _json(store, "begin", small, "--hosts", "1", "--window", window, "--window", here)["state"] == "running"


def test_a_window_is_of_a_time_zones_clock(opened: Store, store: Database, small: str) -> None:
    there = opened.now() + timedelta(hours=14)  # in Kiritimati, all year
    window = f"{there - timedelta(minutes=30):%H:%M}-{there + timedelta(minutes=30):%H:%M}"
    _run(store, "begin", small, "--hosts", "1", "--window", window, status=1)
    begun = _json(store, "begin", small, "--hosts", "1", "--window", window, "--time-zone", "Pacific/Kiritimati")
    assert begun["state"] == "running"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--window", "22-05"), "A window is HH:MM-HH:MM"),
        (("--time-zone", "Berlin"), "There is no time zone Berlin"),
    ],
)
def test_what_cannot_be_read_is_told(store: Database, small: str, arguments: tuple[str, ...], told: str) -> None:
    assert told in str(_run(store, "begin", small, "--hosts", "1", *arguments, status=2).exception)


def test_the_one_that_runs_is_told_first(opened: Store, store: Database) -> None:
    begin(opened, holder="ansible@one")
    refused = _run(store, "begin", "optimized", "--hosts", "30", "--firing", "Any", status=1)
    assert "ansible@one holds it" in str(refused.exception)


# The command line


def test_a_rollout_as_a_controller_and_a_person_drive_it(opened: Store, store: Database, small: str) -> None:
    number, token = _begin(store, small, "--lease", "30", "--holder", "ansible@controller", "--who", "alice")
    assert _json(store, "renew", number, "--token", token, "--wave", "1")["wave"] == 1
    opened.note_host(int(number), "one", 2, TrialState.TRIAL, seconds=30)
    assert _json(store, "pause")["paused"] is True
    assert "it is paused;" in str(_run(store, "commit", number, "--token", token, status=1).exception)
    assert _json(store, "resume", "--who", "bob")["paused"] is False
    assert "nobody has judged wave 1;" in str(_run(store, "commit", number, "--token", token, status=1).exception)
    doubt = json.dumps({"verdict": "INCONCLUSIVE", "p95": {"samples": 3}})
    assert _json(store, "verdict", number, "--token", token, "--wave", "1", stdin=doubt)["verdict"] == "INCONCLUSIVE"
    assert "which is not GO" in str(_run(store, "commit", number, "--token", token, status=1).exception)
    _run(store, "override", "--wave", "1", "--reason", " ", status=2)
    _json(store, "override", "--wave", "1", "--reason", "a quiet night", "--who", "bob")
    shown = _run(store, "status").stdout
    assert "overridden by cli:bob: a quiet night" in shown
    assert "ansible@controller" in shown
    assert _json(store, "commit", number, "--token", token)["state"] == "committed"
    assert _json(store, "status")["hosts"][0]["state"] == "trial"
    assert _json(store, "status", number)["settings"]["settings"]["pool"]["maximum"] == 4
    told = {entry.action: entry.who for entry in opened.entries(100)}
    assert (told["rollout.begun"], told["rollout.resumed"], told["rollout.overridden"]) == (
        "cli:alice", "cli:bob", "cli:bob",
    )  # fmt: skip


def test_a_person_goes_back_to_what_was_before(opened: Store, store: Database, small: str) -> None:
    for profile in (small, "baseline"):
        number, token = _begin(store, profile)
        for wave in ("0", "1"):
            _run(store, "verdict", number, "--token", token, "--wave", wave, stdin='{"verdict": "GO"}')
        _run(store, "commit", number, "--token", token)
    refused = _run(store, "begin", "optimized", "--hosts", "1", "--back", status=1)
    assert "is profile small, which the fleet had before" in str(refused.exception)
    back, token = _begin(store, small, "--back")
    assert _json(store, "commit", back, "--token", token)["takes_back"] == int(number)
    found = opened.committed_rollout()
    assert found is not None
    assert (found.profile, found.watch_seconds) == ("small", 0)


def test_a_person_ends_the_one_that_runs(store: Database, small: str) -> None:
    number, token = _begin(store, small)
    assert _json(store, "abort", "--reason", "the shop is slow")["state"] == "aborted"
    assert _json(store, "abort", number, "--reason", "again")["reason"] == "the shop is slow"
    assert "the shop is slow" in str(_run(store, "renew", number, "--token", token, status=1).exception)
    assert "No rollout is running" in str(_run(store, "pause", status=2).exception)
    listed = _json(store, "history")["rollouts"]
    assert [(one["profile"], one["state"], one["reason"]) for one in listed] == [
        ("small", "aborted", "the shop is slow")
    ]
    assert "the shop is slow" in _run(store, "history").stdout


def test_a_store_without_rollouts(store: Database) -> None:
    assert _json(store, "status") == {"rollout_id": None}
    assert "none yet" in _run(store, "status").stdout
    assert _json(store, "history") == {"rollouts": []}
    assert "no rollout 7" in str(_run(store, "status", "7", status=2).exception)


def test_status_tells_of_a_lost_controller(opened: Store, store: Database) -> None:
    begin_and_lose(opened)
    assert _json(store, "status")["state"] == RolloutState.ABORTED


@pytest.mark.parametrize("evidence", ["", "[]", "{}", '{"verdict": "go"}', '{"verdict": ["GO"]}'])
def test_evidence_without_a_verdict_is_refused(store: Database, small: str, evidence: str) -> None:
    number, token = _begin(store, small)
    _run(store, "verdict", number, "--token", token, "--wave", "1", stdin=evidence, status=2)
    assert store.value("SELECT count(*) FROM rollout_verdicts") == 0
