"""The collection's roles: what they take, what they say they take, and what the examples give them agree."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).parents[2]
_ROLES = sorted(path for path in (_ROOT / "roles").iterdir() if path.is_dir())
_NAMES = [role.name for role in _ROLES]
_OURS = re.compile(r"\bextraction_(?:" + "|".join(_NAMES) + r")_\w+")
_GIVEN = re.compile(r"^ *(extraction_\w+):", re.MULTILINE)


def _options(role: Path, entry_point: str = "main") -> dict[str, Any]:
    specs: dict[str, Any] = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: dict[str, Any] = specs["argument_specs"][entry_point].get("options") or {}
    return options


def _defaults(role: Path) -> dict[str, Any]:
    file = role / "defaults" / "main.yml"
    return dict(yaml.safe_load(file.read_text(encoding="utf-8"))) if file.exists() else {}


def _known() -> set[str]:
    return {name for role in _ROLES for name in _options(role)}


def _files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (_ROOT / folder).rglob("*") if path.suffix in {".yml", ".j2"})


def test_roles_are_found() -> None:
    assert {"agent", "store", "redis", "monitoring", "program", "variables"} <= set(_NAMES)
    assert len(_known()) > 40


@pytest.mark.parametrize("role", _ROLES, ids=_NAMES)
def test_specs_and_defaults_agree(role: Path) -> None:
    """Names and values: the specs are what people read, the defaults are what holds."""
    options = _options(role)
    assert {name: one["default"] for name, one in options.items() if "default" in one} == _defaults(role)
    for name, one in options.items():
        assert name.startswith(f"extraction_{role.name}_")
        assert one["description"]
        assert one["type"]
        assert one.get("required", False) == ("default" not in one), f"{name} is required, or it has a default"


@pytest.mark.parametrize("path", _files("roles", "playbooks"), ids=lambda path: str(path.relative_to(_ROOT)))
def test_roles_use_only_what_they_take(path: Path) -> None:
    assert set(_OURS.findall(path.read_text(encoding="utf-8"))) <= _known()


@pytest.mark.parametrize("path", _files("inventories", "molecule"), ids=lambda path: str(path.relative_to(_ROOT)))
def test_the_examples_give_only_what_is_taken(path: Path) -> None:
    given = set(_GIVEN.findall(path.read_text(encoding="utf-8")))
    groups = {"extraction_store", "extraction_redis", "extraction_agents", "extraction_monitoring"}
    assert given - groups <= _known()


def test_examples_are_found() -> None:
    main = _ROOT / "inventories" / "fleet" / "group_vars" / "all" / "main.yml"
    given = set(_GIVEN.findall(main.read_text(encoding="utf-8")))
    required = {name for role in _ROLES for name, one in _options(role).items() if one.get("required")}
    assert required <= given


def _imported(task: dict[str, Any]) -> dict[str, Any]:
    imported: dict[str, Any] | None = task.get("ansible.builtin.import_role")
    return imported or dict(task["ansible.builtin.include_role"])


def _called(task: dict[str, Any]) -> str:
    return str(_imported(task)["name"])


@pytest.mark.parametrize("name", ["site", "verify", "drift"])
def test_playbooks_are_tables_of_contents(name: str) -> None:
    """Plays in the order of their numbers, which name a role each, or look before anything is changed."""
    plays = yaml.safe_load((_ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8"))
    assert [play["name"][:5] for play in plays] == [f"({n}/{len(plays)})" for n in range(1, len(plays) + 1)]
    for play in plays:
        called = play.get("roles") or [_called(task) for task in play["tasks"]]
        assert len(called) == 1 or all(_imported(task)["tasks_from"] == "preflight" for task in play["tasks"])
        assert {name.removeprefix("jivs.extraction.") for name in called} <= set(_NAMES)


def test_what_was_written_is_read_even_if_a_later_task_fails() -> None:
    """A handler that a failure has swallowed is not notified again: the next run finds the file as it should be."""
    for play in yaml.safe_load((_ROOT / "playbooks" / "site.yml").read_text(encoding="utf-8")):
        roles = [one.removeprefix("jivs.extraction.") for one in play.get("roles", [])]
        told = any((_ROOT / "roles" / role / "handlers" / "main.yml").exists() for role in roles)
        assert play.get("force_handlers", False) == told, play["name"]
