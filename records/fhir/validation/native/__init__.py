"""Invariants of R4 as plain Python: those of the datatypes, of bundles, of what hospitals send most, and of
everything whose FHIRPath is quadratic or not known to fhirpathpy.

The tests hold every one that fhirpathpy can evaluate against fhirpathpy's verdict.
"""

from typing import Final

from . import bundles, clinical, conformance, datatypes, element_definitions, forms
from .members import Element, Holds, Rules

__all__ = ["NATIVE", "Element", "Holds", "Rules"]

NATIVE: Final[Rules] = {
    **datatypes.RULES,
    **bundles.RULES,
    **clinical.RULES,
    **forms.RULES,
    **conformance.RULES,
    **element_definitions.RULES,
}
