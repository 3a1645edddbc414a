"""The strict walk: every member of a resource held against R4's definitions.

One pass over the parsed values. Places are kept as linked pairs and written out only for a finding, so that a
resource without findings costs little more than the look-ups.
"""

from typing import Any, Final

from ..definitions import TYPE_NUMBERS
from ..jsontext import expression
from ..outcome import Issue, Severity, shown
from . import contained, typed
from .invariants import Rule
from .primitives import complaint
from .tables import Kind, Member, Table, allowed_codes, table, table_of

MAX_ISSUES: Final = 100
MAX_COSTLY_RULES: Final = 20_000

Json = dict[str, Any]
Place = tuple[Any, str | int] | None

_PRIMITIVE: Final = Kind.PRIMITIVE
_COMPLEX: Final = Kind.COMPLEX
_SIBLING: Final = Kind.SIBLING


class Walk:
    """One document being walked. `root` is the resource around contained ones, `resource` the nearest one."""

    __slots__ = (
        "advise",
        "contained",
        "costly",
        "document",
        "errors",
        "in_bundle",
        "in_transaction",
        "issues",
        "resource",
        "root",
        "skip_entries",
    )

    def __init__(self, document: Json, *, in_transaction: bool, skip_entries: bool, advise: bool) -> None:
        self.document = document
        self.in_transaction = in_transaction
        self.skip_entries = skip_entries
        self.advise = advise
        self.in_bundle = False
        self.issues: list[Issue] = []
        self.errors = 0
        self.costly = 0
        self.root = self.resource = document
        self.contained: dict[str, Json] = {}

    def run(self) -> list[Issue]:
        """Walk the document from its root."""
        self._resource(self.document, None)
        return self.issues

    def find(
        self,
        place: Place,
        details_code: str,
        diagnostics: str,
        *,
        code: str = "structure",
        severity: Severity = "error",
    ) -> None:
        """Note one finding. Past a hundred the sender has enough to work on."""
        self.errors += severity == "error"
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(Issue(severity, code, details_code, self._expression(place), diagnostics))

    def _expression(self, place: Place) -> str:
        steps: list[str | int] = []
        while place is not None:
            place, step = place
            steps.append(step)
        kind = self.document.get("resourceType")
        return expression(kind if isinstance(kind, str) and kind in TYPE_NUMBERS else "Resource", steps[::-1])

    # --- resources ---

    def _resource(self, value: Json, place: Place, *, is_contained: bool = False) -> None:
        kind = value.get("resourceType")
        if not isinstance(kind, str):
            self.find(
                place,
                "missing-resource-type",
                "Name the type of the resource in resourceType.",
                code="required",
            )
            return
        if kind not in TYPE_NUMBERS:
            self.find((place, "resourceType"), "unknown-resource-type", f"R4 has no type {shown(kind)}.", code="value")
            return
        outer = (self.resource, self.root, self.contained)
        self.resource = value
        if not is_contained:
            self.root = value
            self.contained = contained.by_id(value)
        self._object(value, table(kind), place)
        if is_contained:
            contained.check_one(self, value, place)
        elif "contained" in value:
            contained.check_all(self, value, place)
        if self.advise and not is_contained:
            contained.advise(self, value, place)
        self.resource, self.root, self.contained = outer

    def _nested_resource(self, value: Any, member: Member, place: Place) -> None:
        if type(value) is not dict:
            self.find(place, "wrong-json-type", "This must be a resource, as a JSON object.")
            return
        if member.type not in ("Resource", value.get("resourceType")):
            self.find(place, "wrong-resource-type", f"This must be a resource of type {member.type}.", code="value")
            return
        path = member.element.path
        if path == "Bundle.entry.resource":
            if self.skip_entries:
                return
            outer, self.in_bundle = self.in_bundle, True
            self._resource(value, place)
            self.in_bundle = outer
        else:
            self._resource(value, place, is_contained=member.element.name == "contained")

    # --- objects ---

    def _object(self, value: Json, rules: Table, place: Place) -> None:
        if not value:
            self.find(place, "empty-object", "An object is never empty: leave it out.")
            return
        errors = self.errors
        members = rules.members
        chosen: dict[str, str] | None = None
        for key, item in value.items():
            member = members.get(key)
            if member is None:
                if key != "resourceType" or not rules.is_resource:
                    self._unknown(key, rules, place)
                continue
            if member.choice is not None:
                name = member.of or key
                if chosen is None:
                    chosen = {}
                if chosen.setdefault(member.choice, name) != name:
                    self.find(
                        (place, key),
                        "several-choices",
                        f"{member.choice}[x] has one type: keep either {chosen[member.choice]} or {name}.",
                    )
            if member.kind is _PRIMITIVE:
                if member.many:
                    self._primitives(item, member, value, (place, key))
                elif type(item) is not member.python or not member.accepts(item):
                    self._bad_primitive(item, member, (place, key))
                elif member.rules:
                    self._judge(member.rules, item, (place, key))
            elif member.many:
                self._many(item, member, value, (place, key))
            elif member.kind is _COMPLEX:
                if type(item) is dict:
                    self._complex(item, member, (place, key))
                else:
                    self.find((place, key), "wrong-json-type", f"This must be one JSON object ({member.type}).")
            elif member.kind is _SIBLING:
                self._sibling(item, member, value, (place, key))
            else:
                self._nested_resource(item, member, (place, key))
        for names in rules.required:
            if names[0] not in value and not any(n in value or f"_{n}" in value for n in names):
                self._missing(names, place)
        if len(value) == 1 and "id" in value and not (rules.is_resource or rules.name == "Element"):
            self.find(place, "empty-object", "ele-1: an element has a value, not only an id.", code="invariant")
        # A rule reads what it judges; it is not asked about shapes that are wrong already.
        if rules.rules and self.errors == errors:
            self._judge(rules.rules, value, place)
        if self.advise and rules.advice and self.errors == errors:
            self._judge(rules.advice, value, place)

    def _complex(self, value: Json, member: Member, place: Place) -> None:
        self._object(value, member.table or table_of(member), place)
        check = typed.CHECKS.get(member.type)
        if check is not None:
            check(self, value, member, place)
        if member.rules:
            self._judge(member.rules, value, place)

    def _many(self, items: Any, member: Member, owner: Json, place: Place) -> None:
        if not self._is_array(items, member, place):
            return
        if member.kind is _COMPLEX:
            for index, item in enumerate(items):
                if type(item) is dict:
                    self._complex(item, member, (place, index))
                else:
                    self.find((place, index), "wrong-json-type", f"This must be a JSON object ({member.type}).")
        elif member.kind is _SIBLING:
            self._siblings(items, member, owner, place)
        else:
            for index, item in enumerate(items):
                self._nested_resource(item, member, (place, index))

    def _is_array(self, items: Any, member: Member, place: Place) -> bool:
        if type(items) is not list:
            self.find(place, "not-an-array", f"{member.name} repeats: write it as an array, even for one.")
            return False
        if not items:
            self.find(place, "empty-array", "An array is never empty: leave it out.")
            return False
        if member.element.max is not None and len(items) > member.element.max:
            self.find(place, "too-many-items", f"At most {member.element.max} are allowed.")
        return True

    def _unknown(self, key: str, rules: Table, place: Place) -> None:
        choice = next((m for m in rules.members.values() if m.choice == key), None)
        hint = f"write {key} with its type, such as {choice.name}" if choice else "take it out or use an extension"
        self.find((place, key), "unknown-member", f"R4 defines no {shown(key)} on {rules.name}: {hint}.")

    def _missing(self, names: tuple[str, ...], place: Place) -> None:
        said = names[0] if len(names) == 1 else f"one of {', '.join(names[:6])}"
        self.find((place, names[0]), "missing-member", f"R4 requires {said} here.", code="required")

    # --- primitives ---

    def _bad_primitive(self, value: Any, member: Member, place: Place) -> None:
        found = complaint(member.type, value)
        if found is not None:
            self.find(place, found[1], found[2], code=found[0])
        elif member.codes is not None:
            self.find(
                place,
                "code-not-in-value-set",
                f"{shown(value)} is not among the codes that R4 requires here: {allowed_codes(member)}.",
                code="code-invalid",
            )
        elif not member.accepts(value):
            self.find(place, "code-not-in-value-set", "This is not a code that R4 allows here.", code="code-invalid")

    def _primitives(self, items: Any, member: Member, owner: Json, place: Place) -> None:
        if not self._is_array(items, member, place):
            return
        for index, item in enumerate(items):
            if type(item) is member.python and member.accepts(item):
                continue
            if item is None:
                siblings = owner.get(f"_{member.name}")
                if type(siblings) is list and index < len(siblings) and siblings[index] is not None:
                    continue
            self._bad_primitive(item, member, (place, index))

    def _sibling(self, value: Any, member: Member, owner: Json, place: Place) -> None:
        if type(value) is not dict:
            self.find(
                place,
                "wrong-json-type",
                f"{member.name} must be an object with the id and extensions of {member.of}.",
            )
            return
        self._object(value, table_of(member), place)
        if member.of not in owner and "extension" not in value:
            self.find(place, "empty-object", f"{member.of} has neither a value nor an extension.", code="invariant")

    def _siblings(self, items: list[Any], member: Member, owner: Json, place: Place) -> None:
        values = owner.get(member.of or "")
        if type(values) is list and len(values) != len(items):
            self.find(
                place,
                "misaligned-arrays",
                f"{member.of} and {member.name} must have the same length: fill gaps with null.",
            )
            return
        for index, item in enumerate(items):
            if item is None:
                if type(values) is not list or values[index] is None:
                    self.find(
                        (place, index),
                        "null-value",
                        f"Neither {member.of} nor {member.name} has anything here.",
                    )
            elif type(item) is not dict:
                self.find(
                    (place, index),
                    "wrong-json-type",
                    "This must be null or an object with an id or extensions.",
                )
            else:
                self._object(item, table_of(member), (place, index))
                if "extension" not in item and (type(values) is not list or values[index] is None):
                    self.find(
                        (place, index),
                        "empty-object",
                        f"{member.of} has neither a value nor an extension here.",
                        code="invariant",
                    )

    # --- rules ---

    def _judge(self, rules: tuple[Rule, ...], value: Any, place: Place) -> None:
        for rule in rules:
            if rule.costly:
                if len(self.issues) >= MAX_ISSUES:
                    return
                self.costly += 1
                if self.costly > MAX_COSTLY_RULES:
                    if self.costly == MAX_COSTLY_RULES + 1:
                        self.find(
                            place,
                            "too-costly",
                            "There is too much here to check: send it in parts.",
                            code="too-costly",
                        )
                    return
            invariant = rule.invariant
            verdict = rule.holds(value, self.resource, self.root)
            if verdict is None:
                self.find(
                    place,
                    f"{invariant.key}-not-judged",
                    f"{invariant.key} could not be evaluated: {invariant.human}",
                    code="incomplete",
                    severity="warning",
                )
            elif not verdict:
                self.find(
                    place,
                    invariant.key,
                    f"{invariant.key}: {invariant.human}",
                    code="invariant",
                    severity=invariant.severity,
                )
