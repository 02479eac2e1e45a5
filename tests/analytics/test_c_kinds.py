"""What all analyses of outcomes have in common: complete parameters, documents of plain data, customers behind every number
without the slow libraries, definitions that exist."""

import json
import re
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from analytics.analyses import kinds
from analytics.analyses.documents import Document
from analytics.outcomes.offered import KINDS
from integrations.models import SalesforceOrg
from tests.analytics.c_world import Event, behind, compute, store
from tests.analytics.cast import utc, write_facts

SLOW = ("statsmodels", "lifelines", "pandas", "scipy")
ANSWERS = (
    ("retention", {}), ("retention", {"start": "paid_start", "back": "paying", "cohorts": "plan"}),
    ("retention", {"entity": "user", "measure": "unbounded"}), ("survival", {"group": "plan", "cox": True}), ("funnel", {"group": "plan"}),
    ("cohorts", {"group": "plan"}), ("campaigns", {"outcome": "expansion"}), ("support", {}), ("scores", {}),
)  # fmt: skip


@pytest.fixture
def world(org) -> SalesforceOrg:
    """60 customers of three plans with a bit of everything."""
    begin = utc("2026-01-10")
    facts: dict[str, list] = {"subjects": [], "movements": [], "touches": [], "tickets": [], "scores": []}
    for number in range(60):
        name, start = f"c{number}", begin + timedelta(days=number % 30)
        row = {"subject": name, "customer_id": number, "plan": ("Gold", "Silver", None)[number % 3], "seats": 3 * number + 1}
        row |= {"started_at": start, "trial_started_at": start, "trial_ended_at": start + timedelta(days=14)}
        if number % 4:
            paid = start + timedelta(days=10)
            row["paid_at"] = paid
            facts["movements"].append({"subject": name, "day": paid.date(), "kind": "new", "before": 0, "after": 10})
            kind, after = ("churn", 0) if number % 3 == 1 else ("expansion", 15)
            facts["movements"].append({"subject": name, "day": (paid + timedelta(days=100)).date(), "kind": kind, "before": 10,
                                       "after": after})  # fmt: skip
            if kind == "churn":
                row["churned_at"] = paid + timedelta(days=100)
        facts["subjects"].append(row)
        at = utc("2026-03-15")
        if number < 30:
            facts["touches"].append({"member": f"m{number}", "subject": name, "campaign_id": "701", "campaign": "Mail", "type": "E-mail",
                                     "state": "opened", "at": at})  # fmt: skip
        facts["tickets"].append(
            {"ticket": f"t{number}", "subject": name, "type": "Bug", "at": at, "closed_at": at + timedelta(days=3)}
        )
        facts["scores"].append({"score_id": f"n{number}", "subject": name, "kind": "nps", "score": number % 11, "at": utc("2026-10-20"),
                                "source": "product", "respondent": name})  # fmt: skip
    write_facts(org, **facts)
    store(
        [
            Event("Login", number, number, begin + timedelta(days=number % 30 + step))
            for number in range(60)
            for step in (0, 3, 40)
        ]
    )
    return org


def kind_of(name):
    return next(each for each in KINDS if each.name == name)


def test_fz_03_every_kind_of_outcome_is_offered():
    assert {each.name for each in KINDS} >= {"retention", "survival", "funnel", "cohorts", "campaigns", "support", "scores"}
    assert all(kinds.get(each.name) == each for each in KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.name)
def test_nightly_questions_are_complete_and_equal_to_themselves(org, kind):
    asked = [kind.read(org, data) for data in kind.nightly]
    assert all(kind.read(org, each) == each == json.loads(json.dumps(each)) for each in asked)
    assert len({json.dumps(each, sort_keys=True) for each in asked}) == len(asked)
    assert {each.key for each in kind.parameters} == set(asked[0])
    assert all(each.choices is None or [choice.value for choice in each.choices(org)] for each in kind.parameters)


def numbers_of(document: Document):
    """Each number of a document that has customers behind it: cell and, where it is a count of customers, the number."""
    for block in document.blocks:
        units = {column.key: column.unit for column in block.columns if column.kind == "count"}
        for row in block.rows:
            for key, cell in row.items():
                if key.startswith("_behind:"):
                    column = key.removeprefix("_behind:")
                    yield cell, row[column] if units.get(column) == "customers" else None
                elif key == "_behind":
                    yield cell, None


@pytest.mark.parametrize(("name", "data"), ANSWERS, ids=lambda each: each if isinstance(each, str) else None)
def test_methods_9_documents_are_plain_data_with_customers_behind(world, monkeypatch, name, data):
    kind = kind_of(name)
    document = compute(kind, world, **data)
    assert document.population > 0
    plain = json.loads(json.dumps(document.as_dict()))
    assert "Infinity" not in json.dumps(plain)
    assert "NaN" not in json.dumps(plain)
    for block in document.blocks:
        assert not block.empty, (block.key, block.empty)
        assert all(column.key in row for row in block.rows for column in block.columns), block.key
    found = list({json.dumps(cell, sort_keys=True): (cell, n) for cell, n in numbers_of(document)}.values())
    assert found
    for module in [*SLOW, *(each for each in sys.modules if each.partition(".")[0] in SLOW)]:
        monkeypatch.setitem(sys.modules, module, None)  # importing it fails, as it must not happen in a web process
    for cell, n in found[:: max(len(found) // 12, 1)]:
        subjects = behind(kind, world, cell, **data)
        assert n is None or len(subjects) == n, cell


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.name)
def test_methods_9_every_definition_exists(org, kind):
    write_facts(org, subjects=[])
    text = Path("docs/analytics.md").read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-")) for title in re.findall(r"^## (.+)$", text, re.MULTILINE)
    }
    document = compute(kind, org)
    assert document.definition in anchors
    assert document.population == 0  # and nothing fails without data


def test_methods_9_repeated_computation_gives_the_same_document(world):
    for name, data in ANSWERS:
        first, second = (compute(kind_of(name), world, **data).as_dict() for _ in range(2))
        assert first == second, name
