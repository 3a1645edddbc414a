"""What a chain node says over JSON-RPC: its values, each of its form, and its errors, each with a name of ours."""

from __future__ import annotations

from typing import Any, cast

from ledger.errors import LedgerRefusal

_ERROR_STRING = bytes.fromhex("08c379a0")  # selector of Error(string)


class ChainError(LedgerRefusal):
    """Something went wrong between this node and the chain."""


class ChainUnavailable(ChainError):
    """The chain node does not answer, or not sensibly. Try again later."""

    def __init__(self, detail: str) -> None:
        super().__init__("chain_unavailable", f"The chain node does not answer: {detail}. Check that it runs.")


class Reverted(ChainError):
    """A contract refused the call; `reason` is its stable text, empty when it gave none."""

    def __init__(self, reason: str) -> None:
        super().__init__("chain_reverted", f"The contract refused the call: {reason or 'it gave no reason'}.")
        self.reason = reason


class NonceConflict(ChainError):
    """Another transaction of this account has, or holds, the number that this one was given."""

    def __init__(self, detail: str) -> None:
        super().__init__("chain_nonce", f"Another transaction of the account has this number: {detail}.")


class AccountUnfunded(ChainError):
    """The account cannot pay for gas."""

    def __init__(self, detail: str) -> None:
        super().__init__("chain_unfunded", f"The node's account cannot pay for gas; fund it. ({detail})")


class ContractMissing(ChainError):
    """There is no contract at the address."""

    def __init__(self, address: bytes) -> None:
        super().__init__(
            "contract_missing",
            f"There is no contract at 0x{address.hex()} on this chain. Either the chain was replaced: deploy the "
            "contracts again and set CHAIN_ANCHOR_CONTRACT and CHAIN_MEMBERS_CONTRACT; or CHAIN_RPC_URL points at "
            "another chain.",
        )


class ChainRefused(ChainError):
    """The chain node refused a request for a reason of its own."""

    def __init__(self, detail: str) -> None:
        super().__init__("chain_refused", f"The chain node refused the request: {detail}")


def checked_receipt(raw: Any) -> dict[str, Any]:
    """A receipt that has what this room takes of one, each of its form."""
    try:
        for name in ("blockNumber", "transactionIndex", "gasUsed", "status"):
            quantity(raw[name])
        for value in (raw["blockHash"], raw["transactionHash"]):
            octets(value)
        for event in raw["logs"]:
            for value in (event["address"], event["data"], *event["topics"]):
                octets(value)
    except (KeyError, TypeError):
        raise ChainUnavailable("it gave a receipt without what belongs in one") from None
    return cast(dict[str, Any], raw)


def quantity(value: Any) -> int:
    try:
        return int(value, 16)
    except (TypeError, ValueError):
        raise ChainUnavailable(f"it gave {value!r} where a number belongs") from None


def octets(value: Any) -> bytes:
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise ChainUnavailable(f"it gave {value!r} where bytes belong") from None


def hex_text(data: bytes) -> str:
    return "0x" + data.hex()


def revert_reason(message: str, data: Any) -> str:
    """The text that a contract reverted with: from the revert data, or from the node's message."""
    if isinstance(data, dict):  # some nodes wrap it
        data = data.get("data") or data.get("result")
    if isinstance(data, str) and data.startswith("0x"):
        body = octets(data)
        if body[:4] == _ERROR_STRING and len(body) >= 68:
            length = int.from_bytes(body[36:68], "big")
            return body[68 : 68 + length].decode("utf-8", "replace")
    _, colon, reason = message.partition("reverted: ")
    return reason.strip() if colon else ""
