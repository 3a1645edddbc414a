"""Addresses of the FHIR API. The portal's own are in `records.portal.urls`; `consortium.urls` includes both."""

from django.urls import URLPattern, URLResolver, path, re_path

from records.fhir.rest.door import FhirDoor, metadata

urlpatterns: list[URLPattern | URLResolver] = [
    path("fhir/metadata", metadata, name="fhir_metadata"),
    re_path(r"^fhir(?:/(?P<address>.*))?$", FhirDoor.as_view(), name="fhir"),
]
