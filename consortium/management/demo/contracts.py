"""The consortium's contracts on the development chain, and the trust file that follows from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from consortium.management.chainnode import ChainNode
from consortium.members.keys import load_keys
from ledger.chain import Account, Chain
from ledger.registration import MemberDetails, Role, deploy_contracts, read_member
from ledger.trust import Member, MemberKey, Trust, member_id, write_trust

FUNDS = hex(10**21)


@dataclass(frozen=True, slots=True)
class Founder:
    """A founding member: its name, its log's origin, its node's address, the folder of its keys."""

    name: str
    origin: str
    url: str
    keys: Path


@dataclass(frozen=True, slots=True)
class Places:
    """Where the contracts are: 20 bytes each."""

    members: bytes
    anchors: bytes


def establish(node: ChainNode, *, deployer: Account, founders: Sequence[Founder], known: Places | None) -> Places:
    """Deploy the register with its founders and the anchoring contract, unless the `known` ones are there.

    On an empty chain the same deployer gets the same addresses: nodes need not be told again.
    """
    details = [_details(founder) for founder in founders]
    for address in (deployer.address, *(one.account for one in details)):
        node.call("anvil_setBalance", "0x" + address.hex(), FUNDS)
    if known is not None and all(_has_code(node, place) for place in (known.members, known.anchors)):
        return known
    made = deploy_contracts(Chain(node.rpc), deployer, details)
    return Places(made.members, made.anchors)


def write_trust_file(path: Path, *, node: ChainNode, places: Places, founders: Sequence[Founder]) -> None:
    """What a verifier of this consortium's evidence brings, replaced as a whole."""
    chain = Chain(node.rpc)
    chain_id, genesis = chain.identify()
    members = []
    for founder in founders:
        public = load_keys(founder.keys).log_signer(founder.origin).public
        id = member_id(founder.name)
        entry = read_member(chain, places.members, id)
        assert entry is not None, f"{founder.name} is a founding member"
        since = next(key.valid_from for key in entry.keys if key.digest == public.digest)
        members.append(Member(id, founder.name, founder.origin, (MemberKey(public, since),)))
    trust = Trust(chain_id, genesis, places.anchors, tuple(members), rpc=node.rpc)
    draft = path.with_suffix(".draft")
    draft.write_bytes(write_trust(trust))
    draft.replace(path)


def _details(founder: Founder) -> MemberDetails:
    keys = load_keys(founder.keys)
    digest = keys.log_signer(founder.origin).public.digest
    return MemberDetails(founder.name, Account(keys.evm).address, founder.url, Role.HOSPITAL, digest)


def _has_code(node: ChainNode, address: bytes) -> bool:
    return str(node.call("eth_getCode", "0x" + address.hex(), "latest")) != "0x"
