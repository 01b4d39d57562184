"""Kinds of databases that rows are read from."""

from extraction_agent import errors
from extraction_agent.sources.protocol import Source

_SCHEMES = {
    "postgresql": "postgresql", "postgres": "postgresql",
    "mysql": "mysql", "mariadb": "mysql",
    "sqlite": "sqlite",
}  # fmt: skip


def kind_of(url: str) -> str:
    """The kind of database a URL names. Raises UsageError."""
    scheme, slashes, _ = url.partition("://")
    if not slashes or scheme not in _SCHEMES:
        raise errors.UsageError(
            f"A source URL begins with one of {', '.join(f'{name}://' for name in _SCHEMES)}; "
            f"this one with {scheme + '://' if slashes else 'no scheme at all'}."
        )
    return _SCHEMES[scheme]


def open_source(url: str) -> Source:
    """The source a URL names, password included. Nothing is connected yet. Raises UsageError."""
    kind = kind_of(url)
    if kind == "postgresql":
        from extraction_agent.sources import postgresql  # noqa: PLC0415 - only the driver that is needed

        return postgresql.Source(url)
    if kind == "mysql":
        from extraction_agent.sources import mysql  # noqa: PLC0415 - the same: its driver is only then imported

        return mysql.Source(url)
    from extraction_agent.sources import sqlite  # noqa: PLC0415 - only who reads SQLite imports it

    return sqlite.Source(url)
