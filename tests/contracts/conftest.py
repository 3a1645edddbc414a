"""The contracts in an EVM of the test's own (titanoboa), without a chain node."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

from ledger.contracts import FOLDER
from tests.contracts.names import details

with warnings.catch_warnings():
    # The harness's own dependencies warn on import; what the contracts do with warnings is still an error.
    warnings.simplefilter("ignore")
    import boa


@pytest.fixture(scope="session")
def sources() -> dict[str, Any]:
    return {name: boa.load_partial(str(FOLDER / f"{name}.vy")) for name in ("Members", "Anchors")}


@pytest.fixture
def evm() -> Any:
    """A clean state of the EVM, taken back after the test."""
    with boa.env.anchor():
        yield boa.env


@pytest.fixture
def accounts(evm: Any) -> list[Any]:
    return [evm.generate_address(f"account {number}") for number in range(12)]


@pytest.fixture
def members(sources: dict[str, Any], accounts: list[Any]) -> Any:
    """Three founders: hospital A, hospital B and a pharmacy, on the first three accounts."""
    names = ("Hospital A", "Hospital B", "Pharmacy P")
    return sources["Members"].deploy(
        [details(name, accounts[i], i + 1) for i, name in enumerate(names)],
    )


@pytest.fixture
def anchors(sources: dict[str, Any], members: Any) -> Any:
    return sources["Anchors"].deploy(members.address)
