"""The XHTML of a narrative: well formed, and only what R4 lets in.

R4, Narrative (txt-1, txt-2): the formatting elements of HTML 4.0 chapters 7 to 11 (without 9.4) and 15, `a`
with name or href, images, and style attributes; no script, no form, no event handler, no frame, no external
style sheet.
"""

import re
from typing import Final
from xml.parsers import expat


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NAMESPACE: Final = "http://www.w3.org/1999/xhtml"
_SEPARATOR: Final = " "
_MAX_DEPTH: Final = 100

_ELEMENTS: Final = _words(
    """
    a abbr acronym address b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em font
    h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre q s samp small span strike strong sub sup
    table tbody td tfoot th thead tr tt u ul var
    """
)
_COMMON: Final = _words("title style class id lang dir align {http://www.w3.org/XML/1998/namespace}lang")
_CELLS: Final = _words("abbr axis headers scope rowspan colspan char charoff valign bgcolor width height nowrap")
_ATTRIBUTES: Final = {
    "a": _words("href name hreflang rel rev charset type accesskey tabindex"),
    "img": _words("src alt height width border hspace vspace longdesc"),
    "blockquote": frozenset({"cite"}),
    "q": frozenset({"cite"}),
    "br": frozenset({"clear"}),
    "hr": _words("noshade size width"),
    "font": _words("size color face"),
    "pre": frozenset({"width"}),
    "ol": _words("type start compact"),
    "ul": _words("type compact"),
    "dl": frozenset({"compact"}),
    "li": _words("type value"),
    "table": _words("summary width border frame rules cellspacing cellpadding bgcolor"),
    "td": _CELLS,
    "th": _CELLS,
    "tr": _words("char charoff valign bgcolor"),
    "col": _words("span width char charoff valign"),
    "colgroup": _words("span width char charoff valign"),
    "thead": _words("char charoff valign"),
    "tbody": _words("char charoff valign"),
    "tfoot": _words("char charoff valign"),
}
_LINKS: Final = frozenset({"href", "src", "cite", "longdesc"})
# Relative links, fragments, and schemes that run nothing.
_SAFE_LINK: Final = re.compile(r"(?:https?|mailto|tel|ftp|urn|cid):|[^:]*(?:[/?#]|\Z)", re.IGNORECASE)
_SAFE_IMAGE: Final = re.compile(r"data:image/(?:png|jpeg|gif|webp|bmp);base64,", re.IGNORECASE)
_UNSAFE_STYLE: Final = re.compile(
    r"\\|expression\s*\(|javascript:|vbscript:|behavior\s*:|-moz-binding|@import", re.IGNORECASE
)
_IGNORED: Final = re.compile(r"[\x00-\x20\x7f\u200b-\u200f\u2028\u2029\ufeff]+")


class _Refused(Exception):
    pass


class _Reader:
    """Listens to the parser and stops at the first thing that has no place in a narrative."""

    def __init__(self) -> None:
        self.depth = 0
        self.content = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        if namespace != _NAMESPACE:
            raise _Refused(f'<{local}> is not XHTML: write <div xmlns="{_NAMESPACE}">')
        if self.depth == 0 and local != "div":
            raise _Refused(f"the outermost element is <{local}>; it must be <div>")
        if local not in _ELEMENTS:
            raise _Refused(f"the element <{local}> is not allowed")
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _Refused(f"elements are nested more than {_MAX_DEPTH} deep")
        if local == "img":
            self.content = True
        for attribute, value in attributes.items():
            self._attribute(local, attribute, value)

    def _attribute(self, element: str, name: str, value: str) -> None:
        namespace, separator, local = name.rpartition(_SEPARATOR)
        if separator:
            name = f"{{{namespace}}}{local}"
        if name not in _COMMON and name not in _ATTRIBUTES.get(element, ()):
            raise _Refused(f"the attribute {local} is not allowed on <{element}>")
        if name == "style" and _UNSAFE_STYLE.search(value):
            raise _Refused("the style runs code or loads a style sheet")
        if name in _LINKS:
            target = _IGNORED.sub("", value)
            if not (_SAFE_LINK.match(target) or (name == "src" and _SAFE_IMAGE.match(target))):
                raise _Refused(f"the {name} of <{element}> has a scheme that is not allowed")

    def end(self, name: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        if not self.content and data.strip():
            self.content = True

    def refuse(self, *_: object) -> None:
        raise _Refused("it has a document type, an entity declaration or a processing instruction")


def complaint(div: str) -> tuple[str, str] | None:
    """Why a narrative's div is refused, as (our code, sentence); None when it is fine."""
    parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
    parser.buffer_text = True
    reader = _Reader()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.ProcessingInstructionHandler = reader.refuse
    try:
        parser.Parse(div.encode(), True)
    except expat.ExpatError as error:
        return (
            "narrative-not-xhtml",
            f"The narrative is not well-formed XHTML: {expat.ErrorString(error.code)}.",
        )
    except _Refused as reason:
        return "narrative-not-allowed", f"The narrative is refused: {reason}."
    if not reader.content:
        return "narrative-empty", "The narrative says nothing: give it some text, or leave it out."
    return None
