"""What `site.yml --tags secrets` hands out: a renewed certificate with its key, or neither."""

import os
import sys
from pathlib import Path

import pytest
import yaml

import plays
from certificates import Authority

_TASKS = Path(__file__).parents[2] / "roles" / "agent" / "tasks"

pytestmark = [
    *plays.needs_ansible,
    pytest.mark.skipif(os.geteuid() != 0, reason="the role makes files of root"),
]


def _hand_out(folder: Path, certificate: Path, key: Path, secret: str | int = "x") -> tuple[int, str]:
    """Run the role's steps that concern files, by their tags, into a folder. Returns status and words."""
    steps = yaml.safe_load((_TASKS / "main.yml").read_text(encoding="utf-8"))
    wanted = {"preflight.yml", "secrets.yml", "configure.yml"}
    tasks = [
        {
            "ansible.builtin.import_role": {
                "name": "jivs.extraction.agent", "tasks_from": step["ansible.builtin.import_tasks"],
            },
            "tags": step["tags"],
        }
        for step in steps if step["ansible.builtin.import_tasks"] in wanted
    ]  # fmt: skip
    assert len(tasks) == len(wanted)
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": tasks,
        "vars": {
            "ansible_python_interpreter": sys.executable,
            "extraction_agent_store_url": "postgresql://extraction@localhost/extraction",
            "extraction_agent_secrets": {"store": secret},
            "extraction_agent_tls_certificate": certificate.read_text(encoding="utf-8"),
            "extraction_agent_tls_key": key.read_text(encoding="utf-8"),
        },
    }
    playbook = folder.with_suffix(".yml")
    playbook.write_text(yaml.safe_dump([play]), encoding="utf-8")
    done = plays.play(folder.parent, playbook, "--tags", "secrets", "-e", f"_agent_etc={folder}", **plays.COLLECTIONS)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def test_a_certificate_goes_with_its_key_and_no_other(tmp_path: Path) -> None:
    authority, pairs = Authority(), []
    for name in ("first", "renewed"):
        (tmp_path / name).mkdir()
        pairs.append(authority.issue(tmp_path / name))
    etc = tmp_path / "etc"
    for certificate, key in pairs:
        status, said = _hand_out(etc, certificate, key)
        assert status == 0, said
        assert (etc / "tls.pem").read_bytes().strip() == certificate.read_bytes().strip(), said
        assert (etc / "tls.key").read_bytes().strip() == key.read_bytes().strip()
    before = {path.name: path.read_bytes() for path in etc.iterdir() if path.is_file()}
    status, said = _hand_out(etc, pairs[1][0], pairs[0][1])
    assert status == 2, said
    assert "cannot be used together: key values mismatch. Nothing was changed." in said
    assert {path.name: path.read_bytes() for path in etc.iterdir() if path.is_file()} == before


def test_a_secret_is_handed_out_whenever_it_is_another(tmp_path: Path) -> None:
    pair = Authority().issue(tmp_path)
    there = tmp_path / "etc" / "passwords" / "store"
    for secret in ("x", "y\n", 7):
        status, said = _hand_out(tmp_path / "etc", *pair, secret)
        assert status == 0, said
        assert there.read_text(encoding="utf-8") == str(secret)
    there.chmod(0o644)
    status, said = _hand_out(tmp_path / "etc", *pair, 7)
    assert status == 0, said
    assert there.stat().st_mode & 0o777 == 0o600
    there.rename(tmp_path / "elsewhere")
    there.symlink_to(tmp_path / "elsewhere")
    status, said = _hand_out(tmp_path / "etc", *pair, 7)
    assert status == 0, said
    assert not there.is_symlink()
    changed = there.stat().st_mtime_ns
    status, said = _hand_out(tmp_path / "etc", *pair, 7)
    assert status == 0, said
    assert there.stat().st_mtime_ns == changed
