"""Whom pg_hba.conf lets in: the agents, from the networks that are declared, and whom others have let in."""

import json
import sys
from pathlib import Path

import yaml

import plays

_ROOT = Path(__file__).parents[2]
_PACKAGED = """# as packaged
local   all             postgres                                peer
host    all             all             127.0.0.1/32            scram-sha-256
hostssl\tshop\treader\t10.9.0.0/16\tscram-sha-256
hostssl\textraction\textraction\t10.8.0.0/16\tcert
"""

pytestmark = plays.needs_ansible


def _declare(folder: Path, *networks: str) -> bool:
    """Have the role's tasks for the file done in a folder. Returns whether they have changed it."""
    tasks = yaml.safe_load((_ROOT / "roles" / "store" / "tasks" / "configure.yml").read_text(encoding="utf-8"))
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [task for task in tasks if "community.postgresql.postgresql_pg_hba" in task],
        "handlers": [{"name": "Reload PostgreSQL", "ansible.builtin.debug": {"msg": "told"}}],
        "vars": {
            "_store_etc": str(folder), "_store_there": True, "extraction_store_user": "extraction",
            "extraction_store_database": "extraction", "ansible_python_interpreter": sys.executable,
            "extraction_store_client_networks": networks,
        },
    }  # fmt: skip
    playbook = folder / "play.json"
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    done = plays.play(folder, playbook)
    assert done.returncode == 0, done.stdout + done.stderr
    return "RUNNING HANDLER" in done.stdout


def _let_in(folder: Path) -> list[str]:
    lines = (folder / "pg_hba.conf").read_text(encoding="utf-8").splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith("hostssl")]


def test_a_network_that_is_taken_out_is_let_in_no_longer(tmp_path: Path) -> None:
    (tmp_path / "pg_hba.conf").write_text(_PACKAGED, encoding="utf-8")
    others = _let_in(tmp_path)
    assert _declare(tmp_path, "10.1.0.0/16", "2001:db8::/32")
    ours = [one for one in _let_in(tmp_path) if one not in others]
    assert ours == [f"hostssl extraction extraction {net} scram-sha-256" for net in ("10.1.0.0/16", "2001:db8::/32")]
    assert not _declare(tmp_path, "10.1.0.0/16", "2001:db8::/32")
    assert _declare(tmp_path, "10.1.0.0/16")
    assert [one for one in _let_in(tmp_path) if one not in others] == ours[:1]
    assert _declare(tmp_path)
    assert sorted(_let_in(tmp_path)) == sorted(others)
    assert not _declare(tmp_path)
