"""Validation rules that an administrator adds and removes while the org runs."""

import pytest
import requests

from tests.demo_org.core.served_org import Core
from tests.demo_org.hindrances import ways

CODE = "FIELD_CUSTOM_VALIDATION_EXCEPTION"


def add(core: Core, **rule) -> None:
    core.control("rules", {"name": "Guard", "object": "Account", "message": "Not like this", **rule})


def test_a_rule_works_in_every_way_until_it_is_removed(core: Core) -> None:
    add(core, field="Industry", op="=", value="Banking", error_field="Industry")
    assert ways.every_way(core, "Account", "insert", {"Name": "x", "Industry": "Banking"}) == {CODE}
    assert ways.every_way(core, "Account", "insert", {"Name": "x", "Industry": "Energy"}) == {""}
    told = core.call("POST", "sobjects/Account", json={"Name": "x", "Industry": "Banking"})
    assert told.json() == [{"message": "Not like this", "errorCode": CODE, "fields": ["Industry"]}]
    job = ways.create_job(core, "Account", "insert", [{"Name": "x", "Industry": "Banking"}])
    ways.wait(core, job)
    assert ways.outcome(core, job, "failedResults")[0][1] == f"{CODE}:Not like this:Industry --"
    core.control("rules", {"name": "Guard"}, method="DELETE")
    assert ways.single(core, "Account", "insert", {"Name": "x", "Industry": "Banking"}) == ""


def test_a_rule_looks_at_the_whole_record(core: Core) -> None:
    account = core.make("Account", Name="Acme", Industry="Banking")
    add(core, field="Industry", op="=", value="Banking")
    assert ways.every_way(core, "Account", "update", {"Id": account, "Phone": "1"}) == {CODE}
    assert ways.single(core, "Account", "update", {"Id": account, "Industry": "Energy"}) == ""
    assert ways.single(core, "Account", "update", {"Id": account, "Phone": "1"}) == ""


@pytest.mark.parametrize(
    ("formula", "good", "bad"),
    [
        ("AnnualRevenue < 0", {"AnnualRevenue": 1}, {"AnnualRevenue": -1}),
        ("ISBLANK(Phone) && ISPICKVAL(Industry, 'Banking')", {"Industry": "Banking", "Phone": "1"}, {"Industry": "Banking"}),
        ("LEN(Site) > 3", {"Site": "abc"}, {"Site": "abcd"}),
        ('NOT(OR(Name = "Acme", BEGINS(Name, "x")))', {"Name": "xylo"}, {"Name": "acme"}),
        ("AND(ISNEW(), NumberOfEmployees * 2 > 10 + 2)", {"NumberOfEmployees": 6}, {"NumberOfEmployees": 7}),
        ("CONTAINS(LOWER(Website), 'test') || false", {"Website": "a.example"}, {"Website": "www.TEST.example"}),
        ('TEXT(Industry) & "-" & TEXT(NumberOfEmployees) == "Energy-5"', {"Industry": "Energy", "NumberOfEmployees": 4},
         {"Industry": "Energy", "NumberOfEmployees": 5}),
        ('Site = "{row}\'s"', {"Site": "{row}"}, {"Site": "{row}'s"}),
    ],
)  # fmt: skip
def test_formulas_are_really_evaluated(core: Core, formula: str, good: dict, bad: dict) -> None:
    add(core, formula=formula)
    base = {"Name": "Acme"}
    assert ways.single(core, "Account", "insert", base | good) == ""
    assert ways.single(core, "Account", "insert", base | bad) == CODE
    assert ways.bulk(core, "Account", "insert", [base | good])[0] == ""


def test_formulas_know_what_changed(core: Core) -> None:
    account = core.make("Account", Name="Acme", AnnualRevenue=10)
    add(core, formula="ISCHANGED(AnnualRevenue) && AnnualRevenue < PRIORVALUE(AnnualRevenue)")
    assert ways.single(core, "Account", "update", {"Id": account, "AnnualRevenue": 9}) == CODE
    assert ways.single(core, "Account", "update", {"Id": account, "AnnualRevenue": 11}) == ""
    assert ways.single(core, "Account", "update", {"Id": account, "Phone": "1"}) == ""
    assert ways.single(core, "Account", "insert", {"Name": "New", "AnnualRevenue": 1}) == ""


def test_formulas_look_at_the_parent(core: Core) -> None:
    bank, shop = core.make("Account", Name="Bank"), core.make("Account", Name="Shop")
    core.control("rules", {"name": "P", "object": "Contact", "formula": 'Account.Name = "Bank"', "message": "No"})
    assert ways.single(core, "Contact", "insert", {"LastName": "x", "AccountId": bank}) == CODE
    assert ways.single(core, "Contact", "insert", {"LastName": "x", "AccountId": shop}) == ""


def test_every_broken_rule_is_told(core: Core) -> None:
    add(core, field="Phone", op="blank", message="Phone please")
    core.control("rules", {"name": "Two", "object": "Account", "field": "Fax", "op": "blank", "message": "Fax please"})
    told = core.call("POST", "sobjects/Account", json={"Name": "x"}).json()
    assert [each["message"] for each in told] == ["Phone please", "Fax please"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"field": "Nope", "op": "="}, "no stored field"), ({"field": "Phone", "op": "~"}, "no condition"),
        ({"formula": "Nope = 1"}, "does not exist"), ({"formula": "Name"}, "incompatible with Boolean"),
        ({"formula": "Industry = 'x'"}, "picklist field"), ({"formula": "VLOOKUP(Name)"}, "Unknown function"),
        ({"formula": "Name = "}, "Syntax error"), ({"formula": "Name = 1"}, "Expected Text"), ({"formula": ""}, "no stored"),
        ({"formula": "(" * 60 + "true" + ")" * 60}, "too deeply"), ({"formula": "true", "error_field": "Nope"}, "error field"),
        ({"formula": "LEN(Name, Site) > 1"}, "number of parameters"), ({"formula": "true", "colour": "red"}, "has no colour"),
    ],
)  # fmt: skip
def test_rules_that_make_no_sense_are_refused(core: Core, rule: dict, told: str) -> None:
    answer = requests.post(f"{core.url}/__demo__/rules", json={"name": "R", "object": "Account", **rule}, timeout=10)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert core.control("rules", method="GET") == {"rules": []}
