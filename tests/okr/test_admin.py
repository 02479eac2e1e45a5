"""The back office opens, finds, and acts through the verbs."""

import pytest
from django.urls import reverse

from okr.models import License, LicenseEvent, Objective, Reading, ReportLink

MODELS = ["reportlink", "license", "objective", "keyresult", "reading", "checkin", "activity", "licenseevent", "reportsource",
          "reportdescription", "department", "period"]  # fmt: skip


@pytest.fixture
def admin_page(client, cast):
    client.force_login(cast.ada)
    return client


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_and_searches(admin_page, make_link, model):
    link = make_link()
    Reading.objects.create(key_result=link.key_result, value=1, source="report")
    for query in ("", "?q=Pipe", "?q=1"):
        assert admin_page.get(reverse(f"admin:okr_{model}_changelist") + query).status_code == 200


def test_readings_cannot_be_changed(admin_page, make_link):
    reading = Reading.objects.create(key_result=make_link().key_result, value=1, source="report")
    url = reverse("admin:okr_reading_change", args=[reading.pk])
    assert admin_page.get(url).status_code == 200
    assert admin_page.post(url, {"value": "2"}).status_code == 403
    assert admin_page.get(reverse("admin:okr_reading_add")).status_code == 403


def test_releasing_seats_is_the_verb(admin_page, seat):
    url = reverse("admin:okr_license_changelist")
    admin_page.post(url, {"action": "release", "_selected_action": [seat.pk]})
    assert not License.objects.exists()
    assert LicenseEvent.objects.get(event="released").actor.username == "ada"


def test_archiving_is_the_verb(admin_page, company):
    admin_page.post(
        reverse("admin:okr_objective_changelist"), {"action": "archive", "_selected_action": [company.objective.pk]}
    )
    assert Objective.objects.get().archived_at


def test_refreshing_a_connection_that_is_down_warns(admin_page, make_link, org):
    link = make_link(value=5)
    org.state = "paused"
    org.save()
    answer = admin_page.post(
        reverse("admin:okr_reportlink_changelist"), {"action": "refresh_now", "_selected_action": [link.pk]}, follow=True
    )
    assert "0 of 1 reports read" in answer.content.decode()
    assert ReportLink.objects.get().key_result.current == 5


def test_l_10_lists_cost_the_same_queries_for_more_rows(admin_page, make_link, django_assert_max_num_queries):
    for _ in range(30):
        make_link()
    with django_assert_max_num_queries(15):
        admin_page.get(reverse("admin:okr_reportlink_changelist"))
