"""FHIR dates as ranges of time.

Every FHIR date means a range: `2013-01` is a month, `10:00:00` a second. A range is [low, high): high is the first
moment that is no longer part of it. A date without a zone is read in the zone that the caller gives, the node's. Open
ends of periods are EARLIEST and LATEST, which every driver can read back, unlike PostgreSQL's infinities.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final

EARLIEST: Final = datetime(1, 1, 2, tzinfo=UTC)
LATEST: Final = datetime(9999, 12, 30, tzinfo=UTC)

_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:\d{2})?)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class DateRange:
    """[low, high) in UTC."""

    low: datetime
    high: datetime


def _utc(moment: datetime) -> datetime:
    try:
        return min(max(moment.astimezone(UTC), EARLIEST), LATEST)
    except OverflowError:
        return EARLIEST if moment.year < 5000 else LATEST


def _offset(text: str | None, zone: tzinfo) -> tzinfo:
    if text is None:
        return zone
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[4:6])
    if hours > 14 or minutes > 59 or (hours == 14 and minutes):
        raise ValueError("an offset is at most 14 hours")
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if text[0] == "-" else delta)


def date_range(text: str, zone: tzinfo) -> DateRange:
    """The range that a FHIR date, dateTime or instant means, also one cut after the minutes, as searches may be.
    ValueError."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("not a FHIR date")
    year_text, month_text, day_text, hour_text, *_, offset = match.groups()
    year = int(year_text)
    if year == 0:
        raise ValueError("there is no year 0000")
    if hour_text is not None:
        return _time_range(match, _offset(offset, zone))
    if day_text is not None:
        low = datetime(year, int(month_text), int(day_text), tzinfo=zone)
        # The next day's own midnight, because a day is not 24 hours where clocks change.
        following = low.replace(tzinfo=None)
        following = following + timedelta(days=1) if following.date() < LATEST.date() else following
        high = following.replace(tzinfo=zone)
    elif month_text is not None:
        month = int(month_text)
        low = datetime(year, month, 1, tzinfo=zone)
        high = _month_start(year + month // 12, month % 12 + 1, zone)
    else:
        low = datetime(year, 1, 1, tzinfo=zone)
        high = _month_start(year + 1, 1, zone)
    return DateRange(_utc(low), _utc(high))


def _month_start(year: int, month: int, zone: tzinfo) -> datetime:
    return LATEST if year > 9999 else datetime(year, month, 1, tzinfo=zone)


def _time_range(match: re.Match[str], zone: tzinfo) -> DateRange:
    year, month, day, hour, minute = (int(match[n]) for n in range(1, 6))
    second = int(match[6] or 0)
    # A leap second is in FHIR and not on Python's clock: it is the last second of its minute.
    low = datetime(year, month, day, hour, minute, 59 if second == 60 else second, tzinfo=zone)
    fraction = match[7]
    if fraction:
        low = low.replace(microsecond=int(fraction[:6].ljust(6, "0")))
        width = timedelta(microseconds=10 ** (6 - min(len(fraction), 6)))
    else:
        width = timedelta(seconds=1) if match[6] else timedelta(minutes=1)
    start = _utc(low)
    return DateRange(start, min(start + width, LATEST))


def _range_of_text(value: Any, zone: tzinfo) -> DateRange | None:
    if type(value) is not str:
        return None
    try:
        return date_range(value, zone)
    except ValueError:
        return None


def _range_of_period(value: Any, zone: tzinfo) -> DateRange | None:
    """From the start of `start` to the end of `end`; an end that is missing is open. None for a period without both."""
    if type(value) is not dict:
        return None
    start, end = _range_of_text(value.get("start"), zone), _range_of_text(value.get("end"), zone)
    if start is None and end is None:
        return None
    low = start.low if start else EARLIEST
    high = end.high if end else LATEST
    # A period that ends before it starts is a mistake in the data; it is found at its start.
    return DateRange(low, high) if low < high else DateRange(low, start.high if start else high)


def _range_of_timing(value: Any, zone: tzinfo) -> DateRange | None:
    """The outer limits of a Timing: of its events and of its bounds. R4 has a search ignore the schedule in between."""
    if type(value) is not dict:
        return None
    repeat = value.get("repeat")
    bounds = repeat.get("boundsPeriod") if type(repeat) is dict else None
    events = value.get("event")
    found = [_range_of_text(event, zone) for event in (events if type(events) is list else [])]
    found.append(_range_of_period(bounds, zone))
    ranges = [r for r in found if r is not None]
    if not ranges:
        return None
    return DateRange(min(r.low for r in ranges), max(r.high for r in ranges))


RANGE_READERS: Final[dict[str, Callable[[Any, tzinfo], DateRange | None]]] = {
    "date": _range_of_text,
    "dateTime": _range_of_text,
    "instant": _range_of_text,
    "Period": _range_of_period,
    "Timing": _range_of_timing,
}
"""FHIR type to the function that reads a value of it; None for a value without a date."""


def widened(wanted: DateRange, now: datetime) -> DateRange:
    """The range that `ap` searches: wider at both ends by a tenth of the time between it and now, as R4 recommends."""
    if wanted.low <= now < wanted.high:
        return wanted
    margin = min(abs(wanted.low - now), abs(wanted.high - now)) / 10
    return DateRange(
        max(wanted.low - min(margin, wanted.low - EARLIEST), EARLIEST),
        wanted.high + min(margin, LATEST - wanted.high),
    )
