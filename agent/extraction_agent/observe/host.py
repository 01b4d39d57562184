"""This process and its host, by psutil."""

import psutil

from extraction_agent.observe import metrics
from extraction_agent.observe.samplers import growth


class Host:
    """What the operating system says."""

    name = "host"

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu = growth(metrics.PROCESS_CPU.inc)
        self._received, self._sent = growth(metrics.HOST_RECEIVED.inc), growth(metrics.HOST_SENT.inc)
        self._read, self._written = growth(metrics.HOST_READ.inc), growth(metrics.HOST_WRITTEN.inc)
        metrics.PROCESS_START.set(self._process.create_time())
        metrics.HOST_CPUS.set(psutil.cpu_count() or 1)

    def take(self) -> None:
        with self._process.oneshot():
            spent = self._process.cpu_times()
            self._cpu(spent.user + spent.system)
            metrics.PROCESS_RESIDENT.set(self._process.memory_info().rss)
            metrics.PROCESS_THREADS.set(self._process.num_threads())
        if psutil.POSIX:
            metrics.PROCESS_FDS.set(self._process.num_fds())
        if psutil.LINUX:
            metrics.PROCESS_MAX_FDS.set(self._process.rlimit(psutil.RLIMIT_NOFILE)[0])
        metrics.HOST_CPU.set(psutil.cpu_percent() / 100)
        metrics.HOST_LOAD.set(psutil.getloadavg()[0])
        memory = psutil.virtual_memory()
        metrics.HOST_MEMORY.set(memory.total)
        metrics.HOST_MEMORY_AVAILABLE.set(memory.available)
        if network := psutil.net_io_counters():
            self._received(network.bytes_recv)
            self._sent(network.bytes_sent)
        if disk := psutil.disk_io_counters():
            self._read(disk.read_bytes)
            self._written(disk.write_bytes)

    def forget(self) -> None:
        """What the operating system said before is at most some seconds old."""

    def close(self) -> None: ...
