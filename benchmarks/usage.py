"""Runs a command and tells what it took: wall time, CPU of client and servers, peak memory of its processes."""

import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SAMPLE = 0.05  # s between two looks at /proc
_LONGEST = 1800.0  # s, then a contestant is ended and counts as failed
_TICKS = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


class Failed(Exception):
    """A command ended with an error; its words."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one command took."""

    seconds: float
    cpu_seconds: float  # of its processes
    peak_rss: int  # bytes: resident in all its processes together at their peak, shared pages once
    output: str


def run(pipeline: list[list[str]], environment: dict[str, str] | None = None) -> Usage:
    """Run commands joined by pipes, as a shell would. Raises Failed if one of them fails."""
    with tempfile.TemporaryFile() as words, tempfile.TemporaryFile() as output:
        begun = time.perf_counter()
        processes = _start(pipeline, environment, words, output)
        watch = _Watch([process.pid for process in processes])
        cpu, statuses = 0.0, []
        for process in processes:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            statuses.append(process.returncode)
            cpu += used.ru_utime + used.ru_stime  # of its own children too, once it has waited for them
        seconds = time.perf_counter() - begun
        watch.end()
        words.seek(0)
        output.seek(0)
        told, said = (file.read().decode(errors="replace") for file in (words, output))
        if any(statuses):
            reason = f"ended after {_LONGEST:g} s" if watch.expired else f"exit status {statuses}"
            raise Failed(f"{Path(pipeline[0][0]).name}: {reason}: {(told + said)[-2000:].strip()}")
        return Usage(seconds, cpu, watch.peak, said)


def _start(
    pipeline: list[list[str]], environment: dict[str, str] | None, words: IO[bytes], output: IO[bytes]
) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    for number, command in enumerate(pipeline):
        last = number == len(pipeline) - 1
        before = processes[-1].stdout if processes else None
        processes.append(
            subprocess.Popen(
                command,
                stdin=before or subprocess.DEVNULL,
                stdout=output if last else subprocess.PIPE,
                stderr=words,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        )
        if before is not None:
            before.close()  # ours; else the first would never learn that the second has gone
    return processes


class _Watch:
    """Looks at the memory of processes and their descendants until ended; ends them when they take too long."""

    def __init__(self, pids: list[int]) -> None:
        self.peak = 0
        self.expired = False
        self._pids = pids
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        begun = time.monotonic()
        while not self._done.wait(_SAMPLE):
            memory = [_memory(pid) for pid in descendants(self._pids)]
            self.peak = max(self.peak, sum(now for now, _ in memory), *(most for _, most in memory), 0)
            if time.monotonic() - begun > _LONGEST and not self.expired:
                self.expired = True
                for pid in self._pids:
                    os.killpg(pid, signal.SIGKILL)


def descendants(pids: list[int]) -> list[int]:
    """Processes and all that they started."""
    found, waiting = [], list(pids)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        with suppress(OSError):  # it has just ended
            for task in (_PROC / str(pid) / "task").iterdir():
                waiting += [int(child) for child in _read(task / "children").split()]
    return found


def cpu_seconds(root: int) -> float:
    """Of a process so far, a PostgreSQL server's postmaster say, with those of its children that ended or live."""
    own = _times(root, (13, 14, 15, 16))  # user, system, and both of ended children
    return own + sum(_times(pid, (13, 14)) for pid in descendants([root])[1:])


def resident(pid: int) -> tuple[int, int]:
    """Bytes of a process in memory: now, and the most so far."""
    return _kilobytes(pid, "status", "VmRSS:"), _kilobytes(pid, "status", "VmHWM:")


def _times(pid: int, fields: tuple[int, ...]) -> float:
    stat = _read(_PROC / str(pid) / "stat").rsplit(")", 1)
    values = stat[1].split() if len(stat) > 1 else []
    return sum(int(values[field - 2]) for field in fields) / _TICKS if values else 0.0  # a name may hold spaces


def _memory(pid: int) -> tuple[int, int]:
    """Bytes now, its share of what it shares with others (a child before its exec shares all), and the most so far."""
    return _kilobytes(pid, "smaps_rollup", "Pss:"), _kilobytes(pid, "status", "VmHWM:")


def _kilobytes(pid: int, file: str, name: str) -> int:
    lines = _read(_PROC / str(pid) / file).splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has just ended
        return ""
