"""One key result: chart and table, provenance, banner, check-ins, rights."""

import json
import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse

from okr.models import CheckIn, KeyResult, Reading, ReportLink
from okr.views.key_results import FIXES

pytestmark = pytest.mark.django_db


def shown(client, key_result) -> str:
    answer = client.get(reverse("okr:key_result", args=[key_result.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_chart_has_a_label_and_the_same_numbers_in_a_table(client, world, cast):
    client.force_login(cast.marsha)
    html = shown(client, world.linked)
    data = json.loads(re.search(r'<script id="chart-data" type="application/json">(.*?)</script>', html)[1])
    assert [point["v"] for point in data["points"]] == [480_000, 490_000, 500_000, 510_000]
    assert data["target"] == 590_000
    assert 'role="img"' in html
    for value in ("$480,000", "$490,000", "$500,000", "$510,000"):
        assert value in html


def test_every_reading_names_report_user_and_run(client, world, cast):
    client.force_login(cast.ana)
    html = shown(client, world.linked)
    assert "https://acme.my.salesforce.com/00O000000000001EAA" in html
    assert "integration@acme.example" in html
    assert f"/runs/{world.run.pk}/" in html


def test_provenance_stays_after_unlinking(client, world, cast):
    client.force_login(cast.marsha)
    client.post(reverse("okr:unlink", args=[world.linked.pk]))
    assert not ReportLink.objects.exists()
    html = shown(client, world.linked)
    assert "https://acme.my.salesforce.com/00O000000000001EAA" in html
    assert Reading.objects.count() == 4


@pytest.mark.parametrize("status", sorted(FIXES))
def test_bw_d9_a_broken_link_names_cause_fix_and_since_when(client, world, cast, now, status):
    ReportLink.objects.update(status=status, status_reason="The cause in words.", last_value_at=now - timedelta(hours=26))
    client.force_login(cast.jane)
    html = shown(client, world.linked)
    assert ReportLink.Status(status).label in html
    assert "The cause in words." in html
    assert re.search(r"Last value kept since <time [^>]+>yesterday</time>", html)
    assert FIXES[status][1] in html.replace("&#x27;", "'")
    assert ("Choose again" in html) == (FIXES[status][0] == "choose")


def test_who_cannot_fix_it_learns_whom_to_ask(client, world, cast):
    ReportLink.objects.update(status="report_gone", status_reason="Gone.")
    client.force_login(cast.ana)
    html = shown(client, world.linked)
    assert "Ask Marsha Doe." in html
    assert "Choose again" not in html


def test_bw_d15_a_linked_value_cannot_be_entered_by_hand(client, world, cast):
    client.force_login(cast.marsha)
    html = shown(client, world.linked)
    assert 'name="value"' not in html
    assert "cannot be entered by hand" in html
    client.post(reverse("okr:check_in", args=[world.linked.pk]), {"value": "1", "note": "hello", "confidence": "at_risk"})
    world.linked.refresh_from_db()
    assert (world.linked.current, world.linked.confidence) == (Decimal(510_000), "at_risk")


def test_check_in_by_hand_with_value(client, world, cast):
    client.force_login(cast.jane)
    values = {"value": "3", "note": "Third signed.", "confidence": "on_track", "form_token": "x"}
    for _ in range(2):
        client.post(reverse("okr:check_in", args=[world.manual.pk]), values)
    world.manual.refresh_from_db()
    assert world.manual.current == 3
    assert CheckIn.objects.filter(key_result=world.manual).count() == 1
    assert "3 partners" in shown(client, world.manual)


def test_an_empty_check_in_says_what_is_missing(client, world, cast):
    client.force_login(cast.jane)
    answer = client.post(reverse("okr:check_in", args=[world.manual.pk]), {})
    assert "Give a value, a confidence or a note." in answer.content.decode()


def test_people_without_rights_only_look(client, world, cast):
    client.force_login(cast.ana)
    html = shown(client, world.linked)
    for words in ("Refresh</button>", "Unlink", "Check in</button>", "Edit</a>", "Delete key result"):
        assert words not in html
    client.post(reverse("okr:unlink", args=[world.linked.pk]))
    client.post(reverse("okr:key_result_delete", args=[world.linked.pk]))
    assert ReportLink.objects.count() == 1
    assert KeyResult.objects.count() == 2


def test_edit_changes_target_and_owner(client, world, cast):
    client.force_login(cast.jane)
    values = {
        "title": "Pipeline EMEA", "owner": cast.olga.pk, "unit": "currency", "unit_label": "usd", "start": "0", "target": "600000",
        "weight": 2, "save": "1", "linking": "", "form_token": "e",
    }  # fmt: skip
    answer = client.post(reverse("okr:key_result_edit", args=[world.linked.pk]), values)
    assert answer["Location"] == reverse("okr:key_result", args=[world.linked.pk])
    world.linked.refresh_from_db()
    assert (world.linked.target, world.linked.owner, world.linked.unit_label, world.linked.weight) == (
        600_000,
        cast.olga,
        "USD",
        2,
    )
    assert ReportLink.objects.filter(key_result=world.linked).exists()  # BW-04: the new owner has no license, the link stays


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": "0", "start": "0"}, "The target must differ from the start."),
        ({"unit": "currency", "unit_label": "dollars"}, "Give the currency"),
        ({"unit": "custom", "unit_label": ""}, "Give the unit a name"),
        ({"target": "1e40"}, "Ensure that there are no more than"),
        ({"target": "NaN"}, "Enter a number."),
    ],
)
def test_the_form_says_what_is_wrong(client, world, cast, changes, words):
    client.force_login(cast.jane)
    values = {
        "title": "T",
        "owner": cast.jane.pk,
        "unit": "number",
        "start": "0",
        "target": "9",
        "weight": 1,
        "save": "1",
        **changes,
    }
    answer = client.post(reverse("okr:key_result_create", args=[world.objective.pk]), values)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert KeyResult.objects.count() == 2


def test_readings_as_csv(client, world, cast):
    client.force_login(cast.marsha)
    answer = client.get(reverse("okr:readings_csv", args=[world.linked.pk]))
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 5
    assert ",510000,USD,report,Pipeline by region,00O000000000001EAA," in lines[1]


def test_unknown_numbers_are_404(client, world, cast):
    client.force_login(cast.ada)
    for name in ("okr:key_result", "okr:key_result_edit", "okr:objective"):
        assert client.get(reverse(name, args=[999_999])).status_code == 404


def test_a_person_without_a_seat_learns_why_and_whom_to_ask(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get(reverse("okr:key_result_edit", args=[world.linked.pk])).content.decode()
    assert "Linking needs a Salesforce license" in html
    assert "1 of 30 licenses of Acme production are in use" in html
    assert "Ada Min" in html
    assert "Olga Perez" in html
    assert "Search for a report" not in html


def test_without_a_connection_the_form_says_so(client, world, cast):
    world.org.state = "disconnected"
    world.org.save()
    client.force_login(cast.jane)
    html = client.get(reverse("okr:key_result_create", args=[world.objective.pk])).content.decode()
    assert "No Salesforce connection is ready." in html
