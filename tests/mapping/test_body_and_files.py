"""Bodies and files: read strictly, every problem at once with its path; nothing is ever evaluated."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.mapping_forms import read_form, write_form
from integrations.sync.mapping.body import END_USER_RULES, FieldPair, MatchRule, default_body, read_body, write_body
from integrations.sync.mapping.files import read_file
from integrations.sync.mapping.prefix import bare_name, has_prefix, refuse_prefix
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.schedule import PUSH_HOURS, explain_timing, first_push_of, last_slot, next_slot
from tests.mapping.shapes import at

QUICK = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def paths_of(data, entity="customer"):
    with pytest.raises(ProblemsFound) as found:
        read_body(data, entity=entity)
    return [(each.path, each.code) for each in found.value.problems]


def test_px_d4_rules_stay_in_their_fixed_order_whatever_a_body_says():
    body = read_body({"entity": "end_user", "rules": [{"name": "phone", "on": True}, {"name": "email", "on": True}]})
    assert tuple(rule.name for rule in body.rules) == END_USER_RULES
    assert [rule.name for rule in body.rules if rule.on] == ["sfdc_id", "email", "phone"]
    assert body.rule("email").when_several == "none"


def test_r_281_all_problems_of_a_body_come_together_with_their_paths():
    data = {
        "entity": "customer", "objekt": "Account", "retrieve": "yes", "rules": [{"name": "email"}, {"name": "name", "on": 1}, 7],
        "pairs": [{"direction": "sideways", "source": "name", "target": "PX_A__c", "colour": "red"}, {"direction": "pull"},
                  {"direction": "push", "source": "name", "target": "PX_B__c", "values": {"a": 1}}],
        "mail_providers": "gmail.com",
    }  # fmt: skip
    assert set(paths_of(data)) == {
        ("objekt", "unknown_key"), ("retrieve", "not_a_flag"), ("rules[0].name", "unknown_rule"), ("rules[1].on", "not_a_flag"),
        ("rules[2]", "not_an_object"), ("pairs[0].direction", "choice"), ("pairs[0].colour", "unknown_key"),
        ("pairs[1].source", "missing"), ("pairs[1].target", "missing"), ("pairs[2].values['a']", "not_a_text"),
        ("mail_providers", "not_a_list"),
    }  # fmt: skip


def test_r_281_a_newer_format_and_another_entity_are_refused():
    assert paths_of({"format": 2, "entity": "customer"}) == [("format", "newer_version")]
    assert paths_of({"format": "1", "entity": "customer"}) == [("format", "format")]
    assert paths_of({"entity": "end_user"}) == [("entity", "entity")]
    assert paths_of([]) == [("", "not_an_object")]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "not_json"), (b"\xff\xfe", "not_json"), (b'{"a": 1, "a": 2}', "not_json"), (b"[" * 100_000, "not_json"),
        (b"null", "not_an_object"), (b" " * 3_000_000, "too_large"), (b'{"entity": "customer", "x": 1}', "unknown_key"),
    ],
    ids=["cut", "no_utf8", "double_key", "nested", "null", "large", "unknown"],
)  # fmt: skip
def test_r_281_malformed_files_are_refused(raw, code):
    with pytest.raises(ProblemsFound) as found:
        read_file(raw, entity="customer")
    assert found.value.problems[0].code == code


def test_a_file_with_a_byte_order_mark_is_read():
    assert read_file(b"\xef\xbb\xbf" + json.dumps({"object": "Account"}).encode(), entity="customer") == default_body(
        "customer"
    )


NAMES = st.text(min_size=1, max_size=40).map(str.strip).filter(lambda text: text and "\0" not in text)
PAIRS = st.builds(
    FieldPair, st.sampled_from(["pull", "push"]), NAMES, NAMES, st.booleans(), st.booleans(),
    st.dictionaries(NAMES, NAMES, max_size=3),
)  # fmt: skip


@QUICK
@given(st.lists(PAIRS, max_size=5), st.booleans(), st.none() | st.lists(st.sampled_from(["gmail.com", "gmx.de"]), max_size=2))
def test_a_body_survives_its_json_form(pairs, flag, providers):
    data = write_body(default_body("end_user")) | {"pairs": [vars(pair) | {"values": dict(pair.values)} for pair in pairs]}
    data |= {"most_active_wins": flag, "mail_providers": providers}
    body = read_body(json.loads(json.dumps(data)))
    assert list(body.pairs) == pairs
    assert read_body(write_body(body)) == body


def test_s_038_templates_and_format_marks_are_plain_text():
    for text in ("{{7*7}}", "{% debug %}", "__import__('os')", "{0.__class__}", "%(x)s"):
        body = read_body(
            {"entity": "customer", "pairs": [{"direction": "push", "source": text, "target": text, "values": {text: text}}]}
        )
        assert body.pairs[0] == FieldPair("push", text, text, values={text: text})
        with pytest.raises(ProblemsFound) as found:
            read_body({"entity": "customer", text: 1})
        assert found.value.problems[0].path == text


# --- Prefix -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["PX_Score__c", "px_score__c", "acme__PX_Score__c", "acme_2__Px_Score__c", "PX_Place__Latitude__s"]
)
def test_px_d11_prefix_is_compared_after_the_namespace_in_any_case(name):
    assert has_prefix(name, "PX_")


@pytest.mark.parametrize(
    "name", ["Score__c", "PX__Score__c", "SPX_Score__c", "MyPX_Score__c", "PXScore__c", "Name", "acme__Score__c"]
)
def test_px_d11_other_fields_do_not_carry_it(name):
    assert not has_prefix(name, "PX_")


def test_px_36_an_empty_prefix_would_open_every_field():
    assert refuse_prefix("")
    assert refuse_prefix("1_")
    assert refuse_prefix("PX-")
    assert not refuse_prefix("PX_")
    assert not has_prefix("Anything__c", "")
    assert bare_name("ns__Loc__Longitude__s") == "Loc__c"


# --- Time -------------------------------------------------------------------------------------------------------------------


def test_px_d1_what_is_fetched_at_midnight_is_first_pushed_at_eleven():
    assert first_push_of(at("2026-11-22 00:00")) == at("2026-11-22 11:00")
    assert first_push_of(at("2026-11-22 03:59")) == at("2026-11-22 11:00")
    assert first_push_of(at("2026-11-22 04:00")) == at("2026-11-23 11:00")
    timing = explain_timing(now=at("2026-11-22 18:30"))
    assert (timing.next_fetch, timing.next_map, timing.next_push) == (
        at("2026-11-23 00:00"), at("2026-11-23 04:00"), at("2026-11-22 19:00"),
    )  # fmt: skip
    assert timing.first_push_of_next_fetch == at("2026-11-23 11:00")
    assert "first written at 11:00" in timing.sentence


def test_px_16_slots_are_utc_and_never_the_present_one():
    assert next_slot(PUSH_HOURS, after=at("2026-11-22 11:00")) == at("2026-11-22 19:00")
    assert next_slot(PUSH_HOURS, after=at("2026-11-22 23:59")) == at("2026-11-23 03:00")
    assert last_slot((0,), now=at("2026-11-22 00:00")) == at("2026-11-22 00:00")
    assert last_slot((4,), now=at("2026-11-22 03:00")) == at("2026-11-21 04:00")


# --- The page's form ----------------------------------------------------------------------------------------------------


def test_the_form_gives_the_body_back():
    body = read_body({
        "entity": "customer", "prefix": "PX_", "retrieve": True, "mail_providers": ["gmx.de"], "most_active_wins": True,
        "rules": [{"name": "sfdc_id", "on": False}, {"name": "custom_field", "on": True, "source_field": "external_id",
                  "salesforce_field": "Product_Account_Id__c", "case_sensitive": False}],
        "pairs": [{"direction": "pull", "source": "attributes.industry", "target": "Industry", "values": {"a=b": "c"}},
                  {"direction": "push", "source": "name", "target": "PX_Name__c", "cut": True, "accept_lossy": True}],
    })  # fmt: skip
    form = read_form(write_form(body, version=3), "customer")
    assert form.is_valid, form.errors
    assert form.body == body
    assert form.expected == 3
    shown = write_form(body, existing=["attributes.other", "name"])
    assert (shown["pair-0-source"], shown["pair-0-new"]) == ("new", "industry")
    assert read_form(shown, "customer").body == body


def test_problems_stand_at_the_fields_of_the_form():
    data = {
        "object": "Account", "pair-4-direction": "pull", "pair-4-source": "new", "pair-4-new": "sector", "pair-4-target": "Industry",
        "pair-9-direction": "push", "pair-9-source": "name", "pair-9-target": "", "pair-9-values": "no sign here",
        "pair-2-source": "", "pair-2-target": "", "pair-7-source": "name", "pair-7-target": "X__c", "pair-7-remove": "on",
    }  # fmt: skip
    form = read_form(data, "customer")
    assert form.lines == [4, 9]
    assert set(form.errors) == {"pair-9-target", "pair-9-values"}
    assert form.name_of("pairs[0].target") == "pair-4-target"
    assert form.name_of("rules[1].source_field") == "rule-custom_field-source_field"
    assert form.name_of("pairs[1].values['x']") == "pair-9-values"
    assert form.name_of("prefix") == "prefix"


def test_a_form_without_ticks_switches_rules_off():
    form = read_form({"object": "Account", "prefix": "PX_"}, "customer")
    assert form.body is not None
    assert not any(rule.on for rule in form.body.rules)
    assert not form.body.retrieve
    assert form.body.rules[3] == MatchRule("name")
