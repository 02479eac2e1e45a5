"""The budget of a connection as pages and API show it, changed with an entry in the audit, and told before it runs out."""

import json
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import Alert, ApiUsage, AuditEntry, BudgetSettings, Run, SalesforceOrg
from integrations.orgs import budget
from integrations.orgs.connect import client_for
from integrations.orgs.usage import USAGE, hour_of
from project.budget import read_detail
from tests.orgs.conftest import make_web_org

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def org(db, now) -> SalesforceOrg:
    """A connection that used 3,000 of 100,000 calls, 2,000 of them ours."""
    made = SalesforceOrg.objects.create(name="Acme", state="connected", authorized_at=now)
    this = hour_of(now)
    ApiUsage.objects.create(org=made, hour=this, domain="okr", calls=500, report_runs=40, query_calls=300, errors=2)
    ApiUsage.objects.create(
        org=made, hour=this - HOUR * 2, domain="mirror", calls=1_500, bulk_calls=900, bulk_jobs=12, composite_calls=100,
        limit_used=3_000, limit_max=100_000, limit_at=now,
    )  # fmt: skip
    Run.objects.create(job="mirror.read", domain="mirror", org=made, state="success", calls=1_400, queued_at=now)
    Run.objects.create(job="okr.refresh", domain="okr", org=made, state="success", calls=450, queued_at=now)
    return made


def test_the_list_tells_every_connection(org, client, cast, now):
    SalesforceOrg.objects.create(name="Quiet", state="connected", authorized_at=now)
    SalesforceOrg.objects.create(name="Never", state="new")
    client.force_login(cast.ana)
    html = client.get("/budget/").content.decode()
    assert f'href="/budget/{org.pk}/"' in html
    for number in ("2,000", "20,000", "1,000", "100,000"):  # ours, our share, others, the org's
        assert number in html
    assert "not told yet" in html
    assert "Never" not in html


def test_a_connection_tells_who_used_what(org, client, cast):
    client.force_login(cast.ana)
    html = client.get(f"/budget/{org.pk}/").content.decode()
    for words in (
        "Reading (mirror)",
        "Key results",
        "Bulk API",
        "Read of the mirror",
        "1,400",
        "12 made",
        "When calls are free",
    ):
        assert words in html
    assert 'id="settings"' not in html  # an administrator's
    assert "hours-data" in html
    assert client.get(f"/budget/{org.pk}/?span=7d").content.decode().count('<tr><td class="tabular">') >= 168 + 24
    assert client.get(f"/budget/{org.pk}/?span=nonsense").status_code == 200


def test_kinds_and_the_rest_add_up_to_all_calls(org, now):
    kinds = {each.label: each.calls for each in read_detail(org, span="24h", now=now).kinds}
    refused = kinds.pop("Refused by Salesforce")
    assert sum(kinds.values()) == 2_000
    assert refused == 2


def test_people_without_insight_do_not_see_it(org, client, cast):
    client.force_login(cast.marsha)
    assert client.get("/budget/").status_code == 403
    assert client.get(f"/budget/{org.pk}/").status_code == 403


def form(**changes: object) -> dict[str, object]:
    domains = ("mirror", "okr", "product", "billing", "provisioning", "analytics")
    return {"share_percent": "", "people_percent": 10, **{f"weight_{name}": 1 for name in domains}, **changes}


def test_an_administrator_changes_it_with_an_entry_in_the_audit(org, client, cast, now):
    client.force_login(cast.ada)
    assert 'id="settings"' in client.get(f"/budget/{org.pk}/").content.decode()
    sent = form(share_percent=40, people_percent=25, weight_billing=5, cap_okr=30)
    assert client.post(f"/budget/{org.pk}/settings/", sent).status_code == 302
    kept = BudgetSettings.objects.get(org=org)
    assert (kept.share_percent, kept.people_percent, kept.weights, kept.caps) == (40, 25, {"billing": 5}, {"okr": 30})
    assert kept.updated_by == cast.ada
    entry = AuditEntry.objects.get(action="budget.changed")
    assert (entry.before["share_percent"], entry.after["share_percent"]) == (None, 40)
    assert budget.allowance(org, now=now).our_share == 40_000
    assert not budget.may_spend(org, calls=12_000, domain="okr", now=now)  # its cap is 12,000, and 500 are used
    assert budget.may_spend(org, calls=11_500, domain="okr", now=now)
    assert budget.may_spend(org, calls=12_000, domain="okr", interactive=True, now=now)
    assert client.post(f"/budget/{org.pk}/settings/", sent).status_code == 302
    assert AuditEntry.objects.filter(action="budget.changed").count() == 1  # nothing changed


@pytest.mark.parametrize(
    ("field", "value"),
    [("share_percent", 0), ("share_percent", 91), ("people_percent", 51), ("weight_okr", 10), ("cap_okr", 0)],
)
def test_what_makes_no_sense_is_refused(org, client, cast, field, value):
    client.force_login(cast.ada)
    answer = client.post(f"/budget/{org.pk}/settings/", form(**{field: value}))
    assert answer.status_code == 422
    assert 'class="error"' in answer.content.decode()
    assert not BudgetSettings.objects.exists()


