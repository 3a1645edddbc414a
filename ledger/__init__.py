"""The notary: the node's Merkle log, its checkpoints and anchors, and the evidence that anyone can verify.

The ledger knows digests and commitments, never patients. It reads no settings: keys, addresses and clocks
arrive as arguments. `proofs`, `tiles`, `commitments`, `notes`, `checkpoints`, `rlp`, `trie`, `receipts`,
`trust` and `evidence` are pure and need neither Django nor web3.
"""
