"""Saving: numbered, checked against the real object, compared, taken back, paused; and the object of an entity."""

from dataclasses import replace

import pytest
from django.utils import timezone

from integrations import audit
from integrations.access import Refusal
from integrations.models import Attribute, AuditEntry, Customer, LinkEvent, Mapping, MappingVersion, RecordLink
from integrations.sync.mapping import objects, versions
from integrations.sync.mapping.body import FieldPair, default_body
from integrations.sync.mapping.files import export_mapping, read_file
from integrations.sync.mapping.preview import preview
from integrations.sync.mapping.problems import ProblemsFound

PULL = FieldPair("pull", "attributes.industry", "industry")
PUSH = FieldPair("push", "name", "PX_Health__c", cut=True)


def save(mapping, cast, *pairs, **changes):
    body = replace(versions.body_of(mapping), pairs=pairs, **changes)
    return versions.save_version(mapping, body, user=cast.olga, now=timezone.now())


def test_px_31_saving_makes_a_version_active_and_the_attribute_that_is_pulled(account_mapping, cast):
    version = save(account_mapping, cast, PULL, PUSH)
    assert (version.number, account_mapping.version, account_mapping.state) == (1, 1, Mapping.State.ACTIVE)
    assert versions.body_of(account_mapping).pairs[0].target == "Industry"
    attribute = Attribute.objects.get(entity="customer", key="industry")
    assert (attribute.type, attribute.pulled, attribute.label) == ("STRING", True, "Industry")


def test_i_13_versions_never_change_and_are_numbered(account_mapping, cast):
    save(account_mapping, cast, PULL)
    save(account_mapping, cast, PULL, PUSH)
    again = save(account_mapping, cast, PULL, PUSH)
    assert again.number == 2, "the same body makes no version"
    assert [each.number for each in versions.versions_of(account_mapping)] == [2, 1]
    assert len(versions.body_of(account_mapping, 1).pairs) == 1


def test_s_110_saving_leaves_what_was_and_what_is_in_the_audit(account_mapping, cast):
    save(account_mapping, cast, PULL)
    save(account_mapping, cast, PULL, prefix="GPX_")
    entry = AuditEntry.objects.get(action="mapping.saved", target__endswith="v2")
    assert entry.actor == cast.olga
    assert (entry.before["prefix"], entry.after["prefix"]) == ("PX_", "GPX_")
    assert audit.verify().holds


def test_problems_of_the_real_object_are_refused_all_together_and_nothing_changes(account_mapping, cast):
    wrong = [FieldPair("push", "name", "Industry"), FieldPair("pull", "attributes.x", "Nope__c"),
             FieldPair("push", "name", "PX_Active_Users_30d__c")]  # fmt: skip
    with pytest.raises(ProblemsFound) as found:
        save(account_mapping, cast, *wrong)
    assert [(each.path, each.code) for each in found.value.problems] == [
        ("pairs[0].target", "not_prefixed"), ("pairs[1].target", "unknown_field"), ("pairs[2].target", "incompatible"),
    ]  # fmt: skip
    assert not MappingVersion.objects.exists()
    assert not Attribute.objects.exists()


def test_two_people_do_not_overwrite_each_other(account_mapping, cast):
    save(account_mapping, cast, PULL)
    body = replace(versions.body_of(account_mapping), pairs=())
    with pytest.raises(Refusal) as refused:
        versions.save_version(account_mapping, body, user=cast.ada, now=timezone.now(), expected=0)
    assert refused.value.code == "changed_meanwhile"


def test_versions_are_compared_by_name_and_taken_back(account_mapping, cast):
    save(account_mapping, cast, PULL, PUSH)
    save(account_mapping, cast, replace(PUSH, cut=False), prefix="px_")
    one, two = (versions.body_of(account_mapping, number) for number in (1, 2))
    changes = {each.path: (each.before, each.after) for each in versions.compare(one, two)}
    assert set(changes) == {"prefix", "pairs.attributes.industry ← Industry", "pairs.name → PX_Health__c"}
    assert changes["pairs.attributes.industry ← Industry"][1] is None
    assert versions.compare(one, replace(one, pairs=tuple(reversed(one.pairs)))) == []
    back = versions.revert(account_mapping, 1, user=cast.olga, now=timezone.now())
    assert (back.number, back.note) == (3, "Back to version 1")
    assert versions.body_of(account_mapping) == one
    with pytest.raises(Refusal):
        versions.revert(account_mapping, 9, user=cast.olga, now=timezone.now())


