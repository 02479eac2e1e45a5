"""What the outbox keeps, how long, and what it forgets."""

from datetime import timedelta

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.lake.erasing import erase
from integrations.models import (
    Customer,
    EndUser,
    GuardRequest,
    HumanEdit,
    LakeTable,
    LinkEvent,
    OutboxPush,
    OutboxRow,
    RecordLink,
    RowOutcome,
)
from integrations.sync.matching import forgetting
from integrations.sync.outbox import registering, undo, upkeep
from tests.outbox.conftest import classes

pytestmark = pytest.mark.django_db


def accepted_keys(target) -> list[str]:
    target.refresh_from_db()
    return keys_in(target.accepted)


def keys_in(table) -> list[str]:
    with open_engine() as engine:
        engine.bind("kept", reading.newest(table))
        return sorted(engine.table("SELECT key_ FROM kept").column("key_").to_pylist())


def test_i_23_an_erased_record_leaves_the_outbox_and_is_not_written_again(desk):
    target, ids = desk.target(), desk.account_ids(3)
    desk.push(target, {"key": ids, "PX_Health__c": ["a", "b", "c"]})
    assert accepted_keys(target) == sorted(ids)
    erase("Account", ids[0], now=timezone.now())
    assert accepted_keys(target) == sorted(ids[1:])
    assert keys_in(OutboxPush.objects.get().sent) == sorted(ids[1:]), "before-images too"
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["x", "b", "c"]})
    assert classes(run, "Account") == {"skipped": 1, "unchanged": 2}
    assert desk.values("Account", "PX_Health__c")[ids[0]] == "a"


@pytest.fixture
def person(desk):
    """An end user whose contact was written, waits with another value, was edited by somebody and is shown by a question."""
    contacts = [row["Id"] for row in desk.salesforce.query_all("SELECT Id FROM Contact ORDER BY Id LIMIT 2")]
    target = desk.target(object="Contact")
    desk.push(target, {"key": contacts, "label": ["Erika", "Max"], "PX_Role__c": ["Owner", "User"]})
    desk.push(target, {"key": contacts, "label": ["Erika", "Max"], "PX_Role__c": ["x" * 400, "User"]})
    about = {"target": target, "key": contacts[0], "field": "PX_Role__c", "ours": "Owner", "theirs": "Erika's own"}
    HumanEdit.objects.create(**about)
    GuardRequest.objects.create(org=desk.org, subject="x", digest="", effect="clear", rows=2, of_rows=2,
                                examples=["Erika", "Max", contacts[0]])  # fmt: skip
    user = EndUser.objects.create(external_id="u-4711", name="Erika", email="erika@acme.example")
    RecordLink.objects.create(
        org=desk.org, entity="end_user", end_user=user, object="Contact", salesforce_id=contacts[0], rule="email"
    )
    return user


def test_i_23_s_112_erasing_an_end_user_empties_every_corner_of_the_outbox(desk, person, cast, now):
    row = OutboxRow.objects.get()
    contact, target = row.key, row.target
    assert row.code == "STRING_TOO_LONG"
    forgetting.erase(person, actor=cast.ada, now=now)
    assert not OutboxRow.objects.exists()
    assert not HumanEdit.objects.exists()
    assert GuardRequest.objects.get().examples == ["Max"]
    assert contact not in accepted_keys(target)
    assert all(contact not in keys_in(push.sent) for push in OutboxPush.objects.exclude(sent=None))
    assert not RowOutcome.objects.filter(key=contact).exists()
    assert not RowOutcome.objects.filter(label="Erika").exists()


def test_i_23_rows_of_a_former_link_are_forgotten_too(desk, cast, now):
    old = desk.account_ids(1)[0]
    target = desk.target()
    desk.push(target, {"key": [old], "label": ["Acme"], "PX_Health__c": ["x" * 41]})
    customer = Customer.objects.create(external_id="c-1", name="Acme")
    LinkEvent.objects.create(org=desk.org, entity="customer", customer=customer, action="linked", after_id=old, rule="manual")
    forgetting.erase(customer, actor=cast.ada, now=now)
    assert not OutboxRow.objects.exists()


def test_images_of_old_pushes_go_after_31_days_and_the_run_cannot_be_taken_back_any_more(desk, cast, now):
    registering.register()
    target, ids = desk.target(), desk.account_ids(2)
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["a", "b"]})
    assert undo.why_not(run) == ("", "")
    assert upkeep.retire_pushes(now=now + timedelta(days=29)) == 0
    assert undo.why_not(run) == ("", "")
    assert upkeep.retire_pushes(now=now + timedelta(days=31)) == 2
    assert not LakeTable.objects.filter(name__regex=r"^outbox/\d+/(sent|answers)/").exists()
    assert undo.why_not(run)[0] == "images_gone"
    with pytest.raises(Refusal) as refused:
        undo.undo_run(run, user=cast.olga, now=now + timedelta(days=31))
    assert refused.value.code == "images_gone"
    assert accepted_keys(target) == sorted(ids), "what was accepted is known as long as it is pushed"
    assert upkeep.retire_pushes(now=now + timedelta(days=31)) == 0


def test_tables_of_runs_that_are_gone_go_too(desk, now):
    target, ids = desk.target(), desk.account_ids(2)
    run, _ = desk.push(target, {"key": ids, "PX_Health__c": ["a", "b"]})
    kept, _ = desk.push(target, {"key": ids, "PX_Health__c": ["a", "c"]})
    run.delete()
    assert LakeTable.objects.filter(name__regex=r"^outbox/\d+/sent/").count() == 2
    assert upkeep.retire_pushes(now=now + timedelta(hours=2)) == 0, "a table may be younger than its push"
    assert upkeep.retire_pushes(now=now + timedelta(days=2)) == 2
    push = OutboxPush.objects.get()
    assert push.run == kept
    assert keys_in(push.sent) == [ids[1]]
