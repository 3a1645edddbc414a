"""Create, read, update, delete and versions of one record, over HTTP."""

import json

import pytest

from tests.records.conftest import issue, rows

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])

ZHANG = {"resourceType": "Patient", "name": [{"family": "Zhang", "given": ["San"]}], "gender": "male"}


def test_a_create_gets_an_id_of_the_server_and_says_where_it_is(fhir):
    response = fhir.post("Patient", {**ZHANG, "id": "mine"})
    created = json.loads(response.content)
    assert response.status_code == 201
    assert created["id"] != "mine"
    assert response["Location"].endswith(f"/fhir/Patient/{created['id']}/_history/1")
    assert response["ETag"] == 'W/"1"'
    assert created["meta"]["versionId"] == "1"
    assert response["Last-Modified"].endswith("GMT")


def test_a_read_gives_back_what_was_stored(fhir):
    created = fhir.create(ZHANG)
    response = fhir.get(f"Patient/{created['id']}")
    assert response.status_code == 200
    assert json.loads(response.content) == created
    assert response["ETag"] == 'W/"1"'
    assert response["Content-Type"] == "application/fhir+json; charset=utf-8"


def test_an_update_makes_the_next_version_and_the_old_one_stays(fhir):
    created = fhir.create(ZHANG)
    response = fhir.put(f"Patient/{created['id']}", {**created, "gender": "other"})
    assert response.status_code == 200
    assert response["ETag"] == 'W/"2"'
    assert json.loads(fhir.get(f"Patient/{created['id']}").content)["gender"] == "other"
    assert json.loads(fhir.get(f"Patient/{created['id']}/_history/1").content) == created
    assert rows("SELECT count(*) FROM records_history") == [(1,)]


def test_an_update_to_a_clients_own_id_creates(fhir):
    response = fhir.put("Patient/zhang-san", {**ZHANG, "id": "zhang-san"})
    assert response.status_code == 201
    assert json.loads(fhir.get("Patient/zhang-san").content)["id"] == "zhang-san"


@pytest.mark.parametrize("body", [ZHANG, {**ZHANG, "id": "other"}])
def test_an_update_whose_body_names_another_id_or_none_is_refused(fhir, body):
    response = fhir.put("Patient/zhang-san", body)
    assert response.status_code == 400
    assert issue(response)["expression"] == ["Patient.id"]


def test_a_deleted_record_is_gone_and_its_versions_stay(fhir):
    created = fhir.create(ZHANG)
    assert fhir.delete(f"Patient/{created['id']}").status_code == 204
    response = fhir.get(f"Patient/{created['id']}")
    assert response.status_code == 410
    assert issue(response)["code"] == "deleted"
    assert fhir.get(f"Patient/{created['id']}/_history/1").status_code == 200
    assert fhir.get(f"Patient/{created['id']}/_history/2").status_code == 410
    assert fhir.search("Patient?family=zhang") == []
    assert fhir.delete(f"Patient/{created['id']}").status_code == 204


def test_a_deleted_record_can_be_written_again(fhir):
    created = fhir.create(ZHANG)
    fhir.delete(f"Patient/{created['id']}")
    response = fhir.put(f"Patient/{created['id']}", created)
    assert response.status_code == 201
    assert response["ETag"] == 'W/"3"'
    assert len(fhir.search("Patient?family=zhang")) == 1


def test_what_is_not_there_is_not_found(fhir):
    assert fhir.get("Patient/nobody").status_code == 404
    assert fhir.get("Patient/nobody/_history/1").status_code == 404
    assert fhir.get("Patient/nobody/_history").status_code == 404
    assert fhir.delete("Patient/nobody").status_code == 204


def test_an_unmodified_record_is_not_sent_again(fhir):
    created = fhir.create(ZHANG)
    place = f"Patient/{created['id']}"
    assert fhir.get(place, If_None_Match='W/"1"').status_code == 304
    assert fhir.get(place, If_None_Match='W/"2"').status_code == 200
    modified = fhir.get(place)["Last-Modified"]
    assert fhir.get(place, If_Modified_Since=modified).status_code == 304
    assert fhir.get(place, If_Modified_Since="Mon, 01 Jan 2001 00:00:00 GMT").status_code == 200


def test_if_match_keeps_one_writer_from_overwriting_another(fhir):
    created = fhir.create(ZHANG)
    place = f"Patient/{created['id']}"
    assert fhir.put(place, created, If_Match='W/"1"').status_code == 200
    response = fhir.put(place, created, If_Match='W/"1"')
    assert response.status_code == 412
    assert issue(response)["code_of_ours"] == "version-conflict"
    assert fhir.delete(place, If_Match='W/"1"').status_code == 412
    assert fhir.put(place, created, If_Match="nonsense").status_code == 400


def test_if_none_match_star_writes_only_what_is_new(fhir):
    body = {**ZHANG, "id": "once"}
    assert fhir.put("Patient/once", body, If_None_Match="*").status_code == 201
    assert fhir.put("Patient/once", body, If_None_Match="*").status_code == 412


def test_prefer_says_what_a_write_answers_with(fhir):
    minimal = fhir.post("Patient", ZHANG, Prefer="return=minimal")
    assert (minimal.status_code, minimal.content) == (201, b"")
    outcome = fhir.post("Patient", ZHANG, Prefer="return=OperationOutcome")
    assert json.loads(outcome.content)["resourceType"] == "OperationOutcome"
    whole = fhir.post("Patient", ZHANG, Prefer="return=representation")
    assert json.loads(whole.content)["resourceType"] == "Patient"


