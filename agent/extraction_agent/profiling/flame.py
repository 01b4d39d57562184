"""A flame graph of the agent, by py-spy: which functions its threads are in whenever they are at work."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from extraction_agent import deadlines

_RATE = 100  # samples a second
_LONGEST = 24 * 3600  # s; it is ended when the window ends
OUR_THREADS = "profile-"  # that only look on
_NUMBER = re.compile(r"thread \(\w+\):? ?")  # threads of one name are drawn as one
_WAITS = ("wait", "_wait", "select", "_worker")  # functions that sleep
_PR_SET_PTRACER = 0x59616D61

Stacks = dict[tuple[str, ...], int]  # samples by stack, the outermost frame first


class PySpy:
    """Samples one process from start() to stop(). Whatever prevents it is a sentence in `failure`, never an error."""

    def __init__(self, pid: int) -> None:
        self.failure: str | None = None
        self.stacks: Stacks = {}
        self._pid = pid
        self._process: subprocess.Popen[str] | None = None
        self._folder: str | None = None

    def start(self) -> None:
        program = _program()
        if program is None:
            self.failure = "There is no flame graph: py-spy is missing (`pip install extraction-agent[profiling]`)."
            return
        if self._pid == os.getpid():
            _let_children_look()
        self._folder = tempfile.mkdtemp(prefix="extraction-profile-")
        self._process = subprocess.Popen(  # noqa: S603 - a program of our own installation
            [
                program, "record", "--pid", str(self._pid), "--rate", str(_RATE), "--format", "raw", "--threads",
                "--duration", str(_LONGEST), "--output", str(self._file),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def stop(self) -> None:
        """Let it write what it has, and read that."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            _, said = self._process.communicate(timeout=deadlines.STATEMENT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, said = self._process.communicate()
        try:
            self.stacks = collapse(self._file.read_text(encoding="utf-8"))
        except OSError:
            self.failure = f"There is no flame graph: {_why(said)}."
        if not self.stacks and self.failure is None:
            self.failure = "There is no flame graph: the process was never seen at work."
        shutil.rmtree(self._folder or "", ignore_errors=True)

    @property
    def _file(self) -> Path:
        assert self._folder is not None
        return Path(self._folder) / "stacks.txt"


def collapse(text: str) -> Stacks:
    """py-spy's raw format: the thread, its frames with semicolons between, then the samples; our own are left out."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in text.splitlines():
        joined, _, count = line.rpartition(" ")
        thread, *frames = joined.split(";")
        if frames and count.isdigit() and OUR_THREADS not in thread:
            stacks[(_NUMBER.sub("", thread), *frames)] += int(count)
    return dict(stacks)


def hottest(stacks: Stacks, most: int = 10) -> tuple[tuple[str, float], ...]:
    """The functions that were at work themselves most often, and their share of all samples but those of waits.

    A thread in a wait is sampled when it has been woken and finds no CPU.
    """
    own: Counter[str] = Counter()
    for frames, count in stacks.items():
        name, _, file = frames[-1].partition(" (")
        if name.rpartition(".")[2] not in _WAITS:
            own[f"{name} ({file.rpartition(':')[0]})" if file else name] += count
    whole = sum(own.values())
    return tuple((name, count / whole) for name, count in own.most_common(most))


def _program() -> str | None:
    """Beside our own Python first: the environment need not be on the PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.exists() else shutil.which("py-spy")


def _let_children_look() -> None:
    """Where the kernel lets parents look at children only (Yama), allow it to our children too."""
    ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(os.getpid()), 0, 0, 0)


def _why(said: str) -> str:
    text = " ".join(said.split())
    if "ermission" in text or "EPERM" in text or "not permitted" in text:
        return (
            "the system does not let py-spy look at the process; run this as the process's user with CAP_SYS_PTRACE, "
            "or as root"
        )
    return f"py-spy failed ({text[-200:]})" if text else "py-spy wrote nothing"
