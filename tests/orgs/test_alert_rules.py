"""Which places an alert goes to, and when: tables, properties, and the catalog held against the code."""

import ast
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.alert_rules import catalogue
from integrations.alert_rules.matching import DAILY, HOURLY, NAMED, USUAL, Facts, Quiet, Route, Rule, due_at, matches, routes_of

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 22, 21, 30, tzinfo=UTC)
BERLIN, KOLKATA, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("UTC")


def facts(**changes) -> Facts:
    first = Facts(
        frozenset({"connection.state"}), frozenset({"reauth_required"}), frozenset({"connections"}), frozenset({3}),
        frozenset({"production"}), "action",
    )  # fmt: skip
    return replace(
        first, **{name: value if isinstance(value, str | bool) else frozenset(value) for name, value in changes.items()}
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, True), ({"kinds": {"connection.state"}}, True), ({"kinds": {"okr.link"}}, False),
        ({"kinds": {"okr.link", "connection.state"}}, True), ({"codes": {"reauth_required"}}, True), ({"codes": {"x"}}, False),
        ({"domains": {"connections"}}, True), ({"domains": {"billing"}}, False), ({"severities": {"action"}}, True),
        ({"severities": {"warning"}}, False), ({"orgs": {3}}, True), ({"orgs": {4}}, False), ({"orgs": {3, 4}}, True),
        ({"environments": {"production"}}, True), ({"environments": {"sandbox"}}, False),
        ({"domains": {"connections"}, "environments": {"sandbox"}}, False),
        ({"domains": {"connections"}, "severities": {"action"}, "orgs": {3}}, True),
    ],
)  # fmt: skip
def test_a_rule_matches_what_all_its_lists_name(rule, expected):
    assert matches(Rule(1, **{name: frozenset(value) for name, value in rule.items()}), facts()) is expected


def test_an_alert_that_speaks_for_several_connections_matches_a_rule_of_one_of_them():
    rule = Rule(1, orgs=frozenset({9}))
    assert matches(rule, facts(orgs={7, 8, 9}))
    assert not matches(rule, facts(orgs=set()))


@pytest.mark.parametrize(
    ("severity", "expected"), [("action", ["usual", "channel:1", "channel:2"]), ("warning", ["usual", "channel:2"])]
)
def test_without_a_matching_rule_it_goes_where_it_went_before(severity, expected):
    for rules in ([], [Rule(1, kinds=frozenset({"okr.link"}), channels=(5,))], [Rule(1)]):  # the last one leads nowhere
        found = routes_of(facts(severity=severity), rules, default=[1, 2], warned={2}, now=NOW)
        assert [each.place for each in found] == expected
        assert all(each.due_at == NOW for each in found)


def test_each_place_is_told_once_and_as_early_as_one_rule_wants():
    late, soon = Rule(1, channels=(5, 6), rhythm=DAILY), Rule(2, channels=(5,))
    found = routes_of(facts(), [late, soon], default=[9], warned=set(), now=NOW)
    assert {each.place: each.rule for each in found} == {"channel:5": 2, "channel:6": 1}


def test_people_whom_an_alert_names_are_told_at_once_whatever_rules_say():
    rule = Rule(1, channels=(5,), rhythm=DAILY)
    found = routes_of(facts(names_people=True), [rule], default=[], warned=set(), now=NOW)
    assert Route(NAMED, NOW) in found
    usual = routes_of(
        facts(names_people=True), [replace(rule, mails_usual=True, rhythm="now")], default=[], warned=set(), now=NOW
    )
    assert [each.place for each in usual] == ["channel:5", USUAL]  # the usual people include those it names


@pytest.mark.parametrize(
    ("quiet", "at", "expected"),
    [
        ((time(22), time(7), UTC_ZONE), (21, 30), None), ((time(22), time(7), UTC_ZONE), (22, 0), (7, 0)),
        ((time(22), time(7), UTC_ZONE), (3, 0), (7, 0)), ((time(22), time(7), UTC_ZONE), (7, 0), None),
        ((time(12), time(13), UTC_ZONE), (12, 59), (13, 0)), ((time(22), time(7), BERLIN), (21, 30), (6, 0)),
        ((time(22), time(7), KOLKATA), (16, 29), None), ((time(22), time(7), KOLKATA), (16, 30), (1, 30)),
    ],
)  # fmt: skip
def test_quiet_hours_hold_a_message_until_they_end(quiet, at, expected):
    moment = NOW.replace(hour=at[0], minute=at[1])
    end = due_at(Rule(1, quiet=Quiet(*quiet)), moment)
    assert end == moment if expected is None else (end.hour, end.minute) == expected
    assert timedelta(0) <= end - moment < timedelta(hours=24)


def test_digests_go_at_the_full_hour_and_at_the_hour_of_the_zone():
    assert due_at(Rule(1, rhythm=HOURLY), NOW) == NOW.replace(hour=22, minute=0)
    assert due_at(Rule(1, rhythm=DAILY, daily_at=time(8), zone=BERLIN), NOW) == datetime(2026, 11, 23, 7, tzinfo=UTC)
    spring = datetime(2026, 3, 29, 0, 0, tzinfo=UTC)  # 02:30 is left out that night
    assert due_at(Rule(1, rhythm=DAILY, daily_at=time(2, 30), zone=BERLIN), spring) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


