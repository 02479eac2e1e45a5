"""The mirror's pages: is it fresh, is it true, what can be done about it."""

from datetime import timedelta

import pytest
from django.urls import reverse

from integrations.models import Backfill, Drift, MirrorField, MirrorObject, RecordMerge, Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def accounts(connected_org, now) -> MirrorObject:
    item = MirrorObject.objects.create(
        org=connected_org, name="Account", label="Accounts", watermark=now, read_at=now, rows=200, last_way="bulk", last_rows=12,
        needed_by=["product"], parity_at=now, parity_theirs=200, parity_ours=199, reads_from=now - timedelta(days=180),
    )  # fmt: skip
    MirrorField.objects.create(object=item, name="Name", type="string")
    return item


def test_the_list_says_what_is_not_the_same_as_in_salesforce(client, cast, accounts) -> None:
    client.force_login(cast.ana)
    page = client.get(reverse("integrations:mirror")).content.decode()
    assert "Salesforce has 200, the mirror 199" in page
    assert "Read now" not in page, "analysts look, operators act"


def test_operators_start_a_read_from_the_list(client, cast, accounts) -> None:
    client.force_login(cast.olga)
    assert "Read now" in client.get(reverse("integrations:mirror")).content.decode()


def test_a_stale_object_comes_first_and_says_why(client, cast, accounts, now) -> None:
    MirrorObject.objects.create(org=accounts.org, name="Case", read_at=now - timedelta(days=3))
    client.force_login(cast.ana)
    page = client.get(reverse("integrations:mirror")).content.decode().partition("<main")[2]
    assert page.index("Case") < page.index("Accounts")
    assert "did not come through" in page


def test_the_object_page_shows_fields_drift_and_merges(client, cast, accounts) -> None:
    Drift.objects.create(object=accounts, field="Rating", kind="field_gone", before="picklist")
    RecordMerge.objects.create(org=accounts.org, object="Account", loser="001000000000001AAA", winner="001000000000002AAA")
    client.force_login(cast.ana)
    page = client.get(reverse("integrations:mirror_object", args=[accounts.pk])).content.decode()
    for text in ("Name", "Field gone or hidden", "Rating", "001000000000001AAA", "001000000000002AAA"):
        assert text in page


def test_a_backfill_is_estimated_then_started_then_paused_then_cancelled(client, cast, accounts) -> None:
    client.force_login(cast.olga)
    client.post(reverse("integrations:mirror_backfill", args=[accounts.pk]), {"since": ""})
    made = Backfill.objects.get()
    assert made.state == "estimated"
    page = client.get(reverse("integrations:mirror_object", args=[accounts.pk])).content.decode()
    assert "Start" in page
    change = reverse("integrations:mirror_backfill_change", args=[made.pk])
    for verb, state in (("cancel", "cancelled"),):
        client.post(change, {"verb": verb})
        made.refresh_from_db()
        assert made.state == state
    answer = client.post(change, {"verb": "start"}, follow=True)
    assert "is cancelled" in answer.content.decode()
    assert client.post(change, {"verb": "explode"}).status_code == 404


def test_a_day_that_is_none_is_refused_at_its_field(client, cast, accounts) -> None:
    client.force_login(cast.olga)
    answer = client.post(reverse("integrations:mirror_backfill", args=[accounts.pk]), {"since": "yesterday"})
    assert answer.status_code == 400
    assert "YYYY-MM-DD" in answer.content.decode()
    assert not Backfill.objects.exists()


def test_an_object_is_paused_and_resumed(client, cast, accounts) -> None:
    client.force_login(cast.olga)
    client.post(reverse("integrations:mirror_pause", args=[accounts.pk]))
    accounts.refresh_from_db()
    assert accounts.state == "paused"
    client.post(reverse("integrations:mirror_resume", args=[accounts.pk]))
    accounts.refresh_from_db()
    assert (accounts.state, accounts.reason) == ("active", "")


def test_members_see_no_mirror(client, cast, accounts) -> None:
    client.force_login(cast.marsha)
    assert client.get(reverse("integrations:mirror")).status_code == 403
    assert not Run.objects.filter(job="mirror.read").exists()
