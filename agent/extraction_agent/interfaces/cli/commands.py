"""The commands by name, each loaded when it is asked for: so that a command's start costs what it needs itself."""

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

_FILES = {
    "extract": "extract",
    "start": "extractions",
    "watch": "extractions",
    "resume": "extractions",
    "cancel": "extractions",
    "list": "extractions",
    "show": "extractions",
    "records": "records",
    "verify": "verify",
    "prune": "prune",
    "benchmark": "benchmark",
    "judge": "judge",
    "report": "report",
    "demo": "demo",
}
_GROUPS = {
    "config": "configs",
    "watermark": "watermarks",
    "profile": "profile",
    "tuning": "tuning",
    "store": "stores",
    "token": "tokens",
    "audit": "audit",
    "schedule": "schedules",
    "rollout": "rollout",
    "indexes": "indexes",
}
_INSIDE = {"profile": {"take": "take"}}  # commands of a group that need more than the others do


class _OnDemand(MutableMapping[str, Any]):  # of commands, whose type typer does not export
    """Reads the file of a command when it is looked up."""

    def __init__(self, files: Mapping[str, str], known: Mapping[str, Any]) -> None:
        """files: of commands still to be read, by name; known: others."""
        self._files = files
        self._known: dict[str, Any] = {**known, **dict.fromkeys(files)}

    def __getitem__(self, name: str) -> Any:
        if self._known[name] is None:
            self._known[name] = _load(name, self._files[name])
        return self._known[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = _OnDemand({**_FILES, **_GROUPS}, {})


def _load(name: str, file: str) -> Any:
    module = import_module(f"extraction_agent.interfaces.cli.{file}")
    around = typer.Typer(rich_markup_mode=None)
    around.add_typer(module.app, name=name if name in _GROUPS else None)
    group: Any = typer.main.get_group(around)
    command = group.commands[name]
    gc.freeze()  # what is loaded lives until the end: neither the work nor the exit walks it
    gc.enable()
    if name in _INSIDE:
        command.commands = _OnDemand(_INSIDE[name], command.commands)
    return command
