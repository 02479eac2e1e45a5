"""The page of the configuration: download, look at a file, apply it, see what changed since."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from integrations.models import AppliedConfiguration, AuditEntry
from integrations.product.models import Feature

TEXT = "causeway: 1\nfeatures:\n- {key: reports, name: Reports, rules: [{event: Report Created}]}\n"


@pytest.fixture
def ada(client, cast):
    client.force_login(cast.ada)
    return client


def send(client, text=TEXT, **more):
    return client.post(reverse("configuration_plan"), {"file": SimpleUploadedFile("causeway.yaml", text.encode()), **more})


def answer(response):
    """What the plan's form sends back."""
    return {"token": response.context["token"], "digest": response.context["plan"].digest}


def test_s_071_only_admins_reach_the_page(client, cast):
    client.force_login(cast.olga)
    assert client.get("/configuration/").status_code == 403
    assert client.get("/configuration/export.yaml").status_code == 403
    assert send(client).status_code == 403
    assert "/configuration/" not in client.get("/").content.decode()


def test_file_is_planned_then_applied_and_leaves_an_entry(ada):
    page = send(ada)
    assert "features: reports" in page.content.decode()
    assert not Feature.objects.exists()
    ada.post(reverse("configuration_apply"), answer(page))
    assert Feature.objects.get().name == "Reports"
    assert AuditEntry.objects.filter(action="configuration.applied", actor__username="ada").count() == 1
    assert "Everything is as that file left it" in ada.get("/configuration/").content.decode()
    again = send(ada)
    assert again.context["plan"].is_quiet
    assert reverse("configuration_apply") not in again.content.decode()


def test_r_283_second_press_of_apply_does_nothing(ada):
    page = send(ada)
    ada.post(reverse("configuration_apply"), answer(page))
    Feature.objects.all().delete()
    ada.post(reverse("configuration_apply"), answer(page))
    assert not Feature.objects.exists()


def test_what_changed_meanwhile_is_shown_before_it_is_applied(ada):
    page = send(ada, TEXT.replace("Reports,", "Other,"))
    Feature.objects.create(key="reports", name="Mine", rules=[{"event": "x"}], position=1)
    shown = ada.post(reverse("configuration_apply"), answer(page))
    assert shown.status_code == 409
    assert Feature.objects.get().name == "Mine"
    ada.post(reverse("configuration_apply"), answer(shown))
    assert Feature.objects.get().name == "Other"


def test_drift_names_what_people_changed_and_the_file_can_be_planned_again(ada, django_assert_max_num_queries):
    ada.post(reverse("configuration_apply"), answer(send(ada)))
    Feature.objects.update(name="Renamed <b>")
    page = ada.get("/configuration/").content.decode()
    assert "features: reports" in page
    assert "Renamed &lt;b&gt;" in page
    again = ada.post(reverse("configuration_plan_again", args=[AppliedConfiguration.objects.get().pk]))
    assert again.context["plan"].count("change") == 1
    ada.post(reverse("configuration_apply"), answer(again))
    assert Feature.objects.get().name == "Reports"
    Feature.objects.all().delete()
    assert "is not there any more" in ada.get("/configuration/").content.decode()


def test_problems_are_listed_with_their_place(ada):
    page = send(ada, "causeway: 1\nfeatures:\n- {key: A B, name: x, rules: []}\nnothing: 1\n")
    assert page.status_code == 400
    assert "nothing" in page.content.decode()
    page = send(ada, renames="Sandbox")
    assert page.status_code == 400
    assert "name there = name here" in page.content.decode()


def test_s_110_download_leaves_one_entry(ada):
    response = ada.get("/configuration/export.yaml")
    assert response.content.decode().startswith("# Configuration of Causeway")
    assert "attachment" in response["Content-Disposition"]
    assert AuditEntry.objects.filter(action="configuration.exported").count() == 1
    assert ada.get("/configuration/export.yaml?org=Nobody").status_code == 404


def test_s_060_stale_session_is_asked_again(ada, settings):
    page = send(ada)
    settings.FRESH_LOGIN_MINUTES = -1
    response = ada.post(reverse("configuration_apply"), answer(page))
    assert response.status_code == 302
    assert "confirm" in response["Location"]
    assert not Feature.objects.exists()
