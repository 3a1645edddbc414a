"""The portal's addresses."""

from django.urls import path, register_converter
from django.urls.converters import IntConverter, StringConverter

from records.portal import checking, views

app_name = "portal"


class TypeConverter(StringConverter):
    regex = "[A-Z][A-Za-z]{1,60}"


class IdConverter(StringConverter):
    regex = r"[A-Za-z0-9.\-]{1,64}"


class VersionConverter(IntConverter):
    regex = "[1-9][0-9]{0,8}"


register_converter(TypeConverter, "fhir_type")
register_converter(IdConverter, "fhir_id")
register_converter(VersionConverter, "fhir_version")

_RECORD = "records/<fhir_type:type>/<fhir_id:id>/"
_VERSION = f"{_RECORD}versions/<fhir_version:version>/"

urlpatterns = [
    path("", views.home, name="home"),
    path("patients/<fhir_id:id>/", views.patient, name="patient"),
    path("patients/<fhir_id:id>/timeline", views.patient_timeline, name="timeline"),
    path(_RECORD, views.record, name="record"),
    path(_VERSION, views.record, name="version"),
    path(f"{_VERSION}mark", views.record_mark, name="mark"),
    path(f"{_VERSION}record.json", views.record_bytes, name="bytes"),
    path(f"{_VERSION}evidence.json", views.record_evidence, name="evidence"),
    path("check/", checking.check, name="check"),
    path("accesses/", views.accesses, name="accesses"),
    path("me/", views.me, name="me"),
]
