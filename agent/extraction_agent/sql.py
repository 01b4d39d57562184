"""SQL lives in .sql files; this reads one, once."""

from functools import cache
from importlib.resources import files
from typing import LiteralString, cast


@cache
def load(package: str, name: str) -> LiteralString:
    """Text of `<package>/<name>.sql`, e.g. load("extraction_agent.store.queries", "claim_chunk")."""
    # Shipped with the package, so as trustworthy as a literal in the code.
    return cast(LiteralString, (files(package) / f"{name}.sql").read_text(encoding="utf-8"))
