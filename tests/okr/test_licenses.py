"""Seats: a pool per connection that can never be overdrawn."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections

from integrations.access import Refusal
from integrations.models import AuditEntry, SalesforceOrg
from okr import licenses, queries
from okr.models import License, LicenseEvent, ReportLink
from okr.rights import NotAllowed


def people(number: int, prefix: str = "person") -> list[User]:
    return User.objects.bulk_create(User(username=f"{prefix}{index}") for index in range(number))


def test_bw_02_a_connection_has_30_licenses_by_default(org):
    assert licenses.seats_of(org) == licenses.Seats(used=0, total=30)


def test_bw_d1_the_31st_license_is_refused_with_a_way_out(org, cast, now):
    for person in people(30):
        licenses.grant_license(org, user=person, actor=cast.ada, now=now)
    with pytest.raises(Refusal, match="All 30 licenses of Acme are in use") as refusal:
        licenses.grant_license(org, user=cast.jane, actor=cast.ada, now=now)
    assert refusal.value.code == "no_seat_left"
    assert licenses.seats_of(org).used == 30


def test_bw_d1_granting_twice_takes_one_seat(org, cast, now):
    first = licenses.grant_license(org, user=cast.jane, actor=cast.olga, now=now)
    assert licenses.grant_license(org, user=cast.jane, actor=cast.olga, now=now) == first
    assert licenses.seats_of(org).used == 1
    assert LicenseEvent.objects.filter(org=org, event="granted").count() == 1


def test_bw_d1_the_pool_is_changed_by_admins_only_and_never_below_its_use(org, cast, now):
    for person in people(3):
        licenses.grant_license(org, user=person, actor=cast.olga, now=now)
    with pytest.raises(NotAllowed):
        licenses.change_pool(org, seats=50, actor=cast.olga, now=now)
    with pytest.raises(Refusal, match="release 1 before setting 2"):
        licenses.change_pool(org, seats=2, actor=cast.ada, now=now)
    assert licenses.change_pool(org, seats=3, actor=cast.ada, now=now).free == 0
    org.refresh_from_db()
    assert org.seats == 3
    assert LicenseEvent.objects.get(event="pool_changed").note == "30 to 3"
    assert AuditEntry.objects.filter(action="license.pool_changed").exists()


def test_bw_d1_pools_are_per_connection(org, cast, now):
    other = SalesforceOrg.objects.create(name="Other", login_url="https://login.salesforce.com", seats=1)
    licenses.grant_license(other, user=cast.jane, actor=cast.ada, now=now)
    assert licenses.has_seat(cast.jane, other)
    assert not licenses.has_seat(cast.jane, org)


def test_s_074_members_cannot_grant_or_release(org, cast, now):
    with pytest.raises(NotAllowed):
        licenses.grant_license(org, user=cast.marsha, actor=cast.marsha, now=now)
    with pytest.raises(NotAllowed):
        licenses.release_license(org, user=cast.jane, actor=cast.marsha, now=now)


def test_bw_d3_releasing_keeps_the_links(org, cast, make_link, seat, now):
    link = make_link()
    assert licenses.release_licenses(org, users=[cast.jane, cast.marsha], actor=cast.olga, now=now) == 1
    assert ReportLink.objects.filter(pk=link.pk).exists()
    assert not licenses.has_seat(cast.jane, org)


def test_r_220_deactivating_frees_the_seat_at_once_and_is_logged(org, cast, seat, now):
    SalesforceOrg.objects.update(seats=1)
    assert licenses.deactivate_person(cast.jane, actor=cast.ada, now=now) == 1
    assert licenses.seats_of(org).used == 0
    licenses.grant_license(org, user=cast.marsha, actor=cast.ada, now=now)
    assert LicenseEvent.objects.filter(event="freed", user_name="jane").exists()
    assert AuditEntry.objects.filter(action="user.deactivated", target="jane").exists()


def test_r_220_a_seat_of_somebody_deactivated_elsewhere_counts_no_more(org, cast, seat, now):
    User.objects.filter(pk=cast.jane.pk).update(is_active=False)
    assert licenses.seats_of(org).used == 0
    assert licenses.release_of_inactive(now=now) == 1
    assert not License.objects.exists()


def test_i_20_switching_a_person_on_again_cannot_exceed_the_pool(org, cast, seat, now):
    SalesforceOrg.objects.update(seats=1)
    User.objects.filter(pk=cast.jane.pk).update(is_active=False)
    licenses.grant_license(org, user=cast.marsha, actor=cast.ada, now=now)
    User.objects.filter(pk=cast.jane.pk).update(is_active=True)
    assert licenses.seats_of(org).used == 1


def test_bw_d2_the_integration_user_takes_no_seat(org):
    assert org.user_name
    assert licenses.seats_of(org).used == 0


def test_bw_d4_a_granted_license_works_at_once(org, cast, now):
    assert not licenses.has_seat(cast.jane, org)
    licenses.grant_license(org, user=cast.jane, actor=cast.olga, now=now)
    assert licenses.has_seat(cast.jane, org)


def test_r_220_a_key_result_names_who_can_take_its_link_over(org, cast, make_link, seat, now):
    link = make_link()
    licenses.grant_license(org, user=cast.ana, actor=cast.ada, now=now)
    licenses.deactivate_person(cast.jane, actor=cast.ada, now=now)
    assert [held.user for held in queries.takers_of(link)] == [cast.ana]


def test_bw_06_owning_a_linked_key_result_takes_no_seat(org, make_link, cast):
    link = make_link(owner=cast.marsha)
    assert link.key_result.owner == cast.marsha
    assert licenses.seats_of(org).used == 0


def test_inactive_people_get_no_seat(org, cast, now):
    cast.jane.is_active = False
    with pytest.raises(Refusal) as refusal:
        licenses.grant_license(org, user=cast.jane, actor=cast.ada, now=now)
    assert refusal.value.code == "user_inactive"


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
def test_i_20_of_many_simultaneous_grants_of_the_last_seat_exactly_one_wins(org, cast, now):
    SalesforceOrg.objects.update(seats=1)
    crowd, results = people(8), []
    barrier = threading.Barrier(len(crowd))

    def grant(person: User) -> None:
        barrier.wait()
        try:
            licenses.grant_license(org, user=person, actor=cast.ada, now=now)
            results.append("granted")
        except Refusal as refusal:
            results.append(refusal.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=grant, args=(person,)) for person in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == ["granted"] + ["no_seat_left"] * 7
    assert License.objects.count() == 1
