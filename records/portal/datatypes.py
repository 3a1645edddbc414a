"""FHIR's datatypes in words. Each function takes one JSON value of any shape; an unreadable one gives ""."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from records.portal import dates, labels
from records.portal.dates import Setting
from records.portal.text import line, paragraph

# A reference to a record of this node; anything else is never made a link.
_LOCAL: Final = re.compile(r"([A-Z][A-Za-z]{1,60})/([A-Za-z0-9.\-]{1,64})(?:/_history/([1-9][0-9]{0,9}))?")
_LARGEST_TEXT: Final = 200_000


@dataclass(frozen=True, slots=True)
class Target:
    """A record of this node that another one points to."""

    type: str
    id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class ShownIdentifier:
    """An identifier with what its source calls it (its type, else the last part of its system)."""

    label: str
    value: str


def items(value: Any) -> list[dict[str, Any]]:
    """The objects in `value`, which is an array, one object, or neither."""
    if isinstance(value, dict):
        return [value]
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def first(value: Any) -> dict[str, Any]:
    """The first object of an array, or the object itself; {} when there is none."""
    return next(iter(items(value)), {})


def choice(resource: Mapping[str, Any], name: str) -> tuple[str, Any]:
    """The type suffix and value of a choice: ("Quantity", {...}) for `value` and {"valueQuantity": {...}}."""
    for key, value in resource.items():
        if key.startswith(name) and key[len(name) : len(name) + 1].isupper():
            return key[len(name) :], value
    return "", None


def coding(value: Any) -> str:
    """A Coding's display, else our words for an HL7 code, else the code."""
    one = value if isinstance(value, dict) else {}
    return (
        line(one.get("display")) or labels.code_of_system(one.get("system"), one.get("code")) or line(one.get("code"))
    )


def concept(value: Any) -> str:
    """A CodeableConcept's text, else the display or code of its first coding that has one."""
    one = value if isinstance(value, dict) else {}
    if text := line(one.get("text")):
        return text
    listed = items(one.get("coding"))
    # Without a text, the coding that a user chose stands for the others.
    listed.sort(key=lambda c: (c.get("userSelected") is not True, not c.get("display")))
    return next((shown for c in listed if (shown := coding(c))), "")


def concepts(value: Any) -> str:
    """Several CodeableConcepts, one after another."""
    return "; ".join(dict.fromkeys(shown for one in items(value)[:10] if (shown := concept(one))))


def codes_of(value: Any, system: str | None = None) -> Iterator[str]:
    """The codes of a CodeableConcept, of one system if asked."""
    for one in items(value if isinstance(value, dict) else None)[:1]:
        for c in items(one.get("coding")):
            if isinstance(c.get("code"), str) and (system is None or c.get("system") == system):
                yield c["code"]


def human_name(value: Any) -> str:
    """A HumanName: its text, else its parts in the order of the script it is written in."""
    one = value if isinstance(value, dict) else {}
    if text := line(one.get("text")):
        return text
    parts = {key: _strings(one.get(key)) for key in ("prefix", "given", "family", "suffix")}
    if any("\u3400" <= c <= "\u9fff" for c in "".join(parts["family"] + parts["given"])):
        return "".join(parts["family"] + parts["given"])
    return line(" ".join(parts["prefix"] + parts["given"] + parts["family"] + parts["suffix"]))


def best_name(value: Any) -> str:
    """The name to call somebody by: official before usual, former names last."""
    order = {
        "official": 0,
        "usual": 1,
        None: 2,
        "nickname": 3,
        "temp": 3,
        "anonymous": 4,
        "maiden": 5,
        "old": 5,
    }

    def rank(one: dict[str, Any]) -> int:
        return order.get(line(one.get("use"), 20), 3)

    return next((name for one in sorted(items(value), key=rank) if (name := human_name(one))), "")


