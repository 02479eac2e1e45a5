"""Recurring revenue: the waterfall, what stays, cohorts; every number opens to who is behind it."""

import itertools
import random
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from analytics.analyses.kinds import Asked
from analytics.attributes.body import as_json
from analytics.models import AttributeMap, FactsState
from analytics.revenue import cohorts, waterfall
from analytics.revenue.calendar import Period, add, months_in
from analytics.revenue.cohort_table import ALL, Paid, Shape, cells_of
from analytics.revenue.flows import Flow, Kept, ratio
from integrations.lake.engine import open_engine
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.b_world import account, computed, deal, rows, sf, standard_map
from tests.analytics.cast import utc, write_facts

AS_OF = utc("2026-11-01")
D = Decimal


def ask(org: SalesforceOrg, data: dict[str, Any] | None = None, *, kind=waterfall.KIND, as_of: datetime = AS_OF) -> Asked:
    return Asked(org, kind.read(org, data or {}), as_of, currency="USD")


def document(org: SalesforceOrg, data: dict[str, Any] | None = None, *, kind=waterfall.KIND, as_of: datetime = AS_OF):
    with open_engine() as engine:
        return kind.compute(engine, ask(org, data, kind=kind, as_of=as_of))


def who(org: SalesforceOrg, cell: dict[str, Any], data: dict[str, Any] | None = None, *, kind=waterfall.KIND) -> list[str]:
    assert kind.behind is not None
    with open_engine() as engine:
        return kind.behind(engine, ask(org, data, kind=kind), cell).column("subject").to_pylist()


def block(found, key: str):
    return next(each for each in found.blocks if each.key == key)


def amounts(found) -> dict[str, Decimal]:
    return {each["part"]: D(each["amount"]) for each in block(found, "waterfall").rows}


def small_company(org: SalesforceOrg) -> None:
    """A grows, B leaves and comes back, C shrinks, D is new in October."""
    sf(org, "Account", [account(each, Industry="Media" if each in "AB" else None) for each in "ABCD"])
    sf(org, "Opportunity", [
        deal("1", "A", 2400, "2025-01-01", Ends__c="2026-12-31"), deal("2", "A", 300, "2026-10-01", Ends__c="2026-12-31", Product__c="X"),
        deal("3", "B", 600, "2025-06-01", Ends__c="2026-07-31"), deal("4", "B", 100, "2026-10-10", Ends__c="2027-10-09"),
        deal("5", "C", 1000, "2025-03-01", Ends__c="2027-02-28"), deal("6", "C", 500, "2025-10-01", Ends__c="2026-10-14", Product__c="Y"),
        deal("7", "D", 120, "2026-10-20", Ends__c="2027-10-19"),
    ])  # fmt: skip
    computed(org, standard_map(tx_end=opportunity_end()))


def opportunity_end():
    from tests.analytics.b_world import opportunity

    return opportunity("Ends__c")


def test_fz_d11_the_waterfall_of_a_month_and_who_is_behind_each_step(org, engine_name):
    small_company(org)
    found = document(org)
    step = amounts(found)
    assert step["New"] == D("10.00")
    assert step["Expansion"] == D("100.00")
    assert step["Reactivation"] == D("8.33")
    assert step["Contraction"] < 0
    assert step["Churn"] == 0
    assert sum(step.values()) - step["MRR at the end"] == step["MRR at the end"]
    cells = {each["part"]: each["_behind"] for each in block(found, "waterfall").rows}
    assert who(org, cells["New"]) == ["001D00000000000000"]
    assert who(org, cells["Reactivation"]) == ["001B00000000000000"]
    assert who(org, cells["Contraction"]) == ["001C00000000000000"]
    assert who(org, cells["Churn"]) == []
    assert who(org, cells["MRR at the start"]) == ["001A00000000000000", "001C00000000000000"]
    assert len(who(org, cells["MRR at the end"])) == 4


def test_methods_6_nrr_grr_and_customer_retention_have_a_base_of_twelve_months(org):
    small_company(org)
    row = block(document(org), "retention").rows[-1]
    base = {each[0]: each[2] for each in rows(org, "months", "subject", "month", "mrr_end") if each[1] == date(2025, 10, 1)}
    now = {each[0]: each[2] for each in rows(org, "months", "subject", "month", "mrr_end") if each[1] == date(2026, 10, 1)}
    assert row["base"] == 3
    assert row["kept"] == 3
    assert row["nrr"] == float(sum(now.get(each, D(0)) for each in base) / sum(base.values()))
    assert row["grr"] == float(sum(min(now.get(each, D(0)), base[each]) for each in base) / sum(base.values()))
    assert row["logos"] == 1.0
    assert row["grr"] <= 1
    assert who(org, row["_behind:base"]) == sorted(base)
    assert who(org, row["_behind:grr"]) == ["001B00000000000000", "001C00000000000000"]


