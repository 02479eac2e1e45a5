"""Reads for pages and API: right rows, and never a query a row."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import SalesforceOrg
from okr import queries
from okr.models import KeyResult, License, Objective


def fill(make_link, company, number: int) -> None:
    for index in range(number):
        objective = Objective.objects.create(
            title=f"Goal {Objective.objects.count()}", owner=company.cast.jane, period=company.period, parent=company.objective
        )
        link = make_link(f"Linked {index}", value=295)
        KeyResult.objects.filter(pk=link.key_result_id).update(objective=objective)
        KeyResult.objects.create(objective=objective, title="By hand", owner=company.cast.marsha, target=Decimal(10))


def cost(work) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        work()
    return len(captured)


@pytest.mark.parametrize(
    "read",
    [
        lambda org: [[str(each.owner) for each in row.key_results] for row in queries.rows_of(queries.find_objectives())],
        lambda org: [(each.owner.username, each.objective.department, queries.link_of(each)) for each in queries.find_key_results()],
        lambda org: [(link.key_result.owner.username, link.org.name) for link in queries.stale_links()],
        lambda org: [(seat.user.username, seat.links, list(seat.user.departments.all())) for seat in queries.seats_held(org)],
        lambda org: list(queries.all_rows(queries.find_objectives())),
    ],
    ids=["objectives", "key results", "stale links", "seats", "export"],
)  # fmt: skip
def test_l_10_twice_the_rows_cost_the_same_queries(org, make_link, company, read):
    fill(make_link, company, 10)
    few = cost(lambda: read(org))
    fill(make_link, company, 10)
    assert cost(lambda: read(org)) == few <= 6


def test_bw_33_objectives_list_shows_links_owners_and_rolled_up_progress(make_link, company):
    KeyResult.objects.all().delete()
    make_link("Half", value=295)
    KeyResult.objects.create(objective=company.objective, title="Done", owner=company.cast.marsha, target=10, current=10)
    row = queries.rows_of(queries.find_objectives())[0]
    assert row.progress == Decimal("0.75")
    assert [bool(queries.link_of(each)) for each in row.key_results] == [True, False]


def test_bw_d17_filters_by_owner_department_period_status_and_text(make_link, company):
    make_link("EMEA pipeline", status="row_missing")
    other = Objective.objects.create(title="Hire", owner=company.cast.ana, period=company.period)

    def found(**filters):
        return set(queries.find_objectives(**filters).values_list("title", flat=True))

    assert found() == {"Grow EMEA", "Hire"}
    assert found(owner=company.cast.marsha) == {"Grow EMEA"}  # owns a key result
    assert found(owner=company.cast.ana) == {"Hire"}
    assert found(department=company.sales) == {"Grow EMEA"}
    assert found(period=company.period) == {"Grow EMEA", "Hire"}
    assert found(q="emea PIPE") == {"Grow EMEA"}
    assert found(status="stale") == found(status="linked") == {"Grow EMEA"}
    assert found(status="archived") == set()
    Objective.objects.filter(pk=other.pk).update(archived_at="2026-01-01T00:00Z")
    assert found(status="archived") == {"Hire"}


def test_s_032_percent_and_underscore_in_a_search_are_literal(company):
    Objective.objects.create(title="100% done", owner=company.cast.ana, period=company.period)
    assert {each.title for each in queries.find_objectives(q="0%")} == {"100% done"}
    assert not queries.find_objectives(q="G_ow")


def test_i_21_a_connection_that_is_down_shows_at_once(org, make_link, company):
    link = make_link(value=5)
    assert not queries.stale_links().exists()
    SalesforceOrg.objects.filter(pk=org.pk).update(state="needs_reauthorization", state_reason="Revoked.")
    assert list(queries.stale_links()) == [link]
    shown = queries.link_of(queries.key_result(link.key_result_id))
    assert (shown.status, shown.key_result.current) == ("connection", 5)
    assert "Revoked." in shown.status_reason
    link.refresh_from_db()
    assert link.status == "fresh"  # nothing was written by looking


def test_stale_links_of_a_person_are_theirs(make_link, company):
    link = make_link(status="field_gone", owner=company.cast.marsha)
    assert list(queries.stale_links(company.cast.marsha)) == [link]
    assert list(queries.stale_links(company.cast.jane)) == [link]  # made it
    assert not queries.stale_links(company.cast.ana).exists()


def test_link_counts_by_status(org, make_link):
    make_link()
    make_link(status="report_gone")
    assert queries.link_counts(org) == {"fresh": 1, "report_gone": 1}


def test_seats_of_inactive_people_are_not_listed(org, seat, cast, make_link):
    make_link()
    assert [held.links for held in queries.seats_held(org)] == [1]
    assert queries.connections_with_seats().get().seats_used == 1
    cast.jane.is_active = False
    cast.jane.save()
    assert not queries.seats_held(org)
    assert queries.connections_with_seats().get().seats_used == 0
    assert License.objects.exists()


def test_i_09_a_circle_of_parents_does_not_hang_the_page(company):
    child = Objective.objects.create(title="Child", owner=company.cast.jane, period=company.period, parent=company.objective)
    Objective.objects.filter(pk=company.objective.pk).update(parent=child)
    assert len(queries.rows_of(queries.find_objectives())) == 2
