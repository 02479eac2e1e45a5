"""Creating missing fields from the mapping, against a real (demo) org over HTTP."""

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import Attribute, AuditEntry, MappingVersion, Run
from integrations.orgs.connect import client_for
from integrations.salesforce import metadata, rest
from integrations.salesforce.metadata import CustomField, MetadataPackage
from integrations.sync import runs
from integrations.sync.fields import creating, granting
from integrations.sync.fields.requesting import missing_fields, request_fields, settle
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import PUSH, FieldPair
from integrations.sync.mapping.problems import ProblemsFound
from tests.mapping.work import codes_of, counts_of, save

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch) -> None:
    monkeypatch.setattr(creating, "PATIENCE", 0.0)  # a deployment that is not done at the first look gives the worker back


@pytest.fixture
def attributes(db):
    """Product attributes of every type that no field takes yet."""
    kinds = {"renewal": "DATE_TIME", "seats": "NUMBER", "is_trial": "BOOLEAN", "tier": "STRING"}
    return [Attribute.objects.create(entity="customer", key=key, label=key.replace("_", " ").title(), type=kind)
            for key, kind in kinds.items()]  # fmt: skip


@pytest.fixture
def wire(connected_org):
    with client_for(connected_org, domain="test") as client:
        yield client


@pytest.fixture
def order(account_mapping, attributes, cast, now):
    """Ask for fields by product key (or whole wishes)."""

    def ask(*fields, **more) -> Run:
        listed = [{"source": each} if isinstance(each, str) else each for each in fields]
        run = request_fields(account_mapping, listed, user=more.pop("user", cast.olga), now=timezone.now(), **more)
        run.refresh_from_db()
        return run

    return ask


def go_on(run: Run) -> Run:
    """The waiting run's next turn."""
    Run.objects.filter(pk=run.pk).update(not_before=None)
    runs.perform_run(run.pk)
    run.refresh_from_db()
    return run


def seen(mapping, name):
    return facts.describe(mapping.org, "Account").field(name)


def test_px_36_missing_fields_are_created_made_visible_and_mapped(order, account_mapping, cast, wire):
    run = order("attributes.renewal", "attributes.seats", "attributes.is_trial", "attributes.tier")
    assert (run.state, run.sentence) == (Run.State.SUCCESS, "6 written, 0 unchanged.")
    assert counts_of(run, "Fields") == {"written": 4}
    found = {each.source: each.target for each in versions.body_of(_fresh(account_mapping)).pairs_of(PUSH)}
    assert found == {
        "attributes.renewal": "PX_Renewal__c", "attributes.seats": "PX_Seats__c",
        "attributes.is_trial": "PX_Is_Trial__c", "attributes.tier": "PX_Tier__c",
    }  # fmt: skip
    types = {name: seen(account_mapping, name) for name in found.values()}
    assert {name: each.type for name, each in types.items()} == {
        "PX_Renewal__c": "datetime", "PX_Seats__c": "double", "PX_Is_Trial__c": "boolean", "PX_Tier__c": "string",
    }  # fmt: skip
    assert all(each.updateable for each in types.values())
    assert types["PX_Seats__c"].label == "PX Seats"
    rights = metadata.find_permission_set(wire, granting.SET_NAME)
    assert {each.field for each in rights.fields if each.editable} == {f"Account.{name}" for name in found.values()}
    entry = AuditEntry.objects.get(action="fields.created")
    assert (entry.actor, set(entry.after["fields"])) == (cast.olga, set(found.values()))
    assert MappingVersion.objects.get().saved_by == cast.olga
    assert run.calls > 0


def _fresh(mapping):
    mapping.refresh_from_db()
    return mapping


def test_a_check_changes_nothing_anywhere(order, account_mapping, wire):
    run = order("attributes.seats", check_only=True)
    assert (run.state, codes_of(run, "Fields")) == (Run.State.SUCCESS, {"Account.PX_Seats__c": "check_only"})
    assert metadata.read_components(wire, "CustomField", ["Account.PX_Seats__c"]) == {}
    assert metadata.find_permission_set(wire, granting.SET_NAME) is None
    assert not MappingVersion.objects.exists()
    assert not AuditEntry.objects.filter(action="fields.created").exists()


