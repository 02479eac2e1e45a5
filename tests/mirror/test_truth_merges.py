"""Merge chains, and where an id leads to (R-049)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.models import RecordMerge, SalesforceOrg
from integrations.salesforce.ids import to_18
from integrations.sync.mirror import merges


def account(number: int) -> str:
    return to_18(f"001{number:012d}")


A, B, C, D = (account(number) for number in range(4))


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


def test_r_049_chains_are_followed_to_the_last_winner(org, now):
    merges.note(org, "Account", [(A, B)], run=None, now=now)
    merges.note(org, "Account", [(B, C)], run=None, now=now)
    assert merges.follow(org, [A, B, C, D]) == {A: C, B: C}
    assert merges.losers_of(org, C) == [B, A]


def test_r_049_circles_end_and_lead_nowhere(org, now):
    merges.note(org, "Account", [(A, B), (B, C), (C, A), (D, A)], run=None, now=now)
    assert merges.follow(org, [A, B, C, D]) == {}
    assert set(merges.losers_of(org, A)) == {B, C, D}


def test_r_049_ids_of_15_characters_are_the_same_records(org, now):
    merges.note(org, "Account", [(A[:15], B[:15])], run=None, now=now)
    assert merges.follow(org, [A[:15]]) == {A: B}


def test_r_049_telling_a_merge_twice_changes_nothing_and_a_later_one_replaces_it(org, now):
    assert merges.note(org, "Account", [(A, B), (A, B)], run=None, now=now) == 1
    assert merges.note(org, "Account", [(A, B)], run=None, now=now) == 0
    assert merges.note(org, "Account", [(A, C), (B, B)], run=None, now=now) == 1
    assert merges.follow(org, [A]) == {A: C}
    assert RecordMerge.objects.count() == 1


def test_r_048_a_loser_that_was_restored_stands_for_itself_again(org, now):
    merges.note(org, "Account", [(A, B), (B, C)], run=None, now=now)
    assert merges.forget(org, [B]) == 1
    assert merges.follow(org, [A, B]) == {A: B}


def test_r_049_merges_of_another_connection_say_nothing(org, now):
    other = SalesforceOrg.objects.create(name="Other", login_url="https://other.my.salesforce.com")
    merges.note(other, "Account", [(A, B)], run=None, now=now)
    assert merges.follow(org, [A]) == {}


def test_r_049_thousands_of_ids_are_asked_for_in_batches(org, now, django_assert_max_num_queries):
    pairs = [(account(number), account(number + 5000)) for number in range(1200)]
    merges.note(org, "Account", pairs, run=None, now=now)
    with django_assert_max_num_queries(12):
        assert merges.follow(org, [account(number) for number in range(1200)]) == dict(pairs)


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 30), max_size=30))
def test_r_049_every_chain_ends_where_walking_it_ends(steps):
    pairs = {str(loser): str(winner) for loser, winner in steps.items()}
    ends = merges.ends_of(pairs, [str(number) for number in range(31)])
    for first in map(str, range(31)):
        walked = [first]
        while walked[-1] in pairs and len(walked) <= 31:
            walked.append(pairs[walked[-1]])
        if len(walked) > 31 or len(walked) == 1:
            assert first not in ends
        else:
            assert ends[first] == walked[-1]
