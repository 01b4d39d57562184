"""Agents that run are restarted a few at a time, and one that does not come up ends it; those that do not run start."""

import os
import sys
from pathlib import Path

import pytest
import yaml

import plays

_ROOT = Path(__file__).parents[2]
_HOSTS = ("one", "two", "three")
# What systemd says of a host's agent; whatever it is asked to do is noted. On a broken host it does not come up.
_SYSTEMCTL = """#!/bin/sh
echo "$HOST_NAME $1" >> "$FAKES/log"
state=$(cat "$FAKES/$HOST_NAME")
since=$([ "$state" = inactive ] || echo "Thu 2026-11-26 10:00:00.000000 UTC")
case $1 in
    show) printf 'LoadState=loaded\\nActiveState=%s\\nActiveEnterTimestamp=%s\\n' "$state" "$since" ;;
    is-enabled) echo enabled ;;
    start|restart) [ ! -e "$FAKES/$HOST_NAME.broken" ] ;;
esac
"""
_FIND = '#!/bin/sh\n[ ! -e "$FAKES/$HOST_NAME.older" ] || echo /opt/extraction-agent\n'
_PYTHON = '#!/bin/sh\nHOST_NAME={host} exec {python} "$@"\n'
_VARIABLES = {
    "ansible_connection": "local",
    "ansible_become": False,
    "extraction_agent_store_url": "postgresql://extraction@localhost/extraction",
    "extraction_agent_secrets": {"store": "x"},
}

pytestmark = plays.needs_ansible


def _program(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """Three hosts on this machine, of which all but the last have a running agent that is older than its files."""
    (tmp_path / "bin").mkdir()
    _program(tmp_path / "bin" / "systemctl", _SYSTEMCTL)
    _program(tmp_path / "bin" / "find", _FIND)
    hosts = {}
    for host in _HOSTS:
        python = _program(tmp_path / f"python-{host}", _PYTHON.format(host=host, python=sys.executable))
        hosts[host] = {"ansible_python_interpreter": python}
        (tmp_path / host).write_text("inactive" if host == "three" else "active", encoding="utf-8")
        (tmp_path / f"{host}.older").touch()
    (tmp_path / "log").touch()
    inventory = {"extraction_agents": {"hosts": hosts, "vars": _VARIABLES}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")
    return tmp_path


def _play(fleet: Path, *options: str, later: bool = True) -> tuple[str, list[str]]:
    """The role's last step and site.yml's play of restarts: what they say, and whom systemd was asked to (re)start."""
    site = yaml.safe_load((_ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8"))
    at = next(number for number, one in enumerate(site) if one["hosts"].endswith("extraction_agents_to_restart"))
    assert site[at - 1]["vars"] == {"extraction_agent_restarts_later": True}
    run = {"ansible.builtin.import_role": {"name": "jivs.extraction.agent", "tasks_from": "run"}}
    role = yaml.safe_load((_ROOT / "roles" / "agent" / "tasks" / "main.yml").read_text(encoding="utf-8"))
    verified = {"ansible.builtin.debug": {"msg": "verified here"}, "when": role[-1]["when"]}
    first = {"hosts": "extraction_agents", "gather_facts": False, "tasks": [run, verified]}
    playbook = fleet / "play.yml"
    playbook.write_text(
        yaml.safe_dump([{**first, "vars": {"extraction_agent_restarts_later": later}}, site[at]]), encoding="utf-8"
    )
    done = plays.play(
        fleet, "-i", fleet / "hosts.yml", playbook, *options, **plays.COLLECTIONS,
        PATH=f"{fleet / 'bin'}:{os.environ['PATH']}", FAKES=str(fleet), ANSIBLE_LOCALHOST_WARNING="0",
    )  # fmt: skip
    log = (fleet / "log").read_text(encoding="utf-8").splitlines()
    return done.stdout + done.stderr, [line.split()[0] for line in log if line.endswith("start")]


def test_one_that_does_not_come_up_leaves_the_others_as_they_are(fleet: Path) -> None:
    (fleet / "one.broken").touch()
    said, restarted = _play(fleet)
    assert restarted == ["three", "one"], said  # the one that did not run, and the first of those that do
    assert "two" not in said.rpartition("PLAY [")[2].partition("PLAY RECAP")[0], said


def test_a_check_says_who_would_be_restarted(fleet: Path) -> None:
    (fleet / "three.older").unlink()
    (fleet / "three").write_text("active", encoding="utf-8")
    said, restarted = _play(fleet, "--check")
    assert not restarted
    assert said.count("PLAY [(6/8)") == 2, said  # one after the other
    recap = said.partition("PLAY RECAP")[2].splitlines()
    assert [line.split()[0] for line in recap if "changed=1" in line] == ["one", "two"], said
    assert said.count("verified here") == 1, "who is to be restarted is verified afterwards"
    assert all("failed=0" in line for line in recap if "ok=" in line), said


def test_as_many_at_a_time_as_is_said(fleet: Path) -> None:
    (fleet / "hosts.yml").write_text(
        (fleet / "hosts.yml").read_text(encoding="utf-8") + "    extraction_agent_restarts_at_once: 5\n",
        encoding="utf-8",
    )
    said, _ = _play(fleet, "--check")
    assert said.count("PLAY [(6/8)") == 1, said


def test_what_is_as_declared_is_left_alone(fleet: Path) -> None:
    for host in _HOSTS:
        (fleet / f"{host}.older").unlink()
        (fleet / host).write_text("active", encoding="utf-8")
    said, restarted = _play(fleet)
    assert not restarted
    assert said.count("changed=0") == len(_HOSTS), said


def test_the_role_alone_restarts_by_itself(fleet: Path) -> None:
    _, restarted = _play(fleet, later=False)
    assert sorted(restarted) == sorted(_HOSTS)
