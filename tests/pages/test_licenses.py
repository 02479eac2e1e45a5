"""The licenses page: pool, assign, release, history (BW-02, BW-D1, BW-D3)."""

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from okr.models import License, LicenseEvent

pytestmark = pytest.mark.django_db


def test_bw_02_thirty_seats_with_a_meter(client, world, cast):
    people = [User.objects.create(username=f"p{number}") for number in range(17)]
    License.objects.bulk_create(License(org=world.org, user=person) for person in people)
    client.force_login(cast.marsha)
    html = client.get("/okr/licenses/").content.decode()
    assert "18 of 30" in html
    assert 'aria-valuenow="60"' in html
    assert "You hold no license" in html
    assert "Assign a license" not in html


def test_bw_03_the_page_says_for_whom_licenses_are_meant(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get("/okr/licenses/").content.decode()
    assert "sales and operations executives, administrators" in html
    assert "Owning a linked key result needs none" in html


def test_assign_and_release_with_history(client, world, cast):
    client.force_login(cast.olga)
    answer = client.post(reverse("okr:license_grant", args=[world.org.pk]), {"person": cast.marsha.pk}, follow=True)
    assert "Marsha Doe can link key results now." in answer.content.decode()
    answer = client.post(
        reverse("okr:license_release", args=[world.org.pk]), {"user": [cast.marsha.pk, cast.jane.pk]}, follow=True
    )
    html = answer.content.decode()
    assert "2 licenses released" in html
    assert not License.objects.exists()
    assert html.count("License released") == 2
    assert LicenseEvent.objects.filter(event="granted", user=cast.marsha, actor=cast.olga).exists()


def test_bw_d1_at_the_limit_the_page_explains_and_offers_release(client, world, cast):
    world.org.seats = 1
    world.org.save()
    client.force_login(cast.olga)
    html = client.get("/okr/licenses/").content.decode()
    assert "All licenses are in use" in html
    assert "Release ticked" in html
    answer = client.post(reverse("okr:license_grant", args=[world.org.pk]), {"person": cast.marsha.pk}, follow=True)
    assert "All 1 licenses of Acme production are in use" in answer.content.decode()
    assert License.objects.count() == 1


def test_bw_d1_only_admins_change_the_pool_and_never_below_use(client, world, cast):
    client.force_login(cast.olga)
    assert client.post(reverse("okr:license_pool", args=[world.org.pk]), {"seats": 40}).status_code == 403
    client.force_login(cast.ada)
    client.post(reverse("okr:license_pool", args=[world.org.pk]), {"seats": 40})
    world.org.refresh_from_db()
    assert world.org.seats == 40
    answer = client.post(reverse("okr:license_pool", args=[world.org.pk]), {"seats": 0}, follow=True)
    assert "are in use; release" in answer.content.decode()


@pytest.mark.parametrize("sent", [{}, {"person": "abc"}, {"person": 999_999}])
def test_assigning_nobody_is_not_an_error(client, world, cast, sent):
    client.force_login(cast.olga)
    answer = client.post(reverse("okr:license_grant", args=[world.org.pk]), sent, follow=True)
    assert "Choose a person first." in answer.content.decode()


def test_members_cannot_assign(client, world, cast):
    client.force_login(cast.marsha)
    assert client.post(reverse("okr:license_grant", args=[world.org.pk]), {"person": cast.marsha.pk}).status_code == 403


def test_search_among_holders(client, world, cast):
    client.force_login(cast.olga)
    assert [seat.user for seat in client.get("/okr/licenses/", {"q": "jane"}).context["page"]] == [cast.jane]
    assert "Nobody with a license matches." in client.get("/okr/licenses/", {"q": "zzz"}).content.decode()


def test_holders_as_csv_for_operators(client, world, cast):
    client.force_login(cast.marsha)
    assert client.get(reverse("okr:licenses_csv", args=[world.org.pk])).status_code == 403
    client.force_login(cast.olga)
    lines = b"".join(client.get(reverse("okr:licenses_csv", args=[world.org.pk])).streaming_content).decode().splitlines()
    assert lines[1].startswith("jane,Jane Doe,jane@acme.example,")


def test_holders_sort_with_the_order_in_the_address(client, world, cast, now):
    License.objects.create(org=world.org, user=cast.marsha, last_used_at=now)
    License.objects.create(org=world.org, user=User.objects.create(username="zed"))
    client.force_login(cast.olga)

    def holders(sort: str) -> list[str]:
        html = client.get(f"/okr/licenses/?org={world.org.pk}&sort={sort}").content.decode()
        return [name.strip() for name in re.findall(r'<td class="lead">([^<]+)<br>', html)]

    assert holders("person") == ["Jane Doe", "Marsha Doe", "zed"]
    assert holders("-person") == ["zed", "Marsha Doe", "Jane Doe"]
    assert holders("-links")[0] == "Jane Doe"
    assert holders("used")[0] == holders("-used")[0] == "Marsha Doe"  # never used: last in both directions
    assert holders("-assigned")[0] == "zed"
