"""pgcopydb of Debian 12: `copy table-data` into a table that exists. It copies in text and vacuums what it copied."""

import shutil
from dataclasses import dataclass

from benchmarks import bench as b


@dataclass(slots=True)
class Pgcopydb:
    """One table, by one job or cut for two."""

    jobs: int
    kind: b.Kind = "typed"

    @property
    def name(self) -> str:
        return f"pgcopydb, {self.jobs} job{'s' if self.jobs > 1 else ''}"

    @property
    def what(self) -> str:
        split = f", split into {self.jobs} parts" if self.jobs > 1 else ""
        return f"`pgcopydb copy table-data --table-jobs {self.jobs}`{split}; vacuums the table too"

    @property
    def checked_as(self) -> b.Kind:
        return self.kind

    def missing(self, bench: b.Bench) -> str | None:
        del bench
        return None if shutil.which("pgcopydb") else "pgcopydb is not installed (Debian: pgcopydb)"

    def prepare(self, url: str) -> None:
        b.plain_table(url)

    def pipeline(self, bench: b.Bench) -> list[list[str]]:
        split = [] if self.jobs == 1 else [f"PGCOPYDB_SPLIT_TABLES_LARGER_THAN={bench.table_bytes() // self.jobs}"]
        urls = ["--source", bench.source_url, "--target", bench.target_url, "--dir", str(bench.folder / "pgcopydb")]
        jobs = ["--table-jobs", str(self.jobs), "--index-jobs", "1", "--restart"]
        return [["env", *split, "pgcopydb", "copy", "table-data", *urls, *jobs]]

    def arrived(self, bench: b.Bench) -> str:
        del bench
        return b.TABLE

    def cleanup(self, bench: b.Bench) -> None:
        shutil.rmtree(bench.folder / "pgcopydb", ignore_errors=True)
