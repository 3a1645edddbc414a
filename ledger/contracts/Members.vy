# pragma version 0.4.3
# pragma evm-version cancun
"""
@title Register of the consortium's members
@license Apache-2.0
@notice Who is a member, which account acts for it, where its node answers, what it may do, and
        which log key it signs checkpoints with, from which block to which.
@dev The rule of admission:

     1. The founding members are named once, in the constructor.
     2. A vote is cast by calling `admit` or `suspend` from an active member's account. A ballot is
        the exact set of details voted on; two different sets of details are two ballots.
     3. A ballot is carried when more than half of the members active at that moment have voted
        for it. Votes of members that were suspended since do not count.
     4. A ballot lapses VOTING_BLOCKS blocks after its first vote; the next vote opens it anew.
     5. A suspended member comes back the same way a new one comes in: by `admit`, with the details
        voted on. Its name, and so its identity and its anchored history, stay the same.
     6. The last active member cannot be suspended: nobody could vote any more.

     A member's `term` counts its changes of status: odd while active, even while not (0 was never
     admitted). A vote names the term it is about, so that a vote sent twice, or sent again after a
     chain rolled back, has the effect of one: a term that has passed is left as it is.

     Nothing here is personal data: members are organisations.
"""

MAX_FOUNDERS: constant(uint256) = 64
MAX_MEMBERS: constant(uint256) = 1024
VOTING_BLOCKS: public(constant(uint256)) = 200_000

struct Details:
    name: String[100]
    account: address
    endpoint: String[200]
    roles: uint256
    key_digest: bytes32

struct Member:
    name: String[100]
    account: address
    endpoint: String[200]
    roles: uint256
    term: uint64
    active: bool
    key_digest: bytes32

struct LogKey:
    member: bytes32
    digest: bytes32
    valid_from: uint64
    ended_at: uint64
    revoked: bool

struct Ballot:
    opened_at: uint256
    voters: DynArray[bytes32, MAX_MEMBERS]

event Voted:
    ballot: indexed(bytes32)
    voter: indexed(bytes32)
    member: indexed(bytes32)
    term: uint64

event Admitted:
    member: indexed(bytes32)
    account: address
    name: String[100]
    endpoint: String[200]
    roles: uint256
    term: uint64

event Suspended:
    member: indexed(bytes32)
    term: uint64

event LogKeySet:
    member: indexed(bytes32)
    digest: bytes32

event LogKeyEnded:
    member: indexed(bytes32)
    digest: bytes32
    revoked: bool

event AccountSet:
    member: indexed(bytes32)
    account: address

event EndpointSet:
    member: indexed(bytes32)
    endpoint: String[200]

active_members: public(uint256)
# The member that an account acts for, active or not; empty for a stranger.
member_of: public(HashMap[address, bytes32])

_members: DynArray[bytes32, MAX_MEMBERS]
_names: HashMap[bytes32, String[100]]
_accounts: HashMap[bytes32, address]
_endpoints: HashMap[bytes32, String[200]]
_roles: HashMap[bytes32, uint256]
_terms: HashMap[bytes32, uint64]
# The log key in force, empty when it was revoked and none followed.
_keys: HashMap[bytes32, bytes32]
_key_count: HashMap[bytes32, uint256]
_key_digests: HashMap[bytes32, HashMap[uint256, bytes32]]
_log_keys: HashMap[bytes32, LogKey]
_ballots: HashMap[bytes32, Ballot]


@deploy
def __init__(founders: DynArray[Details, MAX_FOUNDERS]):
    assert len(founders) != 0, "members: a consortium has a founder"
    for founder: Details in founders:
        member: bytes32 = keccak256(founder.name)
        assert self._terms[member] == 0, "members: name is taken"
        self._check(member, founder)
        self._enter(member, founder)


# Votes


