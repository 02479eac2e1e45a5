"""The permission set of the integration user: end to end against the demo org, and the rules behind it."""

import io
import zipfile
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from integrations.models import Alert, AuditEntry, Mapping, MappingVersion, Run, SalesforceOrg, SecurityFinding
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata
from integrations.salesforce.metadata import CustomField, PermissionSet
from integrations.sync import runs
from integrations.sync.mapping.body import PUSH, FieldPair, MappingBody, write_body
from project.security import deploying, needs, permission_set, review
from project.security.needs import ALL, CHANGE, LOOK, SAVE
from project.security.posture import WARN
from project.security.rights import (
    ABSENT,
    JUDGED,
    MISSING,
    NOT_READ,
    OK,
    TOO_MUCH,
    FieldFact,
    Given,
    ObjectFact,
    Wish,
    judge_object,
    judge_user,
    object_fact,
    unneeded_objects,
)

FIELD = "PX_Tier__c"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"


def pushes(org: SalesforceOrg, *fields: str, object_name: str = "Account") -> None:
    """A mapping that writes these fields."""
    mapping = Mapping.objects.create(
        org=org, entity="customer", version=1, state=Mapping.State.ACTIVE, updated_at=timezone.now()
    )
    pairs = tuple(FieldPair(PUSH, f"kpi.{name}", name) for name in fields)
    body = MappingBody("customer", object_name, pairs=pairs)
    MappingVersion.objects.create(mapping=mapping, number=1, body=write_body(body))


@pytest.fixture
def hidden_field(connected_org) -> SalesforceOrg:
    """A field that is in the org, that a mapping writes, and that nobody was granted."""
    made = CustomField("Account", FIELD, "Tier", "Text", length=40)
    with client_for(connected_org, domain="test") as client:
        metadata.upsert_components(client, "CustomField", [made.element(qualified=True)])
    pushes(connected_org, FIELD)
    return connected_org


