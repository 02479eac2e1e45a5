"""What can be saved: every rule of the mapping screen, all problems together."""

from dataclasses import replace

import pytest

from integrations.sync.mapping import catalogue
from integrations.sync.mapping.body import FieldPair, default_body
from integrations.sync.mapping.catalogue import COLUMNS, SourceField
from integrations.sync.mapping.check import know, problems_of, usable
from integrations.sync.mapping.suggest import suggest_pairs, words_of
from integrations.sync.mapping.targets import judge, match_fields, offered, target_fields
from tests.mapping.shapes import make_choices, make_field, make_object

PLAN = make_choices("Free", "Team", "Old", inactive=("Old",))
FIELDS = (
    make_field("Name", label="Account Name"),
    make_field("Industry", "picklist", choices=make_choices("Retail", "Energy")),
    make_field("Website", "url"),
    make_field("NumberOfEmployees", "int", label="Employees"),
    make_field("Renewal__c", "date"),
    make_field("BillingAddress", "address", updateable=False),
    make_field("OwnerId", "reference", reference_to=("User",)),
    make_field("Secret__c", "encryptedstring"),
    make_field("PX_Score__c", "double", scale=0, label="PX Score"),
    make_field("PX_Ratio__c", "double"),
    make_field("PX_Plan__c", "picklist", choices=PLAN, restricted_picklist=True),
    make_field("PX_Name__c", length=40),
    make_field("PX_Seen__c", "datetime"),
    make_field("PX_Day__c", "date"),
    make_field("acme__PX_Is_Active__c", "boolean"),
    make_field("PX_Total__c", "double", calculated=True, updateable=False, createable=False),
    make_field("PX_Number__c", auto_number=True, updateable=False, createable=False),
    make_field("PX_Locked__c", updateable=False),
    make_field("PX_Must__c", nillable=False),
    make_field("PX_Lookup__c", "reference", reference_to=("Account",)),
    make_field("PX_Tags__c", "multipicklist", choices=PLAN),
)
ACCOUNT = make_object("Account", *FIELDS)
SOURCES = [
    *COLUMNS["customer"],
    SourceField("attributes.seats", "Seats", "NUMBER"),
    SourceField("attributes.industry", "Industry", "STRING", pulled=True),
    SourceField("attributes.vip", "VIP", "BOOLEAN"),
    SourceField("attributes.renewal", "Renewal", "DATE_TIME", pulled=True),
    SourceField(
        "kpi_active_users_30d", "Monthly active users", "NUMBER", "Distinct active users", "KPIs", read_only=True, whole=True
    ),
]
KNOWN = know(SOURCES, ACCOUNT)


def body_with(*pairs, **changes):
    return replace(default_body("customer"), pairs=tuple(pairs), **changes)


def codes(body, known=KNOWN):
    return {(each.path, each.code) for each in problems_of(body, known)}


def push(source, target, **extra):
    return FieldPair("push", source, target, **extra)


def pull(source, target, **extra):
    return FieldPair("pull", source, target, **extra)


def test_a_sound_body_has_no_problems():
    body = body_with(
        pull("attributes.industry", "Industry"), pull("attributes.renewal", "Renewal__c"), pull("attributes.new_one", "Website"),
        push("name", "PX_Name__c", cut=True), push("attributes.seats", "PX_Ratio__c"), push("kpi_active_users_30d", "PX_Score__c"),
        push("attributes.industry", "PX_Plan__c", values={"Basic": "Free"}), push("attributes.vip", "acme__px_is_active__c"),
        push("last_seen_at", "PX_Day__c", accept_lossy=True), push("first_seen_at", "PX_Seen__c"),
    )  # fmt: skip
    assert problems_of(body, KNOWN) == []


