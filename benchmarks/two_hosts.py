"""What makes two halves of one machine behave like two hosts: cores, network, scheduling and disk of their own."""

import ctypes
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")
_CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_CLONE_NEWNET = 0x40000000  # of unshare(2)


@contextmanager
def on(cores: list[int]) -> Iterator[None]:
    """What is started inside runs on these."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def own_network() -> None:
    """A network that only this process and its children are in."""
    with _CONGESTION_CONTROL.open("r+", encoding="ascii") as of_host:  # a new network takes over the host's
        before = of_host.read()
        try:
            _CONGESTION_CONTROL.write_text("cubic", encoding="ascii")
            if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "this benchmark needs root, for a network of its own")
        finally:
            of_host.seek(0)
            of_host.write(before)
    subprocess.run(["ip", "link", "set", "lo", "up", "mtu", "1500"], check=True)


@contextmanager
def no_autogroup() -> Iterator[None]:
    """The scheduler's classes hold between sessions, too."""
    before = _AUTOGROUP.read_text(encoding="ascii") if _AUTOGROUP.exists() else None
    if before is not None:
        _AUTOGROUP.write_text("0", encoding="ascii")
    try:
        yield
    finally:
        if before is not None:
            _AUTOGROUP.write_text(before, encoding="ascii")


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory that the server's user may enter."""
    with tempfile.TemporaryDirectory(prefix="extraction-", dir="/dev/shm", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)
