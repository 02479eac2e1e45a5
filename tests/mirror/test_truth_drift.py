"""What a changed shape means for the read (R-053, R-055, R-056, R-057)."""

from datetime import timedelta

import pytest
from django.core import mail

from integrations.models import Alert, Drift, LakeTable, MirrorField, MirrorObject, Run, SalesforceOrg
from integrations.salesforce.errors import InvalidType
from integrations.sync.mirror import drift, hooks
from tests.mirror.truth import described_object, field, ledger, mirrored

pytestmark = pytest.mark.django_db
NAME, SIZE = field("Name"), field("Size__c", "double", scale=2)
TIER = field("Tier__c", "picklist", choices=["gold", "silver"])


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme", login_url="https://acme.my.salesforce.com", state="connected")


@pytest.fixture
def heard(monkeypatch) -> list[tuple[str, str]]:
    monkeypatch.setattr(hooks, "_hooks", {})
    news: list[tuple[str, str]] = []
    hooks.register("test", on_drift=lambda org, name, drifts, /, *, run, now: news.extend((d.kind, d.field) for d in drifts))
    return news


@pytest.fixture
def mirror(org) -> MirrorObject:
    """Account with three fields, described once, with columns in the lake."""
    made = mirrored(org, NAME, SIZE, TIER)
    columns = [["Name", "text"], ["Size__c", "number"], ["Tier__c", "text"]]
    made.table = LakeTable.objects.create(name="mirror/1/Account", org=org, columns=columns)
    made.save()
    return made


def see(mirror: MirrorObject, *fields, now) -> Run:
    """A run that describes the object so."""
    with ledger(mirror.org) as recorder:
        drift.check_shape(recorder, mirror, described_object(*fields), now=now)
    return Run.objects.latest("pk")


def state_of(mirror: MirrorObject, name: str) -> str:
    return MirrorField.objects.get(object=mirror, name=name).state


def test_nothing_is_news_when_nothing_changed(mirror, heard, now):
    assert see(mirror, NAME, SIZE, TIER, now=now).state == "success"
    assert see(mirror, NAME, SIZE, TIER, field("Other__c"), now=now).state == "success"
    assert not heard
    assert not Drift.objects.exists()


def test_r_053_a_field_that_is_gone_is_dropped_and_flagged_and_the_run_is_partial(mirror, heard, now):
    see(mirror, NAME, SIZE, TIER, now=now)
    run = see(mirror, NAME, TIER, now=now)
    counts = run.objects_touched.get()
    assert (counts.failed, run.state) == (1, "failed"), "in a real read the rows of the other fields make it partial"
    assert state_of(mirror, "Size__c") == "gone"
    assert state_of(mirror, "Name") == "active"
    assert heard == [("field_gone", "Size__c")]
    row = counts.rows.get()
    assert row.code == "field_gone"
    assert "may not see it" in row.message
    later = see(mirror, NAME, TIER, now=now + timedelta(days=1))
    assert later.objects_touched.get().skipped == 1, "later runs leave it out on purpose"
    assert heard == [("field_gone", "Size__c")], "told once"


def test_r_053_a_field_that_comes_back_settles_by_itself_and_is_filled(mirror, heard, now):
    see(mirror, NAME, TIER, now=now)
    see(mirror, NAME, SIZE, TIER, now=now + timedelta(hours=1))
    assert state_of(mirror, "Size__c") == "backfilling", "records were saved meanwhile without it being read"
    assert heard == [("field_gone", "Size__c"), ("field_back", "Size__c")]
    assert not Drift.objects.filter(settled_at=None).exists()


def test_r_053_a_gone_field_that_nobody_needs_any_more_settles(mirror, heard, now):
    see(mirror, NAME, TIER, now=now)
    MirrorField.objects.filter(name="Size__c").delete()
    see(mirror, NAME, TIER, now=now)
    assert not Drift.objects.filter(settled_at=None).exists()
    assert heard == [("field_gone", "Size__c")]


@pytest.mark.parametrize(
    ("now_described", "harmless"),
    [
        (field("Tier__c", "multipicklist", choices=["gold", "silver"]), True),
        (field("Tier__c", "string"), True),
        (field("Tier__c", "double"), False),
        (field("Tier__c", "boolean"), False),
    ],
)
def test_r_055_a_changed_type_is_told_and_only_stays_open_when_its_column_cannot_hold_it(
    mirror, heard, now, now_described, harmless
):
    see(mirror, NAME, SIZE, TIER, now=now)
    run = see(mirror, NAME, SIZE, now_described, now=now)
    assert run.state == "success", "rows that still fit go on"
    assert heard == [("type_changed", "Tier__c")]
    found = Drift.objects.get()
    assert (found.before, found.after) == ("picklist", now_described.type)
    assert (found.settled_at is not None) is harmless
    kept = MirrorField.objects.get(name="Tier__c")
    assert kept.type == (now_described.type if harmless else "picklist")
    assert kept.state == "active"


def test_r_055_a_type_that_turns_back_settles_and_is_told(mirror, heard, now):
    see(mirror, NAME, field("Size__c"), TIER, now=now)
    see(mirror, NAME, field("Size__c", "date"), TIER, now=now)
    assert Drift.objects.filter(settled_at=None).get().after == "date", "the second change replaces the first"
    see(mirror, NAME, SIZE, TIER, now=now)
    assert not Drift.objects.filter(settled_at=None).exists()
    last = Drift.objects.order_by("pk").last()
    assert (last.kind, last.before, last.after) == ("type_changed", "date", "double")
    assert heard == [("type_changed", "Size__c")] * 3


