"""`extractctl extract`: a process start, the plan, chunks, manifest, fences and the queue, everything included."""

import compileall
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg

import extraction_agent
from benchmarks import bench as b
from extraction_agent.store.store import Store

USER_INDEX = "CREATE INDEX idx_extraction_data_extracted_at ON extraction_data (extraction_id, extracted_at)"
EXTRACTCTL = str(Path(sys.executable).parent / "extractctl")


@dataclass(slots=True)
class Ours:
    """This project, with a profile."""

    name: str
    kind: b.Kind
    what: str
    options: tuple[str, ...] = ()
    program: tuple[str, ...] = (EXTRACTCTL,)

    @property
    def checked_as(self) -> b.Kind:
        return self.kind

    def missing(self, bench: b.Bench) -> str | None:
        del bench
        return None if Path(EXTRACTCTL).exists() else f"{EXTRACTCTL} is not installed"

    def prepare(self, url: str) -> None:
        compileall.compile_dir(extraction_agent.__path__[0], quiet=1)  # as pip does with what it installs
        prepare_store(url)

    def pipeline(self, bench: b.Bench) -> list[list[str]]:
        where = ["--table", b.TABLE, "--store", bench.target_url, "--format", self.kind, "--json"]
        return [[*self.program, "extract", bench.source_url, *where, *self.options]]

    def arrived(self, bench: b.Bench) -> str:
        del bench
        return "extraction_data" if self.kind == "json" else "extraction_typed.item"

    def cleanup(self, bench: b.Bench) -> None:
        del bench


def prepare_store(url: str) -> None:
    """A store with the user's index in place."""
    with Store(url, check=False) as store:
        store.migrate()
    with psycopg.connect(url) as connection:
        connection.execute(USER_INDEX)