def test_only_json_is_spoken(fhir):
    assert fhir.get("Patient", Accept="application/fhir+xml").status_code == 406
    assert fhir.get("Patient", Accept="application/fhir+json; fhirVersion=3.0").status_code == 406
    assert fhir.get("Patient?_format=xml").status_code == 406
    assert fhir.get("Patient?_format=json", Accept="application/fhir+xml").status_code == 200
    assert fhir.send("POST", "Patient", ZHANG, content_type="application/fhir+xml").status_code == 415
    assert fhir.send("POST", "Patient", ZHANG, content_type="application/json; charset=utf-8").status_code == 201


def test_a_type_that_is_not_served_says_so(fhir):
    response = fhir.get("Dragon/1")
    assert response.status_code == 404
    assert issue(response)["code_of_ours"] == "unknown-type"
    assert fhir.post("EffectEvidenceSynthesis", {"resourceType": "EffectEvidenceSynthesis"}).status_code == 404


def test_an_address_that_takes_other_methods_names_them(fhir):
    response = fhir.send("PATCH", "Patient/1", [])
    assert response.status_code == 405
    assert response["Allow"] == "DELETE, GET, PUT"


def test_a_resource_of_another_type_is_refused(fhir):
    response = fhir.post("Observation", ZHANG)
    assert response.status_code == 400
    assert issue(response)["code_of_ours"] == "wrong-resource-type"


def test_an_invalid_resource_is_refused_with_its_place(fhir):
    response = fhir.post("Patient", {**ZHANG, "gender": "banana"})
    assert response.status_code == 422
    assert issue(response)["expression"] == ["Patient.gender"]
    assert rows("SELECT count(*) FROM records_current") == [(0,)]


def test_validate_reports_and_stores_nothing(fhir):
    good = fhir.post("Patient/$validate", ZHANG)
    bad = fhir.post("Patient/$validate", {**ZHANG, "gender": "banana"})
    wrapped = fhir.post(
        "Patient/$validate",
        {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "mode", "valueCode": "create"},
                {"name": "resource", "resource": {**ZHANG, "gender": 1}},
            ],
        },
    )
    assert good.status_code == bad.status_code == wrapped.status_code == 200
    assert all(i["severity"] != "error" for i in json.loads(good.content)["issue"])
    assert issue(bad)["severity"] == "error"
    assert issue(wrapped)["severity"] == "error"
    assert rows("SELECT count(*) FROM records_current") == [(0,)]


def test_elements_and_summary_are_marked_as_parts(fhir):
    created = fhir.create({**ZHANG, "birthDate": "1980-02-03"})
    for query in ("_elements=gender", "_summary=true"):
        part = json.loads(fhir.get(f"Patient/{created['id']}?{query}").content)
        assert part["meta"]["tag"][0]["code"] == "SUBSETTED"
        assert part["gender"] == "male"
    assert "birthDate" not in json.loads(fhir.get(f"Patient/{created['id']}?_elements=gender").content)
    assert fhir.get(f"Patient/{created['id']}?_elements=gender&colour=red").status_code == 400


def test_metadata_is_open_and_lists_what_is_served(client):
    response = client.get("/fhir/metadata")
    statement = json.loads(response.content)
    assert statement["fhirVersion"] == "4.0.1"
    served = {r["type"]: r for r in statement["rest"][0]["resource"]}
    assert {"Patient", "Observation", "AuditEvent"} <= set(served)
    assert "EffectEvidenceSynthesis" not in served
    assert [i["code"] for i in served["AuditEvent"]["interaction"]] == ["read", "search-type"]
    assert "everything" in [o["name"] for o in served["Patient"]["operation"]]
    assert client.get("/fhir/metadata?_format=xml").status_code == 406


def test_the_capability_statement_is_valid_fhir(client):
    from records.fhir import validation

    assert [i for i in validation.validate(client.get("/fhir/metadata").content) if i.refuses] == []


def test_nobody_comes_in_without_a_token(client, node):
    for address in ("/fhir/Patient", "/fhir", "/fhir/Patient/1", "/fhir/_history"):
        response = client.get(address)
        assert response.status_code == 401
        assert response["WWW-Authenticate"].startswith("Bearer ")
        assert issue(response)["code"] == "login"


def test_a_withdrawn_token_reads_nothing_from_that_moment_on(fhir):
    from oauth2_provider.models import AccessToken

    created = fhir.create(ZHANG)
    assert fhir.get(f"Patient/{created['id']}").status_code == 200
    AccessToken.objects.all().delete()
    assert fhir.get(f"Patient/{created['id']}").status_code == 401
    assert fhir.get("Patient").status_code == 401


def test_scopes_limit_types_and_letters(fhir, machine_with):
    patient = fhir.create(ZHANG)
    observation = fhir.create(
        {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "pulse"},
            "subject": {"reference": f"Patient/{patient['id']}"},
        }
    )
    narrow = machine_with("system/Observation.rs")
    assert narrow.get(f"Observation/{observation['id']}").status_code == 200
    response = narrow.get(f"Patient/{patient['id']}")
    assert response.status_code == 403
    assert issue(response)["code"] == "forbidden"
    assert narrow.get("Patient").status_code == 403
    assert narrow.post("Observation", observation).status_code == 403
    assert narrow.delete(f"Observation/{observation['id']}").status_code == 403
    found = narrow.search("Observation?_include=Observation:subject")
    assert [r["resourceType"] for r in found] == ["Observation"]
    assert narrow.search("Observation?subject.family=zhang") == []
