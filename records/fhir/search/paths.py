"""The part of FHIRPath that R4's SearchParameter expressions use: parsed, typed, and turned into Python closures.

What is understood: unions, member access, brackets, `as`, `.as()`, `.ofType()`, `.where(name='text')`,
`.where(resolve() is Type)`, `.extension('url')`, `[n]`, `%resource`, and the one truth (`X.exists() and X != false`).
Anything else raises UnsupportedExpression when definitions are loaded, never when a record is stored. Types come from
the definitions, so that `Observation.value.ofType(Quantity)` becomes the JSON member `valueQuantity`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from records.fhir import definitions


class UnsupportedExpression(Exception):
    """An expression of a search parameter is outside the part of FHIRPath that is compiled."""

    code = "search-expression-unsupported"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a member, with what narrows it."""

    name: str
    of_type: str | None = None
    where: tuple[str, str] | None = None
    index: int | None = None

    def __str__(self) -> str:
        text = self.name
        if self.of_type:
            text += f".ofType({self.of_type})"
        if self.where:
            text += f".where({self.where[0]}='{self.where[1]}')"
        if self.index is not None:
            text += f"[{self.index}]"
        return text


@dataclass(frozen=True, slots=True)
class Path:
    """One member of a union. `root` is a type, `%resource`, or empty for a path relative to where it is evaluated.

    `target`: only references to this type count. `truth`: the value is whether there is one that is not false.
    """

    root: str
    steps: tuple[Step, ...]
    target: str | None = None
    truth: bool = False

    @property
    def expression(self) -> str:
        """The path in one canonical spelling, without the filter on the target, so that slots can be shared."""
        text = ".".join((self.root, *map(str, self.steps)) if self.root else map(str, self.steps))
        return f"{text}.exists()" if self.truth else text


@dataclass(frozen=True, slots=True)
class Hop:
    """One JSON member on the way to a value."""

    name: str
    repeats: bool
    where: tuple[str, str] | None = None
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """A typed way through the JSON: hops, the FHIR type at the end, the required value set and the reference targets
    there."""

    hops: tuple[Hop, ...]
    fhir_type: str
    binding: str | None
    targets: tuple[str, ...]

    @property
    def repeats(self) -> bool:
        return any(hop.repeats and hop.index is None for hop in self.hops)


_TOKEN = re.compile(
    r"\s*(?:(?P<name>%?[A-Za-z_][A-Za-z0-9_]*)|'(?P<text>[^']*)'|(?P<number>\d+)|(?P<mark>!=|[().|=\[\]]))"
)


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, position = [], 0
    expression = expression.strip()
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None or match.lastgroup is None:
            raise UnsupportedExpression(f"{expression!r} at {position}")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


