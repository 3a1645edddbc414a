# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Anchors of the members' logs
@license Apache-2.0
@notice For each member the newest head of its log: size, root and the block that took it.
@dev A new head is taken only with an RFC 9162 consistency proof (section 2.1.4) from the stored
     one, so that a member can add to its log and never change what it has anchored:

     - a smaller size is a rewind, the same size with another root is a fork: both revert;
     - a larger root that does not contain the stored log leaf for leaf has no proof: it reverts;
     - the stored head again is a heartbeat: it changes nothing and does not revert, so that a call
       sent twice, or sent again after the chain rolled back, has the effect of one.

     The empty log (size 0, root SHA-256 of nothing) is every member's first stored head. Every
     log extends it, so the first real head needs no proof, and may not carry one.
"""

interface Register:
    def author(account: address) -> (bytes32, bytes32): view

struct Head:
    size: uint64
    root: bytes32
    block_number: uint64

event Anchored:
    member: indexed(bytes32)
    size: uint64
    root: bytes32
    key_digest: bytes32

event Heartbeat:
    member: indexed(bytes32)
    size: uint64
    root: bytes32

# A tree of up to 2**63 - 1 leaves is 63 levels high, and a consistency proof has at most one hash more.
MAX_SIZE: constant(uint64) = 2**63 - 1
MAX_PROOF: constant(uint256) = 64
EMPTY_ROOT: constant(bytes32) = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855

REGISTER: immutable(Register)

_roots: HashMap[bytes32, bytes32]
# size in the low 64 bits, block number in the next 64: one storage slot.
_marks: HashMap[bytes32, uint256]


@deploy
def __init__(register: address):
    assert register.is_contract, "anchors: register is not a contract"
    REGISTER = Register(register)


@external
def anchor(size: uint64, root: bytes32, proof: DynArray[bytes32, MAX_PROOF], key_digest: bytes32) -> bool:
    """
    @notice Take a new head of the calling member's log.
    @param size Number of leaves of the new head.
    @param root RFC 9162 Merkle tree hash over them.
    @param proof Consistency proof from the stored head's size to the new one.
    @param key_digest Digest of the log key that signed this head's checkpoint; it must be the one
           that the register has in force.
    @return True when the head moved, False for the stored head again.
    """
    member: bytes32 = empty(bytes32)
    registered: bytes32 = empty(bytes32)
    member, registered = staticcall REGISTER.author(msg.sender)
    assert key_digest == registered, "anchors: log key is not the one in force"

    old_size: uint256 = self._marks[member] & convert(max_value(uint64), uint256)
    old_root: bytes32 = self._roots[member] if old_size != 0 else EMPTY_ROOT
    new_size: uint256 = convert(size, uint256)

    assert new_size >= old_size, "anchors: rewind"
    if new_size == old_size:
        assert root == old_root, "anchors: fork"
        log Heartbeat(member=member, size=size, root=root)
        return False
    assert size <= MAX_SIZE, "anchors: size is out of range"

    if old_size == 0:
        assert len(proof) == 0, "anchors: the empty log needs no proof"
    else:
        # RFC 9162, 2.1.4.2; the numbers are its steps. Step 1 (equal sizes) is above.
        # 2. An empty path proves nothing.
        assert len(proof) != 0, "anchors: proof is empty"
        # 3. A complete old tree is its own first node, and the path leaves it out.
        first: uint256 = 0
        node: bytes32 = old_root
        if old_size & (old_size - 1) != 0:
            node = proof[0]
            first = 1
        # 4, 5. Start at the largest complete subtree that ends at the old tree's last leaf.
        fn: uint256 = old_size - 1
        sn: uint256 = new_size - 1
        for _: uint256 in range(64):
            if fn & 1 == 0:
                break
            fn >>= 1
            sn >>= 1
        # 6, 7. Climb, building the old root and the new one side by side.
        fr: bytes32 = node
        sr: bytes32 = node
        for i: uint256 in range(first, len(proof), bound=MAX_PROOF):
            assert sn != 0, "anchors: proof is too long"
            if fn & 1 == 1 or fn == sn:
                fr = sha256(concat(b"\x01", proof[i], fr))
                sr = sha256(concat(b"\x01", proof[i], sr))
                for _: uint256 in range(64):
                    if fn & 1 == 1 or fn == 0:
                        break
                    fn >>= 1
                    sn >>= 1
            else:
                sr = sha256(concat(b"\x01", sr, proof[i]))
            fn >>= 1
            sn >>= 1
        # 8. Both must be what they claim to be, and the path must have reached the top.
        assert sn == 0, "anchors: proof is too short"
        assert fr == old_root, "anchors: proof does not start at the stored head"
        assert sr == root, "anchors: proof does not end at the new root"

    self._marks[member] = new_size | (block.number << 64)
    self._roots[member] = root
    log Anchored(member=member, size=size, root=root, key_digest=key_digest)
    return True


@view
@external
def head(member: bytes32) -> Head:
    """
    @notice The stored head of a member's log; before the first anchor the empty log at block 0.
    """
    mark: uint256 = self._marks[member]
    size: uint64 = convert(mark & convert(max_value(uint64), uint256), uint64)
    return Head(
        size=size,
        root=self._roots[member] if size != 0 else EMPTY_ROOT,
        block_number=convert(mark >> 64, uint64),
    )


@view
@external
def register() -> address:
    return REGISTER.address