def test_security_the_deployed_set_turns_the_check_green(hidden_field, cast, now):
    org = hidden_field
    before = review.review_org(org, now=now)
    line = next(each for each in before.body["lines"] if each["name"] == FIELD)
    assert (line["state"], line["missing"]) == (MISSING, ["read", "edit"])
    assert before.verdict == "bad"
    assert f"Account.{FIELD}" in SecurityFinding.objects.get(org=org, key="missing", ended_at=None).sentence
    assert [f"Account.{FIELD}", True] in before.body["set"]["fields"]

    run = deploying.request_deploy(org, all_records=True, user=cast.ada, address="10.0.0.9")
    runs.perform_run(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    after = org.security_review
    after.refresh_from_db()
    line = next(each for each in after.body["lines"] if each["name"] == FIELD)
    assert (line["state"], line["granted"]) == (OK, ["read", "edit"])
    assert not SecurityFinding.objects.filter(org=org, key="missing", ended_at=None).exists()
    assert after.body["present"] == after.body["set"], "the org has exactly the generated set"
    entries = AuditEntry.objects.filter(action__startswith="security.").values_list("action", "connection")
    assert set(entries) == {("security.deployed", org.pk), ("security.deploy_asked", org.pk)}


def test_security_deploying_twice_changes_nothing(hidden_field, cast, now):
    for _ in range(2):
        run = deploying.request_deploy(hidden_field, all_records=True, user=cast.ada, address=None)
        runs.perform_run(run.pk)
        run.refresh_from_db()
        assert run.state == Run.State.SUCCESS, run.sentence
    assert run.objects_touched.get(name="Parts of the package").written == 0


def test_security_a_field_that_is_not_in_the_org_is_told_apart_and_left_out_of_the_set(connected_org, now):
    pushes(connected_org, "PX_Never_Made__c")
    found = review.review_org(connected_org, now=now)
    line = next(each for each in found.body["lines"] if each["name"] == "PX_Never_Made__c")
    assert line["state"] == ABSENT
    assert not any("PX_Never_Made__c" in name for name, _ in found.body["set"]["fields"])
    assert "Account.PX_Never_Made__c" in SecurityFinding.objects.get(key="absent").sentence


def test_security_rights_that_are_too_broad_name_their_set(connected_org, now):
    found = review.review_org(connected_org, now=now)
    users = {each["name"]: each for each in found.body["users"]}
    assert users["ViewAllData"]["state"] == TOO_MUCH
    assert not users["ViewAllData"]["is_dangerous"]
    assert users["ViewAllData"]["given_by"][0].startswith("profile ")
    assert not users["CustomizeApplication"]["is_dangerous"]
    assert users["ApiEnabled"]["state"] == OK
    finding = SecurityFinding.objects.get(org=connected_org, key="sees_all")
    assert "View All Data by profile" in finding.sentence
    assert finding.state == WARN
    given = Given(user_rights={"ModifyAllData": ("profile Admin",), "ViewAllData": ("profile Admin",)}, known=frozenset(JUDGED))
    assert {each.name: each.is_dangerous for each in judge_user({}, given)} == {"ModifyAllData": True, "ViewAllData": False}


def test_security_an_org_that_does_not_answer_is_unknown_and_never_passed(connected_org, demo_org, now):
    demo_org.fault(path="describe", times=200, status=503, body="busy")
    pushes(connected_org, FIELD)
    found = review.review_org(connected_org, now=now)
    assert found.verdict != "ok"
    assert "lines" not in found.body
    assert any(each["key"] == "asked" and each["state"] == "unknown" for each in found.body["findings"])


def test_security_a_new_finding_is_told_once_and_closed_when_it_is_gone(hidden_field, cast, now, mailoutbox, settings):
    settings.ALERT_EMAILS = ["ops@example.com"]
    for day in range(3):
        review.review_org(hidden_field, now=now + timedelta(days=day))
    alerts = Alert.objects.filter(key=f"security:{hidden_field.pk}")
    assert alerts.count() == 1
    first = SecurityFinding.objects.get(org=hidden_field, key="missing")
    assert (first.since, first.seen_at) == (now, now + timedelta(days=2))
    run = deploying.request_deploy(hidden_field, all_records=True, user=cast.ada, address=None)
    runs.perform_run(run.pk)
    first.refresh_from_db()
    assert first.ended_at is not None


# --- rules, without an org ------------------------------------------------------------------------------------------


def fact(name: str = "Thing__c", allowed: frozenset = ALL, fields: tuple = (), **more) -> ObjectFact:
    return ObjectFact(name, True, allowed, {each.name.lower(): each for each in fields}, **more)


def text(name: str, **more) -> FieldFact:
    return FieldFact(name, **({"seen": True, "editable": True, "createable": True} | more))


@pytest.mark.parametrize(
    ("wishes", "found", "given", "state", "missing", "extra"),
    [
        ([LOOK], fact(allowed=LOOK), Given(), OK, (), ()),
        ([CHANGE], fact(allowed=LOOK), Given(), MISSING, ("edit",), ()),
        ([SAVE, LOOK], fact(allowed=CHANGE), Given(), MISSING, ("create",), ()),
        ([frozenset({"delete"})], fact(allowed=LOOK), Given(), MISSING, ("edit", "delete"), ()),
        ([LOOK], fact(), Given(object_rights={"thing__c": {"read": ("A",), "delete": ("A",)}}), TOO_MUCH, (), ("delete",)),
        ([LOOK], fact(), Given(object_rights={"thing__c": {"modify_all": ("A",)}}), TOO_MUCH, (), ("modify_all",)),
        ([LOOK], fact(), Given(object_rights={"thing__c": {"view_all": ("A",)}}), OK, (), ()),
        ([LOOK], fact(), Given(object_rights=None), OK, (), ()),
        ([LOOK], None, Given(), NOT_READ, (), ()),
        ([LOOK], ObjectFact("Thing__c", False, exists=False), Given(), ABSENT, ("read",), ()),
        ([LOOK], ObjectFact("Thing__c", False, exists=None), Given(), MISSING, ("read",), ()),
    ],
)
def test_security_verdict_on_an_object(wishes, found, given, state, missing, extra):
    line = judge_object([Wish("Thing__c", "", verbs, "okr", "why") for verbs in wishes], found, given)[0]
    assert (line.state, line.missing, line.extra) == (state, missing, extra)


@pytest.mark.parametrize(
    ("verbs", "found", "state"),
    [
        (LOOK, text("A__c", editable=False, createable=False), OK),
        (CHANGE, text("A__c", editable=False, createable=False), MISSING),
        (SAVE, text("A__c", editable=False), OK),
        (LOOK, text("A__c", seen=False), MISSING),
        (LOOK, text("A__c", seen=False, exists=False), ABSENT),
        (LOOK, None, NOT_READ),
    ],
)
def test_security_verdict_on_a_field(verbs, found, state):
    lines = judge_object([Wish("Thing__c", "a__C", verbs, "okr", "w")], fact(fields=(found,) if found else ()), Given())
    assert lines[1].state == state


@pytest.mark.parametrize(
    ("rights", "known", "expected"),
    [
        ({"ApiEnabled": ("A",)}, {"ApiEnabled"}, {"ApiEnabled": OK}),
        ({}, {"ApiEnabled"}, {"ApiEnabled": MISSING}),
        ({}, set(), {}),
        (None, set(), {"ApiEnabled": NOT_READ}),
        ({"ApiEnabled": ("A",), "ModifyAllData": ("P",)}, {"ApiEnabled", "ModifyAllData"},
         {"ApiEnabled": OK, "ModifyAllData": TOO_MUCH}),
    ],
)  # fmt: skip
def test_security_verdict_on_user_permissions(rights, known, expected):
    lines = judge_user({"ApiEnabled": "calls"}, Given(rights, {}, known=frozenset(known)))
    assert {line.name: line.state for line in lines} == expected


def test_security_objects_that_nobody_needs_are_named_and_parents_are_not():
    given = Given({}, {"account": {"read": ("A",)}, "contact": {"read": ("A",)}, "lead": {"read": ("A",), "edit": ("A",)}})
    assert unneeded_objects(["Contact"], given) == [("lead", ("read", "edit"))]


def built(*wishes: Wish, facts: dict | None = None, **more) -> PermissionSet:
    return permission_set.build(wishes, facts or {}, ["ApiEnabled"], **more)


def objects_of(made: PermissionSet) -> dict[str, str]:
    return {
        each.object: "".join(
            letter for letter, on in zip("rced", (each.read, each.create, each.edit, each.delete), strict=True) if on
        )
        for each in made.objects
    }


@pytest.mark.parametrize(
    ("name", "verbs", "expected"),
    [
        ("Account", LOOK, {"Account": "r"}),
        ("Contact", CHANGE, {"Account": "r", "Contact": "re"}),
        ("Case", LOOK, {"Account": "r", "Case": "r", "Contact": "r"}),
        ("Quote", LOOK, {"Account": "r", "Opportunity": "r", "Quote": "r"}),
        ("OpportunityLineItem", LOOK, {"Account": "r", "Opportunity": "r"}),
        ("OpportunityLineItem", CHANGE, {"Account": "r", "Opportunity": "re"}),
        ("CampaignMember", ALL, {"Campaign": "re"}),
        ("PricebookEntry", LOOK, {"Pricebook2": "r"}),
        ("Task", SAVE, {}),
        ("Thing__c", frozenset({"delete"}), {"Thing__c": "red"}),
    ],
)
def test_security_the_set_follows_the_dependencies_of_objects(name, verbs, expected):
    assert objects_of(built(Wish(name, "", verbs, "okr", "w"))) == expected


def test_security_master_detail_parents_come_along_and_circles_end():
    facts = {
        "line__c": fact("Line__c", masters=("Invoice__c",)), "invoice__c": fact("Invoice__c", masters=("Line__c", "Account")),
    }  # fmt: skip
    assert objects_of(built(Wish("Line__c", "", CHANGE, "billing", "w"), facts=facts)) == {
        "Account": "r", "Invoice__c": "r", "Line__c": "re",
    }  # fmt: skip


def test_security_only_fields_with_field_level_security_are_listed():
    fields = (
        text("Plain__c"), text("Needed__c", takes_rights=False), text("Sum__c", can_change=False), text("Gone__c", exists=False),
        text("BillingCity", compound="BillingAddress"), text("BillingAddress", editable=False), text("Parent__c", takes_rights=False),
    )  # fmt: skip
    names = [each.name for each in fields if each.name != "BillingAddress"]
    made = built(*(Wish("Thing__c", name, CHANGE, "okr", "w") for name in names), facts={"thing__c": fact(fields=fields)})
    assert {each.field: each.editable for each in made.fields} == {
        "Thing__c.BillingAddress": True, "Thing__c.Plain__c": True, "Thing__c.Sum__c": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "takes", "changes"),
    [
        ({"permissionable": True, "nillable": True}, True, True),
        ({"permissionable": False, "nillable": True}, False, True),
        ({"permissionable": True, "nillable": False}, False, True),
        ({"permissionable": True, "nillable": False, "type": "boolean"}, True, True),
        ({"permissionable": True, "nillable": False, "autoNumber": True}, True, False),
        ({"permissionable": True, "nillable": True, "calculated": True}, True, False),
        ({"permissionable": True, "nillable": True, "relationshipOrder": 0, "referenceTo": ["A__c"]}, False, True),
    ],
)
def test_security_what_a_describe_says_about_a_field(more, takes, changes):
    made = object_fact({"name": "Thing__c", "fields": [{"name": "X__c", "type": "string", **more}]}).fields["x__c"]
    assert (made.takes_rights, made.can_change) == (takes, changes)


