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
    """SQL text that this program composed earlier or a server has quoted; never what a person typed."""
    return q.SQL(text)
