"""Tools that come from PyPI, in a virtual environment of their own: ADBC, dlt, Sling."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks import bench as b

_ROOT = Path(__file__).parents[2]
VENV = _ROOT / ".venv-bench"
_HERE = Path(__file__).parents[1]
_REQUIREMENTS = _HERE / "requirements.txt"
_STAMP = VENV / "installed.txt"


def install() -> str | None:
    """Install the pinned peers, unless they are there. Returns why it failed, None: they are there."""
    wanted = _REQUIREMENTS.read_text(encoding="utf-8")
    if _STAMP.exists() and _STAMP.read_text(encoding="utf-8") == wanted:
        return None
    pip = [str(VENV / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    for command in ([sys.executable, "-m", "venv", str(VENV)], [*pip, "--requirement", str(_REQUIREMENTS)]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no words"]
            return f"installing it failed: {lines[-1]}"
    _STAMP.write_text(wanted, encoding="utf-8")
    return None


@dataclass(slots=True)
class _Peer:
    """What they share. program: the file that must be there."""

    name: str
    what: str
    program: Path
    table: str
    not_installed: str | None = None  # what install() said
    kind: b.Kind = "typed"

    @property
    def checked_as(self) -> b.Kind:
        return self.kind

    def missing(self, bench: b.Bench) -> str | None:
        del bench
        return None if self.program.exists() else self.not_installed or f"{self.program} is not there"

    def prepare(self, url: str) -> None:
        b.plain_table(url)

    def arrived(self, bench: b.Bench) -> str:
        del bench
        return self.table

    def cleanup(self, bench: b.Bench) -> None:
        del bench


class Script(_Peer):
    """A tool driven by a script of `benchmarks/peers`, run by the peers' Python."""

    def pipeline(self, bench: b.Bench) -> list[list[str]]:
        return [[str(VENV / "bin" / "python"), str(self.program), bench.source_url, bench.target_url]]

    def missing(self, bench: b.Bench) -> str | None:
        del bench
        return self.not_installed


class Sling(_Peer):
    """Sling's binary, without the Python around it."""

    def pipeline(self, bench: b.Bench) -> list[list[str]]:
        source, target = (f"{url}?sslmode=disable" for url in (bench.source_url, bench.target_url))
        settings = ["env", f"SOURCE={source}", f"TARGET={target}", f"SLING_HOME_DIR={bench.folder / 'sling'}"]
        ask = ["run", "--src-conn", "SOURCE", "--src-stream", "public.item", "--tgt-conn", "TARGET"]
        return [[*settings, str(self.program), *ask, "--tgt-object", "public.item_sling", "--mode", "full-refresh"]]


def peers(not_installed: str | None) -> list[Script | Sling]:
    """All of them."""
    sling = VENV / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "sling_linux_amd64" / "bin"
    return [
        Script(
            "ADBC",
            "record batches into `adbc_ingest`, both COPY binary",
            _HERE / "peers" / "adbc_copy.py",
            "item_adbc",
            not_installed,
        ),
        Sling("Sling", "`sling run`, full-refresh", sling / "sling-linux-amd64", "item_sling", not_installed),
        Script(
            "dlt",
            "`sql_table`, connectorx backend, replace",
            _HERE / "peers" / "dlt_copy.py",
            "bench.item",
            not_installed,
        ),
    ]
