"""An agent's process as the operating system sees it: CPU, memory and threads."""

import threading

import psutil

from extraction_agent import deadlines, errors
from extraction_agent.profiling.evidence import Process
from extraction_agent.profiling.flame import OUR_THREADS

_EVERY = 0.5  # s, between two looks at the memory


class Watch:
    """One process, from start() to stop(). Raises UsageError if there is none, or it is another user's."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._process = psutil.Process(pid)
            self._cpu_before, self._before = self._cpu(), self._resident()
        except psutil.NoSuchProcess:
            raise errors.UsageError(f"There is no process {pid} on this host.") from None
        except psutil.AccessDenied:
            raise errors.UsageError(
                f"Process {pid} is another user's and may not be looked at: profile it as that user, or as root."
            ) from None
        self._most = self._after = self._before
        self._cpu_after, self._threads = self._cpu_before, self._process.num_threads()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{OUR_THREADS}process", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join(deadlines.SAMPLE)

    @property
    def seen(self) -> Process:
        return Process(
            cpu=self._cpu_after - self._cpu_before,
            resident_before=self._before,
            resident_most=self._most,
            resident_after=self._after,
            threads=self._threads,
        )

    def _run(self) -> None:
        try:
            while True:
                ended = self._ended.wait(_EVERY)
                self._look()
                if ended:
                    return
        except psutil.Error:
            return  # it has ended: what was seen until then counts

    def _look(self) -> None:
        self._after = self._resident()
        self._most = max(self._most, self._after)
        self._cpu_after = self._cpu()
        self._threads = max(self._threads, self._process.num_threads())

    def _cpu(self) -> float:
        spent = self._process.cpu_times()
        return float(spent.user + spent.system)

    def _resident(self) -> int:
        return int(self._process.memory_info().rss)
