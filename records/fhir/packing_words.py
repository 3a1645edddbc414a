"""The preset dictionary of packed records: names of FHIR R4's members and types, systems, codes and the shapes they come in.

Never change what is here, not by one byte: records are packed with it (see `records.fhir.packing`; a test holds its digest).
What is near the end costs the least to refer to, so the shape of the commonest record stands there.
"""

from typing import Final

_MEMBERS = """
text status generated div extension modifierExtension contained implicitRules language identifier name use family
given prefix suffix telecom address line city district state postalCode country period start end active gender
birthDate deceasedDateTime deceasedBoolean maritalStatus multipleBirthBoolean multipleBirthInteger contact
communication preferred generalPractitioner managingOrganization link other type class priority participant
individual appointment length reasonCode reasonReference diagnosis condition account hospitalization admitSource
dischargeDisposition location physicalType serviceProvider partOf basedOn code category bodySite severity
clinicalStatus verificationStatus onsetDateTime onsetPeriod abatementDateTime recordedDate recorder asserter stage
evidence note author time valueString valueBoolean valueInteger valueDateTime valueCode valueDecimal valueCoding
valueUri valueAddress valuePeriod valueRange valueRatio numerator denominator dataAbsentReason interpretation
referenceRange low high appliesTo method specimen device hasMember derivedFrom component effectiveDateTime
effectivePeriod issued performer result presentedForm contentType data attachment content format context docStatus
title date masterIdentifier custodian relatesTo securityLabel medicationCodeableConcept medicationReference
dosageInstruction sequence timing repeat frequency period periodUnit boundsPeriod asNeededBoolean doseAndRate
doseQuantity rateQuantity route site dispenseRequest quantity expectedSupplyDuration numberOfRepeatsAllowed intent
authoredOn requester occurrenceDateTime occurrencePeriod vaccineCode primarySource lotNumber expirationDate
protocolApplied doseNumberPositiveInt performedDateTime performedPeriod outcome complication followUp usedReference
focalDevice manipulated criticality reaction substance manifestation activity detail goal description careTeam
addresses onBehalfOf member role created provider insurer patient insurance focal coverage claim item
productOrService unitPrice net encounter informationReference diagnosisSequence procedureSequence total amount
payment adjudication supportingInfo billablePeriod facility payor beneficiary subscriberId relationship deviceName
deviceIdentifier udiCarrier carrierHRF distinctIdentifier manufactureDate serialNumber started numberOfSeries
numberOfInstances series uid modality instance sopClass number agent source target occurredDateTime recorded who
alias qualification issuer specialty availableTime daysOfWeek url version assigner rank comparator currency meta
versionId lastUpdated profile security tag resourceType id subject reference display coding system code value unit
""".split()

_TYPES = """
Organization PractitionerRole Practitioner Location Device Medication CareTeam CarePlan Goal ImagingStudy
DocumentReference Composition Provenance Claim ExplanationOfBenefit Coverage AllergyIntolerance Immunization
Specimen ServiceRequest MedicationAdministration MedicationStatement MedicationDispense MedicationRequest Procedure
DiagnosticReport Condition Encounter Observation Patient
""".split()

_SYSTEMS = """
urn:oid:2.16.840.1.113883. urn:ietf:bcp:47 urn:iso:std:iso:11073:10101 http://dicom.nema.org/resources/ontology/DCM
http://hl7.org/fhir/us/core/StructureDefinition/us-core- http://hl7.org/fhir/StructureDefinition/patient-
http://hl7.org/fhir/sid/us-npi http://hl7.org/fhir/sid/us-ssn http://hl7.org/fhir/sid/icd-10
http://hl7.org/fhir/sid/icd-10-cn http://hl7.org/fhir/sid/cvx http://www.nlm.nih.gov/research/umls/rxnorm
http://www.whocc.no/atc http://fdasis.nlm.nih.gov http://terminology.hl7.org/CodeSystem/v2-0203
http://terminology.hl7.org/CodeSystem/v3-MaritalStatus http://terminology.hl7.org/CodeSystem/v3-ParticipationType
http://terminology.hl7.org/CodeSystem/v3-ActReason http://terminology.hl7.org/CodeSystem/v3-NullFlavor
http://terminology.hl7.org/CodeSystem/v3-Confidentiality
http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation http://terminology.hl7.org/CodeSystem/v2-0074
http://terminology.hl7.org/CodeSystem/data-absent-reason http://terminology.hl7.org/CodeSystem/organization-type
http://terminology.hl7.org/CodeSystem/location-physical-type
http://terminology.hl7.org/CodeSystem/provenance-participant-type http://terminology.hl7.org/CodeSystem/claim-type
http://terminology.hl7.org/CodeSystem/adjudication http://terminology.hl7.org/CodeSystem/ex-diagnosistype
http://terminology.hl7.org/CodeSystem/processpriority
http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical
http://terminology.hl7.org/CodeSystem/allergyintolerance-verification
http://terminology.hl7.org/CodeSystem/condition-category http://terminology.hl7.org/CodeSystem/condition-ver-status
http://terminology.hl7.org/CodeSystem/condition-clinical http://terminology.hl7.org/CodeSystem/v3-ActCode
http://terminology.hl7.org/CodeSystem/observation-category http://snomed.info/sct http://unitsofmeasure.org
http://loinc.org
""".split()

