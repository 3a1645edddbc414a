"""Histories of a record, a type and the node, and everything about a patient: pages that stay whole under writes."""

import json

import pytest

from tests.records.conftest import issue

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "vault"])


def patient(id, **members):
    return {"resourceType": "Patient", "id": id, **members}


def pages(fhir, address):
    """Every page, by the next links."""
    while address:
        response = fhir.get(address)
        assert response.status_code == 200, response.content
        page = json.loads(response.content)
        yield page
        following = [link["url"] for link in page["link"] if link["relation"] == "next"]
        address = following[0].partition("/fhir/")[2] if following else ""


def versions(page):
    return [(e["fullUrl"].rsplit("/", 1)[1], e["response"]["etag"]) for e in page.get("entry", [])]


def test_the_history_of_a_record_tells_what_was_done_newest_first(fhir):
    fhir.put("Patient/a", patient("a"))
    fhir.put("Patient/a", patient("a", gender="male"))
    fhir.delete("Patient/a")
    (page,) = pages(fhir, "Patient/a/_history")
    assert page["type"] == "history"
    assert page["total"] == 3
    assert [e["request"]["method"] for e in page["entry"]] == ["DELETE", "PUT", "POST"]
    assert [e["response"]["etag"] for e in page["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert "resource" not in page["entry"][0]
    assert page["entry"][1]["resource"]["gender"] == "male"


def test_a_history_bundle_is_valid_fhir(fhir):
    from records.fhir import validation

    fhir.put("Patient/a", patient("a"))
    fhir.delete("Patient/a")
    content = fhir.get("Patient/a/_history").content
    assert [i for i in validation.validate(content) if i.refuses] == []


@pytest.mark.parametrize("address", ["_history", "Patient/_history", "Patient/a/_history"])
def test_pages_of_a_history_miss_nothing_and_repeat_nothing_while_others_write(fhir, address):
    for n in range(7):
        fhir.put("Patient/a", patient("a", gender="male" if n % 2 else "female"))
        fhir.put("Patient/b", patient("b"))
    before = versions(json.loads(fhir.get(f"{address}?_count=100").content))
    seen = []
    for page in pages(fhir, f"{address}?_count=3"):
        assert len(page["entry"]) <= 3
        seen += versions(page)
        fhir.put("Patient/a", patient("a"))
        fhir.put("Patient/c", patient("c"))
    assert seen == before


def test_since_and_at_choose_versions_by_time(fhir):
    fhir.put("Patient/a", patient("a"))
    first = json.loads(fhir.put("Patient/a", patient("a", gender="male")).content)["meta"]["lastUpdated"]
    fhir.put("Patient/a", patient("a", gender="female"))
    since = json.loads(fhir.get(f"Patient/a/_history?_since={first}").content)
    assert [e["response"]["etag"] for e in since["entry"]] == ['W/"3"', 'W/"2"']
    at = json.loads(fhir.get(f"Patient/a/_history?_at={first}").content)
    assert 'W/"2"' in [e["response"]["etag"] for e in at["entry"]]
    assert 'W/"3"' not in [e["response"]["etag"] for e in at["entry"]]


def test_many_versions_are_all_kept(fhir):
    for _ in range(30):
        fhir.put("Patient/a", patient("a"))
    assert json.loads(fhir.get("Patient/a/_history?_count=1").content)["total"] == 30
    assert json.loads(fhir.get("Patient/a/_history/17").content)["meta"]["versionId"] == "17"


@pytest.fixture
def chart(fhir):
    """A patient with ten observations, a doctor, and another patient of the same doctor."""
    fhir.put("Practitioner/doctor", {"resourceType": "Practitioner", "id": "doctor"})
    for id in ("zhang", "li"):
        fhir.put(f"Patient/{id}", patient(id))
        for n in range(10):
            fhir.put(
                f"Observation/{id}-{n}",
                {
                    "resourceType": "Observation",
                    "id": f"{id}-{n}",
                    "status": "final",
                    "code": {"text": "pulse"},
                    "subject": {"reference": f"Patient/{id}"},
                    "performer": [{"reference": "Practitioner/doctor"}],
                    "effectiveDateTime": f"2024-03-{n + 1:02}",
                },
            )
    return fhir


def named(page, mode="match"):
    return [
        f"{e['resource']['resourceType']}/{e['resource']['id']}"
        for e in page.get("entry", [])
        if e["search"]["mode"] == mode
    ]


def test_everything_is_the_patients_chart_and_what_it_refers_to(chart):
    (page,) = pages(chart, "Patient/zhang/$everything")
    assert sorted(named(page)) == sorted(["Patient/zhang", *(f"Observation/zhang-{n}" for n in range(10))])
    assert named(page, "include") == ["Practitioner/doctor"]


def test_everything_is_paged_and_filtered(chart):
    seen = [name for page in pages(chart, "Patient/zhang/$everything?_count=4") for name in named(page)]
    assert len(seen) == len(set(seen)) == 11
    (page,) = pages(chart, "Patient/zhang/$everything?_type=Patient")
    assert named(page) == ["Patient/zhang"]
    (page,) = pages(chart, "Patient/zhang/$everything?_type=Observation&start=2024-03-03&end=2024-03-05")
    assert named(page) == ["Observation/zhang-2", "Observation/zhang-3", "Observation/zhang-4"]
    (page,) = pages(chart, "Patient/zhang/$everything?_since=2199-01-01")
    assert named(page) == []


def test_everything_of_nobody_is_not_found(chart):
    response = chart.get("Patient/nobody/$everything")
    assert (response.status_code, issue(response)["code"]) == (404, "not-found")
    assert chart.get("Observation/zhang-1/$everything").status_code == 404


def test_search_pages_follow_their_links_and_echo_what_was_applied(chart):
    listed = list(pages(chart, "Observation?patient=zhang&_count=4"))
    assert [len(named(p)) for p in listed] == [4, 4, 2]
    assert listed[0]["link"][0]["url"].endswith("/fhir/Observation?patient=zhang&_count=4")
    lenient = json.loads(chart.get("Observation?patient=zhang&colour=red", Prefer="handling=lenient").content)
    assert "colour" not in lenient["link"][0]["url"]
    posted = chart.send(
        "POST", "Observation/_search?_count=4", b"patient=zhang", content_type="application/x-www-form-urlencoded"
    )
    assert len(named(json.loads(posted.content))) == 4
