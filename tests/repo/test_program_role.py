"""Which installations of the program are removed: never the one that runs, nor the one that ran until now."""

import json
import sys
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
        "_program_found": {
            "files": [_found(name, age) for age, name in enumerate(there)] + [_found("notes", 99, isdir=False)]
        },
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


def _found(name: str, age: int, *, isdir: bool = True) -> dict[str, object]:
    return {"path": _FOLDER + name, "mtime": age, "isdir": isdir}


def test_extractctl_is_a_command_unless_somebody_else_has_one(tmp_path: Path) -> None:
    tasks = yaml.safe_load((_ROOT / "roles" / "program" / "tasks" / "switch.yml").read_text(encoding="utf-8"))
    link = [task for task in tasks if "extractctl" in task["name"]]
    assert len(link) == 2
    program, command = tmp_path / "opt" / "extractctl", tmp_path / "extractctl"
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"_program_command": str(command)}, "tasks": link}
    text = json.dumps([play]).replace("/opt/extraction-agent/bin/extractctl", str(program))
    playbook = tmp_path / "play.yml"
    playbook.write_text(text.replace("match('/opt/extraction-agent/')", f"match('{program}')"), encoding="utf-8")

    def run(*options: str) -> str:
        check = json.dumps({"_check": "--check" in options, "ansible_python_interpreter": sys.executable})
        done = plays.play(tmp_path, playbook, "-e", check, *options)
        assert done.returncode == 0, done.stdout + done.stderr
        return "changed" if "changed=1" in done.stdout else "ok"

    assert run("--check") == "changed", "a check of a new host, where the program is not yet"
    assert not command.is_symlink()
    program.parent.mkdir()
    program.touch()
    assert [run(), run(), run("--check")] == ["changed", "ok", "ok"]
    assert command.readlink() == program
    command.unlink()
    command.write_text("another's", encoding="utf-8")
    assert run() == "ok"
    assert command.read_text(encoding="utf-8") == "another's"
