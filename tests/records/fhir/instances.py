"""Random resources made from R4's definitions: right in structure and, when repaired, in the invariants of
datatypes.
"""

import json
import random
from decimal import Decimal
from typing import Any

from records.fhir import definitions
from records.fhir.definitions import Element

Json = dict[str, Any]

_SAMPLES: dict[str, list[Any]] = {
    "boolean": [True, False],
    "integer": [0, -3, 2147483647],
    "unsignedInt": [0, 7],
    "positiveInt": [1, 12],
    "decimal": [0, 1, -2, Decimal("0.50"), Decimal("1E-7"), 123456789012345678901234567890],
    "string": ["杏林", "a b", " x", "é\n"],
    "markdown": ["*x*\r\n"],
    "uri": ["http://example.org/a", "urn:oid:1.2.3"],
    "url": ["http://example.org/a"],
    "canonical": ["http://example.org/x|1"],
    "code": ["a", "a b"],
    "id": ["a-1.B"],
    "oid": ["urn:oid:1.2.3"],
    "uuid": ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"],
    "date": ["2020", "2020-02", "2020-02-29", "0001-01-01", "9999-12-31"],
    "dateTime": [
        "2020",
        "2020-02",
        "2020-02-29",
        "2020-02-29T12:00:00+08:00",
        "2020-02-29T12:00:00.5Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59.999999-11:30",
    ],
    "instant": ["2020-02-29T12:00:00.123Z", "2020-02-29T12:00:00.123456789+05:30"],
    "time": ["12:00:00", "23:59:59.999", "00:00:00.123456789"],
    "base64Binary": ["AAAA", "AQ=="],
    "xhtml": ['<div xmlns="http://www.w3.org/1999/xhtml">x</div>'],
}


def written(value: Any) -> bytes:
    """`value` as JSON; a Decimal with all its digits."""
    numbers: list[str] = []

    def number(decimal: Any) -> str:
        if not isinstance(decimal, Decimal):
            raise TypeError
        numbers.append(str(decimal))
        return f"\x01{len(numbers) - 1}\x01"

    text = json.dumps(value, default=number)
    for index, digits in enumerate(numbers):
        text = text.replace(f'"\\u0001{index}\\u0001"', digits)
    return text.encode()


class Maker:
    """Makes resources. `density` is the chance that an optional member appears; less of it deeper down."""

    def __init__(self, seed: int, density: float = 0.25, *, repair: bool = True) -> None:
        self.random = random.Random(seed)
        self.density = density
        self.repair = repair

    def resource(self, kind: str) -> Json:
        """One resource of type `kind`."""
        return {"resourceType": kind, **self._object(kind, 0)}

    def _object(self, structure: str, level: int) -> Json:
        value: Json = {}
        for element in definitions.structure(structure).elements:
            if element.min or (level < 5 and self.random.random() < self.density / (1 + level)):
                self._member(value, element, level)
        if not value or set(value) == {"id"}:
            for element in definitions.structure(structure).elements:
                if element.name not in ("id", "extension", "modifierExtension", "contained"):
                    self._member(value, element, level)
                    break
        if self.repair:
            self._repair(structure, value, level)
        return value

    def _member(self, value: Json, element: Element, level: int) -> None:
        if element.name in ("contained", "extension", "modifierExtension") and level > 2:
            return
        name, kind = self.random.choice(list(element.json_names().items()))
        if kind is not None and kind.code == "Resource":
            if element.name == "contained":
                return
            value[name] = {"resourceType": "Basic", "code": {"text": "x"}}
            return
        if kind is not None and definitions.structure(kind.code).kind == "resource":
            return
        made = [self._value(element, kind, level) for _ in range(self.random.choice((1, 1, 2)))]
        value[name] = made if element.repeats else made[0]
        has_sibling = kind is not None and kind.code in _SAMPLES and element.name != "id"
        if has_sibling and element.path != "Extension.url" and self.random.random() < 0.1:
            self._sibling(value, name)

    def _sibling(self, value: Json, name: str) -> None:
        """Extensions of a primitive; sometimes instead of its value."""
        extra = {"id": "e1", "extension": [{"url": "http://example.org/e", "valueCode": "c"}]}
        instead = self.random.random() < 0.5
        if isinstance(value[name], list):
            value[f"_{name}"] = [extra, *([None] * (len(value[name]) - 1))]
            if instead:
                value[name][0] = None
                if value[name] == [None]:
                    value.pop(name)
        else:
            value[f"_{name}"] = extra
            if instead:
                value.pop(name)

    def _value(self, element: Element, kind: Any, level: int) -> Any:
        if element.structure is not None:
            return self._object(element.structure, level + 1)
        bound = definitions.codes(element.binding) if element.binding else None
        if kind.code in _SAMPLES:
            if bound and kind.code == "code":
                return self.random.choice(sorted(c for listed in bound.values() for c in listed))
            if element.binding and element.binding.endswith("currencies"):
                return "CNY"
            return self.random.choice(_SAMPLES[kind.code])
        value = self._object(kind.code, level + 1)
        if bound:
            system = self.random.choice(sorted(bound))
            value["coding"] = [{"system": system, "code": self.random.choice(sorted(bound[system]))}]
        if kind.code == "Reference":
            value["reference"] = f"{self.random.choice(kind.targets or ('Patient',))}/1".replace(
                "Resource/", "Patient/"
            )
            value.pop("type", None)
        if kind.profile == "SimpleQuantity":
            value.pop("comparator", None)
        if kind.profile == "MoneyQuantity":
            value |= {"system": "urn:iso:std:iso:4217", "code": "CNY"}
        return value

    def _repair(self, structure: str, value: Json, level: int) -> None:
        if structure == "Extension":
            if "extension" in value and level > 2:
                value.pop("extension")
            values = [k for k in value if k.startswith(("value", "_value"))]
            if "extension" in value:
                for k in values:
                    value.pop(k)
            elif not values:
                value["valueString"] = "x"
        elif structure in (
            "Quantity",
            "Age",
            "Count",
            "Distance",
            "Duration",
            "MoneyQuantity",
            "SimpleQuantity",
        ):
            value |= {"system": "http://unitsofmeasure.org", "code": "1", "value": 1}
        elif structure == "Ratio":
            value |= {"numerator": {"value": 1}, "denominator": {"value": 2}}
        elif structure == "Range":
            value.pop("high", None)
            value.setdefault("low", {"value": 1})
        elif structure == "Period":
            value.pop("end", None)
            value.setdefault("start", "2020")
        elif structure == "Attachment":
            value["contentType"] = "text/plain"
        elif structure == "ContactPoint":
            value["system"] = "phone"
        elif structure == "Expression":
            value["expression"] = "x"
        elif structure == "Timing.repeat":
            for name in list(value):
                if name not in ("id", "extension", "boundsPeriod"):
                    value.pop(name)
            value["count"] = 1
        elif structure in ("DataRequirement.codeFilter", "DataRequirement.dateFilter"):
            value.pop("searchParam", None)
            value["path"] = "x"
        elif structure == "TriggerDefinition":
            for name in [n for n in value if n not in ("id", "extension")]:
                value.pop(name)
            value |= {"type": "named-event", "name": "x"}