def test_problems_come_all_together_with_their_paths():
    body = body_with(push("name", "PX_Score__c"), push("nope", "PX_Name__c"), pull("name", "Nope__c"), prefix="")
    assert codes(replace(body, prefix="PX_")) == {
        ("pairs[0].target", "incompatible"), ("pairs[1].source", "unknown_source"), ("pairs[2].source", "read_only"),
        ("pairs[2].target", "unknown_field"),
    }  # fmt: skip
    assert ("prefix", "prefix") in codes(body)


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("attributes.seats", "PX_Total__c", "formula"), ("name", "PX_Number__c", "auto_number"), ("name", "PX_Locked__c", "read_only"),
        ("name", "PX_Lookup__c", "unsupported_type"), ("name", "Website", "not_prefixed"), ("attributes.vip", "PX_Name__c", "incompatible"),
        ("name", "PX_Gone__c", "unknown_field"),
    ],
)  # fmt: skip
def test_r_123_what_cannot_be_written_is_refused_on_save(source, target, code):
    assert codes(body_with(push(source, target))) == {("pairs[0].target", code)}


def test_r_123_two_sources_onto_one_target_are_refused():
    body = body_with(push("name", "PX_Name__c"), push("website", "px_name__C"))
    assert codes(body) == {("pairs[1].target", "twice")}
    body = body_with(pull("attributes.industry", "Industry"), pull("attributes.industry", "Website"))
    assert codes(body) == {("pairs[1].source", "twice")}
    elsewhere = know(SOURCES, ACCOUNT, filled_elsewhere={"industry": "Sandbox"})
    assert codes(body_with(pull("attributes.industry", "Industry")), elsewhere) == {("pairs[0].source", "taken")}


def test_px_36_only_prefixed_fields_are_offered_for_push_and_px_d11_never_for_pull():
    pushed = {each.name for each in offered(target_fields(ACCOUNT, prefix="PX_", direction="push"))}
    pulled = {each.name for each in offered(target_fields(ACCOUNT, prefix="PX_", direction="pull"))}
    assert pushed == {
        "PX_Score__c", "PX_Ratio__c", "PX_Plan__c", "PX_Name__c", "PX_Seen__c", "PX_Day__c", "acme__PX_Is_Active__c", "PX_Must__c",
        "PX_Tags__c",
    }  # fmt: skip
    assert pulled == {"Id", "Name", "Industry", "Website", "NumberOfEmployees", "Renewal__c"}
    assert not pushed & pulled


def test_r_117_no_field_can_be_pulled_and_pushed():
    for field in ACCOUNT.fields:
        both = [judge(field, prefix="PX_", direction=way).allowed for way in ("pull", "push")]
        assert both != [True, True], field.name


def test_px_37_prefixed_fields_are_not_offered_for_matching():
    names = {each.name for each in match_fields(ACCOUNT, prefix="PX_")}
    assert names == {"Id", "Name", "Industry", "Website", "NumberOfEmployees"}
    rules = [replace(rule, on=True, source_field="external_id", salesforce_field="PX_Name__c") if rule.name == "custom_field" else rule
             for rule in default_body("customer").rules]  # fmt: skip
    assert codes(body_with(rules=tuple(rules))) == {("rules[1].salesforce_field", "prefixed")}


@pytest.mark.parametrize(
    ("source", "field", "wanted"),
    [
        ("external_id", "Website", set()), ("attributes.seats", "NumberOfEmployees", set()), ("", "", {"source_field", "salesforce_field"}),
        ("attributes.seats", "Website", {"salesforce_field"}), ("attributes.vip", "Website", {"source_field"}),
        ("external_id", "Renewal__c", {"salesforce_field"}), ("nope", "Website", {"source_field"}), ("external_id", "Nope", {"salesforce_field"}),
    ],
)  # fmt: skip
def test_px_51_custom_field_needs_two_texts_or_two_whole_numbers(source, field, wanted):
    rules = [replace(rule, on=True, source_field=source, salesforce_field=field) if rule.name == "custom_field" else rule
             for rule in default_body("customer").rules]  # fmt: skip
    found = problems_of(body_with(rules=tuple(rules)), KNOWN)
    assert {each.path.rpartition(".")[2] for each in found} == wanted


