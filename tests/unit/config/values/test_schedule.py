"""Cron schedules: their times, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from ftl.config.values.schedule import InvalidSchedule, Schedule

BERLIN = ZoneInfo("Europe/Berlin")


def following(text: str, moment: str, *, zone: ZoneInfo | None = None, number: int = 2) -> list[str]:
    """The next times after a moment in UTC."""
    times = Schedule.parse(text).after(datetime.fromisoformat(moment).replace(tzinfo=UTC), zone or UTC)
    return [time.strftime("%Y-%m-%d %H:%M") for time in islice(times, number)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15 3 * * *", ["2026-01-31 03:15", "2026-02-01 03:15"]),
        ("*/20 * * * *", ["2026-01-30 12:20", "2026-01-30 12:40"]),
        ("0 9-17/4 * * mon-fri", ["2026-01-30 13:00", "2026-01-30 17:00"]),
        ("0 0 1,15 * *", ["2026-02-01 00:00", "2026-02-15 00:00"]),
        ("0 0 13 * fri", ["2026-02-06 00:00", "2026-02-13 00:00"]),
        ("0 0 * jan 7", ["2027-01-03 00:00", "2027-01-10 00:00"]),
        ("0 0 */10 * 0", ["2026-02-01 00:00", "2026-03-01 00:00"]),
        ("0 0 29 2 *", ["2028-02-29 00:00", "2032-02-29 00:00"]),
        ("5/25 0 * * *", ["2026-01-31 00:05", "2026-01-31 00:30"]),
    ],
)
def test_a_schedule_comes_when_crontab_says(text: str, expected: list[str]) -> None:
    """Lists, ranges, steps, names and the rule of two kinds of day mean what crontab(5) says."""
    assert following(text, "2026-01-30T12:00") == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0 0 31 2 *", "never occurs"),
        ("0 0 31 4,6 *", "never occurs"),
        ("0 3 * *", "has 4 fields"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "`60`, which is not a minute from 0 to 59"),
        ("0 0 0 * *", "not a day of month"),
        ("0 0 * * fry", "not a day of week"),
        ("*/0 * * * *", "empty range"),
        ("30-10 * * * *", "empty range"),
        ("0 0 * * *;reboot", "not a day of week"),
        ("", "has 0 fields"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, words: str) -> None:
    """Every text that cron would not run, or never, is refused with the field that is wrong."""
    with pytest.raises(InvalidSchedule, match=words):
        Schedule.parse(text)


def test_a_schedule_follows_the_clock_of_its_time_zone() -> None:
    """A time that the clock skips is left out, one that it repeats comes twice."""
    assert following("30 2 * * *", "2026-03-28T00:00", zone=BERLIN) == [
        "2026-03-28 01:30",
        "2026-03-30 00:30",
    ]
    assert following("30 2 * * *", "2026-10-24T12:00", zone=BERLIN) == [
        "2026-10-25 00:30",
        "2026-10-25 01:30",
    ]


def test_the_last_time_before_a_moment_may_be_the_moment_itself() -> None:
    """A run that is due now is the last one."""
    now = datetime(2026, 3, 1, 3, 15, tzinfo=UTC)
    assert Schedule.parse("15 3 * * *").before(now, UTC) == now
    assert Schedule.parse("16 3 * * *").before(now, UTC) == datetime(2026, 2, 28, 3, 16, tzinfo=UTC)


def test_a_shell_gets_two_digit_numbers() -> None:
    """The server compares fields with the output of date(1), which has leading zeros."""
    assert Schedule.parse("5 3 * * 7").words == ("05", "03", "*", "*", "0", "both")
    assert Schedule.parse("0,30 * 1 * mon").words == ("00,30", "*", "01", "*", "1", "either")