@external
def admit(details: Details, term: uint64) -> bool:
    """
    @notice Vote to admit a new member, or a suspended one again, with exactly these details.
    @param details Name, account, endpoint, roles (bitmap) and log key digest of the member.
    @param term The member's term now: 0 for a new member, an even number for a suspended one.
    @return True when this vote carried the ballot.
    """
    voter: bytes32 = self._voter()
    member: bytes32 = keccak256(details.name)
    assert term % 2 == 0, "members: admission is for a member that is not active"
    if self._is_past(member, term):
        return False
    self._check(member, details)
    if not self._vote(keccak256(abi_encode(b"admit", details, term)), voter, member, term):
        return False
    self._enter(member, details)
    return True


@external
def suspend(member: bytes32, term: uint64) -> bool:
    """
    @notice Vote to suspend an active member. It keeps its name and history and can do nothing.
    @param member Its identity, the keccak256 of its name.
    @param term The member's term now, an odd number.
    @return True when this vote carried the ballot.
    """
    voter: bytes32 = self._voter()
    assert term % 2 == 1, "members: suspension is for an active member"
    if self._is_past(member, term):
        return False
    assert self.active_members > 1, "members: the last active member stays"
    if not self._vote(keccak256(abi_encode(b"suspend", member, term)), voter, member, term):
        return False
    self._terms[member] = term + 1
    self.active_members -= 1
    log Suspended(member=member, term=term + 1)
    return True


# What a member changes about itself


@external
def set_log_key(digest: bytes32):
    """
    @notice Put a new log key in force from this block; the one before is superseded.
    @param digest SHA-256 of the Ed25519 public key followed by the ML-DSA-44 public key.
    """
    member: bytes32 = self._voter()
    if self._keys[member] == digest and digest != empty(bytes32):
        return
    self._put_key(member, digest)


@external
def revoke_log_key(digest: bytes32):
    """
    @notice End a log key that is no longer to be trusted. Anchoring stops until another is set.
            A suspended member may do this too. Revoking twice is without effect.
    """
    member: bytes32 = self.member_of[msg.sender]
    assert member != empty(bytes32), "members: not a member"
    assert self._log_keys[digest].member == member, "members: not a log key of this member"
    if self._log_keys[digest].revoked:
        return
    assert self._keys[member] == digest, "members: log key has been superseded"
    self._end_key(member, True)


@external
def set_account(account: address):
    """
    @notice Let another account act for the calling member from now on.
    """
    member: bytes32 = self._voter()
    assert account != empty(address), "members: account is missing"
    assert self.member_of[account] == empty(bytes32), "members: account is taken"
    self.member_of[msg.sender] = empty(bytes32)
    self._accounts[member] = account
    self.member_of[account] = member
    log AccountSet(member=member, account=account)


@external
def set_endpoint(endpoint: String[200]):
    """
    @notice Say where the calling member's node answers from now on.
    """
    member: bytes32 = self._voter()
    self._endpoints[member] = endpoint
    log EndpointSet(member=member, endpoint=endpoint)


# What anybody may read


@view
@external
def author(account: address) -> (bytes32, bytes32):
    """
    @notice The active member for which an account acts, and its log key digest in force.
    @dev Reverts for a stranger, for a suspended member and for one without a key.
    """
    member: bytes32 = self.member_of[account]
    assert member != empty(bytes32), "members: not a member"
    assert self._terms[member] % 2 == 1, "members: member is suspended"
    digest: bytes32 = self._keys[member]
    assert digest != empty(bytes32), "members: member has no log key"
    return member, digest


@view
@external
def member(member: bytes32) -> Member:
    """
    @notice Everything about one member; a term of 0 means that there is none.
    """
    return Member(
        name=self._names[member],
        account=self._accounts[member],
        endpoint=self._endpoints[member],
        roles=self._roles[member],
        term=self._terms[member],
        active=self._terms[member] % 2 == 1,
        key_digest=self._keys[member],
    )


@view
@external
def member_count() -> uint256:
    return len(self._members)


@view
@external
def member_at(position: uint256) -> bytes32:
    return self._members[position]


@view
@external
def log_key_count(member: bytes32) -> uint256:
    return self._key_count[member]


@view
@external
def log_key_at(member: bytes32, position: uint256) -> LogKey:
    assert position < self._key_count[member], "members: no such log key"
    return self._log_keys[self._key_digests[member][position]]