def test_px_08_a_custom_object_needs_fields_for_the_rules_that_are_on():
    workspace = make_object("Workspace__c", make_field("Website__c", "url"))
    rules = [replace(rule, on=rule.name in ("sfdc_id", "website_domain")) for rule in default_body("customer").rules]
    body = replace(default_body("customer", object_name="Workspace__c"), rules=tuple(rules))
    assert codes(body, know(SOURCES, workspace)) == {("rules[2].salesforce_field", "unknown_field")}
    chosen = [replace(rule, salesforce_field="Website__c") if rule.name == "website_domain" else rule for rule in rules]
    assert codes(replace(body, rules=tuple(chosen)), know(SOURCES, workspace)) == set()


@pytest.mark.parametrize("name", ["Lead", "Contact", "X__e", "X__mdt", "Account; DROP", ""])
def test_px_d12_only_the_standard_or_a_custom_object_stands_for_an_entity(name):
    assert codes(replace(body_with(), object=name), know(SOURCES, None)) == {("object", "object")}


def test_px_48_an_unseen_object_and_an_object_without_rights_say_so():
    assert codes(body_with(), know(SOURCES, None)) == {("object", "unknown_object")}
    read_only = make_object("Account", *FIELDS, updateable=False)
    assert codes(body_with(push("name", "PX_Name__c")), know(SOURCES, read_only)) == {("object", "read_only")}
    assert codes(body_with(), know(SOURCES, read_only)) == set()


def test_a_lossy_conversion_needs_a_tick():
    for source, target in (("attributes.seats", "PX_Score__c"), ("last_seen_at", "PX_Day__c")):
        assert codes(body_with(push(source, target))) == {("pairs[0].accept_lossy", "lossy")}
        assert codes(body_with(push(source, target, accept_lossy=True))) == set()
    assert codes(body_with(push("kpi_active_users_30d", "PX_Score__c"))) == set()


def test_only_texts_that_are_pushed_can_be_cut():
    assert codes(body_with(push("attributes.seats", "PX_Ratio__c", cut=True))) == {("pairs[0].cut", "not_cut")}
    assert codes(body_with(pull("attributes.industry", "Industry", cut=True))) == {("pairs[0].cut", "not_cut")}


def test_r_108_translations_lead_to_active_values():
    assert codes(body_with(push("name", "PX_Plan__c", values={"x": "Old"}))) == {("pairs[0].values['x']", "not_in_picklist")}
    assert codes(body_with(push("name", "PX_Tags__c", values={"x": "a;b"}))) == {("pairs[0].values['x']", "separator")}
    assert codes(body_with(push("attributes.seats", "PX_Ratio__c", values={"1": "2"}))) == {("pairs[0].values", "no_values")}


def test_px_60_kpis_are_for_customers_only():
    body = replace(default_body("end_user"), pairs=(push("kpi_active_users_30d", "PX_Score__c"),))
    contact = make_object("Contact", *FIELDS)
    known = know(COLUMNS["end_user"], contact, customers_only=["kpi_active_users_30d"])
    assert codes(body, known) == {("pairs[0].source", "customers_only")}
    with pytest.raises(ValueError, match="customers only"):
        catalogue.register_sources("end_user", lambda org: [], lambda *_, **__: None)


def test_reasons_are_words():
    def why(name, direction):
        return judge(ACCOUNT.field(name), prefix="PX_", direction=direction).why_not

    assert "compound" in why("BillingAddress", "pull")
    assert "lookup to User" in why("OwnerId", "pull")
    assert "encrypted" in why("Secret__c", "pull")
    assert "computed" in why("PX_Total__c", "push")
    assert "field-level security" in why("PX_Locked__c", "push")
    assert "echo" in why("PX_Name__c", "pull")
    assert "Only fields that begin with PX_" in why("Industry", "push")
    name = judge(ACCOUNT.field("PX_Name__c"), prefix="PX_", direction="push", source=SOURCES[1])
    assert any("Too short" in note for note in name.notes)
    must = judge(ACCOUNT.field("PX_Must__c"), prefix="PX_", direction="push", source=SOURCES[1])
    assert any("Required" in note for note in must.notes)
    plan = judge(ACCOUNT.field("PX_Plan__c"), prefix="PX_", direction="push", source=SOURCES[1])
    assert any("Restricted" in note and "Free, Team" in note for note in plan.notes)