def test_operators_cannot_change_it(org, client, cast):
    client.force_login(cast.olga)
    assert client.post(f"/budget/{org.pk}/settings/", form(share_percent=90)).status_code == 403


def key_for(user, *scopes: str) -> dict[str, str]:
    _, secret = create_key(owner=user, name="k", scopes=scopes, expires=None)
    return {"authorization": f"Api-Key {secret}"}


def test_the_api_reads_and_changes_it(org, client, cast):
    address = f"/api/v1/connections/{org.pk}/budget/"
    found = client.get(address, headers=key_for(cast.ana, "connections:read")).json()
    assert (found["limit"], found["share"], found["used_by_us"], found["used_by_others"]) == (100_000, 20_000, 2_000, 1_000)
    assert {each["domain"]: each["used"] for each in found["domains"]}["mirror"] == 1_500
    assert found["report_runs_left"] == 410
    head = key_for(cast.ada, "connections:write", "connections:read")
    changed = client.patch(
        address, json.dumps({"share_percent": 50, "caps": {"okr": 10}}), content_type="application/json", headers=head
    )
    assert changed.status_code == 200
    assert (changed.json()["share"], changed.json()["settings"]["caps"]) == (50_000, {"okr": 10})
    again = client.patch(address, json.dumps({"share_percent": None}), content_type="application/json", headers=head)
    assert (again.json()["share"], again.json()["settings"]["caps"]) == (20_000, {"okr": 10})  # what is not named stays


@pytest.mark.parametrize(
    "body", [{"share_percent": 95}, {"caps": {"nobody": 10}}, {"weights": {"okr": 99}}, {"share": 10}, {"people_percent": "x"}]
)
def test_the_api_names_what_is_wrong(org, client, cast, body):
    head = key_for(cast.ada, "connections:write")
    answer = client.patch(
        f"/api/v1/connections/{org.pk}/budget/", json.dumps(body), content_type="application/json", headers=head
    )
    assert answer.status_code == 400
    assert next(iter(body)) in json.dumps(answer.json()) or "nobody" in json.dumps(answer.json())
    assert not BudgetSettings.objects.exists()


def test_the_api_lets_only_admins_change_it(org, client, cast):
    answer = client.patch(
        f"/api/v1/connections/{org.pk}/budget/", "{}", content_type="application/json",
        headers=key_for(cast.olga, "connections:write"),
    )  # fmt: skip
    assert answer.status_code == 403


def test_alerts_come_once_at_75_and_once_at_90_and_end_below_70(org, now, cast):
    row = ApiUsage.objects.get(org=org, domain="okr")

    def after(ours: int) -> list[str]:
        ApiUsage.objects.filter(pk=row.pk).update(calls=ours - 1_500)
        budget.warn_before_end(org, now=now)
        return list(Alert.objects.filter(key=f"budget:{org.pk}", recovered_at=None).values_list("code", flat=True))

    assert after(14_900) == []
    assert after(15_000) == ["75"]
    assert after(15_500) == ["75"]
    assert after(18_000) == ["90"]
    assert after(15_000) == ["90"]  # not back to the smaller warning
    assert after(13_900) == []
    assert Alert.objects.filter(key=f"budget:{org.pk}").count() == 1


def test_the_alert_leads_to_the_page(org, now, cast):
    ApiUsage.objects.filter(org=org, domain="okr").update(calls=18_000)
    assert budget.warn_before_end(org, now=now)
    assert not budget.warn_before_end(org, now=now)
    assert Alert.objects.get(key=f"budget:{org.pk}").url == f"/budget/{org.pk}/"


def test_home_and_connection_lead_to_it(org, client, cast, now):
    client.force_login(cast.ana)
    assert f'href="/budget/{org.pk}/"' in client.get("/").content.decode()
    assert f'href="/budget/{org.pk}/"' in client.get(f"/connections/{org.pk}/").content.decode()


def test_a_page_asks_a_fixed_number_of_questions(org, client, cast, now):
    client.force_login(cast.ana)
    client.get(f"/budget/{org.pk}/")
    with CaptureQueriesContext(connection) as before:
        client.get(f"/budget/{org.pk}/")
    this = hour_of(now)
    ApiUsage.objects.bulk_create(
        ApiUsage(org=org, hour=this - HOUR * back, domain="billing", calls=back) for back in range(1, 190)
    )
    with CaptureQueriesContext(connection) as after:
        client.get(f"/budget/{org.pk}/?span=7d")
    assert len(after) <= len(before) <= 40


def test_i_18_the_wire_counts_by_kind(demo_org, cast):
    org = make_web_org(demo_org)
    USAGE.flush()
    ApiUsage.objects.all().delete()
    with client_for(org, domain="okr") as client:
        client.count("SELECT COUNT() FROM Account")
        client.limits()
    USAGE.flush()
    row = ApiUsage.objects.get(org=org, domain="okr")
    assert (row.calls, row.query_calls, row.bulk_calls, row.composite_calls) == (2, 1, 0, 0)
    found = {each.label: each.calls for each in read_detail(org, span="24h", now=timezone.now()).kinds}
    assert found["Queries over REST"] == 1
