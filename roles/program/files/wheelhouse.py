"""Collect every wheel the program needs, for another machine's Python, into one archive.

Runs on the controller. The archive holds one folder, `wheels`, and appears under its name only when it is complete.
In it are the wheels, `requirements.txt` with the hash of each, the program's too, and pip, `pip.pyz`, which runs as it
is: the host needs none.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from packaging.requirements import Requirement

_PIP = Path(__file__).with_name("pip.lock")
OLDEST_GLIBC = 17  # 2.17: what manylinux2014 means; older wheels are not made for Python 3.11


def platforms(architecture: str, libc: str) -> list[str]:
    """Tags of the wheels that run on a C library of this version, newest first."""
    minor = int(libc.split(".")[1])
    tags = [f"manylinux_2_{number}_{architecture}" for number in range(minor, OLDEST_GLIBC - 1, -1)]
    return [*tags, f"manylinux2014_{architecture}", f"linux_{architecture}"]


def needed(locked: str, python: str, architecture: str) -> str:
    """The lines of a lock that hold on the target, without their conditions: pip would ask this machine's Python."""
    target = {
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": architecture,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_release": platform.release(),
    }
    lines = []
    for line in locked.replace("\\\n", " ").splitlines():
        words, *hashes = line.split(" --hash=")
        if not words.strip() or words.startswith("#"):
            continue
        one = Requirement(words)
        if one.marker is None or one.marker.evaluate(target):
            lines.append(" --hash=".join([f"{one.name}{one.specifier}", *(text.strip() for text in hashes)]))
    return "\n".join(lines) + "\n"


def collect(options: argparse.Namespace, scratch: Path) -> Path:
    """Fill a folder with the wheels. Raises CalledProcessError."""
    wheels = scratch / "wheels"
    wheels.mkdir()
    locked = scratch / "requirements.txt"
    text = options.requirements.read_text(encoding="utf-8")
    locked.write_text(needed(text, options.python, options.architecture), encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", f"--dest={wheels}"]
    target = [
        "--no-deps",  # the lock is complete
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={'.'.join(options.python.split('.')[:2])}",
        *(f"--platform={tag}" for tag in platforms(options.architecture, options.libc)),
    ]
    packages = ["--require-hashes", f"--requirement={locked}", f"--requirement={_PIP}"]
    subprocess.run([*pip, *target, *packages], check=True)  # noqa: S603 - the role's own words
    next(wheels.glob("pip-*.whl")).rename(wheels / "pip.pyz")
    if options.program.endswith(".whl"):
        shutil.copy(options.program, wheels)
    else:
        subprocess.run([*pip, *target, options.program], check=True)  # noqa: S603 - the same
    program = pinned(next(wheels.glob("extraction_agent-*.whl")))
    (wheels / "requirements.txt").write_text(locked.read_text(encoding="utf-8") + program, encoding="utf-8")
    return wheels


def pinned(wheel: Path) -> str:
    """A line of a lock that takes this wheel and no other."""
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def main() -> None:
    """Read the options, make the archive; exit with 1 if a wheel cannot be had."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requirements", type=Path, required=True, help="packages, each pinned with its hash")
    parser.add_argument("--program", required=True, help="a wheel, or name==version of an index")
    parser.add_argument("--python", required=True, help="the target's Python, 3.11.2")
    parser.add_argument("--architecture", required=True, help="the target's, x86_64")
    parser.add_argument("--libc", required=True, help="the target's glibc, 2.36")
    parser.add_argument("archive", type=Path)
    options = parser.parse_args()
    archive: Path = options.archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        try:
            wheels = collect(options, Path(scratch))
        except subprocess.CalledProcessError as error:
            sys.exit(f"Not all wheels for Python {options.python} can be had: pip ended with {error.returncode}.")
        packed = Path(scratch, "packed.tar")
        with tarfile.open(packed, "w") as tar:
            tar.add(wheels, "wheels")
        packed.rename(archive)


if __name__ == "__main__":
    main()
