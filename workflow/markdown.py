"""Markdown of the documents that a run leaves."""

from collections.abc import Iterable, Sequence


def table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """One line a row; a bar within a cell is kept from ending it."""
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


def page(title: str, *parts: str) -> str:
    """A page; parts that are empty are left out."""
    return "\n\n".join([f"# {title}", *(part for part in parts if part)]) + "\n"
