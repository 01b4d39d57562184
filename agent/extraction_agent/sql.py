"""SQL lives in .sql files; this reads one, once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString

from psycopg import sql as q


@cache
def load(package: str, name: str) -> LiteralString:
    """Text of `<package>/<name>.sql`, e.g. load("extraction_agent.store.queries", "claim_chunk")."""
    return (files(package) / f"{name}.sql").read_text(encoding="utf-8")


def trusted(text: str) -> q.SQL:
    """SQL text that this program composed earlier, a server has quoted, or has read as one statement."""
    return q.SQL(text)
