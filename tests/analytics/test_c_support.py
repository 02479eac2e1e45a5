"""Support tickets: months and types, time to close, tickets for each 100 customers, retention by early tickets."""

from datetime import timedelta

import pytest

from analytics.models import AttributeMap
from analytics.outcomes.support import KIND
from analytics.outcomes.support_counting import judge
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import behind, block, compute
from tests.analytics.cast import AS_OF, utc, write_facts


@pytest.fixture
def world(org):
    """50 customers since January 1; 25 of them had one ticket in their first days, of whom 5 churned in time. Bugs close in two
    days, questions in six; one is open. A customer of October came late."""
    subjects = [{"subject": f"s{number:02d}", "started_at": "2026-01-01", "paid_at": "2026-01-01"} for number in range(50)]
    for number in range(5):
        subjects[number]["churned_at"] = "2026-05-01"
    subjects[30]["churned_at"] = "2026-01-10"  # within the early days
    subjects.append({"subject": "late", "started_at": "2026-10-10", "paid_at": "2026-10-10"})
    tickets = [
        {"ticket": f"t{number:02d}", "subject": f"s{number:02d}", "type": "Bug" if number < 20 else None, "at": "2026-01-15",
         "closed_at": utc("2026-01-15") + timedelta(days=2 if number < 20 else 6)} for number in range(25)
    ]  # fmt: skip
    tickets += [
        {"ticket": "open", "subject": "s00", "type": "Bug", "at": "2026-10-30"},
        {"ticket": "later", "subject": "s01", "type": "Bug", "at": "2026-11-01"},
        {"ticket": "second", "subject": "s24", "type": "Bug", "at": "2026-01-30T23:59:59", "closed_at": "2026-11-20"},
        {"ticket": "after", "subject": "s26", "type": "Bug", "at": "2026-01-31", "closed_at": "2026-02-01"},
    ]
    write_facts(org, subjects=subjects, tickets=tickets)
    return org


def test_fz_d8_tickets_by_month_and_type(world, engine_name):
    document = compute(KIND, world)
    rows = {row["month"]: row for row in block(document, "months").rows}
    assert (min(rows), max(rows), len(rows)) == ("2025-11", "2026-10", 12)
    january = rows["2026-01"]
    assert (january["tickets"], january["customers"], january["base"], january["per_100"]) == (27, 26, 50, 54.0)
    assert (january["type0"], january["type1"]) == (22, 5)
    assert rows["2026-02"]["base"] == 49  # one churned in January
    assert rows["2026-06"]["base"] == 44  # five churned on May 1
    assert (rows["2026-10"]["tickets"], rows["2026-10"]["base"]) == (1, 45)
    assert rows["2025-11"]["per_100"] is None  # nobody was there: no rate
    assert [series["name"] for series in block(document, "months").chart["series"]] == ["Bug", "Without a type"]
    types = {row["type"]: row for row in block(document, "types").rows}
    assert (types["Bug"]["n"], types["Bug"]["open"], types["Bug"]["median"]) == (23, 2, 2.0)
    assert types["Without a type"]["median"] is None  # five are too few
    assert behind(KIND, world, {"month": "2026-10"}) == ["s00"]
    assert behind(KIND, world, {"type": "Bug", "open": True}) == ["s00", "s24"]
    assert behind(KIND, world, {"month": "2026-01", "type": "Without a type"}) == [f"s{number}" for number in range(20, 25)]


def test_fz_d9_retention_by_early_tickets_leaves_out_who_is_too_young(world, engine_name):
    document = compute(KIND, world)
    none, one, more = block(document, "early").rows
    assert (none["n"], none["kept"], none["rate"]) == (24, 24, 1.0)  # a ticket on day 30 is not early
    assert (one["n"], one["kept"], one["rate"]) == (24, 19, 19 / 24)
    assert (more["n"], more["kept"], more["rate"]) == (1, 1, None)
    assert {each["reason"]: each["n"] for each in document.excluded} == {"too_young": 1, "gone_before": 1}
    assert any("Fisher's exact test that groups of 20" in note for note in block(document, "early").notes)
    assert behind(KIND, world, {"early": 1, "kept": False}) == [f"s0{number}" for number in range(5)]
    assert behind(KIND, world, {"early": 2}) == ["s24"]


def test_fz_d9_horizons_are_half_open():
    given = {"early": timedelta(days=30), "horizon": timedelta(days=60), "as_of": AS_OF}
    paid = AS_OF - timedelta(days=90)
    assert judge("a", paid, 0, None, **given).state == "judged"
    assert judge("a", paid + timedelta(seconds=1), 0, None, **given).state == "young"
    assert judge("a", paid, 0, paid + timedelta(days=30), **given).kept is False
    assert judge("a", paid, 0, paid + timedelta(days=29), **given).state == "gone"
    assert judge("a", paid - timedelta(days=9), 0, paid + timedelta(days=81), **given).kept is True


def test_r_241_no_tickets_at_all(org):
    write_facts(org, subjects=[{"subject": "a"}])
    document = compute(KIND, org)
    assert [each.empty[:15] for each in document.blocks] == ["Not enough data"] * 3


def test_fz_d2_support_says_what_it_lacks(org):
    write_facts(org, subjects=[{"subject": "a"}])
    AttributeMap.objects.create(org=org, number=1, body={"attributes": {}, "settings": {}})
    assert "map Support Ticket Creation Date" in KIND.lacks(org)


def test_wrong_parameters_of_support(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"months": 0, "early": "x", "horizon": 1})
    assert set(told.value.by_path()) == {"months", "early", "horizon"}