def test_r_055_a_number_with_more_places_than_its_column_is_a_change_of_type(mirror, heard, now):
    see(mirror, NAME, SIZE, TIER, now=now)
    see(mirror, NAME, field("Size__c", "double", scale=15), TIER, now=now)
    assert heard == [("type_changed", "Size__c")]
    assert Drift.objects.get().settled_at is None


def test_r_055_changed_picklist_values_are_told_with_their_names(mirror, heard, now):
    see(mirror, NAME, SIZE, TIER, now=now)
    see(mirror, NAME, SIZE, field("Tier__c", "picklist", choices=["gold", "bronze"]), now=now)
    assert heard == [("picklist_changed", "Tier__c")]
    found = Drift.objects.get()
    assert (found.before, found.after) == ("without silver", "with bronze")
    assert found.settled_at is not None, "nothing waits for it"
    see(mirror, NAME, SIZE, field("Tier__c", "picklist", choices=["bronze", "gold"]), now=now)
    assert len(heard) == 1, "an order is no change"


def test_r_056_an_object_that_is_hidden_is_skipped_and_nothing_is_deleted(mirror, heard, now):
    refusal = InvalidType("sObject type 'Account' is not supported.", code="INVALID_TYPE")
    for _ in range(2):
        with ledger(mirror.org) as recorder:
            drift.hide_object(recorder, mirror, refusal, now=now)
    mirror.refresh_from_db()
    assert mirror.state == "no_access"
    assert "stays as last read" in mirror.reason
    assert mirror.table is not None
    assert MirrorField.objects.filter(state="active").count() == 3
    assert [run.objects_touched.get().skipped for run in Run.objects.all()] == [1, 1]
    assert {run.state for run in Run.objects.all()} == {"success"}
    assert heard == [("object_gone", "")]


def test_r_056_an_object_that_comes_back_is_read_again(mirror, heard, now):
    with ledger(mirror.org) as recorder:
        drift.hide_object(recorder, mirror, InvalidType("hidden", code="INVALID_TYPE"), now=now)
    see(mirror, NAME, SIZE, TIER, now=now)
    mirror.refresh_from_db()
    assert (mirror.state, mirror.reason) == ("active", "")
    assert heard == [("object_gone", ""), ("object_back", "")]
    assert not Drift.objects.filter(settled_at=None).exists()


def test_i_10_a_domain_that_fails_to_take_it_in_is_told_again(mirror, heard, now):
    told = []

    def first_time_bad(org, name, drifts, /, *, run, now) -> None:
        told.append(len(drifts))
        if len(told) == 1:
            raise ValueError

    hooks.register("other", on_drift=first_time_bad)
    see(mirror, NAME, TIER, now=now)
    see(mirror, NAME, TIER, now=now)
    see(mirror, NAME, TIER, now=now)
    assert told == [1, 1]


def test_r_053_one_alert_a_connection_and_day_and_its_recovery(org, mirror, now, cast, django_capture_on_commit_callbacks):
    def day(moment, *fields) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            see(mirror, *fields, now=moment)
            drift.report(org, now=moment)

    day(now, NAME, TIER)
    day(now + timedelta(seconds=1), NAME)
    assert [message.subject for message in mail.outbox] == ["[Causeway] Acme: something that we read has changed in Salesforce"]
    day(now + timedelta(days=1), NAME)
    assert len(mail.outbox) == 1, "nothing new, no message"
    day(now + timedelta(days=2), TIER)
    assert len(mail.outbox) == 2, "Name is gone now"
    assert "Account.Name is gone" in Alert.objects.get(recovered_at=None).body
    day(now + timedelta(days=3), NAME, SIZE, TIER)
    assert not Alert.objects.filter(recovered_at=None).exists()
    assert "Solved" in mail.outbox[-1].subject


def test_r_053_a_change_that_comes_and_goes_on_one_day_makes_one_message(
    org, mirror, now, cast, django_capture_on_commit_callbacks
):
    at = now.replace(hour=6, minute=0)
    for minutes, fields in enumerate([(NAME, TIER), (NAME, SIZE, TIER), (NAME, TIER)]):
        with django_capture_on_commit_callbacks(execute=True):
            moment = at + timedelta(minutes=minutes)
            see(mirror, *fields, now=moment)
            drift.report(org, now=moment)
    assert [message.subject.startswith("[Causeway] Solved") for message in mail.outbox] == [False, True]
    assert Alert.objects.filter(recovered_at=None).count() == 1, "it is open all the same"


def test_r_057_the_digest_moves_only_with_what_concerns_us():
    names = ["Name", "Tier__c"]
    usual = drift.digest_of(described_object(NAME, TIER), names)
    assert usual == drift.digest_of(described_object(TIER, NAME, SIZE), names)
    assert usual == drift.digest_of(described_object(NAME, field("Tier__c", "picklist", choices=["silver", "gold"])), names)
    changed = [
        described_object(NAME),
        described_object(NAME, field("Tier__c")),
        described_object(NAME, field("Tier__c", "picklist", choices=["gold"])),
    ]
    assert len({usual, *(drift.digest_of(info, names) for info in changed)}) == 4
