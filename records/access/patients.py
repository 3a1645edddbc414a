"""Which patient a record is about, for whoever holds a record that has passed the gate."""

from records.models import Compartment

from .reads import StoredRecord


def patient_of(record: StoredRecord) -> str | None:
    """The id of the record's patient, None where it belongs to no patient."""
    return Compartment.objects.filter(pk=record.compartment).values_list("patient_id", flat=True).first()