def test_without_lines_the_mapping_stays_as_it_is(order):
    assert order("attributes.seats", add_lines=False).state == Run.State.SUCCESS
    assert not MappingVersion.objects.exists()


def test_what_is_missing_shrinks_and_says_what_is_there_already(order, account_mapping, cast):
    before = {each.source.key: each for each in missing_fields(account_mapping)}
    assert (before["attributes.seats"].field.name, before["attributes.seats"].existing) == ("PX_Seats__c", "")
    save(account_mapping, cast.olga, FieldPair("push", "name", "PX_Health__c", cut=True))
    order("attributes.seats")
    after = {each.source.key for each in missing_fields(_fresh(account_mapping))}
    assert {"attributes.seats", "name"} & after == set()
    assert "attributes.tier" in after


def test_a_fitting_field_is_offered_instead_and_another_type_gets_another_name(account_mapping, attributes):
    Attribute.objects.create(entity="customer", key="health", label="Health", type="STRING")
    Attribute.objects.create(entity="customer", key="plan", label="Plan", type="NUMBER")
    found = {each.source.key: each for each in missing_fields(account_mapping)}
    assert found["attributes.health"].existing == "PX_Health__c"
    assert (found["attributes.plan"].existing, found["attributes.plan"].field.name) == ("", "PX_Plan_2__c")
    assert "PX_Plan__c is there already, as picklist" in found["attributes.plan"].clash


def test_px_18_rights_missing_are_named_with_the_fix(order, wire, demo_org):
    for each in wire.query_all("SELECT Id FROM PermissionSet"):
        changes = {"PermissionsCustomizeApplication": False, "PermissionsModifyMetadata": False}
        rest.update_record(wire, "PermissionSet", each["Id"], changes)
    run = order("attributes.seats")
    assert (run.state, run.reason_code) == (Run.State.FAILED, "no_right")
    assert "Customize Application" in run.sentence
    assert "Manage Profiles and Permission Sets" in run.sentence
    assert not MappingVersion.objects.exists()


def test_a_field_of_another_type_that_the_user_cannot_see_is_not_touched(order, account_mapping, wire):
    """Without field-level security describe does not show it; the metadata does."""
    hidden = CustomField("Account", "PX_Seats__c", "Seats", "Text", length=40)
    assert metadata.deploy(wire, MetadataPackage(fields=(hidden,))).success
    assert seen(account_mapping, "PX_Seats__c") is None
    run = order("attributes.seats", "attributes.tier")
    assert (run.state, codes_of(run, "Fields")) == (Run.State.PARTIAL, {"Account.PX_Seats__c": "other_type"})
    assert counts_of(run, "Fields") == {"written": 1, "failed": 1}
    there = metadata.read_components(wire, "CustomField", ["Account.PX_Seats__c"])
    assert there["Account.PX_Seats__c"]["type"] == "Text"
    assert seen(account_mapping, "PX_Tier__c") is not None


def test_a_field_of_the_same_type_that_the_user_cannot_see_is_made_visible(order, account_mapping, wire):
    hidden = CustomField("Account", "PX_Seats__c", "By hand", "Number", precision=10, scale=2)
    assert metadata.deploy(wire, MetadataPackage(fields=(hidden,))).success
    run = order("attributes.seats")
    assert (run.state, counts_of(run, "Fields")) == (Run.State.SUCCESS, {"unchanged": 1})
    found = seen(account_mapping, "PX_Seats__c")
    assert (found.label, found.precision, found.updateable) == ("By hand", 10, True)


