"""Which installations of the program are removed: never the one that runs, nor the one that ran until now."""

import json
from pathlib import Path

import pytest
import yaml

import plays

_ROOT = Path(__file__).parents[2]
_FOLDER = "/opt/extraction-agent.d/"

pytestmark = plays.needs_ansible


@pytest.mark.parametrize(
    ("there", "before", "now", "keep", "removed"),
    [
        ("abc", "a", "c", 2, ["b"]),  # b was bad, and a again what ran
        ("ac", "c", "c", 2, []),  # run again
        ("ab", "a", "b", 2, []),
        ("abcd", "c", "d", 3, ["a"]),
        ("abc", "c", "c", 1, ["a"]),
        ("ab", "a", "b", 1, []),
        ("ab", "b", "b", 1, []),
        ("a", "", "a", 2, []),
    ],
)
def test_what_ran_until_now_stays(
    tmp_path: Path, there: str, before: str, now: str, keep: int, removed: list[str]
) -> None:
    """there: installations from the oldest to the newest."""
    tasks = yaml.safe_load((_ROOT / "roles" / "program" / "tasks" / "switch.yml").read_text(encoding="utf-8"))
    last = tasks[-1]
    known = {
        "_program_found": {"files": [{"path": _FOLDER + name, "mtime": age} for age, name in enumerate(there)]},
        "_program_path": {"stat": {"lnk_target": _FOLDER + before} if before else {"exists": False}},
        "_program_folder": _FOLDER + now,
        "extraction_program_keep": keep,
    }
    show = {"ansible.builtin.debug": {"msg": "REMOVED {{ " + last["loop"].strip("{} ") + " | to_json }}"}}
    play = {"hosts": "localhost", "gather_facts": False, "vars": {**known, **last["vars"]}, "tasks": [show]}
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = plays.play(tmp_path, playbook)
    said = done.stdout.partition("REMOVED ")[2].partition('"\n')[0].replace("\\", "")
    assert said, done.stdout + done.stderr
    assert json.loads(said) == [_FOLDER + name for name in removed]
