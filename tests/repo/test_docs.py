"""What the pages say exists: files they link to, headings they point at, commands and options they show."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import typer

from extraction_agent.interfaces.cli.main import app

_ROOT = Path(__file__).parents[2]
_PAGES = sorted([*_ROOT.glob("*.md"), *_ROOT.glob("docs/**/*.md")])
_NAMES = [str(page.relative_to(_ROOT)) for page in _PAGES]
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _anchors(page: Path) -> set[str]:
    """The headings' anchors, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _shown(text: str) -> Iterator[str]:
    """The command lines of a page's code blocks, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in re.findall(r"^(?: {4}|[$] )?(extractctl .*)$", joined, re.MULTILINE):
        if "[OPTIONS]" not in line:  # the reference's usage lines
            yield line


def _said(text: str) -> Iterator[str]:
    """The commands inside a page's sentences, but for those that are only named or cut short."""
    for line in re.findall(r"`(extractctl [^`]*)`", " ".join(text.split())):
        if "…" not in line.replace('"…"', ""):
            yield line


def _parse(line: str) -> None:
    """Read a command line as `extractctl` would, without running it. Raises ValueError."""
    words = [*takewhile(lambda word: word not in {">", "|"}, shlex.split(line, comments=True)[1:])]
    command: Any = typer.main.get_command(app)  # typer exports the type of no command
    while hasattr(command, "commands"):
        word = words.pop(0) if words else ""
        if word not in command.commands:
            raise ValueError(f"{line}: there is no command {word!r}")
        command = command.commands[word]
    try:
        command.make_context(line, words)
    except typer.TyperException as error:
        raise ValueError(f"{line}: {error.format_message()}") from error


def test_pages_are_found() -> None:
    assert {"README.md", "docs/tutorial.md", "docs/reference/cli.md"} <= set(_NAMES)


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith("mailto:"):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", _PAGES, ids=_NAMES)
def test_command_lines_are_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTION_STORE", "postgresql://extraction@store/extraction")
    for line in _shown(page.read_text(encoding="utf-8")):
        _parse(line)


@pytest.mark.parametrize("page", [*_ROOT.glob("docs/how-to/runbooks/*.md")], ids=lambda page: page.stem)
def test_commands_of_a_runbook_can_be_typed(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTION_STORE", "postgresql://extraction@store/extraction")
    for line in _said(page.read_text(encoding="utf-8")):
        _parse(line)


def test_command_lines_are_found() -> None:
    lines = list(_shown((_ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")))
    assert "extractctl store init" in lines
    assert len(lines) >= 10


@pytest.mark.parametrize(
    "line", ["extractctl verfy 1", "extractctl verify 1 --agianst-source", "extractctl store int", "extractctl show x"]
)
def test_a_wrong_command_line_is_seen(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACTION_STORE", "postgresql://extraction@store/extraction")
    with pytest.raises(ValueError, match=re.escape(line)):
        _parse(line)
