"""The artefacts that nodes deploy are those of the sources beside them."""

from __future__ import annotations

import json

import pytest

from ledger import contracts
from ledger.contracts import NAMES, ContractArtefactError, load_artefact, source_digest
from ledger.contracts.compiling import artefact_path, artefact_text


@pytest.mark.parametrize("name", NAMES)
def test_an_artefact_is_what_its_source_compiles_to(name):
    assert artefact_path(name).read_text(encoding="utf-8") == artefact_text(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_source_pins_its_compiler_and_its_evm(name):
    source = artefact_path(name).with_suffix(".vy").read_text(encoding="utf-8")
    assert source.startswith("# pragma version 0.4.3\n# pragma evm-version cancun\n")


def test_an_artefact_is_loaded_with_what_it_was_built_from():
    artefact = load_artefact("Anchors")
    assert artefact.source_sha256 == source_digest("Anchors")
    assert artefact.compiler.startswith("vyper 0.4.3")
    assert {entry["name"] for entry in artefact.abi if entry["type"] == "event"} == {"Anchored", "Heartbeat"}


def test_an_artefact_of_another_source_is_refused(tmp_path, monkeypatch):
    for suffix in (".vy", ".json"):
        source = artefact_path("Anchors").with_suffix(suffix)
        (tmp_path / source.name).write_bytes(source.read_bytes())
    monkeypatch.setattr(contracts, "FOLDER", tmp_path)
    load = load_artefact.__wrapped__
    assert load("Anchors").name == "Anchors"
    with (tmp_path / "Anchors.vy").open("a") as source_file:
        source_file.write("# changed\n")
    with pytest.raises(ContractArtefactError, match="another source"):
        load("Anchors")
    (tmp_path / "Anchors.json").write_text(json.dumps({"format": "xinglin-contract/2"}))
    with pytest.raises(ContractArtefactError, match="unknown format"):
        load("Anchors")
    (tmp_path / "Anchors.json").unlink()
    with pytest.raises(ContractArtefactError, match="missing"):
        load("Anchors")
