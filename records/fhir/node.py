"""What of this node's settings the FHIR door depends on."""

import functools
from dataclasses import dataclass
from datetime import tzinfo
from zoneinfo import ZoneInfo

from django.conf import settings


@dataclass(frozen=True, slots=True)
class FhirNode:
    """`base_url` ends without a slash: `https://hospital.example/fhir`. `zone`: where dates without a zone are read."""

    name: str
    base_url: str
    zone: tzinfo

    @property
    def own_references(self) -> str:
        """What an absolute reference to a record of this node begins with."""
        return self.base_url + "/"


@functools.cache
def fhir_node() -> FhirNode:
    """This node, as the settings have it when first asked."""
    return FhirNode(
        name=settings.NODE_NAME,
        base_url=f"{settings.NODE_URL.rstrip('/')}/fhir",
        zone=ZoneInfo(settings.NODE_ZONE),
    )