def test_security_view_all_is_given_only_where_sharing_exists_and_it_is_wanted():
    wishes = [Wish("Account", "", LOOK, "okr", "w"), Wish("Product2", "", LOOK, "okr", "w")]
    assert {each.object: each.view_all for each in built(*wishes).objects} == {"Account": True, "Product2": False}
    assert not any(each.view_all for each in built(*wishes, all_records=False).objects)


def test_security_the_downloads_are_what_salesforce_takes():
    made = built(Wish("Account", "Tier__c", CHANGE, "okr", "w"), facts={"account": fact("Account", fields=(text("Tier__c"),))})
    made = replace(made, description="Read & edit <exactly> what is needed")
    root = ElementTree.fromstring(permission_set.file_of(made))
    assert root.tag == f"{NAMESPACE}PermissionSet"
    assert root.findtext(f"{NAMESPACE}description") == "Read & edit <exactly> what is needed"
    assert [each.tag for each in root] == sorted(each.tag for each in root), "in the order of the schema"
    zipped = permission_set.package_of(made).zipped(api_version="65.0")
    with zipfile.ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.namelist() == ["package.xml", "permissionsets/Causeway_Integration.permissionset"]
        manifest = ElementTree.fromstring(archive.read("package.xml"))
    assert manifest.findtext(f"{NAMESPACE}version") == "65.0"
    assert manifest.findtext(f"{NAMESPACE}types/{NAMESPACE}members") == "Causeway_Integration"


