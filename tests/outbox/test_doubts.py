"""Rows of which nobody knows whether Salesforce took them: sent again until it says so, and then never more (I-02, I-04, R-118)."""

import pytest

from tests.outbox.conftest import classes

pytestmark = pytest.mark.django_db
ONE, TWO = "AccountNumber", "Site"
BROKEN = [((ONE,),) * 3, ((ONE, TWO),) * 4, ((TWO,), (ONE,), (TWO, ONE))]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: "-".join("+".join(some) for some in each))
def test_i_04_r_118_what_was_in_doubt_several_times_is_sent_once_and_then_unchanged(desk, broken):
    """In each broken push some fields are on their way; however often and in whatever order, one good push ends all doubt."""
    ids, target = desk.account_ids(2), desk.target()
    values = {ONE: "start", TWO: "start"}
    desk.push(target, {"key": ids, **{name: [value] * 2 for name, value in values.items()}})
    desk.demo.fault(path="composite/sobjects", method="PATCH", times=99, cut=0)
    for turn, names in enumerate(broken):
        values |= dict.fromkeys(names, f"turn {turn}")
        desk.push(target, {"key": ids, **{name: [value] * 2 for name, value in values.items()}})
    desk.demo.no_faults()
    rows = {"key": ids, **{name: [value] * 2 for name, value in values.items()}}
    assert classes(desk.push(target, rows)[0], "Account") == {"written": 2}
    for name, value in values.items():
        assert {desk.values("Account", name)[each] for each in ids} == {value}
    assert classes(desk.push(target, rows)[0], "Account") == {"unchanged": 2}
