"""`psql | psql`: the plainest pipe, and the yardstick."""

import shutil
from dataclasses import dataclass

from benchmarks import bench as b
from benchmarks.contestants.ours import prepare_store

_SELECT = f"SELECT {', '.join(b.COLUMNS)} FROM {b.TABLE}"


@dataclass(slots=True)
class Psql:
    """COPY at one end, COPY at the other, in one transaction."""

    name: str
    kind: b.Kind
    encoding: str  # text or binary
    what: str

    @property
    def checked_as(self) -> b.Kind:
        return self.kind

    def missing(self, bench: b.Bench) -> str | None:
        del bench
        return None if shutil.which("psql") else "psql is not installed (Debian: postgresql-client)"

    def prepare(self, url: str) -> None:
        if self.kind == "json":
            prepare_store(url)
        else:
            b.plain_table(url)

    def pipeline(self, bench: b.Bench) -> list[list[str]]:
        columns = ", ".join(b.COLUMNS)
        select, into = _SELECT, f"item ({columns})"
        if self.kind == "json":
            select = f"SELECT 1::bigint, row_to_json(record) FROM ({_SELECT}) AS record"
            into = "extraction_data (extraction_id, data)"
        out = f"COPY ({select}) TO STDOUT (FORMAT {self.encoding})"
        back = f"COPY {into} FROM STDIN (FORMAT {self.encoding})"
        psql = ["psql", "-qX", "-v", "ON_ERROR_STOP=1"]
        return [[*psql, bench.source_url, "-c", out], [*psql, bench.target_url, "-c", back]]

    def arrived(self, bench: b.Bench) -> str:
        del bench
        return "extraction_data" if self.kind == "json" else b.TABLE

    def cleanup(self, bench: b.Bench) -> None:
        del bench
