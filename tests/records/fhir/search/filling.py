"""A database of records to search: real tables, filled by COPY with what `extract` makes of each resource."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from records.fhir.definitions import TYPE_NAMES, TYPE_NUMBERS
from records.fhir.search import Extracted, Paging, Permitted, SearchPlan, compile_search, extract
from records.fhir.search.hashing import record_key

ZONE = ZoneInfo("Asia/Shanghai")
BASE_URL = "https://node.example/fhir"
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
FIRST_STORED = datetime(2024, 1, 1, tzinfo=UTC)
KEY = b"a key that seals the cursors of a test"

EVERYTHING = Permitted("(SELECT r.* FROM records_current r WHERE NOT r.deleted)", {})
HALF = Permitted(
    "(SELECT r.* FROM records_current r WHERE NOT r.deleted AND"
    " (r.compartment = 0 OR r.compartment %% %(divisor)s = 1))",
    {"divisor": 2},
)
"""Hides every other compartment."""

_COLUMNS = {
    "records_current": (
        "rid self type id version stored_at deleted compartment others sort_date period_end labels codes tokens content",
        "int8 int8 int2 text int4 timestamptz bool int8 int8[] timestamptz timestamptz int8[] int8[] int8[] bytea",
    ),
    "records_reference": ("source slot target target_type", "int8 int4 int8 int2"),
    "records_string": ("source slot value", "int8 int4 text"),
    "records_date": ("source slot low high code", "int8 int4 timestamptz timestamptz int8"),
    "records_quantity": ("source slot low high unit code", "int8 int4 numeric numeric int8 int8"),
}


def synthea(folder: Path) -> list[dict[str, Any]]:
    """Every resource of the outside bundles, its references resolved as a transaction resolves them."""
    paths = sorted((folder / "synthea").glob("*.json"), key=lambda p: ("Information" not in p.name, p.name))
    bundles = [json.loads(path.read_bytes(), parse_float=Decimal) for path in paths]
    entries = [entry for bundle in bundles for entry in bundle["entry"]]
    known: dict[str, str] = {}
    for entry in entries:
        resource = entry["resource"]
        place = f"{resource['resourceType']}/{resource['id']}"
        known[entry["fullUrl"]] = place
        identifiers = resource.get("identifier", [])
        for one in identifiers if isinstance(identifiers, list) else [identifiers]:
            known[f"{resource['resourceType']}?identifier={one.get('system')}|{one.get('value')}"] = place
    for entry in entries:
        _resolve(entry["resource"], known)
    return [entry["resource"] for entry in entries]


def _resolve(value: Any, known: Mapping[str, str]) -> None:
    if isinstance(value, dict):
        if value.get("reference") in known:
            value["reference"] = known[value["reference"]]
        for member in value.values():
            _resolve(member, known)
    elif isinstance(value, list):
        for member in value:
            _resolve(member, known)


def content(resource: Mapping[str, Any]) -> bytes:
    return json.dumps(resource, default=float, ensure_ascii=False).encode()


@dataclass
class Filled:
    """Records in a schema of their own, on one connection, with what is needed to search them."""

    connection: "psycopg.Connection[Any]"
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    compartments: dict[str, int] = field(default_factory=dict)
    primary: dict[str, int] = field(default_factory=dict)
    rids: dict[str, int] = field(default_factory=dict)

    def add(self, resources: Iterable[dict[str, Any]], *, analyze: bool = True) -> None:
        """Stores new records."""
        rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
        rid = self._one("SELECT coalesce(max(rid), 0) FROM records_current")
        for resource in resources:
            rid += 1
            place = f"{resource['resourceType']}/{resource['id']}"
            found = extract(resource["resourceType"], resource, zone=ZONE, base_url=BASE_URL)
            self.resources[place], self.rids[place] = resource, rid
            stored_at = FIRST_STORED + timedelta(seconds=rid)
            rows["records_current"].append(self._current(rid, resource, found, stored_at))
            for table, made in _index_rows(found).items():
                rows[table] += [(rid, *row) for row in made]
        for table, made in rows.items():
            names, types = _COLUMNS[table]
            with self.connection.cursor() as cursor:
                columns = ", ".join(names.split())
                with cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.set_types(types.split())
                    for row in made:
                        copy.write_row(row)
        self._run("SELECT setval('records_current_rid_seq', %s)", rid)
        if analyze:
            self._run(f"ANALYZE {', '.join(_COLUMNS)}")

    def update(self, resource: dict[str, Any], *, stored_at: datetime | None = None) -> None:
        """Stores the next version of a record, and the one before in the history."""
        place = f"{resource['resourceType']}/{resource['id']}"
        rid = self.rids[place]
        self._supersede(rid)
        found = extract(resource["resourceType"], resource, zone=ZONE, base_url=BASE_URL)
        at = stored_at or self._one("SELECT clock_timestamp()")
        row = self._current(rid, resource, found, at)
        names = [name for name in _COLUMNS["records_current"][0].split() if name not in ("rid", "version")]
        values = [
            value for name, value in zip(_COLUMNS["records_current"][0].split(), row, strict=True) if name in names
        ]
        sets = ", ".join(f"{name} = %s" for name in names)
        self._run(f"UPDATE records_current SET {sets}, version = version + 1 WHERE rid = %s", *values, rid)
        for table, made in _index_rows(found).items():
            self._run(f"DELETE FROM {table} WHERE source = %s", rid)
            for index_row in made:
                marks = ", ".join("%s" for _ in range(len(index_row) + 1))
                self._run(f"INSERT INTO {table} VALUES ({marks})", rid, *index_row)
        self.resources[place] = resource

    def delete(self, place: str) -> None:
        rid = self.rids[place]
        self._supersede(rid)
        self._run(
            "UPDATE records_current SET deleted = true, content = '', tokens = '{}', version = version + 1,"
            " stored_at = clock_timestamp() WHERE rid = %s",
            rid,
        )
        for table in ("records_reference", "records_string", "records_date", "records_quantity"):
            self._run(f"DELETE FROM {table} WHERE source = %s", rid)
        del self.resources[place]

    def _supersede(self, rid: int) -> None:
        columns = "rid, type, id, version, stored_at, deleted, compartment, others, labels, codes, sort_date, period_end, content"
        self._run(
            f"INSERT INTO records_history ({columns}, replaced_at) SELECT {columns}, clock_timestamp()"
            " FROM records_current WHERE rid = %s",
            rid,
        )

    def _current(self, rid: int, resource: dict[str, Any], found: Extracted, at: datetime) -> tuple[Any, ...]:
        type_name, record_id = resource["resourceType"], resource["id"]
        numbers = [self._compartment(patient) for patient in found.patients]
        self.primary[f"{type_name}/{record_id}"] = numbers[0] if numbers else 0
        return (
            rid, record_key(type_name, record_id), TYPE_NUMBERS[type_name], record_id, 1, at, False,
            numbers[0] if numbers else 0, numbers[1:] or None, found.sort_date, found.period_end,
            found.labels or None, found.codes or None, found.tokens, content(resource),
        )  # fmt: skip

    def _compartment(self, patient: str) -> int:
        if patient not in self.compartments:
            self.compartments[patient] = self._one(
                "INSERT INTO records_compartment (patient_id) VALUES (%s) RETURNING id", patient
            )
        return self.compartments[patient]

    def _one(self, sql: str, *values: Any) -> Any:
        row = self.connection.execute(sql, values).fetchone()
        assert row is not None
        return row[0]

    def _run(self, sql: str, *values: Any) -> None:
        self.connection.execute(sql, values)

    def visible(self, permitted: Permitted) -> dict[str, dict[str, Any]]:
        """What EVERYTHING or HALF permits, by the compartments and not by the SQL."""
        return {
            place: resource
            for place, resource in self.resources.items()
            if permitted is EVERYTHING or self.primary[place] == 0 or self.primary[place] % 2 == 1
        }

    def plan(
        self,
        type_name: str | None,
        params: Sequence[tuple[str, str]],
        *,
        permitted: Permitted = EVERYTHING,
        cursor: str | None = None,
        asker: str = "alice",
        lenient: bool = False,
    ) -> SearchPlan:
        return compile_search(
            type_name,
            params,
            permitted=permitted,
            lenient=lenient,
            zone=ZONE,
            now=NOW,
            cursor=cursor,
            paging=Paging(KEY, asker),
            base_url=BASE_URL,
        )

    def rows(self, statement: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement.sql, statement.params, prepare=statement.prepare).fetchall()

    def pages(
        self, type_name: str | None, params: Sequence[tuple[str, str]], permitted: Permitted = EVERYTHING
    ) -> Iterator[list[str]]:
        """The places of the records of each page, from the first to the last."""
        cursor = None
        while True:
            plan = self.plan(type_name, params, permitted=permitted, cursor=cursor)
            assert plan.page is not None
            page = plan.cut(self.rows(plan.page))
            yield [self.place(row) for row in page.rows]
            cursor = page.next
            if cursor is None:
                return

    def place(self, row: Sequence[Any]) -> str:
        return f"{TYPE_NAMES[row[1]]}/{row[2]}"

    def found(
        self, type_name: str | None, params: Sequence[tuple[str, str]], permitted: Permitted = EVERYTHING
    ) -> list[str]:
        """The places of all results, in order, over all pages."""
        return [place for page in self.pages(type_name, params, permitted) for place in page]

    def total(self, type_name: str | None, params: Sequence[tuple[str, str]], permitted: Permitted = EVERYTHING) -> int:
        plan = self.plan(type_name, [*params, ("_summary", "count")], permitted=permitted)
        assert plan.page is None
        assert plan.total is not None
        count: int = self.rows(plan.total)[0][0]
        return count

    def included(
        self, type_name: str, params: Sequence[tuple[str, str]], permitted: Permitted = EVERYTHING
    ) -> set[str]:
        """The places of what comes with the first page, over all rounds."""
        plan = self.plan(type_name, params, permitted=permitted)
        assert plan.page is not None
        rids = [row[0] for row in plan.cut(self.rows(plan.page)).rows]
        seen, places, number = list(rids), set(), 0
        while statement := plan.include(number, rids, seen):
            rows = self.rows(statement)
            rids = [row[0] for row in rows]
            seen += rids
            places |= {self.place(row) for row in rows}
            number += 1
        return places


def _index_rows(found: Extracted) -> dict[str, Sequence[tuple[Any, ...]]]:
    return {
        "records_reference": found.references,
        "records_string": found.strings,
        "records_date": found.dates,
        "records_quantity": found.quantities,
    }