_PHRASES = r"""
<div xmlns=\"http://www.w3.org/1999/xhtml\"></div>|"status":"generated"|"country":"CN"|"system":"phone"|"use":"official"
"use":"home"|"use":"work"|"use":"usual"|"gender":"female"|"gender":"male"|"active":true|"intent":"order"
"status":"active"|"status":"finished"|"status":"completed"|"status":"final"|"code":"laboratory","display":"Laboratory"
"code":"vital-signs","display":"Vital Signs"|"code":"encounter-diagnosis"|"code":"confirmed"|"code":"resolved"|"code":"active"
"class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"}|"currency":"USD"|+08:00|Z"}
"""

_OBSERVATION = """{
  "resourceType": "Observation",
  "id": "",
  "meta": {
    "versionId": "1",
    "lastUpdated": "2026-01-01T00:00:00.000Z",
    "profile": [ "http://hl7.org/fhir/us/core/StructureDefinition/us-core-" ]
  },
  "identifier": [ {
    "use": "official",
    "system": "urn:ietf:rfc:3986",
    "value": "urn:uuid:"
  } ],
  "name": [ {
    "family": "",
    "given": [ "" ]
  } ],
  "telecom": [ {
    "system": "phone",
    "value": ""
  } ],
  "address": [ {
    "line": [ "" ],
    "city": "",
    "state": "",
    "postalCode": "",
    "country": ""
  } ],
  "extension": [ {
    "url": "http://hl7.org/fhir/StructureDefinition/",
    "valueString": ""
  }, {
    "url": ""
  } ],
  "status": "final",
  "category": [ {
    "coding": [ {
      "system": "http://terminology.hl7.org/CodeSystem/observation-category",
      "code": "laboratory",
      "display": "Laboratory"
    } ]
  } ],
  "code": {
    "coding": [ {
      "system": "http://loinc.org",
      "code": "",
      "display": ""
    } ],
    "text": ""
  },
  "subject": {
    "reference": "Patient/"
  },
  "encounter": {
    "reference": "Encounter/"
  },
  "effectiveDateTime": "20",
  "issued": "20",
  "valueQuantity": {
    "value": 1,
    "unit": "mg/dL",
    "system": "http://unitsofmeasure.org",
    "code": "mg/dL"
  }
}
"""


def _plain(separator: str) -> str:
    """The shape on one line, as programs write it: with a space after colon and comma, or without."""
    lines = [line.strip() for line in _OBSERVATION.splitlines()]
    text = "".join(lines).replace("[ ", "[").replace(" ]", "]")
    return text.replace('": ', f'":{separator}').replace(',"', f',{separator}"').replace("},{", f"}},{separator}{{")


def _words() -> bytes:
    return "".join(
        (
            "".join(f'"{name}": ' for name in _MEMBERS),
            "".join(f'"{name}/' for name in _TYPES),
            "".join(_SYSTEMS),
            _PHRASES.replace("\n", "").replace("|", ""),
            _OBSERVATION.replace("\n", "\n    "),
            _OBSERVATION,
            _plain(" "),
            _plain(""),
        )
    ).encode()


FHIR_WORDS_1: Final = _words()
