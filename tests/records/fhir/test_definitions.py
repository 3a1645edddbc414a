"""The compiled definitions are R4's, whatever the package around them adds, and they load fast."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from records.fhir import definitions
from records.fhir.definitions import DefinitionsError, codes, compartment, elements, search_parameters, structure
from records.fhir.definitions.build import SOURCE_FILES, source_key
from records.fhir.definitions.build import build as build_tables


def test_there_are_146_types_numbered_in_alphabetical_order():
    assert len(definitions.TYPE_NUMBERS) == 146
    assert list(definitions.TYPE_NUMBERS) == sorted(definitions.TYPE_NUMBERS)
    assert (definitions.TYPE_NUMBERS["Account"], definitions.TYPE_NUMBERS["VisionPrescription"]) == (1, 146)
    # Numbers are in the database: these may never change.
    assert (definitions.TYPE_NUMBERS["Observation"], definitions.TYPE_NUMBERS["Patient"]) == (96, 103)
    assert definitions.TYPE_NAMES[103] == "Patient"


def test_the_types_are_those_of_the_definitions():
    resources = {n for n in definitions.structure_names() if structure(n).kind == "resource"}
    assert resources == set(definitions.RESOURCE_TYPES) | {"Resource", "DomainResource"}


def test_every_served_type_has_a_model_and_no_other_has():
    from fhir.resources.R4B import get_fhir_model_class

    def has_model(kind: str) -> bool:
        try:
            get_fhir_model_class(kind)
        except ValueError:
            return False
        return True

    assert {t for t in definitions.RESOURCE_TYPES if has_model(t)} == definitions.SERVED_TYPES
    assert len(definitions.SERVED_TYPES) == 128
    assert len(definitions.NOT_SERVED) == 18


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("Meta", "project"),
        ("Meta", "compartment"),
        ("Binary", "url"),
        ("ResearchStudy", "label"),
        ("HealthcareService", "offeredIn"),
    ],
)
def test_what_the_package_adds_is_left_out(name, member):
    assert member not in elements(name)


def test_what_the_package_replaced_is_taken_back():
    characteristic = elements("EvidenceVariable.characteristic")
    assert "usageContext" in characteristic
    assert "participantEffectivePeriod" in characteristic
    assert "definitionByCombination" not in characteristic
    assert elements("DetectedIssue")["status"].binding == "http://hl7.org/fhir/ValueSet/observation-status"
    assert elements("ResearchStudy")["site"].types[0].targets == ("Location",)


def test_an_element_knows_its_types_cardinality_and_targets():
    members = elements("Observation")
    assert members["valueQuantity"] is members["valueString"]
    assert members["valueQuantity"].choice
    assert (members["code"].min, members["code"].max, members["code"].repeats) == (1, 1, False)
    assert members["category"].repeats
    assert members["subject"].types[0].targets == ("Device", "Group", "Location", "Patient")
    assert members["status"].modifier
    assert members["status"].summary


def test_a_reference_to_content_leads_to_the_backbone():
    assert elements("Observation.component")["referenceRange"].structure == "Observation.referenceRange"
    assert elements("Questionnaire.item")["item"].structure == "Questionnaire.item"


def test_required_bindings_list_their_codes_by_system():
    gender = codes("http://hl7.org/fhir/ValueSet/administrative-gender")
    assert dict(gender or {}) == {"http://hl7.org/fhir/administrative-gender": {"male", "female", "other", "unknown"}}
    assert codes("http://hl7.org/fhir/ValueSet/mimetypes") is None
    for name in definitions.structure_names():
        for element in structure(name).elements:
            if element.binding:
                listed = codes(element.binding)
                assert listed is None or any(listed.values()), element.path


def test_the_official_search_parameters_are_there_raw():
    by_id = {p["id"]: p for p in search_parameters()}
    assert by_id["Observation-code-value-quantity"]["component"][1]["expression"] == "value.ofType(Quantity)"
    assert by_id["clinical-patient"]["base"][0] == "AllergyIntolerance"
    assert len(by_id) == 1377


def test_the_patient_compartment_names_parameters_by_type():
    assert compartment()["Observation"] == ("subject", "performer")
    assert "Organization" not in compartment()


def test_tables_are_built_where_they_are_asked_for_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XINGLIN_DEFINITIONS", str(tmp_path / "deep" / "down"))
    first = definitions.ensure_built()
    stamps = [p.stat().st_mtime_ns for p in first]
    assert definitions.ensure_built() == first
    assert [p.stat().st_mtime_ns for p in first] == stamps
    assert {p.suffix for p in first[0].parent.iterdir()} == {".json"}
    definitions.ensure_built(again=True)
    assert [p.stat().st_mtime_ns for p in first] != stamps


def test_several_processes_may_build_at_once(tmp_path):
    command = [sys.executable, "-m", "records.fhir.definitions", "build"]
    environment = {"XINGLIN_DEFINITIONS": str(tmp_path), "PATH": ""}
    root = Path(definitions.__file__).parents[3]
    running = [
        subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in running:
        output, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, b"")
        assert b"structures-" in output
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    for file in files:
        json.loads(file.read_bytes())


def test_the_program_explains_itself(capsys):
    from records.fhir.definitions.__main__ import main

    assert main([]) == 2
    assert "build" in capsys.readouterr().err


def test_missing_definitions_say_what_to_install(tmp_path):
    with pytest.raises(DefinitionsError, match="npm"):
        source_key(tmp_path)


def test_a_package_that_changed_stops_the_build(tmp_path):
    sources = definitions.sources()
    for name in SOURCE_FILES:
        (tmp_path / name).symlink_to(sources / name)
    resources = json.loads((sources / "profiles-resources.json").read_bytes())
    for entry in resources["entry"]:
        if entry["resource"].get("name") == "Binary":
            listed = entry["resource"]["snapshot"]["element"]
            listed[:] = [e for e in listed if e["path"] != "Binary.url"]
    (tmp_path / "profiles-resources.json").unlink()
    (tmp_path / "profiles-resources.json").write_text(json.dumps(resources))
    with pytest.raises(DefinitionsError, match=r"Binary\.url"):
        build_tables(tmp_path, tmp_path / "out")


def test_loading_takes_a_fraction_of_a_second():
    code = "from records.fhir import definitions as d; d.elements('Observation'); d.search_parameters()"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(definitions.__file__).parents[3])
    assert time.monotonic() - started < 2


def test_nothing_here_imports_django():
    code = (
        "import sys; from records.fhir import definitions, jsontext, outcome, validation;"
        'validation.validate(b\'{"resourceType":"Patient"}\');'
        "sys.exit(any(m.partition('.')[0] in ('django', 'web3', 'rest_framework') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(definitions.__file__).parents[3])
