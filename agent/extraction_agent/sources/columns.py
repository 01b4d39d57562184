"""What every kind of source does with a relation's columns: choose, compare, and hint at a name that was meant."""

import difflib
from collections import Counter
from collections.abc import Iterable

from extraction_agent import errors
from extraction_agent.model import Column, Definition, Format

_MOST_TYPED_COLUMNS = 1598  # PostgreSQL's limit is 1600


def hint(name: str, names: Iterable[str], most: int = 3) -> str:
    """A sentence with the nearest names, or nothing."""
    near = difflib.get_close_matches(name, list(names), n=most)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def chosen(
    all_columns: tuple[Column, ...], definition: Definition, label: str, hidden: str | None = None
) -> tuple[Column, ...]:
    """The columns to extract. Raises UsageError for one that does not exist.

    hidden: what the source knows of every row beside its columns, and takes for a watermark.
    """
    by_name = {column.name: column for column in all_columns}
    wanted = [*definition.columns, *definition.exclude, *definition.key]
    if definition.watermark and definition.watermark != hidden:
        wanted.append(definition.watermark)
    for name in wanted:
        if name not in by_name:
            raise errors.UsageError(f"Column {name} does not exist in {label}.{hint(name, by_name, most=1)}")
    picked = [by_name[name] for name in definition.columns] or list(all_columns)
    picked = [column for column in picked if column.name not in definition.exclude]
    if not picked:
        raise errors.UsageError(f"No column of {label} is left to extract.")
    doubled = sorted(name for name, count in Counter(column.name for column in picked).items() if count > 1)
    if doubled:
        raise errors.UsageError(f"The query names {', '.join(doubled)} twice: give each column a name.")
    if definition.format is Format.TYPED and len(picked) > _MOST_TYPED_COLUMNS:
        raise errors.UsageError(
            f"{label} has {len(picked)} columns; a typed table holds {_MOST_TYPED_COLUMNS} beside our two. "
            "Leave some out with --exclude, or use --format json."
        )
    return tuple(picked)


def describe_change(planned: tuple[Column, ...], now: tuple[Column, ...]) -> str | None:
    """What happened to the planned columns, as a sentence's middle; None: nothing that matters."""
    present = {column.name: column for column in now}
    changes = []
    for column in planned:
        other = present.get(column.name)
        if other is None:
            changes.append(f"column {column.name} is gone")
        elif other.type != column.type:
            changes.append(f"column {column.name} was {column.type} and is {other.type}")
    return "; ".join(changes) or None
