"""JSON as it was sent: read strictly, and changed only at named tokens.

FHIR bodies are stored, hashed and proved byte for byte, so nothing here ever writes a parsed value back.
`parse` refuses whatever two readers could understand differently (RFC 8259 and I-JSON, RFC 7493: duplicate
members, lone surrogates, byte-order marks, U+0000, NaN); the rest finds tokens and replaces them, and leaves
every other byte where it was.

A write is `splice(data, [*relink(document, links), *assign(data, id=..., version_id=...,
last_updated=...)])`.
"""

from .editing import Edit, EntrySlice, assign, entry_documents, entry_slices, quote, replace_at, splice
from .links import Reference, references, relink
from .reading import LIMITS, Document, Limits, parse
from .tokens import Path, expression

__all__ = [
    "LIMITS",
    "Document",
    "Edit",
    "EntrySlice",
    "Limits",
    "Path",
    "Reference",
    "assign",
    "entry_documents",
    "entry_slices",
    "expression",
    "parse",
    "quote",
    "references",
    "relink",
    "replace_at",
    "splice",
]
