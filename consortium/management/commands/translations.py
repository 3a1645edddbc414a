"""Translations without GNU gettext: strings are collected from code and templates, and catalogues compiled, by Babel.

`extract` brings locale/*/LC_MESSAGES/django.po up to date: new strings are added untranslated, strings that are gone
are removed, translations stay. `compile` makes the .mo files that Django reads; they are not kept in the repository.
"""

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation.template import templatize

ROOMS: Final = ("consortium", "ledger", "records", "traceability")
CONTEXT: Final = ((1, "c"), 2)
KEYWORDS: Final[dict[str, Any]] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": CONTEXT,
    "pgettext_lazy": CONTEXT,
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}
# They would differ each time, and say nothing.
_HEADERS_LEFT_OUT: Final = (
    '"Generated-By',
    '"POT-Creation-Date',
    '"PO-Revision-Date',
    '"Report-Msgid',
    '"Last-Translator',
)


def collected(root: Path) -> Catalog:
    """Every translatable string of the rooms and the templates under `root`."""
    catalogue = Catalog(charset="utf-8")
    for source in _sources(root):
        for context, message in _strings(source):
            catalogue.add(message, context=context, flags=_flags(message))
    return catalogue


def catalogues(root: Path) -> list[Path]:
    """The .po file of each language that we translate into."""
    return sorted((root / "locale").glob("*/LC_MESSAGES/django.po"))


def read(path: Path) -> Catalog:
    """A .po file with its translations, those marked as fuzzy too."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], charset="utf-8")


def updated(existing: Catalog, current: Catalog) -> Catalog:
    """`existing`, with the strings of `current` and no others. Nothing is guessed, so nothing becomes fuzzy."""
    result = Catalog(locale=existing.locale, project="Xinglin", version="1", charset="utf-8", fuzzy=False)
    for message in current:
        if message.id:
            known = existing.get(message.id, message.context) or existing.get(_first(message.id), message.context)
            result.add(message.id, known.string if known else "", flags=message.flags, context=message.context)
    return result


def as_po(catalogue: Catalog) -> bytes:
    """The catalogue as a .po file, sorted, without places in the code and without dates: it changes when words do."""
    buffer = io.BytesIO()
    write_po(buffer, catalogue, width=110, sort_output=True, no_location=True, omit_header=False)
    lines = buffer.getvalue().splitlines(keepends=True)
    begin = next(number for number, line in enumerate(lines) if line.startswith(b"msgid"))
    return b"".join(line for line in lines[begin:] if not line.startswith(tuple(h.encode() for h in _HEADERS_LEFT_OUT)))


def compile_catalogue(path: Path) -> Path:
    """Writes the .mo file beside a .po file, whole or not at all."""
    target = path.with_suffix(".mo")
    buffer = io.BytesIO()
    write_mo(buffer, read(path))
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(buffer.getvalue())
    os.chmod(file.name, 0o644)
    os.replace(file.name, target)
    return target


def _sources(root: Path) -> Iterator[Path]:
    for room in ROOMS:
        for path in sorted((root / room).rglob("*")):
            if path.suffix in {".py", ".html"} and "migrations" not in path.parts:
                yield path
    yield from sorted((root / "templates").rglob("*.html"))


def _strings(path: Path) -> Iterator[tuple[str | None, str | tuple[str, str]]]:
    """(context, message) for each marked string, message being a pair for one with a plural."""
    code = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        # What is left of a template is Python in its calls only; its indentation would not be.
        code = "\n".join(line.lstrip() for line in templatize(code).splitlines())
    calls: Iterator[tuple[int, str, Any, list[str]]] = extract_python(io.BytesIO(code.encode()), KEYWORDS, [], {})  # type: ignore[assignment] # declared too narrowly
    for _line, function, found, _comments in calls:
        texts = list(found) if isinstance(found, tuple) else [found]
        context = texts.pop(0) if "pgettext" in function else None
        count = 2 if function.startswith("n") else 1
        # A call with a variable in place of a string is for strings that are marked where they are written.
        if len(texts) >= count and all(isinstance(text, str) and text for text in texts[:count]):
            yield context, (texts[0], texts[1]) if count == 2 else texts[0]


def _flags(message: str | tuple[str, str]) -> list[str]:
    texts = (message,) if isinstance(message, str) else message
    return ["python-format"] if any("%(" in text for text in texts) else []


def _first(message_id: Any) -> str:
    return str(message_id[0] if isinstance(message_id, list | tuple) else message_id)


def untranslated(catalogue: Catalog) -> list[Message]:
    """Strings without a translation in at least one plural form, or with one that is only a guess."""
    return [message for message in catalogue if message.id and (message.fuzzy or not all(_forms(message)))]


def _forms(message: Message) -> tuple[str, ...]:
    found: Any = message.string
    return tuple(found) if isinstance(found, list | tuple) else (found or "",)


class Command(BaseCommand):
    help = "Collect translatable strings into locale/, or compile the catalogues there."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["extract", "compile"])

    def handle(self, *args: object, **options: Any) -> None:
        root = Path(settings.BASE_DIR)
        paths = catalogues(root)
        if not paths:
            raise CommandError("There is no catalogue: create locale/LANGUAGE/LC_MESSAGES/django.po, an empty file.")
        current = collected(root) if options["action"] == "extract" else None
        for path in paths:
            if current is None:
                compile_catalogue(path)
                self.stdout.write(f"{path.parts[-3]}: compiled")
                continue
            catalogue = updated(read(path), current)
            path.write_bytes(as_po(catalogue))
            left = len(untranslated(catalogue))
            self.stdout.write(f"{path.parts[-3]}: {len(catalogue)} strings, {left} without translation")