def test_px_d10_a_line_that_would_lose_something_is_left_to_a_person(order, wire):
    """The field that is there already has no decimals, and nobody accepted that they are lost."""
    hidden = CustomField("Account", "PX_Seats__c", "By hand", "Number", precision=10, scale=0)
    assert metadata.deploy(wire, MetadataPackage(fields=(hidden,))).success
    run = order("attributes.seats")
    assert (run.state, codes_of(run, "Mapping")) == (Run.State.PARTIAL, {"lines": "lines_not_added"})
    assert not MappingVersion.objects.exists()


def test_the_limit_of_custom_fields_is_explained_and_nothing_stays(order, wire):
    count = len([each for each in wire.describe("Account")["fields"] if each["custom"]])
    filler = tuple(CustomField("Account", f"F{n}__c", f"F{n}", "Date") for n in range(799 - count))
    assert metadata.deploy(wire, MetadataPackage(fields=filler)).success
    run = order("attributes.seats", "attributes.tier", "attributes.renewal")
    assert run.state == Run.State.FAILED
    codes = codes_of(run, "Fields")
    assert "too_many_fields" in codes.values()
    assert set(codes.values()) <= {"too_many_fields", "refused_together"}
    assert metadata.read_components(wire, "CustomField", [f"Account.PX_{n}__c" for n in ("Seats", "Tier", "Renewal")]) == {}
    assert not MappingVersion.objects.exists()


def test_i_04_a_second_click_creates_nothing_and_says_so(order, wire, demo_org):
    order("attributes.seats")
    demo_org.forget_calls()
    again = order({"source": "attributes.seats", "name": "PX_Seats__c"})
    assert (again.state, counts_of(again, "Fields")) == (Run.State.SUCCESS, {"unchanged": 1})
    assert not [each for each in demo_org.calls("deployRequest") if each["method"] == "POST"]
    assert MappingVersion.objects.count() == 1


def test_a_slow_deployment_gives_the_worker_back_and_goes_on_without_sending_again(order, demo_org, account_mapping, cast):
    demo_org.settings(deploy_seconds=300)
    run = order("attributes.seats")
    assert (run.state, bool(run.checkpoint["job"])) == (Run.State.QUEUED, True)
    assert run.not_before is not None
    twin = order("attributes.seats")
    assert twin.pk == run.pk, "the same order is the same run"
    with pytest.raises(Refusal) as refused:
        order("attributes.tier", user=cast.ada)
    assert refused.value.code == "running"
    assert f"Run #{run.pk} is creating 1 field in" in refused.value.message
    demo_org.clock(advance=301)
    assert go_on(run).state == Run.State.SUCCESS
    assert len([each for each in demo_org.calls("deployRequest") if each["method"] == "POST"]) == 1
    assert Run.objects.filter(job=creating.JOB).count() == 1


def test_i_02_a_run_that_died_after_sending_ends_like_one_that_did_not(order, demo_org, account_mapping, wire):
    """The worker dies between Salesforce's answer and the checkpoint: the next one finds the fields and takes them over."""
    demo_org.settings(deploy_seconds=300)
    run = order("attributes.seats", "attributes.tier")
    Run.objects.filter(pk=run.pk).update(checkpoint={})
    demo_org.clock(advance=301)
    assert metadata.read_deploy(wire, run.checkpoint["job"]).success
    assert go_on(run).state == Run.State.SUCCESS
    assert counts_of(run, "Fields") == {"unchanged": 2}
    assert {each.source for each in versions.body_of(_fresh(account_mapping)).pairs} == {"attributes.seats", "attributes.tier"}


def test_r_023_without_an_answer_the_run_waits_and_then_takes_over_what_was_sent(order, demo_org, wire):
    demo_org.fault(path="/metadata/deployRequest", method="POST", times=1, action="close")
    run = order("attributes.seats")
    assert (run.state, run.checkpoint) == (Run.State.QUEUED, {})
    assert "tried again in a minute" in run.sentence
    assert go_on(run).state == Run.State.SUCCESS
    demo_org.fault(path="/metadata/deployRequest", method="POST", times=1, action="close")
    old = order("attributes.tier")
    Run.objects.filter(pk=old.pk).update(queued_at=timezone.now() - creating.LONGEST * 2)
    demo_org.fault(path="/metadata/deployRequest", method="POST", times=1, action="close")
    assert (go_on(old).state, old.reason_code) == (Run.State.DEFERRED, "upstream"), "not for ever"


