"""One file a tool. A field is who runs in one comparison; ours comes first."""

from benchmarks.contestants.old_way import OldWay
from benchmarks.contestants.ours import Ours
from benchmarks.contestants.pgcopydb import Pgcopydb
from benchmarks.contestants.protocol import Contestant
from benchmarks.contestants.psql import Psql
from benchmarks.contestants.python_peers import peers


def typed_field(not_installed: str | None) -> list[Contestant]:
    """not_installed: why the peers of PyPI are not there."""
    return [
        Ours("ours", "typed", "`extractctl extract --format typed`"),
        Psql("psql binary", "typed", "binary", "`psql \\| psql`, COPY in binary, one transaction"),
        Ours("ours by blocks", "typed", "`extractctl extract --format typed --key ctid`", options=("--key", "ctid")),
        Psql("psql text", "typed", "text", "`psql \\| psql`, COPY in text, one transaction"),
        Pgcopydb(1),
        Pgcopydb(2),
        *peers(not_installed),
    ]


def json_field() -> list[Contestant]:
    return [
        Ours("ours", "json", "`extractctl extract`"),
        Psql("psql binary", "json", "binary", "`psql \\| psql` of the same SELECT, COPY in binary"),
        Ours("ours by blocks", "json", "`extractctl extract --key ctid`", options=("--key", "ctid")),
        Psql("psql text", "json", "text", "`psql \\| psql` of the same SELECT, COPY in text"),
    ]


def old_way_field() -> list[Contestant]:
    return [
        Ours("ours", "json", "`extractctl extract`"),
        OldWay(),
    ]
