"""Compiles walker.zig and its like into the library that walker.py loads, for wheels and editable installs alike."""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_PACKAGE = "agent/extraction_agent"
_OLDEST_GLIBC = "2.28"  # of manylinux_2_28; Debian 12 has 2.36


class Walker(BuildHookInterface):  # type: ignore[type-arg] # its parameter is private to hatchling
    """`python -m ziglang` is the compiler: a wheel like any other, where a system has none."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - the hook's signature
        """Build before the files are collected. A wheel then is for one platform and every Python 3."""
        folder = Path(self.root, _PACKAGE)
        with tempfile.TemporaryDirectory() as cache:
            command = [
                *(sys.executable, "-m", "ziglang", "build-lib", "-dynamic", "-fstrip"),
                *("-O", "ReleaseSafe"),  # a slip of ours ends the process instead of spoiling its memory; no slower
                *_target(),
                *("--cache-dir", cache, "--global-cache-dir", cache),
                *(str(folder / "walker.zig"), f"-femit-bin={folder / 'libwalker.so'}"),
            ]
            subprocess.run(command, check=True)  # noqa: S603 - all of it is written here
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        if platform.startswith("linux"):
            platform = platform.replace("linux", f"manylinux_{_OLDEST_GLIBC.replace('.', '_')}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        build_data["artifacts"].append(f"{_PACKAGE}/libwalker.so")


def _target() -> list[str]:
    """Linux: any machine of this kind with a C library not older than that. Elsewhere: this one."""
    platform = sysconfig.get_platform()
    if not platform.startswith("linux-"):
        return []
    return ["-target", f"{platform.removeprefix('linux-')}-linux-gnu.{_OLDEST_GLIBC}"]
