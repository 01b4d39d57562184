"""What the playbooks rollout and rollback refuse before anything changes, and the sentence they give."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import plays

_ROOT = Path(__file__).parents[2]
# Notes what it is asked; a rollout that it is asked for has ended, and a profile may have 1200 slots.
_EXTRACTCTL = """#!/bin/sh
echo "$*" >> "$FAKES/log"
case "$1 $2" in
    "rollout history") cat "$FAKES/history" ;;
    "rollout status") cat "$FAKES/status" ;;
    "rollout abort") cat "$FAKES/abort"; test ! -e "$FAKES/refused" || exit 1 ;;
    "rollout begin") echo '{"rollout_id": 5}' ;;
    "token create") echo '{"name": "of-the-run", "token": "x"}' ;;
    "judge --plan") echo '{"slots_at_most": 1200}' ;;
    *) echo '{}' ;;
esac
"""
_VARIABLES = {
    "ansible_connection": "local",
    "ansible_become": False,
    "ansible_python_interpreter": sys.executable,
}
_BAD = {
    "rollout_id": 5, "profile": "bad", "state": "committed", "holder": "me on here", "undoes": None,
    "takes_back": None,
}  # fmt: skip
_GOOD = {**_BAD, "rollout_id": 4, "profile": "good"}
_BACK = {**_BAD, "rollout_id": 6, "profile": "good", "holder": "me on here", "takes_back": 5}
_TAKEN_BACK = {**_BACK, "takes_back": None, "holder": "the watch on one", "undoes": 5}

pytestmark = plays.needs_ansible


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """A store that is a command, and two agents that do not answer."""
    program = tmp_path / "extractctl"
    program.write_text(_EXTRACTCTL, encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "log").touch()
    (tmp_path / "history").write_text('{"rollouts": []}', encoding="utf-8")
    (tmp_path / "status").write_text('{"rollout_id": 5, "settings": {}}', encoding="utf-8")
    inventory = {
        "all": {"vars": _VARIABLES},
        "extraction_store": {"hosts": {"store": {}}},
        "extraction_agents": {"hosts": {"one": {"extraction_agent_port": 1}, "two": {"extraction_agent_port": 1}}},
    }
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return tmp_path


def _play(fleet: Path, name: str, *options: str, **variables: Any) -> tuple[str, str]:
    """What the playbook says on one line, and what the command was asked."""
    given = {
        "extraction_rollout_program": str(fleet / "extractctl"), "extraction_rollout_judge": str(fleet / "extractctl"),
        "extraction_rollout_samples": str(fleet), **variables,
    }  # fmt: skip
    words = ["-i", str(fleet / "hosts.yml"), "-e", json.dumps(given), f"jivs.extraction.{name}", *options]
    done = plays.play(fleet, *words, **plays.COLLECTIONS, FAKES=str(fleet))
    said = " ".join((done.stdout + done.stderr).replace("\\n", " ").split())
    return said, (fleet / "log").read_text(encoding="utf-8")


def _history(fleet: Path, *rollouts: dict[str, Any]) -> None:
    (fleet / "history").write_text(json.dumps({"rollouts": rollouts}), encoding="utf-8")


@pytest.mark.parametrize("latest", [_BACK, _TAKEN_BACK], ids=["by the playbook", "by a watch"])
def test_a_fleet_that_is_back_is_not_sent_forth_again(fleet: Path, latest: dict[str, Any]) -> None:
    _history(fleet, latest, _BAD, _GOOD)
    said, asked = _play(fleet, "rollback")
    assert f"rollout 6 of profile good, by {latest['holder']}, is what it has" in said, said
    assert "rollout 5 of profile bad" in said
    assert "-e extraction_rollback_again=true" in said
    assert "rollout begin" not in asked
    assert "token revoke of-the-run" in asked, "a run that is refused leaves no token"


@pytest.mark.parametrize(
    ("rollouts", "variables"),
    [((_BAD, _GOOD), {}), ((_BACK, _BAD), {"extraction_rollback_again": "true"}), ((_BAD,), {})],
    ids=["the first", "meant so", "the only one"],
)
def test_a_rollback_that_is_none_yet_begins(
    fleet: Path, rollouts: tuple[dict[str, Any], ...], variables: dict[str, Any]
) -> None:
    _history(fleet, *rollouts)
    said, asked = _play(fleet, "rollback", "--check", "--limit", "one", **variables)
    assert "rollout budget" in asked, said
    assert "--hosts=2" in asked, "all agents count, whatever the limit"


def test_a_rollback_is_begun_as_a_way_back(fleet: Path) -> None:
    """Else the store would want a verdict on it before its commit."""
    _history(fleet, _BAD, _GOOD)
    said, asked = _play(fleet, "rollback")
    [begun] = [line for line in asked.splitlines() if line.startswith("rollout begin")]
    assert "--back" in begun.split(), said
    assert "--watch" not in begun


_RUNNING = {**_BAD, "state": "running"}


@pytest.mark.parametrize(
    ("aborts", "state", "drops", "told"),
    [
        (True, "aborted", True, "one is not back: http://127.0.0.1:1 does not answer"),
        (False, "committed", False, "Rollout 5 was committed before it could be ended. Run this playbook again."),
        (False, "running", False, "Rollout 5 could not be ended: extractctl rollout ended with status 1. Run"),
    ],
    ids=["aborted", "committed meanwhile", "the store was away"],
)
def test_indexes_of_what_is_not_aborted_stay(fleet: Path, aborts: bool, state: str, drops: bool, told: str) -> None:
    _history(fleet, _RUNNING, _GOOD)
    (fleet / "status").write_text(json.dumps({**_RUNNING, "state": state}), encoding="utf-8")
    (fleet / "abort").write_text(json.dumps({**_RUNNING, "state": "aborted"}) if aborts else "", encoding="utf-8")
    if not aborts:
        (fleet / "refused").touch()
    said, asked = _play(fleet, "rollback")
    assert "rollout abort 5" in asked, said
    assert ("indexes undo" in asked) is drops, said
    assert told in said, said


def test_a_password_of_a_source_is_not_shown_when_its_indexes_fail(fleet: Path) -> None:
    _history(fleet, _RUNNING, _GOOD)
    (fleet / "status").write_text(json.dumps(_RUNNING), encoding="utf-8")
    (fleet / "abort").write_text(json.dumps({**_RUNNING, "state": "aborted"}), encoding="utf-8")
    sources = [{"url": "postgresql://owner@db1/shop", "password": "hidden-9471"}]
    said, asked = _play(fleet, "rollback", "-v", extraction_indexes_sources=sources)
    assert "--source=postgresql://owner@db1/shop" in asked, said
    assert "failed: [one -> store]" in said, said
    assert "hidden-9471" not in said + asked


def test_a_check_of_a_rollback_waits_for_nothing_that_runs(fleet: Path) -> None:
    _history(fleet, _RUNNING, _GOOD)
    (fleet / "status").write_text(json.dumps(_RUNNING), encoding="utf-8")
    said, asked = _play(fleet, "rollback", "--check")
    assert "rollout status 5" in asked, said
    assert "rollout abort" not in asked
    assert "one is not back" not in said, said


def test_a_rollout_is_for_all_agents(fleet: Path) -> None:
    said, asked = _play(fleet, "rollout", "--limit", "one", profile="optimized")
    assert "Nothing was changed: A rollout is for all agents of the store, and this run leaves out two" in said, said
    assert not asked


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"extraction_rollout_step_seconds": 59}, "Set extraction_rollout_lease_seconds to more than 65.0"),
        (
            {"extraction_rollout_step_seconds": 5, "extraction_rollout_slot_seconds": 1},
            "240 steps of 5.0 s, and a run can take 200. Set extraction_rollout_step_seconds to at least 6.0, with",
        ),
        ({"extraction_rollout_baseline_slots": "4001"}, "4001 slots of 1.0 s take 201 steps of 20.0 s"),
        ({"extraction_rollout_judge": "/no/extractctl"}, "The judge /no/extractctl on localhost does not serve:"),
    ],
    ids=["lease", "steps", "baseline", "judge"],
)
def test_what_cannot_end_well_does_not_begin(fleet: Path, variables: dict[str, Any], sentence: str) -> None:
    said, asked = _play(fleet, "rollout", profile="optimized", **variables)
    assert sentence in said, said
    assert "Nothing was changed" in said
    assert "rollout begin" not in asked


def test_the_slots_are_those_of_the_profile_in_the_file(fleet: Path) -> None:
    profile = fleet / "patient.yml"
    profile.write_text(
        "name: patient\ndescription: Waits.\nextends: optimized\ngates: {slots_at_most: 100000}\n", encoding="utf-8"
    )
    judge = str(Path(sys.executable).with_name("extractctl"))
    said, _ = _play(fleet, "rollout", profile=str(profile), extraction_rollout_judge=judge)
    assert "Nothing was changed: 100000 slots of 1.0 s take 5000 steps of 20.0 s" in said, said


def test_what_the_judge_says_of_a_profile_is_told(fleet: Path) -> None:
    judge = str(Path(sys.executable).with_name("extractctl"))
    said, _ = _play(fleet, "rollout", profile="optimised", extraction_rollout_judge=judge)
    assert "There is no profile optimised. Did you mean optimized?" in said, said


def test_what_fits_goes_on_to_the_agents(fleet: Path) -> None:
    said, asked = _play(fleet, "rollout", profile="optimized", extraction_rollout_step_seconds="6")
    assert "http://127.0.0.1:1 does not answer" in said, said
    assert "rollout history" in asked


@pytest.mark.parametrize(
    ("address", "asked"),
    [({}, "127.0.0.1:9093"), ({"extraction_monitoring_listen_address": "{{ there }}"}, "hub:9093")],
)
def test_alertmanager_is_asked_where_it_listens(fleet: Path, address: dict[str, str], asked: str) -> None:
    inventory = yaml.safe_load((fleet / "hosts.yml").read_text(encoding="utf-8"))
    inventory["extraction_monitoring"] = {"hosts": {"hub": {**address, "there": "hub"}}}
    (fleet / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    show = {"ansible.builtin.debug": {"var": "_rollout_alertmanager"}}
    play = {"hosts": "one", "gather_facts": False, "vars_files": [str(_ROOT / "roles/rollout/vars/main.yml")]}
    (fleet / "play.yml").write_text(yaml.safe_dump([{**play, "tasks": [show]}]), encoding="utf-8")
    done = plays.play(fleet, "-i", fleet / "hosts.yml", fleet / "play.yml")
    assert f'"_rollout_alertmanager": "{asked}"' in done.stdout, done.stdout + done.stderr
