"""`python -m consortium.management.demo.furnishing`, in a node's environment: its people, teams and machines.

Two steps, one JSON object a line each, so that Django starts once: first what to make, answered by the
secrets that were made; then, once the patients are in, which team may see whom.
"""

import json
import secrets
import sys
from typing import Any, TextIO


def furnish(plan: dict[str, Any]) -> dict[str, Any]:
    """Make what is missing. The plan carries the secrets of an earlier start, and the answer all of them."""
    from consortium.members import services
    from consortium.members.models import CareTeam, Organisation, Person

    own, *others = plan["organisations"]
    for code, name in (own, *others):
        if not Organisation.objects.filter(code=code).exists():
            services.create_organisation(
                code=code, name=name, kind=Organisation.Kind.HOSPITAL, runs_this_node=[code, name] == own
            )
    organisation = Organisation.objects.get(code=own[0])
    teams = []
    for name in plan["teams"]:
        found = CareTeam.objects.filter(organisation=organisation, name=name).first()
        teams.append(found or services.create_care_team(organisation=organisation, name=name))
    people = {}
    for login in plan["people"]:
        username, known = login["username"], plan["secrets"].get(login["username"])
        person = Person.objects.filter(username=username).first()
        if person is None or known is None:
            known = {"password": f"{username}-{secrets.token_hex(6)}", "totp_secret": None}
            if person is None:
                person = services.create_person(username=username, name=login["name"], password=known["password"])
            else:
                services.set_password(person=person, password=known["password"])
            known["totp_secret"] = services.enrol_totp(person=person)
            services.assign_role(person=person, role=login["role"], organisation=organisation)
            if login["team"] is not None:
                services.add_to_care_team(person=person, care_team=teams[login["team"]])
        people[username] = known
    machines = {}
    for machine in plan["machines"]:
        machines[machine["name"]] = _machine(organisation, machine, plan["secrets"].get(machine["name"]))
    return {"people": people, "machines": machines}


def _machine(organisation: Any, wanted: dict[str, str], known: dict[str, str] | None) -> dict[str, str]:
    from consortium.members import services
    from consortium.members.models import Machine

    found = Machine.objects.filter(organisation=organisation, name=wanted["name"]).first()
    if found is None:
        made = services.create_machine(name=wanted["name"], organisation=organisation, scopes=wanted["scopes"])
    elif known is None:
        made = services.renew_machine_secret(machine=found)
    else:
        return known
    return {"client_id": made.machine.client_id, "client_secret": made.client_secret}


def grant(plan: dict[str, Any]) -> dict[str, Any]:
    """Let each patient's care team read and write the patient's records."""
    from django.db import transaction

    from consortium.members.models import CareTeam
    from records.access import grants

    with transaction.atomic():
        for patient_id, team in plan["patients"]:
            grants.grant_care_team(
                compartment=grants.compartment_of(patient_id),
                care_team=CareTeam.objects.get(organisation__runs_this_node=True, name=team),
                write=True,
            )
    return {"granted": len(plan["patients"])}


def main(source: TextIO, sink: TextIO) -> None:
    import django

    django.setup()
    for step, line in zip((furnish, grant), source, strict=False):
        print(json.dumps(step(json.loads(line))), file=sink, flush=True)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
