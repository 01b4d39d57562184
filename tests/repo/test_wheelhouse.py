"""What the controller carries to a host: what the lock says for that host's Python, not for the controller's."""

import importlib.util
import re
import tomllib
from hashlib import sha256
from pathlib import Path
from types import ModuleType

import pytest

_ROOT = Path(__file__).parents[2]
_PINS = re.compile(r"^([a-z0-9.-]+==\S+)", re.MULTILINE)


@pytest.fixture(scope="module")
def wheelhouse() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheelhouse", _ROOT / "roles/program/files/wheelhouse.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _lock(name: str) -> str:
    return (_ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("python", "there"), [("3.11.2", True), ("3.11.3", False), ("3.13.1", False)])
def test_conditions_are_those_of_the_target(wheelhouse: ModuleType, python: str, there: bool) -> None:
    locked = (
        "one==1 ; python_full_version < '3.11.3' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "two==2 ; sys_platform == 'win32' \\\n    --hash=sha256:cc\n"
        "three==3 \\\n    --hash=sha256:dd\n"
    )
    expected = ["one==1 --hash=sha256:aa --hash=sha256:bb"] if there else []
    assert wheelhouse.needed(locked, python, "x86_64").splitlines() == [*expected, "three==3 --hash=sha256:dd"]


def test_wheels_fit_the_targets_library(wheelhouse: ModuleType) -> None:
    tags = wheelhouse.platforms("x86_64", "2.36")
    assert {"manylinux_2_36_x86_64", "manylinux_2_28_x86_64", "manylinux2014_x86_64"} <= set(tags)
    assert "manylinux_2_37_x86_64" not in tags


def test_hosts_get_the_versions_that_were_tested() -> None:
    carried, tested = (
        set(_PINS.findall(_lock("packaging/requirements.lock"))),
        set(_PINS.findall(_lock("requirements.lock"))),
    )
    assert carried <= tested


def test_hosts_get_all_that_the_program_needs() -> None:
    declared = tomllib.loads(_lock("pyproject.toml"))["project"]["dependencies"]
    names = {re.split(r"[\[<>=]", one)[0].lower() for one in declared}
    assert names <= {pin.split("==")[0] for pin in _PINS.findall(_lock("packaging/requirements.lock"))}


def test_the_program_is_pinned_by_what_is_carried(wheelhouse: ModuleType, tmp_path: Path) -> None:
    wheel = tmp_path / "extraction_agent-1.2.3-py3-none-any.whl"
    wheel.write_bytes(b"of the controller")
    assert (
        wheelhouse.pinned(wheel)
        == f"extraction_agent==1.2.3 --hash=sha256:{sha256(b'of the controller').hexdigest()}\n"
    )


def test_one_pip_is_carried(wheelhouse: ModuleType) -> None:
    (pin,) = _PINS.findall(_lock("roles/program/files/pip.lock"))
    assert pin.startswith("pip==")
    assert wheelhouse.needed(_lock("roles/program/files/pip.lock"), "3.11.2", "x86_64").startswith(f"{pin} --hash=")
