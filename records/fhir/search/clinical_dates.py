"""The one date of each type by which records are put on a timeline, sorted, and matched with a consent's data period."""

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .parameters import Leaf, Parameter, make_leaf, parameters
from .paths import parse

CLINICAL_DATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Account": "Account.servicePeriod",
        "AppointmentResponse": "AppointmentResponse.start",
        "Basic": "Basic.created",
        "BiologicallyDerivedProduct": "BiologicallyDerivedProduct.collection.collected",
        "Bundle": "Bundle.timestamp",
        "ChargeItem": "ChargeItem.occurrence | ChargeItem.enteredDate",
        "Claim": "Claim.billablePeriod | Claim.created",
        "ClaimResponse": "ClaimResponse.created",
        "Communication": "Communication.sent | Communication.received",
        "CommunicationRequest": "CommunicationRequest.occurrence | CommunicationRequest.authoredOn",
        "Condition": "Condition.onset | Condition.recordedDate",
        "Contract": "Contract.applies | Contract.issued",
        "Coverage": "Coverage.period",
        "CoverageEligibilityRequest": "CoverageEligibilityRequest.serviced | CoverageEligibilityRequest.created",
        "CoverageEligibilityResponse": "CoverageEligibilityResponse.serviced | CoverageEligibilityResponse.created",
        "DetectedIssue": "DetectedIssue.identified",
        "DeviceRequest": "DeviceRequest.occurrence | DeviceRequest.authoredOn",
        "DeviceUseStatement": "DeviceUseStatement.timing | DeviceUseStatement.recordedOn",
        "DocumentManifest": "DocumentManifest.created",
        "EnrollmentRequest": "EnrollmentRequest.created",
        "EnrollmentResponse": "EnrollmentResponse.created",
        "ExplanationOfBenefit": "ExplanationOfBenefit.billablePeriod | ExplanationOfBenefit.created",
        "Goal": "Goal.start | Goal.statusDate",
        "GuidanceResponse": "GuidanceResponse.occurrenceDateTime",
        "ImagingStudy": "ImagingStudy.started",
        "InsurancePlan": "InsurancePlan.period",
        "Media": "Media.created",
        "MedicationAdministration": "MedicationAdministration.effective",
        "MedicationDispense": "MedicationDispense.whenHandedOver | MedicationDispense.whenPrepared",
        "MedicationRequest": "MedicationRequest.authoredOn",
        "MedicationStatement": "MedicationStatement.effective | MedicationStatement.dateAsserted",
        "NutritionOrder": "NutritionOrder.dateTime",
        "PaymentNotice": "PaymentNotice.created",
        "PaymentReconciliation": "PaymentReconciliation.created",
        "Provenance": "Provenance.occurred | Provenance.recorded",
        "QuestionnaireResponse": "QuestionnaireResponse.authored",
        "RequestGroup": "RequestGroup.authoredOn",
        "ServiceRequest": "ServiceRequest.occurrence | ServiceRequest.authoredOn",
        "Slot": "Slot.start",
        "Specimen": "Specimen.collection.collected | Specimen.receivedTime",
        "SupplyDelivery": "SupplyDelivery.occurrence",
        "Task": "Task.executionPeriod | Task.authoredOn",
        "TestReport": "TestReport.issued",
        "VerificationResult": "VerificationResult.lastPerformed",
        "VisionPrescription": "VisionPrescription.dateWritten",
    }
)
"""Types without a `date` parameter over one element: the first of these that has a date is taken."""

DATELESS: Final = frozenset(
    {
        "Binary",
        "BodyStructure",
        "CatalogEntry",
        "Device",
        "DeviceDefinition",
        "DeviceMetric",
        "Endpoint",
        "Group",
        "HealthcareService",
        "Linkage",
        "Location",
        "Medication",
        "MedicationKnowledge",
        "MessageHeader",
        "MolecularSequence",
        "ObservationDefinition",
        "OperationOutcome",
        "Organization",
        "Parameters",
        "Patient",
        "Person",
        "Practitioner",
        "RelatedPerson",
        "SpecimenDefinition",
        "Subscription",
        "Substance",
    }
)
"""Types that are about no moment: `sort_date` and `period_end` are null. (A patient's birth is not the date of the
record.)"""


@functools.cache
def clinical_date_leaves(type_name: str) -> tuple[Leaf, ...]:
    """Where the clinical date is looked for, in this order; empty for a type that has none.

    It is the definitions' own `date` parameter where that is one element that does not repeat, else CLINICAL_DATES.
    """
    own = parameters(type_name).get("date")
    if own is not None and _is_one_element(own):
        return own.leaves
    stated = CLINICAL_DATES.get(type_name)
    return tuple(make_leaf(type_name, path, "date") for path in parse(stated)) if stated else ()


@functools.cache
def clinical_date_slot(type_name: str) -> int | None:
    """The slot that `sort_date` and `period_end` hold whole, so that it needs no rows of its own.

    Only where a single place is looked at, which does not repeat: otherwise the columns are not that parameter's
    value.
    """
    leaves = clinical_date_leaves(type_name)
    return leaves[0].slot if len(leaves) == 1 and not leaves[0].repeats else None


def _is_one_element(parameter: Parameter) -> bool:
    return parameter.kind == "date" and len(parameter.leaves) == 1 and not parameter.leaves[0].repeats
