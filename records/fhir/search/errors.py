"""What a search is refused with."""

from typing import Final

# Stable codes, each with the FHIR IssueType that an OperationOutcome gives it.
ISSUE_TYPES: Final[dict[str, str]] = {
    "search-parameter-unknown": "not-supported",
    "search-parameter-unsupported": "not-supported",
    "search-modifier-unsupported": "not-supported",
    "search-prefix-unsupported": "not-supported",
    "search-chain-unsupported": "not-supported",
    "search-chain-ambiguous": "invalid",
    "search-sort-unsupported": "not-supported",
    "search-include-unsupported": "not-supported",
    "search-result-parameter-invalid": "value",
    "search-value-empty": "value",
    "search-value-invalid": "value",
    "search-date-invalid": "value",
    "search-number-invalid": "value",
    "search-reference-invalid": "value",
    "search-type-unknown": "not-supported",
    "search-parameter-repeated": "invalid",
    "search-too-complex": "too-costly",
    "search-cursor-invalid": "value",
}


class SearchError(Exception):
    """A search that is not answered, and why: a stable code, the parameter as it was given, and a sentence that says
    what to do.

    Every one is the client's to mend: HTTP 400. `issue_type` is the FHIR IssueType for an OperationOutcome.
    """

    status = 400

    def __init__(self, code: str, parameter: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.parameter = shown(parameter, 100)
        self.sentence = sentence

    @property
    def issue_type(self) -> str:
        return ISSUE_TYPES[self.code]


def shown(text: str, limit: int = 60) -> str:
    """A client's text as it may appear in a sentence: printable and short."""
    clean = "".join(c if c.isprintable() else "\ufffd" for c in text[: limit + 1])
    return clean if len(clean) <= limit else clean[:limit] + "…"
