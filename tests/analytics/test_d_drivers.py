"""The analysis `drivers` from facts to document, and the customers behind its numbers."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from analytics.analyses.kinds import Asked
from analytics.drivers import kind as drivers
from analytics.drivers.design import OUTCOMES
from analytics.drivers.estimating import estimate
from analytics.drivers.reporting import write_document
from integrations.lake.engine import open_engine
from integrations.sync.mapping.problems import ProblemsFound
from tests.analytics.cast import AS_OF, write_facts
from tests.analytics.driver_world import Retail
from tests.analytics.planted import plant

FORBIDDEN = re.compile(
    r"\b(drives?|driving|driven|causes?|caused|causing|will increase|will raise|impacts?|leads? to)\b", re.IGNORECASE
)


def ask(org, **parameters):
    asked = Asked(org, drivers.read(org, parameters), AS_OF, seed=5, currency="EUR")
    with open_engine() as engine:
        return asked, json.loads(json.dumps(drivers.compute(engine, asked).as_dict()))


def row_of(document, label):
    block = next(each for each in document["blocks"] if each["key"] == "drivers")
    return next(each for each in block["rows"] if each["label"] == label)


def sentences(part):
    if isinstance(part, dict):
        for value in part.values():
            yield from sentences(value)
    elif isinstance(part, list | tuple):
        for value in part:
            yield from sentences(value)
    elif isinstance(part, str):
        yield part


@pytest.fixture
def retail(org):
    return Retail(org)


def test_fz_01_fz_02_drivers_of_retention_from_salesforce_and_the_product_together(org, retail):
    _, document = ask(org, outcome="retention", families=["event", "campaign", "ticket", "attribute"])
    assert document["population"] == 900
    imported = row_of(document, "Data Imported")
    assert imported["verdict"] == "Robust association"
    assert imported["with"] == retail.imports.sum()
    assert imported["value"] == pytest.approx(retail.stays[retail.imports].mean())
    low, high = imported["size_interval"]
    assert low < 0.3 < high
    assert row_of(document, "Report Exported")["verdict"] in ("Explained by account type or overall activity", "No evidence")
    assert row_of(document, "Campaign touched: Webinar")["verdict"] == "No evidence"
    assert row_of(document, "Industry: Banking")["family"] == "Attributes"
    detail = next(each for each in document["extra"]["behaviors"].values() if each["key"] == "event:Data Imported")
    assert "after allowing for size, industry, source and overall activity" in detail["sentences"]["verdict"]
    assert "80 % power" in detail["sentences"]["experiment"]
    assert "E-value" in detail["sentences"]["e_value"]
    assert [each["key"] for each in detail["blocks"]] == ["doses", "numbers", "segments", "strata"]


def test_the_same_question_on_the_same_facts_gives_the_same_bytes(org, retail):
    first, second = (ask(org, outcome="retention")[1] for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_fz_03_every_outcome_has_a_report_or_says_why_not(org, retail, outcome):
    _, document = ask(org, outcome=outcome)
    block = next(each for each in document["blocks"] if each["key"] == "drivers")
    assert bool(block["rows"]) != bool(block["empty"])
    if outcome == "revenue":
        assert document["blocks"][0]["chart"]["figures"][1]["value"] == "100.00"
        assert row_of(document, "Data Imported")["size"].lstrip("-").replace(".", "").isdigit()
    if outcome == "trial_to_paid":
        assert block["empty"].startswith("Not enough data")


def test_fz_d14_the_customers_behind_the_four_groups_are_those_that_were_counted(org, retail):
    asked, document = ask(org, outcome="retention")
    groups = next(each for each in document["blocks"] if each["key"] == "groups")
    for label in ("Data Imported", "Industry: Banking", "Ticket: Bug"):
        row = next(each for each in groups["rows"] if each["label"] == label)
        for key in ("yes_had", "yes_not", "no_had", "no_not"):
            with open_engine() as engine:
                found = drivers.behind(engine, asked, row[f"_behind:{key}"]).column("subject").to_pylist()
            assert len(found) == len(set(found)) == row[key]
    row = next(each for each in groups["rows"] if each["label"] == "Data Imported")
    with open_engine() as engine:
        found = drivers.behind(engine, asked, row["_behind:yes_not"]).column("subject").to_pylist()
    expected = [customer.pk for customer, did, stays in zip(retail.customers, retail.imports, retail.stays, strict=True)
                if did and not stays]  # fmt: skip
    assert set(found) == {f"c{each}" for each in expected}


def test_fz_d9_excluded_accounts_and_behaviors_are_named(org, retail):
    _, document = ask(org, outcome="retention", landmark_days=60, refused="Viewed")
    assert {each["reason"]: each["n"] for each in document["excluded"]}["settled"] > 0
    untested = next(each for each in document["blocks"] if each["key"] == "untested")
    assert {each["label"]: each["verdict"] for each in untested["rows"]}["Viewed"] == "Part of the outcome"


def test_methods_8_3_hiding_a_behavior_changes_no_q_value(org, retail):
    _, shown = ask(org, outcome="retention")
    _, hidden = ask(org, outcome="retention", hidden="Report Exported")
    assert row_of(hidden, "Data Imported")["q"] == row_of(shown, "Data Imported")["q"]
    assert "1 hidden" in next(each for each in hidden["blocks"] if each["key"] == "drivers")["notes"][0]
    assert not any(each == "Report Exported" for each in sentences(hidden))


def test_methods_8_6_no_sentence_claims_more_than_association(org, retail):
    documents = [ask(org, outcome=outcome)[1] for outcome in OUTCOMES]
    documents.append(ask(org, outcome="churn", follow_up="censored", roll_up="count")[1])
    planted = plant(accounts=4000)
    counts = planted.study.counts.copy()
    counts[:, 20] = (planted.study.outcome == 1) & (np.arange(4000) % 2 == 0)
    counts[:, 21] = 0
    counts[:, 22] = counts[:, 0]
    revenue = plant(money=True, accounts=4000, parameters={"outcome": "revenue"}).study
    studies = (planted.study, replace(planted.study, counts=counts, months=12.0), revenue)
    documents += [write_document(estimate(each, seed=1), as_of=AS_OF, unit="EUR").as_dict() for each in studies]
    verdicts = {each["verdict"] for document in documents for each in document["extra"]["behaviors"].values()}
    assert {"Robust association", "Explained by account type or overall activity", "No evidence", "Not enough data",
            "Possible leak"} <= verdicts  # fmt: skip
    for document in documents:
        found = [each for each in sentences({**document, "title": ""}) if FORBIDDEN.search(each) and each != "Drivers"]
        assert found == []
    robust = [each["sentences"]["verdict"] for document in documents for each in document["extra"]["behaviors"].values()
              if each["verdict"] == "Robust association"]  # fmt: skip
    assert all("not proof" in each and "after allowing for" in each for each in robust)


def test_bad_parameters_are_all_named_at_once(org):
    with pytest.raises(ProblemsFound) as caught:
        drivers.read(org, {"outcome": "fame", "landmark_days": "0", "families": ["event", "moon"], "floor": "much"})
    assert set(caught.value.by_path()) == {"outcome", "landmark_days", "families", "floor"}
    with pytest.raises(ProblemsFound):
        drivers.read(org, {"outcome": "revenue", "follow_up": "censored"})


def test_equal_questions_are_equal_and_each_outcome_has_its_own_days(org):
    assert drivers.read(org, {}) == drivers.read(org, {"outcome": "trial_to_paid", "landmark_days": "7", "families": [
        "attribute", "ticket", "campaign", "feature", "event"]})  # fmt: skip
    assert drivers.read(org, {"outcome": "churn", "landmark_days": 30})["landmark_days"] is None
    assert drivers.read(org, {"outcome": "churn", "landmark_days": 7})["landmark_days"] == 7


def test_nobody_at_all_is_a_report_too(org):
    write_facts(org, subjects=[])
    _, document = ask(org, outcome="retention")
    assert document["blocks"][1]["empty"] == "Not enough data: 0 accounts, 200 are needed."


def test_fz_d2_what_is_not_mapped_is_said(org):
    write_facts(org, subjects=[{"subject": "001"}])
    _, document = ask(org, outcome="trial_to_paid")
    assert "map Free Trial Start Date" in document["blocks"][1]["empty"]


def test_behind_a_number_neither_statsmodels_nor_lifelines_nor_pandas_is_loaded():
    text = (
        "import os; os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'project.settings'); import django; django.setup(); import sys; "
        "assert 'numpy' not in sys.modules, 'loaded at start'; assert os.environ['OPENBLAS_NUM_THREADS'] == '1'; "
        "import analytics.drivers.members; "
        "print(sorted({'statsmodels', 'lifelines', 'pandas', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "[]", done.stderr
