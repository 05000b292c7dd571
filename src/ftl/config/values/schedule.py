"""Cron schedule: five fields, their times in a time zone, and the form for a shell.

The fields and their meaning are those of crontab(5) of Vixie cron, which Debian and Ubuntu have. Names of months and
weekdays are accepted; nicknames (`@daily`) are not.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from ftl.dataclass import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_PART = r"(?:(\*)|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]{1,2}))?"

_FARTHEST = 12 * 366
"""Days within which every schedule comes: 29 February 2096 is followed by the one of 2104."""


class InvalidSchedule(ValueError):
    """A text is not a schedule; the message continues "TEXT ..."."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed schedule.

    Attributes:
        weekdays: 0 is Sunday.
        either: Both kinds of day are restricted, and one of them is enough, as crontab(5) has it.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Parse five fields.

        Raises:
            InvalidSchedule: There are not five, one is no field of crontab(5), or no day has all that is asked for.
        """
        words = text.lower().split()
        if len(words) != len(_FIELDS):
            raise InvalidSchedule(f"has {len(words)} fields, not five")
        sets = [_field(word, *field) for word, field in zip(words, _FIELDS, strict=True)]
        minutes, hours, days, months, weekdays = sets
        weekdays = frozenset(day % 7 for day in weekdays)
        schedule = cls(
            minutes, hours, days, months, weekdays, not words[2].startswith("*") and words[4][0] != "*"
        )
        if not schedule.either and all(min(days) > _LONGEST_MONTHS[month - 1] for month in months):
            raise InvalidSchedule("never occurs: no such month has that day")
        return schedule

    def after(self, moment: datetime, zone: tzinfo) -> Iterator[datetime]:
        """The times after a moment, in UTC, in order."""
        first = moment.astimezone(zone).date()
        for offset in range(_FARTHEST):
            yield from (time for time in self._times(first + timedelta(offset), zone) if time > moment)

    def before(self, moment: datetime, zone: tzinfo) -> datetime:
        """The last time at or before a moment, in UTC."""
        last = moment.astimezone(zone).date()
        days = (last - timedelta(offset) for offset in range(_FARTHEST))
        return next(time for day in days for time in reversed(self._times(day, zone)) if time <= moment)

    def _times(self, day: date, zone: tzinfo) -> list[datetime]:
        """The times on a day; those that the clock skips are left out, those that it shows twice are repeated."""
        if not self._has_day(day):
            return []
        local = (
            datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone, fold=fold)
            for hour in self.hours
            for minute in self.minutes
            for fold in (0, 1)
        )
        pairs = ((time, time.astimezone(UTC)) for time in local)
        return sorted({utc for time, utc in pairs if utc.astimezone(zone).time() == time.time()})

    def _has_day(self, day: date) -> bool:
        by_month, by_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return day.month in self.months and ((by_month or by_week) if self.either else (by_month and by_week))

    @property
    def words(self) -> tuple[str, ...]:
        """Form for a shell: `*` or two-digit numbers for each field, then "either" or "both"."""
        fields = (self.minutes, self.hours, self.days, self.months)
        everything = (60, 24, 31, 12)
        listed = [
            "*" if len(field) == size else ",".join(f"{value:02}" for value in sorted(field))
            for field, size in zip(fields, everything, strict=True)
        ]
        weekdays = "*" if len(self.weekdays) == 7 else ",".join(map(str, sorted(self.weekdays)))
        return (*listed, weekdays, "either" if self.either else "both")


def _field(word: str, noun: str, lowest: int, highest: int, names: list[str]) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        match = re.fullmatch(_PART, part)
        if match is None:
            raise InvalidSchedule(f"has `{part}`, which is not a {noun}")
        star, first, last, step = match.groups()
        start = lowest if star else _number(first, noun, lowest, highest, names)
        # As in Vixie cron, a step behind a single number counts up to the end.
        end = highest if star or (step and last is None) else start
        end = end if last is None else _number(last, noun, lowest, highest, names)
        if star and highest == 7:
            end = 6
        if end < start or (step is not None and int(step) == 0):
            raise InvalidSchedule(f"has `{part}`, which is an empty range")
        values |= set(range(start, end + 1, int(step or 1)))
    return frozenset(values)


def _number(word: str, noun: str, lowest: int, highest: int, names: list[str]) -> int:
    if word in names:
        return names.index(word) + (lowest if highest != 7 else 0)
    if word.isdecimal() and lowest <= int(word) <= highest:
        return int(word)
    raise InvalidSchedule(f"has `{word}`, which is not a {noun} from {lowest} to {highest}")
