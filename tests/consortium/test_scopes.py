"""SMART system scopes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consortium.members.scopes import LETTERS, ScopeError, Scopes

TYPES = ["Patient", "Observation", "Condition", "AuditEvent"]
letters = st.lists(st.sampled_from(LETTERS), min_size=1, unique=True).map(
    lambda chosen: "".join(x for x in LETTERS if x in chosen)
)
scope = st.builds(lambda t, x: f"system/{t}.{x}", st.sampled_from(["*", *TYPES]), letters)
scope_lists = st.lists(scope, min_size=1, max_size=6)


def test_a_letter_is_permitted_for_the_type_that_names_it_and_for_no_other():
    scopes = Scopes.parse("system/Observation.rs")
    assert scopes.permits("Observation", "r")
    assert scopes.permits("Observation", "s")
    assert not scopes.permits("Observation", "c")
    assert not scopes.permits("Patient", "r")


def test_a_star_stands_for_every_type():
    scopes = Scopes.parse("system/*.r system/Patient.c")
    assert scopes.permits("Observation", "r")
    assert scopes.types("r", TYPES) == frozenset(TYPES)
    assert scopes.types("c", TYPES) == {"Patient"}


@pytest.mark.parametrize(
    "text",
    [
        "system/Observation",
        "system/Observation.",
        "system/Observation.sr",
        "system/Observation.rr",
        "system/Observation.read",
        "system/Observation.*",
        "user/Observation.rs",
        "patient/*.rs",
        "system/observation.r",
        "system/Observation.rs?category=laboratory",
        "system/*.rs\n",
        "system/*.rs\tsystem/*.c",
        "openid",
        "system/Обсервация.r",
        "x" * 5000,
    ],
)
def test_what_is_not_a_system_scope_is_refused(text):
    with pytest.raises(ScopeError):
        Scopes.parse(text)


def test_no_scope_permits_nothing():
    scopes = Scopes.parse("")
    assert not scopes
    assert not scopes.permits("Patient", "r")


@given(scope_lists)
def test_scopes_survive_being_written_and_read(parts):
    scopes = Scopes.parse(" ".join(parts))
    assert Scopes.parse(str(scopes)) == scopes


@given(scope_lists, scope_lists)
def test_covering_means_permitting_all_that_the_other_permits(mine, theirs):
    a, b = Scopes.parse(" ".join(mine)), Scopes.parse(" ".join(theirs))
    # `Other` stands for the types that no scope names.
    everything = [*TYPES, "Other"]
    permits_all = all(a.permits(t, x) for t in everything for x in LETTERS if b.permits(t, x))
    assert a.covers(b) == permits_all


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        scopes = Scopes.parse(text)
    except ScopeError:
        return
    assert Scopes.parse(str(scopes)) == scopes


@given(scope_lists, st.sampled_from(TYPES), st.sampled_from(LETTERS))
def test_order_and_repetition_do_not_matter(parts, type, letter):
    once = Scopes.parse(" ".join(parts))
    again = Scopes.parse("  ".join([*reversed(parts), *parts]))
    assert once == again
    assert once.permits(type, letter) == again.permits(type, letter)