def test_i_09_a_deployment_that_never_ends_is_canceled(order, demo_org, wire):
    demo_org.settings(deploy_seconds=100_000)
    run = order("attributes.seats")
    since = timezone.now() - creating.LONGEST * 2
    Run.objects.filter(pk=run.pk).update(checkpoint={**run.checkpoint, "since": since.isoformat()})
    assert (go_on(run).state, run.reason_code) == (Run.State.FAILED, "deploy_timeout")
    assert metadata.read_deploy(wire, run.checkpoint["job"]).status == "Canceled"


def test_r_002_a_session_that_ends_in_between_is_renewed(order, demo_org, account_mapping):
    demo_org.settings(deploy_seconds=300)
    run = order("attributes.seats")
    demo_org.clock(advance=301)
    demo_org.control("sessions", method="DELETE")
    assert go_on(run).state == Run.State.SUCCESS
    demo_org.settings(deploy_seconds=0)
    demo_org.control("sessions", method="DELETE")
    assert order("attributes.tier").state == Run.State.SUCCESS


def test_r_002_a_session_that_is_over_for_soap_does_not_break_the_connection(connected_org, wire, demo_org):
    """SOAP carries the session in its body: the renewed one must be in it, or the connection would read as revoked."""
    wire.limits()
    demo_org.control("sessions", method="DELETE")
    assert metadata.find_permission_set(wire, "Causeway_Integration").label == "Causeway Integration"
    connected_org.refresh_from_db()
    assert connected_org.state == "connected"
    assert len([each for each in demo_org.calls("/Soap/m/") if each["status"] == 500]) == 1


def test_a_permission_set_that_somebody_made_keeps_what_it_allows(order, wire):
    by_hand = metadata.PermissionSet(granting.SET_NAME, "By hand", user_permissions=("RunReports",),
                                     fields=(metadata.FieldPermission("Account.PX_Health__c", True, True),))  # fmt: skip
    assert metadata.deploy(wire, MetadataPackage(permission_sets=(by_hand,))).success
    assert order("attributes.seats").state == Run.State.SUCCESS
    found = metadata.find_permission_set(wire, granting.SET_NAME)
    assert (found.label, found.user_permissions) == ("By hand", ("RunReports",))
    assert {each.field for each in found.fields} == {"Account.PX_Health__c", "Account.PX_Seats__c"}


def test_what_others_put_into_the_set_while_salesforce_deploys_stays(order, wire, demo_org, account_mapping):
    """A deployed set would replace theirs, so an existing one is only added to."""
    assert order("attributes.seats").state == Run.State.SUCCESS
    demo_org.settings(deploy_seconds=300)
    run = order("attributes.tier")
    assert run.state == Run.State.QUEUED
    parent = granting.find_set(wire)
    theirs = {
        "ParentId": parent,
        "SobjectType": "Account",
        "Field": "Account.PX_Plan__c",
        "PermissionsRead": True,
        "PermissionsEdit": False,
    }
    rest.create_record(wire, "FieldPermissions", theirs)
    demo_org.clock(advance=301)
    assert go_on(run).state == Run.State.SUCCESS
    found = metadata.find_permission_set(wire, granting.SET_NAME)
    assert {each.field: each.editable for each in found.fields} == {
        "Account.PX_Plan__c": False, "Account.PX_Seats__c": True, "Account.PX_Tier__c": True,
    }  # fmt: skip


def test_a_set_that_only_reads_a_field_gets_to_edit_it(order, wire):
    hidden = CustomField("Account", "PX_Seats__c", "By hand", "Number", precision=10, scale=2)
    reads = metadata.PermissionSet(
        granting.SET_NAME, "Ours", fields=(metadata.FieldPermission("Account.PX_Seats__c", True, False),)
    )
    assert metadata.deploy(wire, MetadataPackage(fields=(hidden,), permission_sets=(reads,))).success
    assert order("attributes.seats").state == Run.State.SUCCESS
    assert metadata.find_permission_set(wire, granting.SET_NAME).fields[0].editable


