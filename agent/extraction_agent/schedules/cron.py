"""A cron expression on the wall clock of a time zone, right also when that clock is put forward or back.

As Debian's cron does it. Times of day (no * for minute or hour) come once each day: one that is skipped when the clock
is put forward comes at that moment, one that the clock shows twice comes the first time only. Intervals (a * there) go
by the time that passes: what is skipped does not come, what is shown twice comes twice.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from croniter import CroniterBadDateError, CroniterError, croniter

from extraction_agent import errors

_FIELD = re.compile(
    r"(?:[0-9*,/#-]|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|l)+", re.IGNORECASE
)
_FURTHEST_BACK = timedelta(hours=3)  # that a clock was ever put at once, but for the date line


@dataclass(frozen=True, slots=True)
class Cron:
    """Checked."""

    expression: str
    zone: ZoneInfo

    @classmethod
    def parse(cls, expression: str, time_zone: str) -> "Cron":
        """Raises UsageError."""
        try:
            zone = ZoneInfo(time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            near = next((name for name in sorted(available_timezones()) if name.lower() == time_zone.lower()), None)
            hint = f"did you mean {near}?" if near else "take an IANA name such as Europe/Berlin or UTC."
            raise errors.UsageError(f"There is no time zone {time_zone!r}: {hint}") from error
        fields = expression.split()
        if len(fields) != 5 or not all(_FIELD.fullmatch(field) for field in fields):
            raise errors.UsageError(
                f"{expression!r} is not a cron expression of five fields: minute, hour, day of the month, month, day "
                "of the week, such as `30 2 * * 1-5`."
            )
        cron = cls(" ".join(fields), zone)
        try:
            cron.after(datetime.now(UTC))
        except CroniterBadDateError as error:
            raise errors.UsageError(f"The day of {expression!r} never comes.") from error
        except CroniterError as error:
            raise errors.UsageError(f"The cron expression {expression!r} cannot be read: {error}.") from error
        return cron

    def after(self, moment: datetime) -> datetime:
        """The first time after this moment, in UTC."""
        walls = croniter(self.expression, self._wall(moment))
        best: datetime | None = None
        while True:
            wall: datetime = walls.get_next(datetime)
            if best is not None and _at(wall, self.zone, 0) >= best:
                return best
            for instant in self._instants(wall):
                if instant > moment and (best is None or instant < best):
                    best = instant

    @property
    def _interval(self) -> bool:
        return any(field.startswith("*") for field in self.expression.split()[:2])

    def _wall(self, moment: datetime) -> datetime:
        """From where on the wall clock to look: further back, if the clock may have been put back lately."""
        before, after = moment - _FURTHEST_BACK, moment + _FURTHEST_BACK
        steady = before.astimezone(self.zone).utcoffset() == after.astimezone(self.zone).utcoffset()
        wall = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        return wall if steady else wall - _FURTHEST_BACK

    def _instants(self, wall: datetime) -> list[datetime]:
        """When the clock shows this: once, twice, or never."""
        first, second = _at(wall, self.zone, 0), _at(wall, self.zone, 1)
        if first == second:
            return [first]
        if first < second:
            return [first, second] if self._interval else [first]
        return [] if self._interval else [self._put_forward(second, first)]

    def _put_forward(self, before: datetime, after: datetime) -> datetime:
        """The moment between these two, to the second, when the clock is put forward."""
        offset = after.astimezone(self.zone).utcoffset()
        while after - before > timedelta(seconds=1):
            middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
            if middle.astimezone(self.zone).utcoffset() == offset:
                after = middle
            else:
                before = middle
        return after


def _at(wall: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)
