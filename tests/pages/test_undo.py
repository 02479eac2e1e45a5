"""Undo instead of a question: the toast takes back archiving, unlinking, releasing and deleting a period, exactly once."""

import re
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.forms.models import model_to_dict

from okr.models import Activity, CheckIn, License, LicenseEvent, Period, Reading, ReportLink

pytestmark = pytest.mark.django_db


def token_in(answer) -> str:
    found = re.search(r'action="/undo/">.*?name="token" value="([^"]+)"', answer.content.decode(), re.DOTALL)
    assert found, "no toast with Undo"
    return found[1]


def press_undo(client, answer):
    return client.post("/undo/", {"token": token_in(answer)}, follow=True)


def archive(client, world):
    return client.post(f"/okr/objectives/{world.objective.pk}/archive/", follow=True)


def test_archiving_asks_nothing_and_can_be_taken_back(client, world, cast):
    client.force_login(cast.jane)
    page = client.get(f"/okr/objectives/{world.objective.pk}/").content.decode()
    assert "Archive this objective?" not in page
    answer = archive(client, world)
    world.objective.refresh_from_db()
    assert world.objective.archived_at is not None
    answer = press_undo(client, answer)
    assert "is back." in answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"/okr/objectives/{world.objective.pk}/"
    world.objective.refresh_from_db()
    assert world.objective.archived_at is None


def test_unlinking_is_taken_back_exactly_as_it_was(client, world, cast):
    client.force_login(cast.marsha)  # she owns it and holds no license: unlinking needs none, and neither does undoing it
    before = model_to_dict(ReportLink.objects.get(key_result=world.linked))
    readings = Reading.objects.filter(key_result=world.linked).count()
    answer = client.post(f"/okr/key-results/{world.linked.pk}/unlink/", follow=True)
    assert not ReportLink.objects.filter(key_result=world.linked).exists()
    assert "linked again" in press_undo(client, answer).content.decode()
    assert model_to_dict(ReportLink.objects.get(key_result=world.linked)) == before
    assert Reading.objects.filter(key_result=world.linked).count() == readings
    assert Activity.objects.filter(key_result=world.linked).first().verb == "linked"


def test_a_link_made_meanwhile_is_not_overwritten(client, world, cast):
    client.force_login(cast.jane)
    kept = ReportLink.objects.get(key_result=world.linked)
    answer = client.post(f"/okr/key-results/{world.linked.pk}/unlink/", follow=True)
    kept.pk, kept.report_name = None, "Another"
    kept.save()
    assert "linked again meanwhile" in press_undo(client, answer).content.decode()
    assert ReportLink.objects.get(key_result=world.linked).report_name == "Another"


def test_unlinking_is_not_undone_for_a_connection_that_is_gone(client, world, cast):
    client.force_login(cast.jane)
    answer = client.post(f"/okr/key-results/{world.linked.pk}/unlink/", follow=True)
    world.org.delete()
    assert "cannot be put back" in press_undo(client, answer).content.decode()


def test_released_licenses_are_given_back_with_their_history(client, world, cast, now):
    License.objects.filter(user=cast.jane).update(last_used_at=now)
    License.objects.create(org=world.org, user=cast.marsha)
    client.force_login(cast.olga)
    answer = client.post(f"/okr/licenses/{world.org.pk}/release/", {"user": [cast.jane.pk, cast.marsha.pk]}, follow=True)
    assert not License.objects.exists()
    assert "2 licenses given back" in press_undo(client, answer).content.decode()
    seat = License.objects.get(user=cast.jane)
    assert (seat.last_used_at, seat.granted_by) == (now, cast.ada)
    assert LicenseEvent.objects.filter(event="granted", note="Release undone").count() == 2


def test_bw_d1_undo_never_exceeds_the_pool(client, world, cast):
    client.force_login(cast.olga)
    answer = client.post(f"/okr/licenses/{world.org.pk}/release/", {"user": cast.jane.pk}, follow=True)
    License.objects.create(org=world.org, user=cast.marsha)
    type(world.org).objects.filter(pk=world.org.pk).update(seats=1)
    assert "in use again" in press_undo(client, answer).content.decode()
    assert [seat.user for seat in License.objects.all()] == [cast.marsha]


def test_somebody_deactivated_meanwhile_gets_no_seat_back(client, world, cast):
    client.force_login(cast.olga)
    answer = client.post(f"/okr/licenses/{world.org.pk}/release/", {"user": cast.jane.pk}, follow=True)
    User.objects.filter(pk=cast.jane.pk).update(is_active=False)
    assert "0 licenses given back" in press_undo(client, answer).content.decode()
    assert not License.objects.exists()


def test_a_deleted_period_comes_back(client, world, cast):
    period = Period.objects.create(name="Spare", starts_on="2027-01-01", ends_on="2027-03-31", time_zone="Europe/Berlin")
    period.refresh_from_db()
    client.force_login(cast.olga)
    answer = client.post(f"/okr/settings/periods/{period.pk}/delete/", follow=True)
    assert not Period.objects.filter(name="Spare").exists()
    press_undo(client, answer)
    again = Period.objects.get(name="Spare")
    assert (again.starts_on, again.ends_on, again.time_zone) == (period.starts_on, period.ends_on, "Europe/Berlin")


def test_undo_works_once(client, world, cast):
    client.force_login(cast.jane)
    answer = archive(client, world)
    press_undo(client, answer)
    type(world.objective).objects.filter(pk=world.objective.pk).update(archived_at="2027-01-01T00:00Z")
    assert "too late" in press_undo(client, answer).content.decode()
    world.objective.refresh_from_db()
    assert world.objective.archived_at is not None


def test_undo_runs_out(client, world, cast, now):
    client.force_login(cast.jane)
    answer = archive(client, world)
    with time_machine.travel(now + timedelta(minutes=6)):
        assert "too late" in press_undo(client, answer).content.decode()


def test_undo_belongs_to_the_session_that_did_it(client, world, cast):
    client.force_login(cast.jane)
    token = token_in(archive(client, world))
    client.force_login(cast.ada)
    assert "too late" in client.post("/undo/", {"token": token}, follow=True).content.decode()
    for wrong in ("", "x", token + "x"):
        assert "too late" in client.post("/undo/", {"token": wrong}, follow=True).content.decode()


def test_rights_that_were_lost_meanwhile_are_asked_again(client, world, cast):
    client.force_login(cast.jane)
    answer = archive(client, world)
    type(world.objective).objects.filter(pk=world.objective.pk).update(owner=cast.olga)
    press_undo(client, answer)
    world.objective.refresh_from_db()
    assert world.objective.archived_at is not None


def test_what_cannot_be_undone_still_asks(client, world, cast):
    client.force_login(cast.jane)
    html = client.get(f"/okr/key-results/{world.linked.pk}/").content.decode()
    assert "Delete this key result?" in html
    assert "Unlink this key result?" not in html
    assert CheckIn.objects.filter(key_result=world.linked).exists()
