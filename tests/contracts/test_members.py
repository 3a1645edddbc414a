"""The register of members: its rule of admission, log keys and their heights, and calls sent twice."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.contracts.names import details, digest_of, identity

A, B, P, N = (identity(name) for name in ("Hospital A", "Hospital B", "Pharmacy P", "Hospital N"))


def events(contract: Any) -> list[str]:
    return [type(event).__name__ for event in contract.get_logs()]


@pytest.fixture
def newcomer(accounts: list[Any]) -> tuple[Any, ...]:
    return details("Hospital N", accounts[3], 4, roles=2)


def test_founders_are_members_from_the_first_block(members, accounts):
    assert members.active_members() == 3
    assert [members.member_at(i) for i in range(members.member_count())] == [A, B, P]
    founder = members.member(A)
    assert (founder.name, founder.account, founder.roles) == ("Hospital A", accounts[0], 1)
    assert founder.endpoint == "https://hospital-a.example"
    assert founder.active
    assert members.author(accounts[0]) == (A, digest_of(1))


def test_a_consortium_needs_a_founder(sources, evm):
    with boa.reverts("members: a consortium has a founder"):
        sources["Members"].deploy([])


def test_two_founders_cannot_share_a_name_an_account_or_a_log_key(sources, accounts):
    first = details("Hospital A", accounts[0], 1)
    for second, reason in (
        (details("Hospital A", accounts[1], 2), "members: name is taken"),
        (details("Hospital B", accounts[0], 2), "members: account is taken"),
        (details("Hospital B", accounts[1], 1), "members: log key was used before"),
    ):
        with boa.reverts(reason):
            sources["Members"].deploy([first, second])


def test_a_newcomer_enters_when_more_than_half_of_the_members_voted_for_it(members, accounts, newcomer):
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert not members.member(N).active
    assert members.admit(newcomer, 0, sender=accounts[1])
    assert members.member(N).active
    assert members.active_members() == 4
    assert members.author(accounts[3]) == (N, digest_of(4))
    # Of four, two are not more than half.
    assert not members.suspend(P, 1, sender=accounts[0])
    assert not members.suspend(P, 1, sender=accounts[3])
    assert members.suspend(P, 1, sender=accounts[1])


def test_a_vote_sent_twice_counts_once(members, accounts, newcomer):
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert events(members) == ["Voted"]
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert events(members) == []
    assert not members.member(N).active


def test_a_vote_that_comes_after_the_decision_changes_nothing(members, accounts, newcomer):
    members.admit(newcomer, 0, sender=accounts[0])
    members.admit(newcomer, 0, sender=accounts[1])
    before = members.member(N)
    assert not members.admit(newcomer, 0, sender=accounts[2])
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert members.member(N) == before
    assert members.active_members() == 4


def test_votes_for_other_details_are_votes_on_another_ballot(members, accounts, newcomer):
    other = details("Hospital N", accounts[4], 4, roles=2)
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert not members.admit(other, 0, sender=accounts[1])
    assert not members.member(N).active


def test_a_ballot_lapses(members, accounts, evm, newcomer):
    members.admit(newcomer, 0, sender=accounts[0])
    evm.time_travel(blocks=members.VOTING_BLOCKS() + 1)
    assert not members.admit(newcomer, 0, sender=accounts[1])
    assert members.admit(newcomer, 0, sender=accounts[0])


def test_votes_of_members_suspended_since_do_not_count(members, accounts, newcomer):
    members.admit(newcomer, 0, sender=accounts[2])
    members.suspend(P, 1, sender=accounts[0])
    members.suspend(P, 1, sender=accounts[1])
    # Two active members are left, and one of them is not more than half of two.
    assert not members.admit(newcomer, 0, sender=accounts[0])
    assert members.admit(newcomer, 0, sender=accounts[1])


def test_strangers_and_suspended_members_have_no_vote(members, accounts, newcomer):
    mallory = accounts[9]
    with boa.reverts("members: not a member"):
        members.admit(newcomer, 0, sender=mallory)
    with boa.reverts("members: not a member"):
        members.suspend(A, 1, sender=mallory)
    members.suspend(P, 1, sender=accounts[0])
    members.suspend(P, 1, sender=accounts[1])
    with boa.reverts("members: member is suspended"):
        members.admit(newcomer, 0, sender=accounts[2])
    for call in (
        lambda: members.set_log_key(digest_of(9), sender=accounts[2]),
        lambda: members.set_endpoint("https://elsewhere.example", sender=accounts[2]),
        lambda: members.set_account(accounts[8], sender=accounts[2]),
        lambda: members.author(accounts[2]),
    ):
        with boa.reverts("members: member is suspended"):
            call()


def test_a_suspended_member_comes_back_by_votes_and_keeps_its_identity(members, accounts):
    for voter in accounts[:2]:
        members.suspend(P, 1, sender=voter)
    back = details("Pharmacy P", accounts[5], 7, roles=4)
    assert not members.admit(back, 2, sender=accounts[0])
    assert members.admit(back, 2, sender=accounts[1])
    pharmacy = members.member(P)
    assert (pharmacy.term, pharmacy.account, pharmacy.roles, pharmacy.active) == (3, accounts[5], 4, True)
    assert members.author(accounts[5]) == (P, digest_of(7))
    assert members.member_count() == 3
    with boa.reverts("members: not a member"):
        members.author(accounts[2])


def test_an_old_suspension_sent_again_does_not_touch_the_next_term(members, accounts):
    for voter in accounts[:2]:
        members.suspend(P, 1, sender=voter)
    for voter in accounts[:2]:
        members.admit(details("Pharmacy P", accounts[2], 3), 2, sender=voter)
    for voter in accounts[:2]:
        assert not members.suspend(P, 1, sender=voter)
    assert members.member(P).active
    # The key it came back with is the one it had: nothing was superseded.
    assert members.log_key_count(P) == 1


def test_a_vote_about_a_term_to_come_is_refused(members, accounts, newcomer):
    with boa.reverts("members: term has not begun"):
        members.admit(newcomer, 2, sender=accounts[0])
    with boa.reverts("members: term has not begun"):
        members.suspend(A, 3, sender=accounts[1])
    with boa.reverts("members: suspension is for an active member"):
        members.suspend(A, 0, sender=accounts[1])
    with boa.reverts("members: admission is for a member that is not active"):
        members.admit(newcomer, 1, sender=accounts[1])


def test_the_last_active_member_stays(sources, accounts):
    alone = sources["Members"].deploy([details("Hospital A", accounts[0], 1)])
    with boa.reverts("members: the last active member stays"):
        alone.suspend(A, 1, sender=accounts[0])
    # One member alone is a majority.
    assert alone.admit(details("Hospital N", accounts[3], 4), 0, sender=accounts[0])


def test_details_that_cannot_work_are_refused(members, accounts, evm):
    for bad, reason in (
        (details("", accounts[3], 4), "members: name is missing"),
        (details("Hospital N", "0x" + "00" * 20, 4), "members: account is missing"),
        (details("Hospital N", accounts[3], 0), "members: log key is missing"),
        (details("Hospital N", accounts[1], 4), "members: account is taken"),
        (details("Hospital N", accounts[3], 2), "members: log key was used before"),
    ):
        with boa.reverts(reason):
            members.admit(bad, 0, sender=accounts[0])


def test_a_new_log_key_supersedes_the_old_one_from_its_block_on(members, accounts, evm):
    began = members.log_key(digest_of(1)).valid_from
    evm.time_travel(blocks=10)
    members.set_log_key(digest_of(11), sender=accounts[0])
    old, new = members.log_key_at(A, 0), members.log_key_at(A, 1)
    assert (old.digest, old.valid_from, old.ended_at, old.revoked) == (digest_of(1), began, began + 11, False)
    assert (new.digest, new.valid_from, new.ended_at, new.revoked) == (digest_of(11), began + 10, 0, False)
    assert old.member == new.member == A
    assert members.author(accounts[0]) == (A, digest_of(11))
    members.set_log_key(digest_of(11), sender=accounts[0])
    assert events(members) == []


def test_a_log_key_that_was_ever_used_does_not_come_back(members, accounts):
    members.set_log_key(digest_of(11), sender=accounts[0])
    for used, account in ((1, accounts[0]), (2, accounts[0]), (1, accounts[1])):
        with boa.reverts("members: log key was used before"):
            members.set_log_key(digest_of(used), sender=account)
    with boa.reverts("members: log key is missing"):
        members.set_log_key(digest_of(0), sender=accounts[0])


def test_a_revoked_log_key_leaves_the_member_without_one(members, accounts, evm):
    members.revoke_log_key(digest_of(1), sender=accounts[0])
    key = members.log_key(digest_of(1))
    assert (key.revoked, key.ended_at) == (True, evm.evm.patch.block_number + 1)
    with boa.reverts("members: member has no log key"):
        members.author(accounts[0])
    members.revoke_log_key(digest_of(1), sender=accounts[0])
    assert events(members) == []
    with boa.reverts("members: log key is missing"):
        members.set_log_key(digest_of(0), sender=accounts[0])
    members.set_log_key(digest_of(12), sender=accounts[0])
    assert members.author(accounts[0]) == (A, digest_of(12))


def test_nobody_revokes_the_log_key_of_another_member(members, accounts):
    with boa.reverts("members: not a log key of this member"):
        members.revoke_log_key(digest_of(2), sender=accounts[0])
    with boa.reverts("members: not a member"):
        members.revoke_log_key(digest_of(2), sender=accounts[9])
    members.set_log_key(digest_of(11), sender=accounts[0])
    with boa.reverts("members: log key has been superseded"):
        members.revoke_log_key(digest_of(1), sender=accounts[0])


def test_a_suspended_member_may_still_revoke_its_key(members, accounts):
    for voter in accounts[:2]:
        members.suspend(P, 1, sender=voter)
    members.revoke_log_key(digest_of(3), sender=accounts[2])
    assert members.log_key(digest_of(3)).revoked


def test_a_member_changes_its_account_and_its_endpoint(members, accounts):
    with boa.reverts("members: account is taken"):
        members.set_account(accounts[1], sender=accounts[0])
    members.set_account(accounts[7], sender=accounts[0])
    members.set_endpoint("https://new.example", sender=accounts[7])
    assert members.member(A).endpoint == "https://new.example"
    assert members.author(accounts[7]) == (A, digest_of(1))
    with boa.reverts("members: not a member"):
        members.set_endpoint("https://old.example", sender=accounts[0])
