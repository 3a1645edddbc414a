"""The consortium chain: any EVM chain with JSON-RPC. The one module that uses web3, and only once it is needed.

web3 encodes calls, signs transactions and carries requests. Answers are read as raw JSON-RPC, for two reasons:
the bytes of headers and receipts are hashed again (`ledger.receipts`), and web3 refuses the long extraData of chains
with BFT finality. Every failure leaves here as one of the `ChainError`s below, whichever node is behind.

Amounts are in wei, hashes and addresses are bytes (32 and 20), heights are block numbers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ledger.contracts import Artefact, load_artefact
from ledger.jsonrpc import (
    AccountUnfunded,
    ChainError,
    ChainRefused,
    ChainUnavailable,
    ContractMissing,
    NonceConflict,
    Reverted,
    checked_receipt,
    hex_text,
    octets,
    quantity,
    revert_reason,
)
from ledger.receipts import encode_header

if TYPE_CHECKING:
    from web3 import Web3
    from web3.contract import Contract

__all__ = [
    "Account",
    "AccountUnfunded",
    "Block",
    "Call",
    "Chain",
    "ChainError",
    "ChainRefused",
    "ChainUnavailable",
    "ContractHead",
    "ContractMissing",
    "NonceConflict",
    "Reverted",
    "Signed",
]

TIMEOUT_SECONDS = 5.0
TRANSFER_GAS = 21_000
DEPLOY_GAS = 6_000_000
GWEI = 10**9
_KNOWN = ("already known", "known transaction", "already imported")
_NONCE = ("nonce too low", "underpriced", "nonce too distant", "nonce is too", "nonce has already")
_FUNDS = ("insufficient funds", "upfront cost", "insufficient balance")


@dataclass(frozen=True, slots=True)
class Block:
    """A block as the node gave it; `raw` is the JSON, `base_fee` None on chains without one."""

    number: int
    hash: bytes
    timestamp: int
    base_fee: int | None
    raw: dict[str, Any] = field(compare=False, repr=False)

    @property
    def header(self) -> bytes:
        """RLP of the header; it hashes to the block's hash."""
        return encode_header(self.raw)


@dataclass(frozen=True, slots=True)
class ContractHead:
    """What the anchoring contract holds of one member's log."""

    size: int
    root: bytes
    block_number: int


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a contract: `artefact` names it, `arguments` are JSON values, bytes as 0x text."""

    artefact: str
    contract: bytes
    function: str
    arguments: tuple[Any, ...]
    gas: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, ready to be sent any number of times."""

    raw: bytes
    hash: bytes
    nonce: int


@dataclass(frozen=True)
class Account:
    """An account that signs for this node. Its key is never printed."""

    key: bytes = field(repr=False)

    @cached_property
    def address(self) -> bytes:
        from eth_account import Account as Signer

        return bytes.fromhex(Signer.from_key(self.key).address[2:])


