"""Samplers feed the metrics that no call passes by. Each has a thread and a deadline of its own, beside the scrape.

One that hangs holds up nothing but itself: `extraction_sampler_up` falls to 0, `extraction_sampler_age_seconds` grows.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from extraction_agent import deadlines, errors
from extraction_agent.observe import metrics
from extraction_agent.waiting import Stop, ended_by

log = logging.getLogger(__name__)


class Sample(Protocol):
    """What a sampler does each round, always in the same thread."""

    name: str

    def take(self) -> None:
        """Look, and feed the metrics. Statements and log-ins inside end by the sampler's deadline."""
        ...

    def forget(self) -> None:
        """Say in the metrics that nothing is known."""
        ...

    def close(self) -> None: ...


class Samplers:
    """All samplers of a process. Starting and stopping them blocks at most for `deadlines.CANCEL`."""

    def __init__(self, *samples: "Sample | Sampler") -> None:
        """What is to be taken at intervals of its own is given as a sampler."""
        self._samplers = [one if isinstance(one, Sampler) else Sampler(one) for one in samples]

    def start(self) -> None:
        for sampler in self._samplers:
            sampler.start()

    def late(self) -> str | None:
        """Which of them does not end its rounds, whatever comes of them; None: all do."""
        late = [sampler.name for sampler in self._samplers if sampler.is_late]
        return f"the sampler {' and '.join(late)} does not come round" if late else None

    def stop(self) -> None:
        until = time.monotonic() + deadlines.CANCEL
        for sampler in self._samplers:
            sampler.request_stop()
        for sampler in self._samplers:
            sampler.join(max(0.0, until - time.monotonic()))


class Sampler:
    """One thread that takes a sample again and again."""

    def __init__(
        self, sample: Sample, every: float = deadlines.SAMPLE_EVERY, deadline: float = deadlines.SAMPLE
    ) -> None:
        self._sample, self._every, self._deadline = sample, every, deadline
        self.name = sample.name
        self._ended = threading.Event()
        self._round = time.monotonic()  # the end of the latest round
        self._came = time.monotonic()  # the latest sample that came
        self._well = False
        self._thread = threading.Thread(target=self._run, name=f"sampler-{sample.name}", daemon=True)

    def start(self) -> None:
        metrics.SAMPLER_UP.labels(self._sample.name).set_function(self._up)
        metrics.SAMPLER_AGE.labels(self._sample.name).set_function(lambda: time.monotonic() - self._came)
        metrics.SAMPLER_FAILURES.labels(self._sample.name)
        self._thread.start()

    @property
    def is_late(self) -> bool:
        return time.monotonic() - self._round > 3 * (self._every + self._deadline)

    def request_stop(self) -> None:
        self._ended.set()

    def join(self, seconds: float) -> None:
        """Wait for its end; one that hangs is left to the end of the process."""
        self._thread.join(seconds)

    def _up(self) -> float:
        return float(self._well and time.monotonic() - self._came <= self._every + self._deadline)

    def _run(self) -> None:
        limit = _Limit(self._ended)
        try:
            while not self._ended.is_set():
                self._take(limit)
                self._round = time.monotonic()
                self._ended.wait(self._every)
        finally:
            self._sample.close()
            limit.close()

    def _take(self, limit: "_Limit") -> None:
        begun = time.monotonic()
        limit.ends = begun + self._deadline
        try:
            with ended_by(limit):
                self._sample.take()
            failed = "it took too long" if time.monotonic() > limit.ends else None
        except errors.ExtractionError as error:
            failed = str(error)
        except Exception as error:  # noqa: BLE001 - a fault of a sampler ends no sampling
            failed = f"a fault of this program, {type(error).__name__}: {error}"
        metrics.SAMPLER_SECONDS.labels(self._sample.name).set(time.monotonic() - begun)
        if self._ended.is_set():
            return
        if failed is None:
            self._came = time.monotonic()
        else:
            metrics.SAMPLER_FAILURES.labels(self._sample.name).inc()
            self._sample.forget()
            if self._well:  # the first of a row
                log.warning("the sampler %s failed: %s", self._sample.name, failed)
        self._well = failed is None


class _Limit(Stop):
    """Ends the waits of a sampler's thread at its deadline, and when the samplers are stopped."""

    def __init__(self, ended: threading.Event) -> None:
        super().__init__()
        self._ended = ended
        self.ends = 0.0

    def check(self) -> None:
        if self._ended.is_set():
            raise errors.Cancelled("stopped on request")
        if time.monotonic() > self.ends:
            raise errors.Cancelled("no answer within the deadline of a sample")


Feed = Callable[[float], None]


def growth(feed: Feed) -> Feed:
    """Feed a counter from a total that somebody else keeps; one that began again is taken from its beginning."""
    before = 0.0

    def grow(total: float) -> None:
        nonlocal before
        feed(total - before if total >= before else total)
        before = total

    return grow