HOURS = st.times().map(lambda each: each.replace(second=0, microsecond=0))
WORDS = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=2)
QUIETS = st.none() | st.builds(Quiet, HOURS, HOURS, st.sampled_from([BERLIN, KOLKATA, UTC_ZONE]))
RULES = st.lists(
    st.builds(
        Rule, st.integers(1, 5), WORDS, WORDS, st.frozensets(st.sampled_from(["action", "warning"])), WORDS,
        st.frozensets(st.integers(1, 3), max_size=2), WORDS, st.lists(st.integers(1, 4), unique=True).map(tuple), st.booleans(),
        st.booleans(), st.sampled_from(["now", HOURLY, DAILY]), HOURS, st.sampled_from([BERLIN, KOLKATA]), QUIETS,
    ), max_size=5,
)  # fmt: skip
FACTS = st.builds(
    Facts, WORDS, WORDS, WORDS, st.frozensets(st.integers(1, 3)), WORDS, st.sampled_from(["action", "warning"]), st.booleans()
)
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))


@given(FACTS, RULES, st.lists(st.integers(5, 8), unique=True), MOMENTS)
def test_no_alert_is_lost_and_none_is_told_twice_or_late(about, rules, default, now):
    found = routes_of(about, rules, default=default, warned=set(default), now=now)
    assert found
    assert len({each.place for each in found}) == len(found)
    assert all(now <= each.due_at <= now + timedelta(days=3) for each in found)
    speaking = [each for each in rules if matches(each, about) and each.leads_somewhere]
    if not speaking:
        assert found[0].place == USUAL
    assert {each.rule for each in found if each.rule} <= {each.pk for each in speaking}
    wanted = {f"channel:{channel}" for rule in speaking for channel in rule.channels}
    assert wanted <= {each.place for each in found}


@given(QUIETS.filter(bool), MOMENTS)
def test_nothing_is_sent_in_quiet_hours(quiet, now):
    assert not quiet.covers(quiet.ends(now))
    assert quiet.ends(now) >= now


# --- the catalog ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "before", "after", "worse"),
    [
        ("sync.links", "3", "5", True), ("sync.links", "5", "3", False), ("connection.access", "a+b", "a", False),
        ("connection.access", "a", "a+b", True), ("connection.access", "a", "b", True), ("sync.stage", "2026-11-21", "2026-11-22", False),
        ("connection.state", "ip_blocked", "reauth_required", True), ("unknown", "x", "y", True), ("sync.guard", "x", "x", False),
    ],
)  # fmt: skip
def test_what_counts_as_worse(kind, before, after, worse):
    assert catalogue.is_worse(kind, ("warning", before), ("warning", after)) is worse
    assert catalogue.is_worse(kind, ("warning", before), ("action", before)) is True
    assert catalogue.is_worse(kind, ("action", before), ("warning", after)) is False


def calls_of_raise_alert():
    """(module, literal code or None) of every call in the product."""
    for folder in ("integrations", "okr", "billing", "provisioning", "analytics", "project"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "raise_alert" not in path.read_text():
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "raise_alert":
                    given_code = next((each.value for each in node.keywords if each.arg == "code"), None)
                    literal = given_code.value if isinstance(given_code, ast.Constant) else None
                    yield str(path.relative_to(ROOT)), literal


def test_every_alert_that_is_raised_stands_in_the_catalog():
    modules = {each.module for each in catalogue.every()}
    calls = list(calls_of_raise_alert())
    assert len(calls) >= 18
    for module, code in calls:
        assert module in modules, f"{module} raises an alert that the catalog does not describe"
        if code is not None:
            codes = [name for each in catalogue.every() if each.module == module for name in each.codes]
            assert code in codes, f"{module} raises {code}, which no entry of the catalog names"
    raising = {module for module, _ in calls} | {"integrations/alerts.py"}
    assert modules <= raising, f"Nothing raises what the catalog says of {modules - raising}"


def test_every_entry_of_the_catalog_is_complete_and_keys_lead_to_it():
    for each in catalogue.every():
        assert each.meaning.endswith(".")
        assert each.fix.endswith(".")
        assert each.domain in catalogue.DOMAINS
        assert catalogue.kind_of(f"{each.prefix}7{each.suffix}") == each.name
    assert catalogue.kind_of("mapping-stage:3") == "sync.stage"
    assert catalogue.kind_of("mapping:3:fields") == "sync.mapping"
    assert catalogue.kind_of("okr-stuck:1") == "okr.stuck"
    assert catalogue.kind_of("nobody knows") == catalogue.OTHER


def test_the_documents_name_every_kind():
    text = (ROOT / "docs" / "alerts.md").read_text()
    missing = [each.name for each in catalogue.every() if f"`{each.name}`" not in text]
    assert missing == []
