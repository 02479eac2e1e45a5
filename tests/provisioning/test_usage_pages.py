"""Usage over time on the customer's page: chart, table and CSV say the same; and what else the pages say in words."""

import json
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from django.utils.timezone import make_aware

from integrations.models import AuditEntry
from provisioning.metering.using import report
from provisioning.models import Feature, Offer
from tests.provisioning.shelf import customer, stock, subscribe

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db):
    stock()
    who = customer()
    subscribe(who, now=timezone.now())
    return who


def used(amount, days: int, *, feature: str = "calls") -> None:
    now = timezone.now()
    row = {
        "customer": "acme",
        "feature": f"feature-{feature}",
        "amount": amount,
        "at": (now - timedelta(days=days)).isoformat(),
    }
    assert report([row], now=now)[0].status == "accepted"


def drawn(page: str) -> dict:
    return json.loads(re.search(r'<script id="usage-data" type="application/json">(.*?)</script>', page).group(1))


def test_usage_of_each_counted_feature_is_drawn_by_day_and_told_in_a_table(client, cast, acme):
    used(3, 2)
    used(4, 2)
    used(2, 0)
    client.force_login(cast.marsha)
    page = client.get(f"/provisioning/customers/{acme.pk}/").content.decode()
    data = drawn(page)
    values = dict(zip(data["labels"], data["series"][0]["values"], strict=True))
    today = timezone.now().date()
    assert len(values) == 90
    assert (values[str(today - timedelta(days=2))], values[str(today - timedelta(days=1))], values[str(today)]) == (7, 0, 2)
    assert 'role="img" aria-label="Calls used by day' in page
    assert page.count('<tr><td class="tabular">') == 2
    assert '<td class="num">7</td><td class="num">7</td>' in page
    assert "usage.csv" not in page  # a member may not export


def test_the_chart_follows_the_address_and_a_feature_without_usage_says_so(client, cast, acme):
    used(5, 40)
    client.force_login(cast.ana)
    path = f"/provisioning/customers/{acme.pk}/"
    assert (
        "No usage of Calls in the last 30 days." in client.get(path, {"usage": "feature-calls", "days": "30"}).content.decode()
    )
    assert len(drawn(client.get(path, {"days": "365"}).content.decode())["labels"]) == 365
    assert client.get(path, {"usage": "nonsense", "days": "7"}).status_code == 200


def test_the_csv_says_what_the_chart_shows(client, cast, acme):
    used(5, 1)
    client.force_login(cast.ana)
    path = f"/provisioning/customers/{acme.pk}/"
    assert "usage.csv?usage=feature-calls&amp;days=90" in client.get(path).content.decode()
    answer = client.get(f"{path}usage.csv", {"usage": "feature-calls", "days": "30"})
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert lines[0] == "customer_id,feature,day_utc,used,count_of_window"
    assert len(lines) == 31
    yesterday = timezone.now().date() - timedelta(days=1)
    assert f"acme,feature-calls,{yesterday},5,5" in lines
    assert AuditEntry.objects.filter(action="export.usage").count() == 1
    assert client.get(f"{path}usage.csv", {"usage": "feature-sso"}).status_code == 404
    client.force_login(cast.marsha)
    assert client.get(f"{path}usage.csv", {"usage": "feature-calls"}).status_code == 403


def test_st_d7_days_of_a_subscription_are_told_in_the_time_zone_of_its_org(client, cast, acme, connected_org):
    zone = ZoneInfo("America/Los_Angeles")
    connected_org.posture = {"user": {"TimeZoneSidKey": str(zone)}}
    connected_org.save()
    day = (timezone.now() - timedelta(days=3)).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    begins = make_aware(day, zone)
    row = subscribe(customer("west"), starts_at=begins, ends_at=begins + timedelta(days=30, hours=5), org=connected_org,
                    now=timezone.now())  # fmt: skip
    client.force_login(cast.marsha)
    page = client.get(f"/provisioning/subscriptions/{row.key}/").content.decode()
    assert f">{day:%b} {day.day}, {day.year}</time>" in page
    end = row.ends_at.astimezone(zone)
    assert f">{end:%b} {end.day}, {end.year} {end:%H:%M %Z}</time>" in page
    assert "America/Los_Angeles" in page
    assert not re.search(r">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", page)


def test_empty_rows_for_own_limits_are_folded_away_until_somebody_uses_them(client, cast, acme):
    plain, own = acme.subscriptions.get(), subscribe(customer("own"), overrides={"calls": 7}, now=timezone.now())
    client.force_login(cast.olga)
    page = client.get(f"/provisioning/subscriptions/{plain.key}/change/amend/").content.decode()
    assert page.index("Add own limits") < page.index('name="feature_0"')
    assert "own entitlement" not in page
    page = client.get(f"/provisioning/subscriptions/{own.key}/change/amend/").content.decode()
    assert page.index('name="feature_0"') < page.index("Add own limits") < page.index('name="feature_1"')
    tried = {"plan": "plan-team", "feature_1": "feature-projects", "rule_1": "limit", "limit_1": ""}
    page = client.post(f"/provisioning/subscriptions/{own.key}/change/amend/", tried).content.decode()
    assert "<details open><summary>Add own limits" in page
    assert "Give a number, or choose another rule." in page


def test_every_page_of_the_catalogue_begins_its_way_at_provisioning(client, cast, acme):
    offer, feature = Offer.objects.get(key="plan-team"), Feature.objects.get(key="feature-calls")
    client.force_login(cast.olga)
    pages = (
        f"offers/{offer.pk}/", f"offers/{offer.pk}/versions/1/", f"offers/{offer.pk}/draft/", f"offers/{offer.pk}/versions/1/move/",
        f"products/{offer.product_id}/", f"features/{feature.pk}/", "features/", "file/",
    )  # fmt: skip
    for path in pages:
        page = client.get(f"/provisioning/catalogue/{path}")
        assert page.status_code == 200, path
        crumbs = page.content.decode().partition('aria-label="Breadcrumb"')[2][:300]
        assert '<a href="/provisioning/">Provisioning</a>' in crumbs, path
