"""`python -m tests.crash.auditing FILE`, in a node's environment: does the log hold what it must, once?

FILE: JSON lines of what was acknowledged. Prints one JSON object of counts and complaints.
"""

import json
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

VERSIONS = """
SELECT type, id, version, deleted, compartment, stored_at, content FROM records_current
UNION ALL
SELECT type, id, version, deleted, compartment, stored_at, content FROM records_history
"""


def audit(acknowledged: list[dict[str, Any]]) -> dict[str, Any]:
    """Complaints, one sentence each, and what was counted."""
    from django.conf import settings
    from django.db import connection

    from ledger import log, proofs
    from ledger.chain import Chain
    from ledger.commitments import Kind, commit, derive_salt, leaf_data
    from ledger.models import Leaf
    from ledger.trust import member_id
    from records import vault
    from records.fhir.definitions import TYPE_NAMES
    from records.fhir.store import deletion_bytes, version_identity
    from records.models import Compartment

    complaints: list[str] = []
    leaves = list(Leaf.objects.order_by("index").values_list("index", "kind", "commitment"))
    head = log.head()
    if [index for index, _, _ in leaves] != list(range(head.size)):
        complaints.append("The numbers of the leaves have a gap.")
    hashes = [proofs.leaf_hash(leaf_data(Kind(kind), bytes(commitment))) for _, kind, commitment in leaves]
    if proofs.root_of(hashes) != head.root:
        complaints.append("The root is not that of the leaves.")
    if log.backlog():
        complaints.append(f"{log.backlog()} rows wait in the outbox.")
    counted = Counter((kind, bytes(commitment)) for _, kind, commitment in leaves)

    patients = dict(Compartment.objects.values_list("pk", "patient_id"))
    keys = vault.existing_keys(patients.values())
    with connection.cursor() as cursor:
        cursor.execute(VERSIONS)
        rows = cursor.fetchall()
    stored: dict[tuple[str, str, int], bytes] = {}
    for number, id, version, deleted, compartment, stored_at, content in rows:
        type = TYPE_NAMES[number]
        name = (type, id, version)
        if name in stored:
            complaints.append(f"{type}/{id} version {version} is stored twice.")
        stored[name] = bytes(content)
        key = keys[patients[compartment]] if compartment else vault.node_key()
        salt = derive_salt(key, version_identity(type, id, version))
        kind = Kind.DELETION if deleted else Kind.RECORD
        data = deletion_bytes(type, id, version, stored_at) if deleted else bytes(content)
        found = counted[(int(kind), commit(kind, salt, data))]
        if found != 1:
            complaints.append(f"{type}/{id} version {version} is in the log {found} times.")
    records = sum(1 for _, kind, _ in leaves if kind in (int(Kind.RECORD), int(Kind.DELETION)))
    if records != len(stored):
        complaints.append(f"{records} leaves of records for {len(stored)} stored versions.")
    for one in acknowledged:
        name = (one["type"], one["id"], one["version"])
        if name not in stored:
            complaints.append(f"{one['type']}/{one['id']} version {one['version']} was acknowledged and is gone.")
        elif one["marker"].encode() not in stored[name]:
            complaints.append(f"{one['type']}/{one['id']} version {one['version']} has other bytes.")

    chain = Chain(settings.CHAIN_RPC_URL)
    held = chain.contract_head(
        bytes.fromhex(settings.CHAIN_ANCHOR_CONTRACT.removeprefix("0x")), member_id(settings.NODE_NAME)
    )
    if (held.size, held.root) != (head.size, head.root):
        complaints.append(f"The contract holds {held.size} leaves and the log {head.size}.")
    return {
        "complaints": complaints[:50],
        "versions": len(stored),
        "leaves": head.size,
        "anchored": held.size,
        "digest": sha256(head.root).hexdigest()[:16],
    }


def main(arguments: list[str]) -> int:
    import django

    django.setup()
    lines = Path(arguments[0]).read_text().splitlines()
    report = audit([json.loads(line) for line in lines])
    print(json.dumps(report))
    return 1 if report["complaints"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
