"""A schema of its own for the searches of this folder, in whatever database there is."""

import dataclasses
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.records.fhir.search.filling import Filled, synthea
from tests.records.fhir.search.made import MADE


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a database: the one of the environment, else the tests' own cluster."""
    if "DATABASE_URL" in os.environ:
        return os.environ["DATABASE_URL"]
    url: str = request.getfixturevalue("cluster").url("postgres")
    return url


def _filled(url: str) -> Iterator[Filled]:
    schema = sql.Identifier(f"search_{secrets.token_hex(6)}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        try:
            connection.execute(sql.SQL("SET search_path = {}").format(schema))
            connection.execute("SET timezone = 'UTC'")
            connection.execute((Path(__file__).parent / "schema.sql").read_text())
            yield Filled(connection)
        finally:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))


@pytest.fixture(scope="session")
def outside(shared_data: Path) -> list[dict[str, Any]]:
    """The resources of the outside data."""
    return synthea(shared_data)


@pytest.fixture(scope="session")
def hospital(server: str, outside: list[dict[str, Any]]) -> Iterator[Filled]:
    """All of the outside data and all of our own; not to be changed."""
    for filled in _filled(server):
        filled.add([*outside, *MADE])
        yield filled


@pytest.fixture(scope="session")
def opened_clinic(server: str) -> Iterator[Filled]:
    """A few records of our own."""
    for filled in _filled(server):
        filled.add(MADE)
        yield filled


@pytest.fixture
def clinic(opened_clinic: Filled) -> Iterator[Filled]:
    """A few records of our own, to be changed: what a test does to them is undone after it."""
    with opened_clinic.connection.transaction(force_rollback=True):
        changing = dataclasses.replace(
            opened_clinic,
            resources=dict(opened_clinic.resources),
            compartments=dict(opened_clinic.compartments),
            primary=dict(opened_clinic.primary),
            rids=dict(opened_clinic.rids),
        )
        # Sequences do not roll back.
        changing.connection.execute("SELECT setval('records_current_rid_seq', %s)", [len(MADE)])
        yield changing
