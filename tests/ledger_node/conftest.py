"""Chain nodes of the tests' own, with the contracts on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from consortium.management import chainnode
from ledger.checkpoints import LogSigner
from tests.ledger_node.world import World, manual, new_signer, settle_world

CHECKOUT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="session")
def signer() -> LogSigner:
    return new_signer()


@pytest.fixture(scope="session")
def shared_node(session_folder: Path) -> Iterator[chainnode.ChainNode]:
    """One chain node for the tests that do not stop it or take it back."""
    node = chainnode.ChainNode(session_folder / "ledger-chain", chainnode.anvil_binary(CHECKOUT), keep=False)
    with node:
        manual(node)
        yield node


@pytest.fixture
def world(shared_node: chainnode.ChainNode, signer: LogSigner, transactional_db: None) -> World:
    """Contracts of this test's own on the shared chain node."""
    return settle_world(shared_node, signer)


@pytest.fixture
def own_world(tmp_path: Path, signer: LogSigner, transactional_db: None) -> Iterator[World]:
    """A world whose chain node may be stopped, taken back and replaced; it keeps its state in a file."""
    node = chainnode.ChainNode(tmp_path / "chain", chainnode.anvil_binary(CHECKOUT), keep=True)
    with node:
        manual(node)
        yield settle_world(node, signer)
