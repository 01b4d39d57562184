"""The pace of a relay, and what sets it: share of time, a pause, a stop; quiet hours."""

import threading
import time
from dataclasses import dataclass

import pytest

from extraction_agent import errors
from extraction_agent.profiles import SourceGuard
from extraction_agent.protect import pace as pace_module
from extraction_agent.protect.pace import Pace
from extraction_agent.waiting import Stop


@dataclass
class Set:
    of_time: float

    def share(self) -> float:
        return self.of_time


def worked(by: Set, seconds: float, block: float = 0.002) -> float:
    """Of the time, that a relay under this pace worked."""
    stop = Stop()
    pace, begun, work = Pace(stop, Set(1.0), by), time.monotonic(), 0.0
    while time.monotonic() - begun < seconds:
        since = time.monotonic()
        while time.monotonic() - since < block:
            pass
        work += time.monotonic() - since
        pace.keep()
    stop.close()
    return work / (time.monotonic() - begun)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_works_the_share_of_time_it_may(share: float) -> None:
    assert worked(Set(share), 1.0) <= share * 1.2


def test_full_speed_sleeps_never() -> None:
    stop, begun = Stop(), time.monotonic()
    pace = Pace(stop, Set(1.0))
    for _ in range(100_000):
        pace.keep()
    stop.close()
    assert time.monotonic() - begun < 5


def test_what_is_owed_at_a_small_share_is_nothing_at_full_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard begins with a small share, until it has looked: work of that moment is not to be paid for afterwards."""
    for longest in ("_LONGEST", "_MOST_OWED"):  # so that a rest that goes on is longer than a slow machine needs
        monkeypatch.setattr(pace_module, longest, 10.0)
    stop, by = Stop(), Set(0.1)
    pace = Pace(stop, by)
    time.sleep(0.6)  # work, for which 5.4 s are owed
    threading.Timer(0.05, lambda: setattr(by, "of_time", 1.0)).start()
    begun = time.monotonic()
    pace.keep()
    by.of_time = 0.999
    pace.keep()
    assert time.monotonic() - begun < 5
    stop.close()


def test_a_pause_ends_with_the_pause_and_a_stop_ends_it_at_once() -> None:
    stop, by = Stop(), Set(0.0)
    pace = Pace(stop, by)
    threading.Timer(0.2, lambda: setattr(by, "of_time", 1.0)).start()
    begun = time.monotonic()
    pace.keep()
    assert 0.15 < time.monotonic() - begun < 5
    by.of_time = 0.0
    threading.Timer(0.2, stop.request).start()
    with pytest.raises(errors.Cancelled):
        pace.keep()
    stop.close()


def test_quiet_hours_may_pass_midnight() -> None:
    settings = SourceGuard.model_validate({"quiet_hours": ["08:00-12:30", "22:00-06:00"]})
    from datetime import time as clock

    quiet = [hour for hour in range(24) if settings.is_quiet(clock(hour, 15))]
    assert quiet == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 22, 23]
