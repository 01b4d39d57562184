"""The built collection, installed elsewhere: it holds what belongs in it, and tells mistakes before it acts."""

import os
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).parents[2]
_BIN = _ROOT / ".venv-ansible" / "bin"
_BELONGS = {
    "CHANGELOG.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "NOTICE", "README.md", "docs",
    "grafana", "inventories", "meta", "packaging", "playbooks", "plugins", "prometheus", "roles", "tuning_profiles",
}  # fmt: skip
_RIGHT = {
    "extraction_program_version": "0.1.0",
    "extraction_store_password": "x",
    "extraction_redis_password": "x",
    "extraction_agent_store_url": "postgresql://extraction@localhost/extraction",
    "extraction_agent_secrets": {"store": "x"},
    "extraction_monitoring_agents": ["localhost:8470"],
}

pytestmark = [
    pytest.mark.ci,
    pytest.mark.skipif(
        not (_BIN / "ansible-galaxy").exists() and not os.environ.get("CI"), reason="make lint-collection makes Ansible"
    ),
]


def _run(*command: str | Path, collections: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(
        [_BIN / command[0], *command[1:]], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    done = _run("ansible-galaxy", "collection", "build", _ROOT, "--output-path", folder, collections=folder)
    assert done.returncode == 0, done.stderr
    (archive,) = folder.glob("jivs-extraction-*.tar.gz")
    return archive


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of collections that holds the built one alone."""
    folder = tmp_path_factory.mktemp("installed")
    done = _run("ansible-galaxy", "collection", "install", built, "--no-deps", "-p", folder, collections=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_holds_what_belongs_in_it(built: Path) -> None:
    with tarfile.open(built) as archive:
        names = [name.removeprefix("./") for name in archive.getnames()]
    assert {name.split("/")[0] for name in names} - {"."} <= _BELONGS
    assert {"roles/agent/tasks/main.yml", "packaging/extraction-agent.service", "packaging/requirements.lock"} <= {
        *names
    }
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.parametrize("playbook", ["site", "verify", "drift", "rollout", "rollback"])
def test_its_playbooks_are_understood(installed: Path, playbook: str) -> None:
    done = _run("ansible-playbook", "--syntax-check", f"jivs.extraction.{playbook}", collections=installed)
    assert done.returncode == 0, done.stderr


def _preflight(installed: Path, tmp_path: Path, group: str, variables: Mapping[str, object]) -> tuple[int, str]:
    """Run what always runs of site.yml on this machine, in one group. It changes nothing."""
    inventory = tmp_path / "hosts.yml"
    here = {"ansible_connection": "local", "ansible_python_interpreter": str(_BIN / "python"), "ansible_become": False}
    inventory.write_text(
        yaml.safe_dump({f"extraction_{group}": {"hosts": {"here": {**here, **variables}}}}), encoding="utf-8"
    )
    done = _run("ansible-playbook", "-i", inventory, "--tags=always", "jivs.extraction.site", collections=installed)
    assert "changed=0" in done.stdout, done.stdout + done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).replace("\\n", " ").split())


@pytest.mark.parametrize("group", ["redis", "monitoring"])
def test_right_variables_pass(installed: Path, tmp_path: Path, group: str) -> None:
    status, said = _preflight(installed, tmp_path, group, _RIGHT)
    assert status == 0, said


@pytest.mark.parametrize(
    ("group", "wrong", "sentence"),
    [
        ("redis", {"extraction_agent_prt": 1}, "extraction_agent_prt is unknown: did you mean extraction_agent_port?"),
        ("redis", {"extraction_redis_listen_addresses": ["10.0.0.1"]}, "listen on 10.0.0.1 without TLS"),
        ("redis", {"extraction_redis_port": "many"}, "extraction_redis_port"),
        ("agents", {"extraction_agent_listen": "10.0.0.1"}, "listen on 10.0.0.1 without TLS"),
        ("agents", {"extraction_agent_secrets": {"shop": "x"}}, "must have the store's password under the name store"),
        ("agents", {"extraction_agent_tls_certificate": "x"}, "Give both extraction_agent_tls_certificate and"),
        ("store", {"extraction_store_postgresql_version": 14}, "PostgreSQL 15 or newer"),
        ("monitoring", {"extraction_monitoring_agents": ["a"]}, "must list the agents, each as name:port"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_changes(
    installed: Path, tmp_path: Path, group: str, wrong: dict[str, object], sentence: str
) -> None:
    status, said = _preflight(installed, tmp_path, group, {**_RIGHT, **wrong})
    assert status != 0
    assert sentence in said