def test_only_compatible_targets_are_offered_for_a_product_field():
    found = offered(target_fields(ACCOUNT, prefix="PX_", direction="push", source=SOURCES[5]))
    assert {each.name for each in found} == {"PX_Score__c", "PX_Ratio__c"}
    taken = offered(target_fields(ACCOUNT, prefix="PX_", direction="push", source=SOURCES[5], taken=["px_score__c"]))
    assert {each.name for each in taken} == {"PX_Ratio__c"}


def test_r_053_one_field_that_is_gone_costs_only_itself():
    body = body_with(push("name", "PX_Name__c"), push("website", "PX_Plan__c"), pull("attributes.industry", "Industry"))
    without = make_object("Account", *(each for each in FIELDS if each.name not in ("PX_Name__c", "Website")))
    rules = tuple(replace(rule, on=True) if rule.name == "website_domain" else rule for rule in body.rules)
    found = usable(replace(body, rules=rules), know(SOURCES, without))
    assert [pair.target for pair in found.body.pairs] == ["PX_Plan__c", "Industry"]
    assert [(pair.target, problem.code) for pair, problem in found.dropped] == [("PX_Name__c", "unknown_field")]
    assert [(rule.name, problem.code) for rule, problem in found.rules_off] == [("website_domain", "unknown_field")]


def test_r_055_a_type_that_no_longer_fits_is_set_aside_and_one_that_does_goes_on():
    body = body_with(pull("attributes.seats", "NumberOfEmployees"), pull("attributes.industry", "Industry"))
    fields = [make_field("NumberOfEmployees", "string"), make_field("Industry", "multipicklist")]
    found = usable(body, know(SOURCES, make_object("Account", *fields)))
    assert [pair.target for pair in found.body.pairs] == ["Industry"]
    assert found.dropped[0][1].code == "incompatible"


def test_suggestions_go_by_name_and_fit():
    pulled = suggest_pairs(SOURCES, ACCOUNT, prefix="PX_", direction="pull")
    assert {(pair.source, pair.target) for pair in pulled} == {
        ("attributes.industry", "Industry"), ("attributes.renewal", "Renewal__c"),
    }  # fmt: skip
    pushed = suggest_pairs(SOURCES, ACCOUNT, prefix="PX_", direction="push", existing=[push("website", "PX_Tags__c")])
    assert ("name", "PX_Name__c") in {(pair.source, pair.target) for pair in pushed}
    assert len({pair.target for pair in pushed}) == len(pushed)
    assert problems_of(body_with(*pulled, *(replace(pair, accept_lossy=True) for pair in pushed)), KNOWN) == []


def test_nothing_is_suggested_to_write_over_what_the_product_fills_itself():
    own = [SourceField("attributes.industry", "Industry", "STRING"), SourceField("attributes.employees", "Employees", "NUMBER")]
    assert suggest_pairs(own, ACCOUNT, prefix="PX_", direction="pull") == []
    theirs = [replace(each, pulled=True) for each in own]
    found = {(pair.source, pair.target) for pair in suggest_pairs(theirs, ACCOUNT, prefix="PX_", direction="pull")}
    assert found == {("attributes.industry", "Industry"), ("attributes.employees", "NumberOfEmployees")}


def test_words_of_names():
    assert words_of("NumberOfEmployees") == ("number", "of", "employee")
    assert words_of("Total_Qty") == words_of("total quantities")
    assert words_of("status") == ("status",)