def test_security_the_preview_says_what_changes():
    wanted = built(Wish("Account", "", LOOK, "okr", "w"), all_records=False)
    assert [(each.kind, each.what) for each in permission_set.changes(None, wanted)] == [
        ("added", "Account"), ("added", "Permission ApiEnabled"),
    ]  # fmt: skip
    wider = built(Wish("Account", "", ALL, "okr", "w"), Wish("Lead", "", LOOK, "okr", "w"), all_records=False)
    assert [(each.kind, each.what, each.after) for each in permission_set.changes(wider, wanted)] == [
        ("changed", "Account", "read"), ("removed", "Lead", ""),
    ]  # fmt: skip
    assert permission_set.changes(wanted, permission_set.from_json(permission_set.to_json(wanted))) == []


def test_security_needs_come_from_what_domains_registered(connected_org):
    assert not [wish for wish in needs.wishes_of(connected_org) if wish.field == FIELD]
    pushes(connected_org, FIELD)
    assert [(wish.object, wish.verbs) for wish in needs.wishes_of(connected_org) if wish.field == FIELD] == [
        ("Account", CHANGE)
    ]
    SalesforceOrg.objects.update(product_enabled=False)
    connected_org.refresh_from_db()
    assert not [wish for wish in needs.wishes_of(connected_org) if wish.field == FIELD]
