"""Campaigns: reach by state, outcomes of touched against not touched after the exposure, and who is behind them."""

import pytest

from analytics.models import AttributeMap
from analytics.outcomes.campaigns import KIND
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.c_world import behind, block, compute
from tests.analytics.cast import write_facts


def move(subject, day, kind, before, after):
    return {"subject": subject, "day": day, "kind": kind, "before": before, "after": after}


@pytest.fixture
def world(org):
    """100 customers pay since January. Webinar (March): 40 touched, 4 of them churn in time, 15 of the 60 others do. One churns
    during the exposure, one after the horizon. Fair (October) is too young, Letter reached three only."""
    movements, touches = [], []
    for number in range(100):
        subject = f"s{number:02d}"
        movements.append(move(subject, "2026-01-01", "new", 0, 10))
        if number < 4 or 40 <= number < 55:
            movements.append(move(subject, "2026-05-01", "churn", 10, 0))
        if number < 40:
            state = ("sent", "delivered", "opened", "clicked", "responded")[number % 5]
            touches.append({"member": f"w{number}", "subject": subject, "campaign_id": "701w", "campaign": "Webinar", "type": "Event",
                            "state": state, "at": "2026-03-02" if number else "2026-03-01"})  # fmt: skip
    movements += [move("s98", "2026-03-20", "churn", 10, 0), move("s99", "2026-09-01", "churn", 10, 0)]
    touches += [
        {"member": f"f{number}", "subject": f"s{number:02d}", "campaign_id": "701f", "campaign": "Fair", "type": "Event",
         "state": "sent", "at": "2026-10-01"} for number in range(30)
    ]  # fmt: skip
    touches += [
        {"member": f"l{number}", "subject": f"s{number:02d}", "campaign_id": "701l", "campaign": "Letter", "type": None,
         "state": "opened", "at": "2026-02-01"} for number in range(3)
    ]  # fmt: skip
    touches.append(
        {
            "member": "w2",
            "subject": "s70",
            "campaign_id": "701w",
            "campaign": "Webinar",
            "type": "Event",
            "state": "sent",
            "at": "2026-06-01",
        }
    )  # touched long after the exposure: it stays with the others
    write_facts(org, subjects=[{"subject": f"s{number:02d}", "started_at": "2025-12-01"} for number in range(100)],
                movements=movements, touches=touches)  # fmt: skip
    return org


def test_fz_d8_reach_counts_the_furthest_state(world, engine_name):
    document = compute(KIND, world)
    rows = {row["name"]: row for row in block(document, "campaigns").rows}
    assert [row["name"] for row in block(document, "campaigns").rows] == ["Fair", "Webinar", "Letter"]  # newest first
    webinar = rows["Webinar"]
    assert [webinar[name] for name in ("people", "delivered", "opened", "clicked", "responded")] == [41, 32, 24, 16, 8]
    assert webinar["delivered_rate"] == 32 / 41
    assert rows["Letter"]["opened"] == 3
    assert rows["Letter"]["opened_rate"] is None  # three people: counts only
    types = {row["name"]: row["people"] for row in block(document, "types").rows}
    assert types == {"Event": 71, "Without a type": 3}
    assert len(behind(KIND, world, {"campaign": "701w", "state": "clicked"})) == 16
    assert behind(KIND, world, {"type": "Without a type", "state": "opened"}) == ["s00", "s01", "s02"]
    with pytest.raises(ValueError, match="none of"):
        behind(KIND, world, {"state": "eaten"})


def test_fz_d9_outcomes_count_only_after_the_exposure(world, engine_name):
    document = compute(KIND, world)
    (row,) = block(document, "outcomes").rows
    assert (row["with"], row["with_k"], row["without"], row["without_k"]) == (40, 4, 59, 15)  # s98 was gone, s99 churned late
    assert row["difference"] == pytest.approx(4 / 40 - 15 / 59)
    assert row["interval"][0] < row["difference"] < row["interval"][1]
    assert row["ratio"] == pytest.approx((4 / 40) / (15 / 59))
    assert row["test"] == "chi-square test"
    assert row["q"] == pytest.approx(row["p"])
    assert {each["reason"]: each["n"] for each in document.excluded} == {"too_young": 1, "small": 1}
    for column in ("with", "with_k", "without", "without_k"):
        assert len(behind(KIND, world, row[f"_behind:{column}"])) == row[column], column
    assert behind(KIND, world, {"campaign": "701w", "touched": True, "happened": True}) == ["s00", "s01", "s02", "s03"]
    (pooled,) = block(document, "pooled").rows
    assert pooled["pooled"] == pytest.approx(pooled["crude"])  # one stratum
    assert pooled["crude"] == pytest.approx((4 * 44) / (36 * 15))


def test_fz_d8_conversion_of_customers_who_had_not_paid(org, engine_name):
    subjects = [{"subject": f"s{number:02d}", "started_at": "2026-01-01"} for number in range(50)]
    for number in range(50):
        if number < 10 or number == 30:
            subjects[number]["paid_at"] = "2026-04-10"
    subjects[40]["paid_at"] = "2026-02-01"  # had paid before
    subjects[41]["started_at"] = "2026-05-01"  # came later
    touches = [{"member": f"m{number}", "subject": f"s{number:02d}", "campaign_id": "701", "campaign": "Mail", "type": "E-mail",
                "state": "sent", "at": "2026-03-01"} for number in range(25)]  # fmt: skip
    write_facts(org, subjects=subjects, touches=touches)
    (row,) = block(compute(KIND, org, outcome="paid"), "outcomes").rows
    assert (row["with"], row["with_k"], row["without"], row["without_k"]) == (25, 10, 23, 1)
    assert row["test"] == "chi-square test"


def test_r_241_no_campaigns_at_all(org):
    write_facts(org, touches=[])
    document = compute(KIND, org)
    assert document.population == 0
    assert all(each.empty.startswith("Not enough data") for each in document.blocks)
    assert behind(KIND, org, {"campaign": "701", "touched": True}) == []


def test_fz_d2_campaigns_say_what_they_lack(org):
    write_facts(org, subjects=[{"subject": "a"}])
    AttributeMap.objects.create(org=org, number=1, body={"attributes": {}, "settings": {}})
    assert KIND.lacks(org).startswith("No campaign is known: map Campaign Name in")


def test_wrong_parameters_of_campaigns(org):
    with pytest.raises(ProblemsFound) as told:
        KIND.read(org, {"outcome": "luck", "horizon": 1, "exposure": 0, "months": "x"})
    assert set(told.value.by_path()) == {"outcome", "horizon", "exposure", "months"}
