"""What is proposed for a product field, and what a wish may say: pure rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo
from integrations.sync.fields.proposing import described, field_for, free_name, name_for, prefix_problem, propose
from integrations.sync.fields.wishes import read_wishes, stored_wish, write_wish
from integrations.sync.mapping.body import FieldPair, MappingBody
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.prefix import has_prefix
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mapping.types import PRODUCT_TYPE_OF, PRODUCT_TYPES

USERS = SourceField("active_users_30d", "Monthly Active Users", "NUMBER", "Distinct users in 30 days", "KPIs", whole=True)
CHANGE = SourceField("active_users_30d_pct", "MoM Change", "NUMBER", "Change in percent", "KPIs")
NOTE = SourceField("attributes.note", "Note", "STRING", length=4000)
TIER = SourceField("attributes.tier", "Tier", "STRING")
RENEWAL = SourceField("attributes.renewal", "Renewal", "DATE_TIME")
BODY = MappingBody("customer", "Account")


def account(*fields: FieldInfo) -> ObjectInfo:
    return ObjectInfo("Account", "Account", "001", False, True, True, True, True, True, True, True, fields)


def shown(name: str, type_: str = "double", **more) -> FieldInfo:
    return FieldInfo(name, name, type_, createable=True, updateable=True, custom=True, **more)


def read(*wishes, info=None, prefix="PX_"):
    sources = {each.key: each for each in (USERS, CHANGE, NOTE, TIER, RENEWAL)}
    body = MappingBody("customer", "Account", prefix=prefix)
    return read_wishes(list(wishes), body=body, info=info or account(), sources=sources)


def codes(*wishes, **more):
    with pytest.raises(ProblemsFound) as found:
        read(*wishes, **more)
    return {(each.path, each.code) for each in found.value.problems}


@pytest.mark.parametrize(
    ("source", "type_", "size"),
    [
        (USERS, "Number", (0, 18, 0)), (CHANGE, "Percent", (0, 18, 2)), (TIER, "Text", (255, 0, 0)),
        (NOTE, "LongTextArea", (32_768, 0, 0)), (RENEWAL, "DateTime", (0, 0, 0)),
        (SourceField("attributes.on", "On", "BOOLEAN"), "Checkbox", (0, 0, 0)),
        (SourceField("name", "Name", "STRING", length=40), "Text", (40, 0, 0)),
    ],
)  # fmt: skip
def test_px_26_px_27_px_28_px_29_types_and_sizes_follow_the_type_map(source, type_, size):
    (found,) = propose([source], account(), prefix="PX_")
    assert found.field.type == type_
    assert (found.field.length, found.field.precision, found.field.scale) == size
    assert PRODUCT_TYPE_OF[described(found.field).type] == source.type
    assert found.field.problems() == []


@given(
    key=st.text(min_size=1, max_size=80), label=st.text(min_size=1, max_size=120), kind=st.sampled_from(PRODUCT_TYPES),
    prefix=st.from_regex(r"\A[A-Za-z](?:_?[A-Za-z0-9]){0,12}_?\Z"), taken=st.sets(st.text(max_size=10), max_size=3),
)  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_px_d11_every_proposed_name_is_legal_free_and_carries_the_prefix(key, label, kind, prefix, taken):
    source = SourceField(key, label, kind)
    assert prefix_problem(prefix) == ""
    plain = name_for(source, prefix)
    name = free_name(plain, {*taken, plain.lower()})
    made = field_for(source, "Account", name, prefix)
    assert [each for each in made.problems() if "label" not in each] == []
    assert name.lower() not in {*taken, plain.lower()}
    assert has_prefix(name, prefix)
    assert len(made.label) <= 40


def test_several_fields_never_get_one_name():
    sources = [SourceField(f"attributes.{'x' * 50}{n}", "X", "NUMBER") for n in range(12)]
    names = [each.field.name for each in propose(sources, account(), prefix="PX_")]
    assert len({each.lower() for each in names}) == 12
    assert all(len(each) <= 43 for each in names)


def test_what_is_written_already_is_not_missing_and_what_is_pulled_says_so():
    pairs = (FieldPair("push", TIER.key, "PX_Tier__c"), FieldPair("pull", RENEWAL.key, "Renewal__c"))
    found = {each.source.key: each for each in propose([TIER, RENEWAL, USERS], account(), prefix="PX_", pairs=pairs)}
    assert set(found) == {RENEWAL.key, USERS.key}
    assert (found[RENEWAL.key].pulled, found[USERS.key].pulled) == (True, False)


def test_a_field_that_another_line_writes_is_not_offered_as_it_is():
    info = account(shown("PX_Tier__c", "string", length=255))
    free = propose([TIER], info, prefix="PX_")
    assert free[0].existing == "PX_Tier__c"
    used = propose([TIER], info, prefix="PX_", pairs=(FieldPair("push", "name", "px_tier__c"),))
    assert (used[0].existing, used[0].field.name) == ("", "PX_Tier_2__c")
    assert "another line" in used[0].clash


@pytest.mark.parametrize("prefix", ["acme__PX_", "PX__", "1X_", "", "PX-"])
def test_a_prefix_that_no_field_can_carry_is_said(prefix):
    assert prefix_problem(prefix)


def test_px_36_names_without_the_prefix_or_of_a_package_are_refused():
    assert codes({"source": TIER.key, "name": "Tier__c"}) == {("fields[0].name", "not_prefixed")}
    assert codes({"source": TIER.key, "name": "acme__PX_Tier__c"}) == {("fields[0].name", "name")}
    assert read({"source": TIER.key, "name": "px_tier"})[0].field.name == "px_tier__c"


def test_wishes_change_what_they_name_and_nothing_else():
    (wish,) = read({"source": TIER.key, "label": "Plan", "type": "Picklist", "values": ["Free", "Paid"], "restricted": True,
                    "help_text": "Look"})  # fmt: skip
    assert (wish.field.name, wish.field.label, wish.field.values, wish.field.restricted) == (
        "PX_Tier__c", "Plan", ("Free", "Paid"), True,
    )  # fmt: skip
    (wish,) = read({"source": USERS.key, "type": "Currency", "precision": "12", "scale": 0, "length": ""})
    assert (wish.field.type, wish.field.precision, wish.field.scale, wish.field.length) == ("Currency", 12, 0, 0)
    assert stored_wish(write_wish(wish)) == wish


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"source": "nope"}, {("fields[0].source", "unknown_source")}),
        ({"source": TIER.key, "type": "Number"}, {("fields[0].type", "incompatible")}),
        ({"source": TIER.key, "type": "Lookup"}, {("fields[0].type", "incompatible")}),
        ({"source": TIER.key, "length": 0}, {("fields[0].type", "field")}),
        ({"source": TIER.key, "length": "many"}, {("fields[0].length", "not_a_number")}),
        ({"source": TIER.key, "length": True}, {("fields[0].length", "not_a_number")}),
        ({"source": TIER.key, "name": 7}, {("fields[0].name", "not_a_text")}),
        ({"source": TIER.key, "owner": "me"}, {("fields[0].owner", "unknown_key")}),
        ({"source": TIER.key, "type": "Picklist"}, {("fields[0].type", "field")}),
        ({"source": TIER.key, "type": "Picklist", "values": 3}, {("fields[0].values", "not_a_list"), ("fields[0].type", "field")}),
        ({"source": CHANGE.key, "scale": 0}, {("fields[0].accept_lossy", "lossy")}),
        ({"source": RENEWAL.key, "type": "Time"}, {("fields[0].accept_lossy", "lossy")}),
        ({"source": USERS.key, "precision": 40}, {("fields[0].type", "field")}),
        ({"source": USERS.key, "label": "x" * 41}, {("fields[0].label", "label")}),
        ("text", {("fields[0]", "not_an_object")}),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_its_path(wish, expected):
    assert codes(wish) == expected


def test_only_the_type_is_changed_and_the_size_follows():
    (wish,) = read({"source": TIER.key, "type": "LongTextArea", "length": "255"})
    assert wish.field.length == 32_768
    (wish,) = read({"source": TIER.key, "type": "LongTextArea", "length": 1000})
    assert wish.field.length == 1000


def test_px_d10_a_tick_accepts_what_gets_lost():
    (wish,) = read({"source": RENEWAL.key, "type": "Date", "accept_lossy": True})
    assert (wish.field.type, wish.accept_lossy) == ("Date", True)


def test_the_same_twice_is_refused():
    assert codes({"source": TIER.key, "name": "PX_A__c"}, {"source": USERS.key, "name": "px_a__c"}) == {
        ("fields[1].name", "twice")
    }
    assert ("fields[1].source", "twice") in codes({"source": TIER.key}, {"source": TIER.key})


@pytest.mark.parametrize("data", [None, [], {}, "x", [{"source": TIER.key}] * 201])
def test_what_is_no_list_of_wishes_is_refused(data):
    with pytest.raises(ProblemsFound):
        read_wishes(data, body=BODY, info=account(), sources={TIER.key: TIER})


def test_described_picklists_are_judged_by_the_mappings_own_rules():
    (wish,) = read({"source": TIER.key, "type": "Picklist", "values": ["A"], "restricted": True})
    found = described(wish.field)
    assert (found.choices, found.restricted_picklist) == ((Choice("A", "A", True, False),), True)