class _Parser:
    """Recursive descent; every method returns the paths of a union."""

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self.tokens = _tokens(expression)
        self.at = 0

    def refuse(self) -> UnsupportedExpression:
        return UnsupportedExpression(f"{self.expression!r} at token {self.at}")

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) and self.tokens[self.at][0] != "text" else ""

    def take(self, group: str, value: str | None = None) -> str:
        if (
            self.at >= len(self.tokens)
            or self.tokens[self.at][0] != group
            or value not in (None, self.tokens[self.at][1])
        ):
            raise self.refuse()
        self.at += 1
        return self.tokens[self.at - 1][1]

    def accept(self, value: str) -> bool:
        if self.peek() != value:
            return False
        self.at += 1
        return True

    def whole(self) -> tuple[Path, ...]:
        paths = self.union()
        if self.accept("and"):
            again = self.union()
            self.take("mark", "!=")
            self.take("name", "false")
            if [replace(p, truth=True) for p in again] != paths:
                raise self.refuse()
        elif any(p.truth for p in paths):
            raise self.refuse()
        if self.at != len(self.tokens):
            raise self.refuse()
        return tuple(paths)

    def union(self) -> list[Path]:
        paths = self.term()
        while self.accept("|"):
            paths += self.term()
        return paths

    def term(self) -> list[Path]:
        paths = self.postfix()
        if self.accept("as"):
            paths = self.narrowed(paths, of_type=self.take("name"))
        return paths

    def postfix(self) -> list[Path]:
        if self.accept("("):
            paths = self.union()
            self.take("mark", ")")
        else:
            name = self.take("name")
            is_root = name[0].isupper() or name == "%resource"
            paths = [Path(name, ()) if is_root else Path("", (Step(name),))]
        while True:
            if self.accept("."):
                paths = self.member(paths)
            elif self.accept("["):
                paths = self.narrowed(paths, index=int(self.take("number")))
                self.take("mark", "]")
            else:
                return paths

    def member(self, paths: list[Path]) -> list[Path]:
        if any(p.target or p.truth for p in paths):
            raise self.refuse()
        name = self.take("name")
        if not self.accept("("):
            return [replace(p, steps=(*p.steps, Step(name))) for p in paths]
        if name in ("as", "ofType"):
            paths = self.narrowed(paths, of_type=self.take("name"))
        elif name == "exists":
            paths = [replace(p, truth=True) for p in paths]
        elif name == "extension":
            url = self.take("text")
            paths = [replace(p, steps=(*p.steps, Step("extension", where=("url", url)))) for p in paths]
        elif name == "where":
            member = self.take("name")
            if member == "resolve":
                self.take("mark", "(")
                self.take("mark", ")")
                self.take("name", "is")
                target = self.take("name")
                paths = [replace(p, target=target) for p in paths]
            else:
                self.take("mark", "=")
                paths = self.narrowed(paths, where=(member, self.take("text")))
        else:
            raise self.refuse()
        self.take("mark", ")")
        return paths

    def narrowed(self, paths: list[Path], **how: Any) -> list[Path]:
        if any(not p.steps or getattr(p.steps[-1], key) is not None for p in paths for key in how):
            raise self.refuse()
        return [replace(p, steps=(*p.steps[:-1], replace(p.steps[-1], **how))) for p in paths]


def parse(expression: str) -> tuple[Path, ...]:
    """The paths whose union an expression is. Raises UnsupportedExpression."""
    return _Parser(expression).whole()


def resolve(structure_name: str, steps: Sequence[Step]) -> tuple[Branch, ...]:
    """The typed ways through JSON that a path means, starting at a type or backbone. Raises UnsupportedExpression."""
    branches = [Branch((), structure_name, None, ())]
    for step in steps:
        branches = [longer for branch in branches for longer in _follow(branch, step)]
        if not branches:
            raise UnsupportedExpression(f"{structure_name} has no {'.'.join(map(str, steps))}")
    return tuple(branches)


def _follow(branch: Branch, step: Step) -> Iterator[Branch]:
    try:
        structure = definitions.structure(branch.fhir_type)
    except KeyError:
        return
    for element in structure.elements:
        if element.name != step.name:
            continue
        for name, kind in element.json_names().items():
            code = element.structure or (kind.code if kind else "")
            if step.of_type and (kind is None or kind.code.lower() != step.of_type.lower()):
                continue
            hop = Hop(name, element.repeats, step.where, step.index)
            yield Branch((*branch.hops, hop), code, element.binding, kind.targets if kind else ())


def getter(hops: Sequence[Hop]) -> Callable[[Any], list[Any]]:
    """A closure from a JSON object to the values at the end of the hops, in order; nothing for what is not there."""
    if len(hops) == 1 and hops[0].where is None and hops[0].index is None:
        return _single(hops[0].name)
    followed = tuple((hop.name, hop.where, hop.index) for hop in hops)

    def values(node: Any) -> list[Any]:
        current = [node]
        for name, where, index in followed:
            reached: list[Any] = []
            for item in current:
                value = item.get(name) if type(item) is dict else None
                if type(value) is list:
                    reached.extend(v for v in value if v is not None)
                elif value is not None:
                    reached.append(value)
            if where is not None:
                reached = [v for v in reached if type(v) is dict and v.get(where[0]) == where[1]]
            if index is not None:
                reached = reached[index : index + 1]
            if not reached:
                return reached
            current = reached
        return current

    return values


def _single(name: str) -> Callable[[Any], list[Any]]:
    def values(node: Any) -> list[Any]:
        value = node.get(name) if type(node) is dict else None
        if value is None:
            return []
        if type(value) is list:
            return [v for v in value if v is not None]
        return [value]

    return values
