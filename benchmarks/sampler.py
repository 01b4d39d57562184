"""What an agent's own metrics say while something is measured: a look a second, from which slots and pools are made."""

import math
import statistics
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from plugins.module_utils import exposition
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from extraction_agent.report.evidence import AgentSample, PoolUse

_EVERY = 1.0  # s from one look to the next
_CPU, _MEMORY = "process_cpu_seconds_total", "process_resident_memory_bytes"
_POOL = "hikari_pool_"
_LANES = ("lanes-", "source-")  # begin the names of chunks' lanes: full whenever there is work, so no pool to fill
_ACTIVE, _MAX, _TIMEOUTS = f"{_POOL}active_connections", f"{_POOL}max_connections", f"{_POOL}timeouts_total"


class _Look(NamedTuple):
    at: float
    figures: exposition.Figures
    cpu: float  # s since the process began; NaN: not told
    memory: float  # bytes resident


class Sampler:
    """Looks from enter to exit, in a thread of its own."""

    def __init__(self, metrics: Callable[[], str], slot_seconds: float = _EVERY) -> None:
        """metrics: gives the agent's /metrics. slot_seconds: how long a sample is, at least."""
        self.samples: list[AgentSample] = []
        self.records = 0
        self.seconds = 0.0  # from the first look to the last
        self.missed: list[str] = []  # why a look brought nothing
        self._metrics, self._slot = metrics, slot_seconds
        self._active: dict[str, list[float]] = {}
        self._most: dict[str, float] = {}
        self._timeouts: dict[str, tuple[float, float]] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def pools(self) -> dict[str, PoolUse]:
        """Of the whole time, by the pool's name; without the lanes of chunks."""
        return {
            name: PoolUse(
                active_most=int(max(active)),
                most=int(self._most[name]),
                use_mean=round(min(statistics.fmean(active) / self._most[name], 1.0), 4),
                use_p95=round(min(_p95(active) / self._most[name], 1.0), 4),
                timeouts=int(self._timeouts[name][1] - self._timeouts[name][0]),
            )
            for name, active in self._active.items()
            if self._most.get(name) and name in self._timeouts
        }

    def records_per_minute(self) -> float | None:
        """None: there was but one look."""
        return 60 * self.records / self.seconds if self.seconds else None

    def _run(self) -> None:
        first = since = last = self._look()
        ended = False
        while not ended:
            ended = self._done.wait(_EVERY)
            now = self._look()
            if now is None:
                continue
            first, since, last = first or now, since or now, now
            if now.at - since.at >= (self._slot / 2 if ended else self._slot):
                self._note(first.at, since, now)
                since = now
        if first is not None and last is not None:
            self.seconds = last.at - first.at
            self.records = max(last.figures.records - first.figures.records, 0)

    def _look(self) -> _Look | None:
        """None: the agent did not answer, or something else did."""
        try:
            text = self._metrics()
            figures = exposition.figures(text)
        except (OSError, ValueError) as error:
            self.missed.append(f"{type(error).__name__}: {error}")
            return None
        told = {_CPU: math.nan, _MEMORY: math.nan}
        for family in text_string_to_metric_families(text):
            if family.name.startswith(_POOL):
                self._take_pools(family.samples)
            told.update({one.name: one.value for one in family.samples if one.name in told})
        return _Look(time.monotonic(), figures, told[_CPU], told[_MEMORY])

    def _take_pools(self, samples: list[Sample]) -> None:
        for one in samples:
            pool = one.labels.get("pool", "")
            if pool.startswith(_LANES):
                continue
            if one.name == _ACTIVE:
                self._active.setdefault(pool, []).append(one.value)
            elif one.name == _MAX:
                self._most[pool] = max(self._most.get(pool, 0), one.value)
            elif one.name == _TIMEOUTS:
                self._timeouts[pool] = (self._timeouts.get(pool, (one.value, 0))[0], one.value)

    def _note(self, begun: float, before: _Look, after: _Look) -> None:
        counted = exposition.sample(before.figures, after.figures)
        if counted is None:  # it has started anew
            return
        seconds, cpu = after.at - before.at, after.cpu - before.cpu
        self.samples.append(
            AgentSample(
                at_seconds=round(before.at - begun, 3),
                seconds=round(seconds, 3),
                **{name: counted[name] for name in AgentSample.model_fields.keys() & counted.keys()},
                cpu=None if math.isnan(cpu) else round(cpu / seconds, 4),
                rss_bytes=None if math.isnan(after.memory) else int(after.memory),
            )
        )


def _p95(values: list[float]) -> float:
    return sorted(values)[max(math.ceil(0.95 * len(values)) - 1, 0)]
