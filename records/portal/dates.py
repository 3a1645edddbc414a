"""FHIR's dates and times as people read them, in the node's zone.

A date without a time is never moved between zones: it is shown as precisely as it was written and no more.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Any, Final, Literal

from babel.dates import format_date, format_skeleton, format_time
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

_FORM: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
Precision = Literal["year", "month", "day", "time"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a page is read in: the moment it was asked for, the node's zone, the reader's language."""

    now: datetime
    zone: tzinfo
    zone_name: str
    language: str

    @property
    def locale(self) -> str:
        """Babel's name of the language."""
        return "zh_Hans_CN" if self.language.lower().startswith("zh") else "en_GB"

    @property
    def today(self) -> date:
        return self.now.astimezone(self.zone).date()


@dataclass(frozen=True, slots=True)
class When:
    """One FHIR date or time. `moment`, its earliest instant in the node's zone, is for ordering."""

    written: str
    moment: datetime
    precision: Precision


def read(value: Any, zone: tzinfo) -> When | None:
    """The FHIR date, dateTime or instant `value`; None for a wrong form, a wrong type, no such day."""
    if not isinstance(value, str) or len(value) > 60 or (found := _FORM.fullmatch(value)) is None:
        return None
    year, month, day, hour, minute, second, offset = found.groups()
    try:
        if hour is None:
            moment = datetime(int(year), int(month or 1), int(day or 1), tzinfo=zone)
            return When(value, moment, "day" if day else "month" if month else "year")
        own = zone if offset is None else datetime.strptime(offset.replace("Z", "+00:00"), "%z").tzinfo
        # A leap second is a moment like any other; the clock here has no 60.
        moment = datetime(
            int(year), int(month), int(day), int(hour), int(minute), min(int(second or 0), 59), tzinfo=own
        )
        return When(value, moment.astimezone(zone), "time")
    except (ValueError, OverflowError):
        return None


def show(when: When, setting: Setting, *, zone_too: bool = False) -> str:
    """`when` in the reader's language; `zone_too` adds the zone where the page does not state it once."""
    if when.precision == "year":
        return format_skeleton("y", when.moment, locale=setting.locale)
    if when.precision == "month":
        return format_skeleton("yMMM", when.moment, locale=setting.locale)
    day = format_date(when.moment.date(), "medium", locale=setting.locale)
    if when.precision == "day":
        return day
    text = f"{day} {format_time(when.moment.timetz(), 'HH:mm', locale=setting.locale)}"
    return f"{text} {offset_of(when.moment)}" if zone_too else text


def show_day(when: When, setting: Setting) -> str:
    """`when` without its time of day."""
    return show(When(when.written, when.moment, "day"), setting) if when.precision == "time" else show(when, setting)


def show_time(when: When, setting: Setting) -> str:
    """The time of day alone; "" where there is none."""
    return format_time(when.moment.timetz(), "HH:mm", locale=setting.locale) if when.precision == "time" else ""


def day_and_time(value: Any, setting: Setting) -> tuple[str, str] | None:
    """A date, a time or a Period as the day under which it is listed and the rest: ("5 Mar 2026", "09:00–09:25")."""
    if isinstance(value, dict):
        start, end = read(value.get("start"), setting.zone), read(value.get("end"), setting.zone)
        if start is None:
            return (show_day(end, setting), show_period(value, setting)) if end else None
        same_day = end is not None and end.moment.date() == start.moment.date()
        until = "" if end is None else show_time(end, setting) if same_day else show(end, setting)
        return show_day(start, setting), "–".join(part for part in (show_time(start, setting), until) if part)
    when = read(value, setting.zone)
    return (show_day(when, setting), show_time(when, setting)) if when else None


def show_instant(moment: datetime, setting: Setting, *, zone_too: bool = False) -> str:
    """A moment of the node's own, such as when a version was stored."""
    return show(When("", moment.astimezone(setting.zone), "time"), setting, zone_too=zone_too)


def offset_of(moment: datetime) -> str:
    """ "UTC+08:00": the offset in force at `moment`, which an abbreviation such as CST would leave open."""
    seconds = int((moment.utcoffset() or timedelta()).total_seconds())
    sign = "-" if seconds < 0 else "+"
    return f"UTC{sign}{abs(seconds) // 3600:02}:{abs(seconds) % 3600 // 60:02}"


def show_zone(setting: Setting) -> str:
    """ "Asia/Shanghai (UTC+08:00)", said once on pages with many times."""
    return f"{setting.zone_name} ({offset_of(setting.now.astimezone(setting.zone))})"


def show_period(period: Any, setting: Setting) -> str:
    """A Period in words; empty when neither end can be read."""
    if not isinstance(period, dict):
        return ""
    start, end = read(period.get("start"), setting.zone), read(period.get("end"), setting.zone)
    if start and end:
        first, last = show(start, setting), show(end, setting)
        if first == last:
            return first
        if start.precision == end.precision == "time" and start.moment.date() == end.moment.date():
            return f"{first}–{format_time(end.moment.timetz(), 'HH:mm', locale=setting.locale)}"
        return _("%(start)s to %(end)s") % {"start": first, "end": last}
    if start:
        return _("since %(start)s") % {"start": show(start, setting)}
    if end:
        return _("until %(end)s") % {"end": show(end, setting)}
    return ""


def age(born: When, on: date) -> str:
    """Age in words on the day `on`: days, months under two years, then years; "about" for a bare year.

    Empty when somebody would be born after `on` or over 150 years ago: a wrong age is worse than none.
    """
    birth = born.moment.date()
    if birth > on or on.year - birth.year > 150:
        return ""
    months = (on.year - birth.year) * 12 + on.month - birth.month - (on.day < birth.day)
    if born.precision == "year":
        return _("about %(age)s") % {"age": _years(on.year - birth.year)}
    if months >= 24 or born.precision == "month":
        return _years(months // 12) if months >= 24 else _months(months)
    if months >= 1:
        return _months(months)
    days = (on - birth).days
    return ngettext("%(count)d day", "%(count)d days", days) % {"count": days}


def _years(count: int) -> str:
    return ngettext("%(count)d year", "%(count)d years", count) % {"count": count}


def _months(count: int) -> str:
    return ngettext("%(count)d month", "%(count)d months", count) % {"count": count}