def test_methods_6_a_zero_base_is_null_and_no_infinity():
    assert ratio(D(5), D(0)) is None
    assert (Kept().nrr, Kept().grr, Kept().logos) == (None, None, None)


@pytest.mark.parametrize("seed", range(2))
def test_methods_6_the_identity_holds_to_the_cent_on_random_companies(org, seed):
    """Start + new + expansion + reactivation - contraction - churn = end: every month, every length, every split."""
    chance = random.Random(seed)
    names = [f"N{number}" for number in range(25)]
    sf(org, "Account", [account(each, Industry=chance.choice(["Media", "Retail", None])) for each in names])
    deals = [
        deal(str(number), chance.choice(names), chance.randint(1, 999_999) / 100, f"202{chance.randint(4, 6)}-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
             Term__c=chance.choice([1, 2, 3, 5, 7, 12, 24]), Product__c=chance.choice(["A", "B", None]))
        for number in range(90)
    ]  # fmt: skip
    sf(org, "Opportunity", deals)
    from tests.analytics.b_world import opportunity

    computed(org, standard_map(tx_months=opportunity("Term__c")))
    for data in ({"months": "30"}, {"length": "12", "by": "industry"}, {"length": "3", "month": "2025-08"}):
        found = document(org, data)
        step = amounts(found)
        assert sum(step.values()) - step["MRR at the end"] == step["MRR at the end"]
        for row in block(found, "months").rows:
            parts = [D(row[each]) for each in ("start", "new", "expansion", "reactivation", "contraction", "churn")]
            assert sum(parts) == D(row["end"])
        if data.get("by"):
            for part, label in (("start", "MRR at the start"), ("new", "New"), ("churn", "Churn"), ("end", "MRR at the end")):
                assert sum(D(each[part]) for each in block(found, "split").rows) == step[label]


def test_methods_6_months_follow_on_each_other(org):
    small_company(org)
    listed = block(document(org, {"months": "24"}), "months").rows
    assert all(one["end"] == other["start"] for one, other in itertools.pairwise(listed))


def test_r_242_the_month_that_is_going_on_is_marked_and_not_drawn(org):
    small_company(org)
    with_state = utc("2026-10-15")
    computed(org, standard_map(tx_end=opportunity_end()), now=utc("2026-10-15T03:00"))
    found = document(org, as_of=with_state)
    table = block(found, "months")
    assert table.rows[-1]["month"] == "Oct 2026"
    assert table.rows[-1]["complete_on"] == "2026-11-01"
    assert table.chart["categories"][-1] == "Sep 2026"
    assert [each["x"] for each in block(found, "retention").chart["series"][0]["points"]][-1] == "2026-09-01"
    assert any("not over" in each for each in found.notes)


def test_fz_12_split_by_attribute_opens_to_its_customers(org):
    small_company(org)
    split = block(document(org, {"by": "industry"}), "split").rows
    assert [each["value"] for each in split] == ["Media", "Not known"]
    assert who(org, split[0]["_behind:end"], {"by": "industry"}) == ["001A00000000000000", "001B00000000000000"]
    assert who(org, split[1]["_behind:new"], {"by": "industry"}) == ["001D00000000000000"]


def test_revenue_without_any_facts_of_money_says_so(org):
    write_facts(org, subjects=[{"subject": "c1"}])
    found = document(org)
    assert all(each.empty.startswith("Not enough data") for each in found.blocks)
    assert block(found, "figures").chart["figures"][3]["value"] is None


def test_fz_d2_revenue_says_which_attribute_is_not_mapped(org):
    assert "have not been computed" in waterfall.KIND.lacks(org)
    FactsState.objects.create(org=org, as_of=AS_OF, digest="x")
    AttributeMap.objects.create(org=org, number=1, body=as_json(standard_map(tx_amount=None)))
    assert waterfall.KIND.lacks(org) == "Amount is not mapped: choose where Salesforce holds it."
    AttributeMap.objects.create(org=org, number=2, body=as_json(standard_map()))
    assert waterfall.KIND.lacks(org) == "" == cohorts.KIND.lacks(org)


def test_parameters_that_are_wrong_are_all_told(org):
    with pytest.raises(ProblemsFound) as found:
        waterfall.KIND.read(org, {"month": "2026-13", "length": "2", "months": "900", "by": "color"})
    assert {each.path for each in found.value.problems} == {"month", "length", "months", "by"}
    assert waterfall.KIND.read(org, {}) == {"by": "", "length": "1", "month": "", "months": 13}


# --- Cohorts -----------------------------------------------------------------------------------------------------------


