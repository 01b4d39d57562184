"""The role's part for Grafana, on this machine in folders of their own: one host with Grafana's, one without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from dashboards.boards import FOLDER, NAMES

_ANSIBLE = Path(__file__).parents[2] / ".venv-ansible"
_KINDS = ("datasources", "dashboards")
_RESTART = "RUNNING HANDLER [jivs.extraction.monitoring : Restart Grafana]"

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(
        not (_ANSIBLE / "bin" / "ansible-playbook").exists() and not os.environ.get("CI"),
        reason="make lint-collection makes Ansible",
    ),
]


def _run(folder: Path, *options: str) -> str:
    """What the play says, failed or not."""
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{"ansible.builtin.include_role": {"name": "jivs.extraction.monitoring", "tasks_from": "grafana"}}],
        "vars": {
            "extraction_monitoring_grafana_provisioning": f"{folder}/{{{{ inventory_hostname }}}}/provisioning",
            "extraction_monitoring_grafana_dashboards": f"{folder}/{{{{ inventory_hostname }}}}/dashboards",
            "extraction_monitoring_scrape_seconds": 20,
        },
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]), encoding="utf-8")
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(_ANSIBLE / "collections"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    program, playbook = str(_ANSIBLE / "bin" / "ansible-playbook"), str(folder / "play.yml")
    command = [program, "--inventory", "there,without,", playbook, *options]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return f"{done.stdout}{done.stderr}"


def _hold_that_all_but_the_restart_succeeded(said: str) -> None:
    words = " ".join(said.split())
    assert "but without has no" in words, said
    assert "install Grafana 11.6 or newer" in words
    there = next(line for line in said.splitlines() if line.startswith("there "))
    assert "changed=3" in there, said
    assert "failed=1" in there, said
    assert "fatal: [there]" in said.partition(_RESTART)[2], "there is no Grafana to restart"


def test_grafana_is_given_what_it_needs(tmp_path: Path) -> None:
    for kind in _KINDS:
        (tmp_path / "there" / "provisioning" / kind).mkdir(parents=True)
    dashboards = tmp_path / "there" / "dashboards"
    _hold_that_all_but_the_restart_succeeded(_run(tmp_path, "--check"))
    assert not dashboards.exists(), "checking changes nothing"
    _hold_that_all_but_the_restart_succeeded(_run(tmp_path))
    for name in NAMES:
        assert (dashboards / name).read_text(encoding="utf-8") == (FOLDER / name).read_text(encoding="utf-8")
    given = {
        kind: yaml.safe_load((tmp_path / "there" / "provisioning" / kind / "extraction.yml").read_text("utf-8"))
        for kind in _KINDS
    }
    (source,) = given["datasources"]["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert source["jsonData"]["timeInterval"] == "20s"
    (provider,) = given["dashboards"]["providers"]
    assert provider["options"]["path"] == str(dashboards)
    assert not (tmp_path / "without" / "dashboards").exists()

    (dashboards / NAMES[0]).write_text(json.dumps({"title": "edited"}), encoding="utf-8")
    again = _run(tmp_path, "--limit", "there")
    there = next(line for line in again.splitlines() if line.startswith("there "))
    assert "changed=1" in there, "what was edited on the host is put back, and the rest left alone"
    assert "failed=0" in there, again
    assert _RESTART not in again, "Grafana sees by itself that a dashboard has changed"