def test_pausing_and_resuming(account_mapping, cast, now):
    with pytest.raises(Refusal) as refused:
        versions.set_state(account_mapping, "active", user=cast.olga, now=now)
    assert refused.value.code == "draft"
    save(account_mapping, cast, PULL)
    versions.set_state(account_mapping, "paused", user=cast.olga, now=now, reason="Clean-up")
    assert (account_mapping.state, account_mapping.reason) == ("paused", "Clean-up")
    save(account_mapping, cast, PULL, PUSH)
    assert account_mapping.state == "paused", "saving does not lift a person's pause"
    versions.set_state(account_mapping, "active", user=cast.olga, now=now)
    assert (account_mapping.state, account_mapping.reason) == ("active", "")


def test_a_field_that_somebody_just_made_can_be_chosen_at_once(account_mapping, cast, demo_org):
    demo_org.settings(hidden_fields={"Account": ["PX_Health__c"]})
    with pytest.raises(ProblemsFound):
        save(account_mapping, cast, PUSH)
    demo_org.settings(hidden_fields={})
    save(account_mapping, cast, PUSH)
    assert account_mapping.version == 1


def test_r_281_a_mapping_is_carried_as_a_file(account_mapping, connected_org, cast, now):
    save(account_mapping, cast, PULL, PUSH)
    exported = export_mapping(account_mapping)
    assert "Demo" not in str(exported)
    import json

    assert read_file(json.dumps(exported), entity="customer") == versions.body_of(account_mapping)


def test_px_d12_another_object_asks_first_and_then_resets_fields_and_links(account_mapping, connected_org, cast, now):
    save(account_mapping, cast, PULL, PUSH)
    customer = Customer.objects.create(external_id="c1", name="Acme")
    RecordLink.objects.create(org=connected_org, entity="customer", customer=customer, object="Account",
                              salesforce_id="001000000000001AAA", rule="manual", locked=True)  # fmt: skip
    body = replace(versions.body_of(account_mapping), object="Workspace__c", pairs=())
    with pytest.raises(Refusal) as refused:
        versions.save_version(account_mapping, body, user=cast.olga, now=now)
    assert refused.value.code == "object_change"
    with pytest.raises(Refusal) as refused:
        objects.change_object(account_mapping, "workspace__c", confirmed=False, user=cast.olga, now=now)
    assert refused.value.code == "confirm"
    assert "2 field lines" in refused.value.message
    assert "1 links" in refused.value.message
    assert RecordLink.objects.count() == 1
    objects.change_object(account_mapping, "workspace__c", confirmed=True, user=cast.olga, now=now)
    body = versions.body_of(account_mapping)
    assert (body.object, body.pairs, account_mapping.version) == ("Workspace__c", (), 2)
    assert not RecordLink.objects.exists()
    assert LinkEvent.objects.get(customer=customer).action == "unlinked"
    assert AuditEntry.objects.filter(action="mapping.object_changed").exists()
    with pytest.raises(ProblemsFound):
        objects.change_object(account_mapping, "Lead", confirmed=True, user=cast.olga, now=now)


def test_px_45_standard_object_and_custom_objects_are_offered(connected_org):
    from integrations.sync.mapping.facts import objects_for

    names = [name for name, _ in objects_for(connected_org, "end_user")]
    assert names[0] == "Contact"
    assert "Workspace__c" in names
    assert "Account" not in names
    assert not any(name.endswith("__e") for name in names)


# --- Preview ----------------------------------------------------------------------------------------------------------------


def test_preview_shows_real_rows_both_ways_and_stores_nothing(account_mapping, connected_org, cast, now, caplog):
    Attribute.objects.create(entity="customer", key="seats", label="Seats", type="NUMBER")
    Customer.objects.create(external_id="c1", name="Acme Ltd", attributes={"seats": "12.5"}, last_seen_at=now)
    Customer.objects.create(external_id="c2", name="x" * 60, attributes={})
    body = replace(default_body("customer"), pairs=(
        FieldPair("pull", "attributes.industry", "Industry"),
        FieldPair("push", "attributes.seats", "PX_Active_Users_30d__c", accept_lossy=True),
        FieldPair("push", "name", "PX_Health__c"), FieldPair("push", "name", "Industry"),
    ))  # fmt: skip
    shown = preview(account_mapping, body, 3, now=now)
    assert [each.state for each in shown.pairs] == ["ok", "notice", "fails", "wrong"]
    assert len(shown.pairs[0].samples) == 3
    assert any(each.after for each in shown.pairs[0].samples)
    seats = {each.record: each for each in shown.pairs[1].samples}
    assert (seats["Acme Ltd"].before, seats["Acme Ltd"].after) == ("12.5", "13")
    assert "rounded" in seats["Acme Ltd"].notice
    assert [each.code for each in shown.pairs[2].samples if each.problem] == ["too_long"]
    assert shown.counts == {"ok": 1, "notice": 1, "fails": 1, "wrong": 1}
    assert not MappingVersion.objects.exists()
    assert "Acme Ltd" not in caplog.text
