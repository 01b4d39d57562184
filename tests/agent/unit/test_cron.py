"""Cron on a wall clock that is put forward and back. Expected times are worked out by hand."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extraction_agent import errors
from extraction_agent.schedules import Cron


def _times(expression: str, zone: str, begin: str, number: int) -> list[str]:
    cron, moment = Cron.parse(expression, zone), datetime.fromisoformat(begin)
    found = []
    for _ in range(number):
        moment = cron.after(moment)
        found.append(f"{moment.astimezone(ZoneInfo(zone)):%m-%d %H:%M%z}")
    return found


def test_a_time_of_day_that_is_skipped_comes_when_the_clock_is_put_forward() -> None:
    assert _times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00+01:00", 3) == [
        "03-28 02:30+0100", "03-29 03:00+0200", "03-30 02:30+0200",
    ]  # fmt: skip
    assert _times("10,40 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", 2) == [
        "03-29 03:00+0200", "03-30 02:10+0200",
    ]  # fmt: skip


def test_a_time_of_day_that_is_shown_twice_comes_once() -> None:
    assert _times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00+02:00", 2) == [
        "10-25 02:30+0200",
        "10-26 02:30+0100",
    ]
    # Also for whoever asks between the two.
    assert _times("30 2 * * *", "Europe/Berlin", "2026-10-25T02:10+01:00", 1) == ["10-26 02:30+0100"]
    assert _times("30 1 * * *", "America/New_York", "2026-11-01T00:00-04:00", 2) == [
        "11-01 01:30-0400", "11-02 01:30-0500",
    ]  # fmt: skip


def test_an_interval_goes_by_the_time_that_passes() -> None:
    assert _times("*/30 * * * *", "Europe/Berlin", "2026-10-25T01:45+02:00", 7) == [
        "10-25 02:00+0200", "10-25 02:30+0200", "10-25 02:00+0100", "10-25 02:30+0100", "10-25 03:00+0100",
        "10-25 03:30+0100", "10-25 04:00+0100",
    ]  # fmt: skip
    assert _times("*/30 * * * *", "Europe/Berlin", "2026-03-29T01:15+01:00", 3) == [
        "03-29 01:30+0100", "03-29 03:00+0200", "03-29 03:30+0200",
    ]  # fmt: skip


def test_half_an_hour_at_lord_howe() -> None:
    assert _times("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00+11:00", 2) == [
        "04-05 01:45+1100", "04-06 01:45+1030",
    ]  # fmt: skip
    assert _times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00+10:30", 2) == [
        "10-04 02:30+1100", "10-05 02:15+1100",
    ]  # fmt: skip


def test_without_daylight_saving() -> None:
    assert _times("0 0 29 2 *", "UTC", "2026-11-25T08:00+00:00", 2) == ["02-29 00:00+0000", "02-29 00:00+0000"]
    assert _times("15 9 * * 1-5", "Asia/Kolkata", "2026-11-27T12:00+05:30", 1) == ["11-30 09:15+0530"]


@pytest.mark.parametrize("expression", ["* * * * *", "*/7 */5 * * *", "30 2 * * *", "0,30 1-3 * * *", "5 2 * * 0"])
@given(minutes=st.integers(0, 366 * 24 * 60), zone=st.sampled_from(["Europe/Berlin", "America/New_York", "UTC"]))
def test_steps_forward_and_skips_nothing(expression: str, zone: str, minutes: int) -> None:
    """From anywhere before it, the next time is the same: whoever asks later misses none."""
    cron, begin = Cron.parse(expression, zone), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    following = cron.after(begin)
    assert following > begin
    assert cron.after(following - timedelta(seconds=1)) == following
    assert cron.after(begin + (following - begin) / 2) == following


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("30 2 * *", "five fields"),
        ("0 30 2 * * *", "five fields"),
        ("@daily", "five fields"),
        ("R 2 * * *", "five fields"),
        ("61 2 * * *", "cannot be read"),
        ("*/0 * * * *", "cannot be read"),
        ("0 0 30 2 *", "never comes"),
        ("", "five fields"),
    ],
)
def test_what_is_no_cron_expression(expression: str, said: str) -> None:
    with pytest.raises(errors.UsageError, match=said):
        Cron.parse(expression, "UTC")


@pytest.mark.parametrize("zone", ["Europe/Berln", "", "../etc/passwd", "/etc/passwd", "a\x00b", "Europe"])
def test_what_is_no_time_zone(zone: str) -> None:
    with pytest.raises(errors.UsageError, match="There is no time zone"):
        Cron.parse("0 0 * * *", zone)
    with pytest.raises(errors.UsageError, match="did you mean Europe/Berlin"):
        Cron.parse("0 0 * * *", "europe/berlin")
