"""The pages: each asks the gate once or a few times, turns the answer into words, and renders.

Who may see what is decided by the gate, never here. What it refuses becomes a page in `refused_page`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from consortium.members.models import CareTeam, Role
from consortium.web import problems
from ledger.anchoring import Pending
from records.access.errors import AccessRefusal, Gone, NotVisible
from records.access.patients import patient_of
from records.access.reads import read
from records.fhir.definitions import SERVED_TYPES
from records.fhir.search.errors import SearchError
from records.portal import accesses as list_of_accesses
from records.portal import chart, duties, timeline
from records.portal.documents import resource_of, source_of
from records.portal.finding import find_patients
from records.portal.pages import asker_of, is_clinician, setting_for
from records.portal.readable import readable
from records.proofs import RecordMismatch, evidence, marks

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
_MOST_LOOKS = 30


def page(view: View[P]) -> View[P]:
    """A page behind the gate: never stored by a browser or a proxy, and a refusal is a page of its own."""

    @wraps(view)
    @never_cache
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Gone as refusal:
            context = {**kwargs, "earlier": refusal.version - 1}
            return render(request, "records/gone.html", context, status=410)
        except AccessRefusal as refusal:
            return refused_page(request, refusal)
        except SearchError:
            return problems.answer(request, problems.bad_request())

    return guarded


def refused_page(request: HttpRequest, refusal: AccessRefusal) -> HttpResponse:
    """The same page for what does not exist and for what may not be seen."""
    if isinstance(refusal, NotVisible):
        return problems.answer(request, problems.not_found())
    if refusal.status == 403:
        return problems.answer(request, problems.forbidden())
    return problems.answer(
        request, problems.Problem(refusal.code, refusal.status, _("This cannot be shown"), refusal.sentence)
    )


@page
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """Find a patient, for clinicians; for everybody else, what their roles can do here.

    A search is posted, so that names stay out of addresses, histories and logs.
    """
    asker = asker_of(request)
    if not is_clinician(request):
        return render(request, "records/start.html", {"duties": duties.duties_of(asker.roles)})
    text, cursor = request.POST.get("text", ""), request.POST.get("cursor", "")
    found = find_patients(asker, text, cursor, setting_for(timezone.now()))
    context = {"text": found.text, "found": found, "fresh": bool(cursor)}
    if request.headers.get("HX-Request") != "true":
        return render(request, "records/find.html", context)
    return render(request, "records/result_rows.html" if cursor else "records/results.html", context)


@page
@require_GET
def patient(request: HttpRequest, id: str) -> HttpResponse:
    """The banner, the three summaries, and the first page of the timeline."""
    asker, setting = asker_of(request), setting_for(timezone.now())
    opened = chart.open_chart(asker, id, setting)
    kind = timeline.FILTER_BY_KEY.get(request.GET.get("kind", ""), timeline.FILTERS[0])
    stretch = chart.open_stretch(asker, id, kind, request.GET.get("cursor") or None, setting)
    context = {
        "banner": opened.banner,
        "allergies": opened.allergies,
        "unreliable": opened.unreliable,
        "problems": opened.problems,
        "medications": opened.medications,
        "filters": timeline.FILTERS,
        "timeline": stretch,
    }
    return render(request, "records/patient.html", context)


@page
@require_GET
def patient_timeline(request: HttpRequest, id: str) -> HttpResponse:
    """Further lines of the timeline, for a page that is already open."""
    asker, setting = asker_of(request), setting_for(timezone.now())
    kind = timeline.FILTER_BY_KEY.get(request.GET.get("kind", ""), timeline.FILTERS[0])
    stretch = chart.open_stretch(asker, id, kind, request.GET.get("cursor") or None, setting)
    context = {"timeline": stretch, "banner": {"id": id}, "fresh": True}
    return render(request, "records/timeline_rows.html", context)


@page
@require_GET
def record(request: HttpRequest, type: str, id: str, version: int | None = None) -> HttpResponse:
    """One record: readable first, then its versions, the mark in words, and the JSON for whoever wants it."""
    _check_type(type)
    asker, setting = asker_of(request), setting_for(timezone.now())
    found = read(asker, type, id, version)
    resource = resource_of(found)
    versions, more_versions = chart.versions_of(asker, type, id, setting)
    patient_id = patient_of(found)
    about = chart.open_banner(asker, patient_id, setting) if patient_id else None
    source = source_of(found.content)
    mark = marks([found])[found.type, found.id, found.version].status
    context = {
        "record": found,
        "newest": found.version == max(one.version for one in versions),
        "entry": timeline.entry(resource, found, chart.medicines_of(asker, [resource]), setting),
        "view": readable(resource, setting, chart.names_of(asker, resource, setting)),
        "versions": versions,
        "more_versions": more_versions,
        "banner": about.banner if about else None,
        "allergies": about.allergies if about else None,
        "unreliable": about.unreliable if about else (),
        "mark": mark,
        "poll": 1 if mark == "waiting" else 0,
        "json": source.text,
        "json_cut": source.cut,
        "steered": source.steered,
    }
    return render(request, "records/record.html", context)


@page
@require_GET
def record_mark(request: HttpRequest, type: str, id: str, version: int) -> HttpResponse:
    """The mark alone, which a page asks for again and again while it waits; a tab left open stops asking."""
    _check_type(type)
    found = read(asker_of(request), type, id, version)
    mark = marks([found])[found.type, found.id, found.version].status
    looks = request.GET.get("look", "")
    looked = int(looks) if looks.isdecimal() and len(looks) < 4 else _MOST_LOOKS
    poll = looked + 1 if mark == "waiting" and looked < _MOST_LOOKS else 0
    return render(request, "records/mark_box.html", {"record": found, "mark": mark, "poll": poll})


@page
@require_GET
def record_bytes(request: HttpRequest, type: str, id: str, version: int) -> HttpResponse:
    """The stored bytes as a file: what the evidence is about."""
    _check_type(type)
    found = read(asker_of(request), type, id, version)
    return _file(found.content, f"{type}-{id}-v{version}.json", "application/fhir+json")


@page
@require_GET
def record_evidence(request: HttpRequest, type: str, id: str, version: int) -> HttpResponse:
    """The evidence as a file; a page that says what is still missing where there is none yet."""
    _check_type(type)
    try:
        proof = evidence(asker_of(request), type, id, version)
    except RecordMismatch as refusal:
        title, detail = _("Does not match"), _("There is no evidence for a record that does not match.")
        return problems.answer(request, problems.Problem(refusal.code, 409, title, detail))
    if isinstance(proof, Pending):
        detail = _("The consortium has not confirmed this record yet. Try again in a few seconds.")
        waiting = problems.Problem(
            proof.code, 202, _("Waiting for confirmation"), detail, retry_after=proof.retry_after
        )
        return problems.answer(request, waiting)
    return _file(proof, f"evidence-{type}-{id}-v{version}.json", "application/json")


@page
@require_GET
def accesses(request: HttpRequest) -> HttpResponse:
    """Who looked at what, for those whose role that is; by patient if asked."""
    setting = setting_for(timezone.now())
    patient_id = request.GET.get("patient", "")[:64]
    cursor = request.GET.get("cursor") or None
    context = {
        "accesses": list_of_accesses.open_accesses(asker_of(request), patient_id, cursor, setting),
        "fresh": cursor is not None,
    }
    partial = request.headers.get("HX-Request") == "true"
    return render(request, "records/access_rows.html" if partial else "records/accesses.html", context)


@page
@require_GET
def me(request: HttpRequest) -> HttpResponse:
    """Who the reader is to this node."""
    asker = asker_of(request)
    context = {
        "roles": [Role(one).label for one in sorted(asker.roles)],
        "teams": CareTeam.objects.filter(group_id__in=asker.group_ids).order_by("name"),
    }
    return render(request, "records/me.html", context)


def _check_type(type: str) -> None:
    if type not in SERVED_TYPES:
        raise NotVisible(_("There is no such kind of record."))


def _file(content: bytes, name: str, content_type: str) -> HttpResponse:
    disposition = content_disposition_header(as_attachment=True, filename=name)
    assert disposition is not None, "a name was given"
    return HttpResponse(content, content_type=content_type, headers={"Content-Disposition": disposition})
