"""The consortium's contracts on the development chain, and the trust file that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consortium.management.chainnode import ChainNode
from consortium.members.keys import load_keys
from ledger.chain import Account, Chain
from ledger.contracts import load_artefact
from ledger.trust import Member, MemberKey, Trust, member_id, write_trust

FUNDS = hex(10**21)
HOSPITAL_ROLE = 1


@dataclass(frozen=True, slots=True)
class Founder:
    """A founding member: its name, its log's origin, its node's address, the folder of its keys."""

    name: str
    origin: str
    url: str
    keys: Path


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the contracts are: 20 bytes each."""

    members: bytes
    anchors: bytes


def establish(node: ChainNode, *, deployer: Account, founders: Sequence[Founder], known: Contracts | None) -> Contracts:
    """Deploy the register with its founders and the anchoring contract, unless the `known` ones are there.

    On an empty chain the same deployer gets the same addresses: nodes need not be told again.
    """
    chain = Chain(node.rpc)
    keys = [load_keys(founder.keys) for founder in founders]
    for account in (deployer, *(Account(key.evm) for key in keys)):
        node.call("anvil_setBalance", "0x" + account.address.hex(), FUNDS)
    if known is not None and all(_has_code(node, place) for place in (known.members, known.anchors)):
        return known
    details = [
        (
            founder.name,
            "0x" + Account(key.evm).address.hex(),
            founder.url,
            HOSPITAL_ROLE,
            "0x" + key.log_signer(founder.origin).public.digest.hex(),
        )
        for founder, key in zip(founders, keys, strict=True)
    ]
    members = chain.deploy(deployer, load_artefact("Members"), [details])
    anchors = chain.deploy(deployer, load_artefact("Anchors"), ["0x" + members.hex()])
    return Contracts(members, anchors)


def write_trust_file(path: Path, *, node: ChainNode, contracts: Contracts, founders: Sequence[Founder]) -> None:
    """What a verifier of this consortium's evidence brings, replaced as a whole."""
    chain = Chain(node.rpc)
    chain_id, genesis = chain.identify()
    members = []
    for founder in founders:
        public = load_keys(founder.keys).log_signer(founder.origin).public
        entry = chain.read("Members", contracts.members, "log_key", public.digest)
        valid_from = int(entry[2])
        members.append(Member(member_id(founder.name), founder.name, founder.origin, (MemberKey(public, valid_from),)))
    trust = Trust(chain_id, genesis, contracts.anchors, tuple(members), rpc=node.rpc)
    draft = path.with_suffix(".draft")
    draft.write_bytes(write_trust(trust))
    draft.replace(path)


def _has_code(node: ChainNode, address: bytes) -> bool:
    return str(node.call("eth_getCode", "0x" + address.hex(), "latest")) != "0x"