def test_a_set_that_cannot_be_assigned_is_said_with_what_to_do(order, demo_org, wire):
    demo_org.fault(path="/sobjects/PermissionSetAssignment", method="POST", status=400, body=[
        {"errorCode": "FIELD_INTEGRITY_EXCEPTION", "message": "Can't assign permission set Causeway Product to user", "fields": []},
    ])  # fmt: skip
    run = order("attributes.seats")
    assert run.state == Run.State.FAILED
    assert codes_of(run, "Permission set") == {granting.SET_NAME: "field_integrity_exception"}
    assert codes_of(run, "Fields") == {"Account.PX_Seats__c": "not_visible"}
    assert not MappingVersion.objects.exists(), "no line for a field that cannot be written"


def test_px_47_an_org_without_api_says_so(order, account_mapping, demo_org):
    missing_fields(account_mapping)
    demo_org.settings(api_enabled=False)
    run = order("attributes.seats")
    assert run.state == Run.State.FAILED
    assert "API" in run.sentence
    account_mapping.org.refresh_from_db()
    assert account_mapping.org.state == "api_disabled"


def test_of_two_runs_that_were_asked_for_at_the_same_moment_the_older_goes_on(account_mapping):
    """Both people looked before either run existed, and the first one was already running when the second asked."""
    states = (Run.State.RUNNING, Run.State.QUEUED)
    first, second = (Run.objects.create(job=creating.JOB, org=account_mapping.org, state=each) for each in states)
    assert settle(second, user=None, now=timezone.now()) == first
    second.refresh_from_db()
    assert (second.state, second.reason_code) == (Run.State.CANCELLED, "cancelled")
    assert settle(first, user=None, now=timezone.now()) == first


def test_wishes_are_refused_all_at_once_before_anything_is_sent(order, demo_org):
    demo_org.forget_calls()
    with pytest.raises(ProblemsFound) as found:
        order({"source": "attributes.seats", "name": "Seats__c"}, {"source": "nope"},
              {"source": "attributes.tier", "type": "Number"}, {"source": "attributes.renewal", "type": "Date"})  # fmt: skip
    assert {(each.path, each.code) for each in found.value.problems} == {
        ("fields[0].name", "not_prefixed"), ("fields[1].source", "unknown_source"), ("fields[2].type", "incompatible"),
        ("fields[3].accept_lossy", "lossy"),
    }  # fmt: skip
    assert not demo_org.calls("/metadata/")
    assert not Run.objects.filter(job=creating.JOB).exists()


def test_a_paused_or_switched_off_connection_is_refused(order, account_mapping):
    account_mapping.org.product_enabled = False
    with pytest.raises(Refusal) as refused:
        order("attributes.seats")
    assert refused.value.code == "switched_off"
    account_mapping.org.state = "paused"
    with pytest.raises(Refusal) as refused:
        order("attributes.seats")
    assert refused.value.code == "not_connected"


def test_px_44_fields_go_to_the_custom_object_that_stands_for_the_entity(account_mapping, attributes, cast, now):
    from integrations.sync.mapping import objects

    objects.change_object(account_mapping, "Workspace__c", confirmed=True, user=cast.olga, now=now)
    run = request_fields(account_mapping, [{"source": "attributes.seats"}], user=cast.olga, now=now)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert facts.describe(account_mapping.org, "Workspace__c").field("PX_Seats__c").updateable


def test_px_60_end_users_get_fields_for_attributes(contact_mapping, cast, now):
    Attribute.objects.create(entity="end_user", key="role_level", label="Role level", type="NUMBER")
    run = request_fields(contact_mapping, [{"source": "attributes.role_level"}], user=cast.olga, now=now)
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    assert facts.describe(contact_mapping.org, "Contact").field("PX_Role_Level__c").type == "double"