@view
@external
def log_key(digest: bytes32) -> LogKey:
    """
    @notice Whose log key a digest is, and the blocks of its validity: valid_from is the first,
            ended_at the first in which it is not in force any more (0 while it is). A key that was
            superseded or revoked in a block was in force up to then in that block.
    """
    return self._log_keys[digest]


@view
@external
def votes(ballot: bytes32) -> uint256:
    """
    @notice How many votes of active members a ballot holds now.
    """
    return self._tally(ballot)


# Rules


@view
@internal
def _voter() -> bytes32:
    member: bytes32 = self.member_of[msg.sender]
    assert member != empty(bytes32), "members: not a member"
    assert self._terms[member] % 2 == 1, "members: member is suspended"
    return member


@view
@internal
def _is_past(member: bytes32, term: uint64) -> bool:
    assert term <= self._terms[member], "members: term has not begun"
    return term < self._terms[member]


@view
@internal
def _check(member: bytes32, details: Details):
    assert len(details.name) != 0, "members: name is missing"
    assert details.account != empty(address), "members: account is missing"
    assert details.key_digest != empty(bytes32), "members: log key is missing"
    owner: bytes32 = self.member_of[details.account]
    assert owner == empty(bytes32) or owner == member, "members: account is taken"
    if self._keys[member] != details.key_digest:
        assert self._log_keys[details.key_digest].member == empty(bytes32), "members: log key was used before"


@internal
def _vote(ballot: bytes32, voter: bytes32, member: bytes32, term: uint64) -> bool:
    opened: uint256 = self._ballots[ballot].opened_at
    if opened == 0 or block.number > opened + VOTING_BLOCKS:
        self._ballots[ballot].opened_at = block.number
        self._ballots[ballot].voters = []
    if voter not in self._ballots[ballot].voters:
        self._ballots[ballot].voters.append(voter)
        log Voted(ballot=ballot, voter=voter, member=member, term=term)
    return self._tally(ballot) * 2 > self.active_members


@view
@internal
def _tally(ballot: bytes32) -> uint256:
    if block.number > self._ballots[ballot].opened_at + VOTING_BLOCKS:
        return 0
    count: uint256 = 0
    for voter: bytes32 in self._ballots[ballot].voters:
        if self._terms[voter] % 2 == 1:
            count += 1
    return count


@internal
def _enter(member: bytes32, details: Details):
    if self._terms[member] == 0:
        self._members.append(member)
        self._names[member] = details.name
    former: address = self._accounts[member]
    if former != details.account:
        self.member_of[former] = empty(bytes32)
        self.member_of[details.account] = member
        self._accounts[member] = details.account
    self._endpoints[member] = details.endpoint
    self._roles[member] = details.roles
    self._terms[member] += 1
    self.active_members += 1
    log Admitted(
        member=member,
        account=details.account,
        name=details.name,
        endpoint=details.endpoint,
        roles=details.roles,
        term=self._terms[member],
    )
    if self._keys[member] != details.key_digest:
        self._put_key(member, details.key_digest)


@internal
def _put_key(member: bytes32, digest: bytes32):
    assert digest != empty(bytes32), "members: log key is missing"
    # A key that was ever in force, here or at another member, never comes back.
    assert self._log_keys[digest].member == empty(bytes32), "members: log key was used before"
    if self._keys[member] != empty(bytes32):
        self._end_key(member, False)
    self._log_keys[digest] = LogKey(
        member=member,
        digest=digest,
        valid_from=convert(block.number, uint64),
        ended_at=0,
        revoked=False,
    )
    self._key_digests[member][self._key_count[member]] = digest
    self._key_count[member] += 1
    self._keys[member] = digest
    log LogKeySet(member=member, digest=digest)


@internal
def _end_key(member: bytes32, revoked: bool):
    digest: bytes32 = self._keys[member]
    # Calls earlier in this block were made while the key was in force.
    self._log_keys[digest].ended_at = convert(block.number + 1, uint64)
    self._log_keys[digest].revoked = revoked
    self._keys[member] = empty(bytes32)
    log LogKeyEnded(member=member, digest=digest, revoked=revoked)