def test_methods_6_cohort_revenue_is_month_k_by_month_0(org):
    names = [f"N{number:02d}" for number in range(20)]
    sf(org, "Account", [account(each) for each in names])
    deals = [deal(each, each, 120, "2026-07-05") for each in names]
    deals += [deal(f"x{each}", each, 60, "2026-09-05", Product__c="X") for each in names[:5]]
    sf(org, "Opportunity", deals)
    computed(org)
    row = block(document(org, kind=cohorts.KIND), "table").chart["rows"][1]
    assert row["label"] == "Jul 2026"
    assert row["size"] == 20
    assert [each and each["rate"] for each in row["cells"][:5]] == [1.0, 1.0, 1.125, 1.125, None]


def test_r_241_a_cohort_of_two_shows_counts_and_no_rate(org):
    sf(org, "Account", [account("A"), account("B")])
    sf(org, "Opportunity", [deal("1", "A", 120, "2026-07-05"), deal("2", "B", 120, "2026-07-06")])
    computed(org)
    found = document(org, kind=cohorts.KIND)
    row = block(found, "table").chart["rows"][1]
    assert row["size"] == 2
    assert row["cells"][0]["kept"] == 2
    assert row["cells"][0]["rate"] is None
    assert any("Not enough data" in each for each in block(found, "table").notes)
    assert block(found, "curve").empty.startswith("Not enough data")


def test_methods_4_a_cell_is_complete_when_the_month_of_its_last_possible_member_is_over():
    shape = Shape("quarter", 2, 4, datetime(2026, 11, 15, tzinfo=UTC))
    sizes = {(date(2026, 7, 1), ""): 30, (date(2026, 9, 1), ""): 30, (date(2026, 11, 1), ""): 5}
    paid = [
        Paid(begun, "", add(begun, k), 10, D(100)) for begun, _ in sizes for k in range(4) if add(begun, k) <= date(2026, 11, 1)
    ]
    cells = cells_of(shape, sizes, paid, [])
    assert [each and each.complete_on for each in cells["2026-07-01"]] == [None, None, "2026-12-01", "2027-01-01"]
    assert [each and each.complete_on for each in cells["2026-10-01"]] == ["2027-01-01", "2027-02-01", None, None]
    assert cells["2026-10-01"][2] is None
    assert [each and (each.members, each.mrr) for each in cells[ALL]] == [(60, D(200)), (60, D(200)), None, None]


def test_cohorts_by_value_count_only_those_whose_month_is_over():
    shape = Shape("industry", 1, 3, datetime(2026, 11, 1, tzinfo=UTC))
    sizes = {(date(2026, 8, 1), "Media"): 30, (date(2026, 10, 1), "Media"): 20}
    paid = [Paid(date(2026, 8, 1), "Media", add(date(2026, 8, 1), k), 30 - k, D(300 - k)) for k in range(3)]
    paid += [Paid(date(2026, 10, 1), "Media", date(2026, 10, 1), 20, D(200))]
    cells = cells_of(shape, sizes, paid, ["Media"])["Media"]
    assert [(each.members, each.paying, each.base, each.mrr) for each in cells if each] == [
        (50, 50, D(500), D(500)), (30, 29, D(300), D(299)), (30, 28, D(300), D(298)),
    ]  # fmt: skip


def test_who_is_behind_a_cell_of_a_cohort(org, engine_name):
    small_company(org)
    data = {"cohort_count": "36", "measure": "customers"}
    found = document(org, data, kind=cohorts.KIND)
    row = next(each for each in block(found, "table").chart["rows"] if each["label"] == "Jun 2025")
    assert who(org, row["behind"], data, kind=cohorts.KIND) == ["001B00000000000000"]
    assert who(org, row["cells"][2]["behind"], data, kind=cohorts.KIND) == ["001B00000000000000"]
    gone = {"cohort": "2025-01-01", "period": 3, "kept": False}
    assert who(org, gone, data, kind=cohorts.KIND) == []
    by = {"cohorts": "industry"}
    table = block(document(org, by, kind=cohorts.KIND), "table").chart["rows"]
    assert {each["label"]: each["size"] for each in table} == {"All, complete cells only": 4, "Media": 2, "Not known": 2}
    assert who(org, table[1]["behind"], by, kind=cohorts.KIND) == ["001A00000000000000", "001B00000000000000"]
    assert who(org, table[2]["cells"][0]["behind"], by, kind=cohorts.KIND) == ["001C00000000000000", "001D00000000000000"]


def test_flows_follow_on_each_other():
    one = Flow(D(10), D(5), end=D(15))
    two = Flow(D(15), churn=D(15), end=D(0))
    assert one.then(two) == Flow(D(10), D(5), churn=D(15))
    assert one.then(two).check()
    assert list(months_in(Period(date(2025, 12, 1), date(2026, 2, 1)))) == [
        date(2025, 12, 1),
        date(2026, 1, 1),
        date(2026, 2, 1),
    ]
