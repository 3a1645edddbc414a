"""What a search should find, by looking at every resource: slow, simple, and apart from how the node does it.

It shares with the node only where in a resource a parameter's values are (which another test compares with a FHIRPath engine).
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from records.fhir.search.parameters import Leaf, Parameter, parameters
from records.fhir.search.paths import getter
from tests.records.fhir.search.filling import BASE_URL, NOW, ZONE

Resources = Mapping[str, dict[str, Any]]
FAR_PAST = datetime(1, 1, 2, tzinfo=ZONE)
FAR_FUTURE = datetime(9999, 12, 30, tzinfo=ZONE)


def answers(resources: Resources, type_name: str, params: Iterable[tuple[str, str]]) -> set[str]:
    """The places of the resources of a type that meet every parameter."""
    listed = list(params)
    return {
        place
        for place, resource in resources.items()
        if resource["resourceType"] == type_name
        and all(meets(resources, place, resource, name, value) for name, value in listed)
    }


def meets(resources: Resources, place: str, resource: dict[str, Any], name: str, value: str) -> bool:
    type_name = resource["resourceType"]
    if name.startswith("_has:"):
        _, source_type, code, rest = name.split(":", 3)
        return any(
            other["resourceType"] == source_type
            and place in references(other, parameters(source_type)[code])
            and meets(resources, other_place, other, rest, value)
            for other_place, other in resources.items()
        )
    head, dot, rest = name.partition(".")
    if dot:
        code, _, target_type = head.partition(":")
        return any(
            target in resources
            and (not target_type or target.startswith(target_type + "/"))
            and rest.partition(":")[0].partition(".")[0] in parameters(target.partition("/")[0])
            and meets(resources, target, resources[target], rest, value)
            for target in references(resource, parameters(type_name)[code])
        )
    code, _, modifier = name.partition(":")
    parameter = parameters(type_name)[code]
    if modifier == "missing":
        return (value == "true") != any(True for _ in values(resource, parameter))
    alternatives = split(value, ",")
    if modifier == "not":
        return not any(one(resource, parameter, "", text) for text in alternatives)
    return any(one(resource, parameter, modifier, text) for text in alternatives)


def split(text: str, mark: str) -> list[str]:
    return re.split(rf"(?<!\\){re.escape(mark)}", text)


def plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def values(resource: dict[str, Any], parameter: Parameter) -> Iterator[tuple[str, Any]]:
    """The FHIR type and the value of everything that the parameter reads."""
    for leaf in parameter.leaves:
        yield from leaf_values(resource, leaf)


def leaf_values(resource: dict[str, Any], leaf: Leaf) -> Iterator[tuple[str, Any]]:
    if leaf.truth:
        dead = any(v is not False for b in leaf.branches for v in getter(b.hops)(resource))
        yield "boolean", dead
        return
    for branch in leaf.branches:
        for value in getter(branch.hops)(resource):
            if leaf.target is None or kind_of_target(value) == leaf.target:
                yield branch.fhir_type, value


def kind_of_target(value: dict[str, Any]) -> str | None:
    match = re.search(r"(?:^|/)([A-Z]\w+)/[^/]+(?:/_history/[^/]+)?$", value.get("reference", ""))
    return match[1] if match else value.get("type")


def references(resource: dict[str, Any], parameter: Parameter) -> set[str]:
    """The places on this node that a resource refers to."""
    texts = {v["reference"] for t, v in values(resource, parameter) if t == "Reference" and "reference" in v}
    local = {text.removeprefix(BASE_URL + "/").partition("/_history/")[0] for text in texts}
    return {text for text in local if ":" not in text and "/" in text}


def one(resource: dict[str, Any], parameter: Parameter, modifier: str, text: str) -> bool:
    """Whether one value of the parameter is met."""
    match parameter.kind:
        case "id":
            return bool(resource["id"] == plain(text))
        case "composite":
            return composite(resource, parameter, text)
        case "phonetic":
            raise NotImplementedError
    found = list(values(resource, parameter))
    return any(meets_value(parameter, modifier, fhir_type, value, text) for fhir_type, value in found)


def meets_value(parameter: Parameter, modifier: str, fhir_type: str, value: Any, text: str) -> bool:
    match parameter.kind:
        case "token":
            return any(token(pair, text) for pair in pairs(fhir_type, value))
        case "reference" if modifier == "identifier":
            return any(token(pair, text) for pair in pairs("Identifier", value.get("identifier", {})))
        case "reference":
            return refers(fhir_type, value, modifier, plain(text))
        case "uri":
            return plain(text) in (value, value.partition("|")[0])
        case "string":
            return any(string(part, modifier, plain(text)) for part in parts(fhir_type, value))
        case "date":
            bounds = period(fhir_type, value)
            return bounds is not None and dated(bounds, plain(text))
        case "number" | "quantity":
            said, *unit = split(text, "|")
            numbers = amounts(fhir_type, value)
            return numbers is not None and counted(numbers, plain(said)) and has_unit(fhir_type, value, unit)
    raise NotImplementedError(parameter.kind)


def pairs(fhir_type: str, value: Any) -> list[tuple[str | None, str | None]]:
    match fhir_type:
        case "CodeableConcept":
            return [(c.get("system"), c.get("code")) for c in value.get("coding", [])]
        case "Coding":
            return [(value.get("system"), value.get("code"))]
        case "Identifier" | "ContactPoint":
            return [(value.get("system"), value.get("value"))]
        case "boolean":
            return [(None, str(value).lower())]
        case "Quantity" | "Range" | "Reference":
            return []
    return [(None, value)]


def token(pair: tuple[str | None, str | None], text: str) -> bool:
    system, code = pair
    wanted_system, *rest = [plain(part) for part in split(text, "|")]
    if not rest:
        return code == wanted_system
    if not rest[0]:
        return system == wanted_system
    return code == rest[0] and (system or "") == wanted_system


def refers(fhir_type: str, value: Any, modifier: str, text: str) -> bool:
    if fhir_type != "Reference":
        said = f"{value['resourceType']}/{value['id']}" if isinstance(value, dict) else value
        return text in (said, said.partition("|")[0])
    said = value.get("reference", "").partition("/_history/")[0].removeprefix(BASE_URL + "/")
    if modifier and "/" not in text:
        text = f"{modifier}/{text}"
    if "/" in text or ":" in text:
        return bool(said == text.partition("/_history/")[0].removeprefix(BASE_URL + "/"))
    return ":" not in said and said.partition("/")[2] == text


def bare(text: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)]
    return re.sub(r"\s+", " ", "".join(letters).casefold()).strip()


def parts(fhir_type: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    names = {"HumanName": ("family", "given", "prefix", "suffix", "text")}.get(
        fhir_type, ("line", "city", "district", "state", "postalCode", "country", "text")
    )
    found: list[str] = []
    for name in names:
        member = value.get(name, [])
        found += [member] if isinstance(member, str) else member
    return found


def string(said: str, modifier: str, text: str) -> bool:
    if modifier == "exact":
        return said == text
    if modifier == "contains":
        return bare(text) in bare(said)
    return bare(said).startswith(bare(text))


def moment(text: str) -> tuple[datetime, datetime]:
    """The first moment of a FHIR date and the first one after it."""
    if "T" not in text:
        numbers = [int(n) for n in text.split("-")]
        year, month, day = (*numbers, 1, 1)[:3] if len(numbers) < 3 else numbers
        start = datetime(year, month, day, tzinfo=ZONE)
        days = {1: 366 if monthrange(year, 2)[1] == 29 else 365, 2: monthrange(year, month)[1], 3: 1}[len(numbers)]
        return start, (start.replace(tzinfo=None) + timedelta(days=days)).replace(tzinfo=ZONE)
    clock = text.partition("T")[2]
    zoned = clock.endswith("Z") or "+" in clock or "-" in clock
    start = datetime.fromisoformat(text if zoned else text + "+08:00")
    if not zoned:
        start = start.replace(tzinfo=ZONE)
    fraction = re.search(r"\.(\d+)", clock)
    seconds = clock.count(":") - (1 if "+" in clock or "-" in clock else 0) == 2
    if fraction:
        return start, start + timedelta(microseconds=10 ** (6 - min(6, len(fraction[1]))))
    return start, start + (timedelta(seconds=1) if seconds else timedelta(minutes=1))


def period(fhir_type: str, value: Any) -> tuple[datetime, datetime] | None:
    match fhir_type:
        case "date" | "dateTime" | "instant":
            return moment(value)
        case "Period":
            start = moment(value["start"])[0] if "start" in value else FAR_PAST
            return start, moment(value["end"])[1] if "end" in value else FAR_FUTURE
        case "Timing":
            found = [moment(event) for event in value.get("event", [])]
            if "boundsPeriod" in value.get("repeat", {}):
                bounds = period("Period", value["repeat"]["boundsPeriod"])
                assert bounds is not None
                found.append(bounds)
            return (min(a for a, _ in found), max(b for _, b in found)) if found else None
    return None


def dated(bounds: tuple[datetime, datetime], text: str) -> bool:
    prefix, rest = (text[:2], text[2:]) if text[0].isalpha() else ("eq", text)
    (low, high), (start, end) = bounds, moment(rest)
    inside = start <= low and high <= end
    if prefix == "ap":
        tenth = min(abs(start - NOW), abs(end - NOW)) / 10
        return low < end + tenth and high > start - tenth
    return {
        "eq": inside,
        "ne": not inside,
        "gt": high > end,
        "lt": low < start,
        "ge": high > end or inside,
        "le": low < start or inside,
        "sa": low >= end,
        "eb": high <= start,
    }[prefix]


def number(value: Any) -> Decimal:
    return Decimal(str(value))


def amounts(fhir_type: str, value: Any) -> tuple[Decimal, Decimal] | None:
    """The smallest and the largest number that a value stands for; one infinitesimally beside an excluded end."""
    infinity, hair = Decimal("Infinity"), Decimal("1e-30")
    if not isinstance(value, dict):
        return number(value), number(value)
    match fhir_type:
        case "Range":
            low, high = value.get("low"), value.get("high")
            return number(low["value"]) if low else -infinity, number(high["value"]) if high else infinity
        case "SampledData":
            samples = [Decimal(s) for s in value["data"].split() if s not in "EUL"]
            numbers = [number(value["origin"]["value"]) + s * number(value.get("factor", 1)) for s in samples]
            return min(numbers), max(numbers)
    if "value" not in value:
        return None
    exact = number(value["value"])
    match value.get("comparator"):
        case "<":
            return -infinity, exact - hair
        case "<=":
            return -infinity, exact
        case ">":
            return exact + hair, infinity
        case ">=":
            return exact, infinity
    return exact, exact


def counted(bounds: tuple[Decimal, Decimal], text: str) -> bool:
    prefix, rest = (text[:2], text[2:]) if text[0].isalpha() else ("eq", text)
    (low, high), wanted = bounds, Decimal(rest)
    digits = len(rest.partition(".")[2])
    half = Decimal(5) / 10 ** (digits + 1)
    inside = wanted - half <= low and low < wanted + half and high < wanted + half
    tenth = abs(wanted) / 10
    return {
        "eq": inside,
        "ne": not inside,
        "gt": high > wanted,
        "lt": low < wanted,
        "ge": high >= wanted,
        "le": low <= wanted,
        "sa": low > wanted,
        "eb": high < wanted,
        "ap": low <= wanted + tenth and high >= wanted - tenth,
    }[prefix]


def has_unit(fhir_type: str, value: dict[str, Any], unit: list[str]) -> bool:
    if not unit or unit == ["", ""]:
        return True
    wanted = tuple(plain(part) for part in unit)
    for one_value in (value.get("low"), value.get("high"), value.get("origin"), value):
        if not one_value or "value" not in one_value:
            continue
        said = one_value.get("system"), one_value.get("code")
        if fhir_type == "Money":
            said = "urn:iso:std:iso:4217", one_value["currency"]
        if wanted in (said, ("", said[1]), ("", one_value.get("unit"))):
            return True
    return False


def composite(resource: dict[str, Any], parameter: Parameter, text: str) -> bool:
    stated = parameter.composite
    assert stated is not None
    texts = split(text, "$")
    if stated.parts and all(one(resource, part, "", t) for part, t in zip(stated.parts, texts, strict=True)):
        return True
    for branch in stated.elements:
        for element in getter(branch.hops)(resource):
            met = []
            for component, wanted in zip(stated.components, texts, strict=True):
                part = Parameter("", component.kind, "")
                start = resource if component.absolute else element
                met.append(
                    any(
                        meets_value(part, "", b.fhir_type, v, wanted)
                        for b in component.branches
                        for v in getter(b.hops)(start)
                    )
                )
            if all(met):
                return True
    return False