def number(value: Any) -> str:
    """A number as it was written, without an exponent where that is readable."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return ""
    if isinstance(value, int):
        return line(value, 60) if value.bit_length() < 4_000 else "…"
    if isinstance(value, Decimal) and value.is_finite() and -20 < value.adjusted() < 20:
        return line(format(value, "f"), 60)
    return line(value, 60)


def quantity(value: Any) -> str:
    """A Quantity, Age, Duration, Count, Distance or SimpleQuantity with comparator and unit."""
    one = value if isinstance(value, dict) else {}
    shown = number(one.get("value"))
    if not shown:
        return ""
    comparator = {"<": "< ", "<=": "≤ ", ">=": "≥ ", ">": "> "}.get(line(one.get("comparator"), 5), "")
    unit = line(one.get("unit"), 60) or line(one.get("code"), 60)
    if unit in {"1", "{score}", "{count}"}:
        unit = ""
    return f"{comparator}{shown}{'' if unit in {'', '%', '°C'} else ' '}{unit}"


def money(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    return f"{number(one.get('value'))} {line(one.get('currency'), 10)}".strip()


def range_of(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    low, high = quantity(one.get("low")), quantity(one.get("high"))
    if low and high:
        return f"{low} – {high}"
    return f"≥ {low}" if low else f"≤ {high}" if high else ""


def ratio(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    parts = [quantity(one.get("numerator")), quantity(one.get("denominator"))]
    return " / ".join(part for part in parts if part)


def identifier(value: Any) -> ShownIdentifier:
    """An identifier; without a value, its `value` is ""."""
    one = value if isinstance(value, dict) else {}
    system = line(one.get("system"))
    # A value that is a URI of its own says nothing by its system.
    own = "" if system == "urn:ietf:rfc:3986" else re.split(r"[/:]", system.rstrip("/"))[-1]
    name = concept(one.get("type")) or own
    return ShownIdentifier(name, line(one.get("value"), 120))


def target(reference: Any) -> Target | None:
    """The record of this node that a reference string names; None for any other, such as a URL."""
    if not isinstance(reference, str) or (found := _LOCAL.fullmatch(reference)) is None:
        return None
    return Target(found[1], found[2], int(found[3]) if found[3] else None)


def reference(value: Any) -> str:
    """A Reference: what its source shows for it, else its identifier, else the kind of record."""
    one = value if isinstance(value, dict) else {}
    if shown := line(one.get("display")):
        return shown
    if shown := identifier(one.get("identifier")).value:
        return shown
    if found := target(one.get("reference")):
        return labels.kind_of(found.type)
    return line(one.get("reference"))


def address(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    if text := line(one.get("text")):
        return text
    parts = _strings(one.get("line"))
    parts += [line(one.get(key)) for key in ("district", "city", "state", "postalCode", "country")]
    return ", ".join(part for part in parts if part)


def contact_point(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    use = labels.code(one.get("use")) if one.get("use") else ""
    return f"{line(one.get('value'))}{f' ({use})' if use else ''}"


def annotation(value: Any, setting: Setting) -> str:
    one = value if isinstance(value, dict) else {}
    text, _cut = paragraph(one.get("text"))
    by = reference(one.get("authorReference")) or line(one.get("authorString"))
    moment = dates.read(one.get("time"), setting.zone)
    signed = ", ".join(part for part in (by, dates.show(moment, setting) if moment else "") if part)
    return f"{text} ({signed})" if signed else text


def timing(value: Any, setting: Setting) -> str:
    """A Timing: its code or text, else its rule ("twice every 1 day"), else its events."""
    one = value if isinstance(value, dict) else {}
    if shown := concept(one.get("code")):
        return shown
    repeat = one.get("repeat") if isinstance(one.get("repeat"), dict) else {}
    assert isinstance(repeat, dict)
    parts = []
    if per := number(repeat.get("period")):
        times = number(repeat.get("frequency")) or "1"
        unit = _unit_of_time(line(repeat.get("periodUnit"), 5))
        parts.append(_("%(times)s × every %(period)s %(unit)s") % {"times": times, "period": per, "unit": unit})
    if bounds := repeat.get("boundsPeriod"):
        parts.append(dates.show_period(bounds, setting))
    events = [dates.read(event, setting.zone) for event in (one.get("event") or [])[:5] if isinstance(event, str)]
    parts.extend(dates.show(event, setting) for event in events if event)
    return ", ".join(part for part in parts if part)


def dosage(value: Any, setting: Setting) -> str:
    """A Dosage: the text of whoever wrote it, else dose, route, timing and "as needed" from its parts."""
    one = value if isinstance(value, dict) else {}
    if text := line(one.get("text")):
        return text
    amount = first(one.get("doseAndRate"))
    as_needed = concept(one.get("asNeededCodeableConcept"))
    parts = [
        quantity(amount.get("doseQuantity")) or range_of(amount.get("doseRange")),
        concept(one.get("route")),
        timing(one.get("timing"), setting),
        _("as needed for %(reason)s") % {"reason": as_needed} if as_needed else "",
        _("as needed") if one.get("asNeededBoolean") is True else "",
    ]
    return ", ".join(part for part in parts if part)


def attachment(value: Any) -> str:
    """What an Attachment is: title, kind and size; never its bytes."""
    one = value if isinstance(value, dict) else {}
    kind = line(one.get("contentType"), 80).partition(";")[0]
    data = one.get("data")
    size = one.get("size") if isinstance(one.get("size"), int) else None
    if size is None and isinstance(data, str):
        size = len(data) * 3 // 4
    parts = [line(one.get("title")), kind, _bytes(size) if size is not None else ""]
    return ", ".join(part for part in parts if part) or line(one.get("url"))


def attached_text(value: Any) -> tuple[str, bool] | None:
    """The plain text inside an Attachment and whether it was cut; None for any other kind of content."""
    one = value if isinstance(value, dict) else {}
    kind, data = line(one.get("contentType"), 80).lower(), one.get("data")
    if not isinstance(data, str) or kind.partition(";")[0].strip() != "text/plain":
        return None
    if "charset" in kind and "utf-8" not in kind and "us-ascii" not in kind:
        return None
    try:
        decoded = base64.b64decode(data[:_LARGEST_TEXT], validate=True).decode(errors="ignore")
    except (binascii.Error, ValueError):
        return None
    text, cut = paragraph(decoded, 20_000)
    return text, cut or len(data) > _LARGEST_TEXT


def _bytes(count: int) -> str:
    if count < 1024:
        return ngettext("%(count)d byte", "%(count)d bytes", count) % {"count": count}
    return f"{count / 1024:.0f} KB" if count < 1024**2 else f"{count / 1024**2:.1f} MB"


def _strings(value: Any) -> list[str]:
    listed = value if isinstance(value, list) else [value]
    return [shown for one in listed[:10] if (shown := line(one))]


def _unit_of_time(code: str) -> str:
    return {
        "s": pgettext("unit of time", "s"),
        "min": pgettext("unit of time", "min"),
        "h": pgettext("unit of time", "h"),
        "d": pgettext("unit of time", "d"),
        "wk": pgettext("unit of time", "wk"),
        "mo": pgettext("unit of time", "mo"),
        "a": pgettext("unit of time", "yr"),
    }.get(code, code)


def sampled(value: Any) -> str:
    one = value if isinstance(value, dict) else {}
    return _("a series of measurements, from %(origin)s") % {"origin": quantity(one.get("origin"))}


def _without_setting(show: Callable[[Any], str]) -> Callable[[Any, Setting], str]:
    return lambda value, setting: show(value)


SHOWN: Final[Mapping[str, Callable[[Any, Setting], str]]] = MappingProxyType(
    {
        "Address": _without_setting(address),
        "Age": _without_setting(quantity),
        "Annotation": annotation,
        "Attachment": _without_setting(attachment),
        "CodeableConcept": _without_setting(concept),
        "Coding": _without_setting(coding),
        "ContactPoint": _without_setting(contact_point),
        "Count": _without_setting(quantity),
        "Distance": _without_setting(quantity),
        "Dosage": dosage,
        "Duration": _without_setting(quantity),
        "HumanName": _without_setting(human_name),
        "Money": _without_setting(money),
        "MoneyQuantity": _without_setting(quantity),
        "Period": lambda value, setting: dates.show_period(value, setting),
        "Quantity": _without_setting(quantity),
        "Range": _without_setting(range_of),
        "Ratio": _without_setting(ratio),
        "Reference": _without_setting(reference),
        "SampledData": _without_setting(sampled),
        "SimpleQuantity": _without_setting(quantity),
        "Timing": timing,
    }
)
"""The datatypes that are shown as one line; any other is shown member by member."""


def of_choice(resource: Mapping[str, Any], name: str, setting: Setting) -> str:
    """A choice such as `value[x]` or `onset[x]` in words."""
    suffix, value = choice(resource, name)
    if suffix in SHOWN:
        return SHOWN[suffix](value, setting)
    if suffix in {"DateTime", "Date", "Instant"}:
        moment = dates.read(value, setting.zone)
        return dates.show(moment, setting) if moment else line(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return number(value) or line(value)
