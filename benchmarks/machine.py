"""The machine a benchmark ran on, the command, and the versions of what took part."""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.contestants.python_peers import VENV

_PEERS = ("adbc-driver-postgresql", "dlt", "connectorx", "pyarrow", "sling-linux-amd64")


def describe() -> dict[str, Any]:
    """Facts for the report."""
    return {
        "cores": os.cpu_count(),
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "kernel": platform.release(),
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "versions": _versions(),
    }


def command(*program: str) -> str:
    """The present command line, to be typed elsewhere: a path from the root shrinks to its name."""
    return shlex.join([*program, *(re.sub(r"(?<![^=,])/[^,]*/", "", word) for word in sys.argv[1:])])


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("extraction-agent", "psycopg", "procrastinate")}
    for program in ("psql", "pgcopydb"):
        if path := shutil.which(program):
            done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
            found[program] = (done.stdout.splitlines() or ["unknown"])[0].split(" ", 1)[-1]
    for name in _PEERS:
        for folder in VENV.glob(f"lib/python3.*/site-packages/{name.replace('-', '_')}-*.dist-info"):
            found[name] = folder.name.removesuffix(".dist-info").rsplit("-", 1)[1]
    return found


def _field(path: str, name: str, separator: str = ":") -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown"
    return next((line.split(separator, 1)[1].strip() for line in lines if line.startswith(name)), "unknown")
