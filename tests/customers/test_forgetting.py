"""Erasing somebody: gone from database, lake and samples, and not brought back by API, sync or match (I-23, S-112)."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection

from integrations.access import Refusal
from integrations.lake import upkeep
from integrations.models import (
    AuditEntry,
    Customer,
    EndUser,
    HumanEdit,
    LinkEvent,
    OutboxRow,
    OutboxTarget,
    RecordLink,
    RowOutcome,
    Run,
    RunObject,
)
from integrations.sync.matching import forgetting, spine
from integrations.sync.matching.explain import explain_match

SECRETS = ("erika.mustermann", "Erika Mustermann", "user-4711", "0171-555")


def database_text():
    """Everything that is stored in any table, as text."""
    texts = []
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(model._meta.db_table)}")
            texts += [repr(row) for row in cursor.fetchall()]
    return "\n".join(texts)


def lake_bytes(folder):
    """All live values of all Parquet files."""
    import pyarrow.parquet as pq

    from integrations.models import LakeFile

    live = LakeFile.objects.filter(retired_at=None).values_list("path", flat=True)
    return "\n".join(repr(pq.read_table(folder / "lake" / each).to_pydict()) for each in live)


@pytest.fixture
def person(world):
    """Erika, linked to her contact, with traces of her everywhere."""
    contact = world.contact("Erika.Mustermann@acme.example", Name="Erika Mustermann", Phone="0171-555")
    world.contact("max@acme.example")
    world.customer("acme", name="Acme")
    world.user("user-4711", customer="acme", name="Erika Mustermann", email="erika.mustermann@acme.example", phone="0171-555",
               attributes={"nick": "erika.mustermann"})  # fmt: skip
    world.user("user-2", customer="acme", email="max@acme.example")
    world.user("user-3", customer="acme", email="erika.mustermann@other.example")
    EndUser.objects.filter(external_id="user-3").update(email="")
    world.rules("end_user", email=True)
    world.match()
    ledger = RunObject.objects.create(run=Run.objects.create(job="x", org=world.org), name="end_users")
    RowOutcome.objects.create(run_object=ledger, key="user-4711", label="Erika Mustermann", outcome="failed", code="bad",
                              message="erika.mustermann@acme.example is no good", detail={"email": "erika.mustermann@x"})  # fmt: skip
    RowOutcome.objects.create(run_object=ledger, key="other", salesforce_id=contact, label="Erika Mustermann", outcome="failed")
    target = OutboxTarget.objects.create(org=world.org, kind="mapping.end_user", object="Contact", key_field="Id")
    OutboxRow.objects.create(target=target, key=contact, label="Erika Mustermann", values={"Email": "erika.mustermann@x"})
    HumanEdit.objects.create(target=target, key=contact, field="Email", ours="erika.mustermann@x", theirs="")
    return contact


def test_s_112_an_erased_person_is_gone_everywhere_and_does_not_come_back(world, person, cast, tmp_path):
    user = EndUser.objects.get(external_id="user-4711")
    gone = forgetting.erase(user, actor=cast.ada, now=world.tick())
    assert (gone.links, gone.samples) == (1, 2)
    assert gone.lake_rows >= 2
    report = spine.save_end_users(
        [{"external_id": "user-4711", "name": "Erika Mustermann"}, {"external_id": "user-9"}], now=world.tick()
    )
    assert [each.status for each in report.rows] == ["failed", "created"]
    assert "erased" in report.rows[0].errors["external_id"][0]
    world.contact("Erika.Mustermann@acme.example", Id=person, Name="Erika Mustermann")  # the next read brings her again
    assert world.match().state == "success"
    upkeep.sweep_files(now=world.now + timedelta(hours=2))
    stored, kept = database_text(), lake_bytes(tmp_path)
    for secret in SECRETS:
        assert secret not in stored, secret
        assert secret.lower() not in kept.lower(), secret
    assert not RecordLink.objects.filter(end_user=user).exists()
    assert "max@acme.example" in kept, "others stay"


def test_s_112_the_run_counts_still_add_up_and_the_audit_names_who_erased(world, person, cast):
    before = list(RunObject.objects.values_list("id", "read", "failed"))
    classes = sorted(RowOutcome.objects.values_list("outcome", "code"))
    forgetting.erase(EndUser.objects.get(external_id="user-4711"), actor=cast.ada, now=world.tick())
    assert list(RunObject.objects.values_list("id", "read", "failed")) == before
    assert sorted(RowOutcome.objects.values_list("outcome", "code")) == classes
    entry = AuditEntry.objects.get(action="end_user.erased")
    assert (entry.actor, "user-4711" in str(vars(entry))) == (cast.ada, False)


def test_s_112_what_is_left_is_an_empty_row_that_nobody_finds(world, person):
    user = EndUser.objects.get(external_id="user-4711")
    forgetting.erase(user, actor=None, now=world.tick())
    user.refresh_from_db()
    assert (user.name, user.email, user.phone, user.attributes, user.customer) == ("", "", "", {}, None)
    assert user.external_id.startswith("erased-")
    assert not LinkEvent.objects.filter(end_user=user).exists()
    with pytest.raises(Refusal, match="already"):
        forgetting.erase(user, actor=None, now=world.tick())


def test_s_112_erasing_a_customer_leaves_the_account_and_takes_the_users_along_only_if_told(world, tmp_path):
    account = world.account("Acme Secret")
    world.customer("cust-77", name="Acme Secret", website="secret.example")
    world.staff("cust-77", ["secret.example"] * 2)
    world.rules(name=True)
    world.match()
    customer = Customer.objects.get()
    forgetting.erase(customer, actor=None, now=world.tick())
    assert EndUser.objects.filter(erased_at=None).count() == 2
    assert explain_match(account, org=world.org).links == ()
    world.customer("cust-78", name="Other")
    world.staff("cust-78", ["o.example"] * 3, tag="v")
    forgetting.erase(Customer.objects.get(external_id="cust-78"), actor=None, now=world.tick(), with_end_users=True)
    assert EndUser.objects.filter(erased_at=None).count() == 2
    assert world.match().state == "success"
    kept = lake_bytes(tmp_path)
    assert "'cust-77'" not in kept
    assert "'cust-78'" not in kept
    assert "Acme Secret" in kept, "our copy of the company's account stays: it is no person"


def test_s_112_an_erasure_that_failed_half_way_can_be_repeated(world, person, monkeypatch):
    user = EndUser.objects.get(external_id="user-4711")
    monkeypatch.setattr(forgetting, "_erase_rows", lambda *args, **named: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        forgetting.erase(user, actor=None, now=world.tick())
    monkeypatch.undo()
    user.refresh_from_db()
    assert user.erased_at is None
    forgetting.erase(user, actor=None, now=world.tick())
    assert "user-4711" not in database_text()


def test_s_112_erasures_are_recognized_after_the_key_was_changed(world, person, settings):
    forgetting.erase(EndUser.objects.get(external_id="user-4711"), actor=None, now=world.tick())
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-secret-key-of-more-than-fifty-characters-0123456789"
    report = spine.save_end_users([{"external_id": "user-4711"}], now=world.tick())
    assert report.rows[0].status == "failed"