class Chain:
    """The adapter. Cheap to make; speaks to the node only when asked something."""

    def __init__(self, rpc_url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        self.rpc_url = rpc_url
        self.timeout = timeout
        self._chain_id: int | None = None
        self._contracts: dict[tuple[str, bytes], Contract] = {}

    # Reading

    @property
    def chain_id(self) -> int:
        if self._chain_id is None:
            self._chain_id = quantity(self.request("eth_chainId"))
        return self._chain_id

    def identify(self) -> tuple[int, bytes]:
        """Which chain answers at the address now: its id, and the hash of its block 0."""
        self._chain_id = None
        return self.chain_id, self.block(0).hash

    def block(self, number: int | None = None) -> Block:
        """The block at a height, or the newest one."""
        block = self._block(number)
        if block is None:
            raise ChainUnavailable(f"it has no block {number}")
        return block

    def block_hash(self, number: int) -> bytes | None:
        """Hash of the canonical block at a height; None above the chain's end."""
        block = self._block(number)
        return None if block is None else block.hash

    def receipt(self, transaction: bytes) -> dict[str, Any] | None:
        """The receipt of a transaction in the canonical chain, as raw JSON; None while it is in no block."""
        receipt = self.request("eth_getTransactionReceipt", hex_text(transaction))
        # Some nodes give a receipt for what only waits in their pool.
        if receipt is None or (isinstance(receipt, dict) and receipt.get("blockHash") is None):
            return None
        return checked_receipt(receipt)

    def block_receipts(self, number: int) -> list[dict[str, Any]]:
        """Every receipt of a block, in order, as raw JSON."""
        receipts = self.request("eth_getBlockReceipts", hex(number))
        if not isinstance(receipts, list):
            raise ChainUnavailable(f"it has no receipts of block {number}")
        return sorted(map(checked_receipt, receipts), key=lambda receipt: quantity(receipt["transactionIndex"]))

    def next_nonce(self, address: bytes) -> int:
        """How many transactions of the account are in the canonical chain: the number of its next one."""
        return quantity(self.request("eth_getTransactionCount", hex_text(address), "latest"))

    def balance(self, address: bytes) -> int:
        return quantity(self.request("eth_getBalance", hex_text(address), "latest"))

    def read(self, artefact: str, contract: bytes, function: str, *arguments: Any) -> Any:
        """What a view function answers in the newest block; several values as a tuple.

        Raises:
            ContractMissing: nothing answers at this address, or another contract does.
            Reverted: the contract refused.
        """
        from eth_abi.exceptions import DecodingError
        from eth_utils.abi import get_abi_output_types

        codec = self._contract(artefact, contract)
        data = codec.encode_abi(function, args=list(arguments))
        answer = self.request("eth_call", {"to": hex_text(contract), "data": data}, "latest")
        if answer in (None, "0x"):
            raise ContractMissing(contract)
        types = get_abi_output_types(codec.get_function_by_name(function).abi)
        try:
            values = self._web3.codec.decode(types, octets(answer))
        except DecodingError:
            raise ContractMissing(contract) from None
        return values[0] if len(values) == 1 else values

    def contract_head(self, contract: bytes, member: bytes) -> ContractHead:
        """The head of a member's log that the anchoring contract holds now."""
        size, root, number = self.read("Anchors", contract, "head", member)
        return ContractHead(size, bytes(root), number)

    def try_call(self, call: Call, sender: bytes, *, height: int | None = None) -> None:
        """Do a call without sending it; raises what sending it would come to."""
        self.request(
            "eth_call",
            {"from": hex_text(sender), "to": hex_text(call.contract), "data": self.encode(call), "gas": hex(call.gas)},
            "latest" if height is None else hex(height),
        )

    # Writing

    def encode(self, call: Call) -> str:
        """The call's data, as 0x text."""
        codec = self._contract(call.artefact, call.contract)
        return str(codec.encode_abi(call.function, args=[_argument(a) for a in call.arguments]))

    def sign(self, account: Account, call: Call, *, nonce: int, latest: Block, bumps: int = 0) -> Signed:
        """Sign a call with gas and fees of our own; each bump offers a quarter more than the one before."""
        body = {"to": _checksum(call.contract), "value": 0, "data": self.encode(call), "gas": call.gas}
        return self._sign(account, body, nonce, latest, bumps)

    def send(self, signed: Signed) -> None:
        """Hand a transaction to the node. Sending it again is without effect.

        Raises:
            NonceConflict: another one has its number, or offers as much for it.
            AccountUnfunded, ChainRefused, ChainUnavailable.
        """
        try:
            self.request("eth_sendRawTransaction", hex_text(signed.raw))
        except ChainRefused as refused:
            text = str(refused).lower()
            if any(mark in text for mark in _KNOWN):
                return
            if any(mark in text for mark in _NONCE):
                raise NonceConflict(refused.sentence) from None
            if any(mark in text for mark in _FUNDS):
                raise AccountUnfunded(refused.sentence) from None
            raise

    def deploy(
        self, account: Account, artefact: Artefact, arguments: Sequence[Any], *, gas: int = DEPLOY_GAS, wait: float = 60
    ) -> bytes:
        """Deploy a contract and wait until it is in a block; returns its address."""
        codec = self._web3.eth.contract(abi=cast(Any, artefact.abi), bytecode=artefact.bytecode)
        data = codec.constructor(*[_argument(a) for a in arguments]).data_in_transaction
        receipt = self._send_and_wait(account, {"value": 0, "data": data, "gas": gas}, wait)
        return octets(receipt["contractAddress"])

    def transfer(self, account: Account, to: bytes, wei: int, *, wait: float = 60) -> None:
        """Give an account the means to pay for gas, and wait until it has them."""
        self._send_and_wait(account, {"to": _checksum(to), "value": wei, "data": "0x", "gas": TRANSFER_GAS}, wait)

    def perform(self, account: Account, call: Call, *, wait: float = 60) -> dict[str, Any]:
        """Send a call and wait for its receipt: for an operator's own actions, not for the node's loops."""
        self.try_call(call, account.address)
        body = {"to": _checksum(call.contract), "value": 0, "data": self.encode(call), "gas": call.gas}
        return self._send_and_wait(account, body, wait)

    # The node

    def request(self, method: str, *parameters: Any) -> Any:
        """One JSON-RPC request; its result as it came."""
        from requests.exceptions import RequestException

        try:
            answer = self._web3.provider.make_request(cast(Any, method), list(parameters))
        except (RequestException, OSError, ValueError) as failed:
            raise ChainUnavailable(f"{method} at {self._place}: {type(failed).__name__}") from failed
        # What a node says is not always what the specification says.
        body: Any = answer
        if not isinstance(body, dict):
            raise ChainUnavailable(f"{method} at {self._place}: not JSON-RPC")
        error = body.get("error")
        if error is None:
            return body.get("result")
        details: dict[str, Any] = error if isinstance(error, dict) else {"message": str(error)}
        message = str(details.get("message", details))
        if "revert" in message.lower():
            raise Reverted(revert_reason(message, details.get("data")))
        raise ChainRefused(message)

    @property
    def _place(self) -> str:
        # An RPC address may carry a key in its path or its user: neither belongs in a log.
        parts = urlsplit(self.rpc_url)
        return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)

    @cached_property
    def _web3(self) -> Web3:
        from requests import Session
        from web3 import HTTPProvider, Web3

        session = Session()
        host = urlsplit(self.rpc_url).hostname or ""
        # A proxy of the environment does not belong between this node and a chain node beside it.
        session.trust_env = not (host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost"))
        provider = HTTPProvider(
            self.rpc_url,
            request_kwargs={"timeout": self.timeout},
            session=session,
            exception_retry_configuration=None,
        )
        return Web3(provider, middleware=[])

    def _contract(self, artefact: str, address: bytes) -> Contract:
        known = self._contracts.get((artefact, address))
        if known is None:
            abi = cast(Any, load_artefact(artefact).abi)
            known = self._web3.eth.contract(address=cast(Any, _checksum(address)), abi=abi)
            self._contracts[artefact, address] = known
        return known

    def _block(self, number: int | None) -> Block | None:
        raw = self.request("eth_getBlockByNumber", "latest" if number is None else hex(number), False)
        if raw is None:
            return None
        if not isinstance(raw, dict):
            raise ChainUnavailable(f"it gave {raw!r} where a block belongs")
        fee = raw.get("baseFeePerGas")
        return Block(
            number=quantity(raw.get("number")),
            hash=octets(raw.get("hash")),
            timestamp=quantity(raw.get("timestamp")),
            base_fee=None if fee is None else quantity(fee),
            raw=raw,
        )

    def _sign(self, account: Account, body: dict[str, Any], nonce: int, latest: Block, bumps: int) -> Signed:
        from eth_account import Account as Signer

        body = {**body, "nonce": nonce, "chainId": self.chain_id, **self._fees(latest, bumps)}
        signed = Signer.from_key(account.key).sign_transaction(body)
        return Signed(bytes(signed.raw_transaction), bytes(signed.hash), nonce)

    def _fees(self, latest: Block, bumps: int) -> dict[str, int]:
        """Twice the newest base fee and a tip of one gwei; nothing where gas is free."""
        more = 5 ** min(bumps, 20), 4 ** min(bumps, 20)
        if latest.base_fee is None:
            return {"gasPrice": quantity(self.request("eth_gasPrice")) * more[0] // more[1]}
        tip = GWEI if latest.base_fee else 0
        return {
            "maxPriorityFeePerGas": tip * more[0] // more[1],
            "maxFeePerGas": (2 * latest.base_fee + tip) * more[0] // more[1],
        }

    def _send_and_wait(self, account: Account, body: dict[str, Any], wait: float) -> dict[str, Any]:
        signed = self._sign(account, body, self.next_nonce(account.address), self.block(), 0)
        self.send(signed)
        deadline = time.monotonic() + wait
        while (receipt := self.receipt(signed.hash)) is None:
            if time.monotonic() > deadline:
                raise ChainUnavailable(f"no block took the transaction within {wait:.0f} seconds")
            time.sleep(0.1)
        if quantity(receipt["status"]) != 1:
            raise Reverted("")
        return receipt


def _argument(value: Any) -> Any:
    """An argument from its JSON form: addresses with the checksum that web3 insists on, lists as tuples."""
    if isinstance(value, str) and value.startswith("0x") and len(value) == 42:
        return _checksum(octets(value))
    if isinstance(value, bytes):
        return _checksum(value) if len(value) == 20 else value
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    return value


def _checksum(address: bytes) -> str:
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))
