"""What every test may ask for: a PostgreSQL and a chain for each xdist worker, started when first asked for.

DATABASE_URL and VAULT_DATABASE_URL, CHAIN_RPC_URL: when set, those servers are used instead.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from consortium.management import chainnode, postgres

CHECKOUT = Path(__file__).resolve().parent.parent


def pytest_report_header() -> list[str]:
    data = os.environ.get("XINGLIN_SHARED_DATA", "../shared/data beside the checkout")
    return [f"database: {'DATABASE_URL' if 'DATABASE_URL' in os.environ else 'private'}, outside data: {data}"]


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    """A folder of this worker's own with a short path, gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="xinglin-tests-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(session_folder: Path) -> Iterator[postgres.Cluster]:
    """This worker's own PostgreSQL, without durability: it is thrown away."""
    server = postgres.Cluster(session_folder / "postgresql", settings=postgres.THROWN_AWAY)
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    request: pytest.FixtureRequest, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """Point Django at this worker's server before pytest-django creates its test databases there."""
    if "DATABASE_URL" in os.environ:
        return
    from django.conf import settings

    server: postgres.Cluster = request.getfixturevalue("cluster")
    for alias, name in (("default", "xinglin"), ("vault", "xinglin_vault")):
        settings.DATABASES[alias].update(
            NAME=name, USER=postgres.USER, PASSWORD=server.password, HOST="127.0.0.1", PORT=str(server.port)
        )


@pytest.fixture(scope="session")
def chain(session_folder: Path) -> Iterator[chainnode.ChainNode]:
    """This worker's own chain node, with a block each second (`evm_setAutomine` for short tests)."""
    node = chainnode.ChainNode(session_folder / "chain", chainnode.anvil_binary(CHECKOUT), keep=False)
    with node:
        yield node


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of outside data: Synthea bundles, RFC 6962 vectors.

    Tests that need it are skipped, with the reason, where it is absent.
    """
    folder = Path(os.environ.get("XINGLIN_SHARED_DATA", CHECKOUT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"No outside data at {folder}: set XINGLIN_SHARED_DATA to the folder with synthea/ and rfc6962/")
    return folder
