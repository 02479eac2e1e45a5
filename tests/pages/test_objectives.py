"""Objectives: list, filters, roll-up, forms, export."""

import re
from decimal import Decimal

import pytest
from django.urls import reverse

from okr.models import Department, KeyResult, Objective, Period, ReportLink
from tests.pages.conftest import make_key_result, make_link

pytestmark = pytest.mark.django_db


def listed(client, **query) -> list[str]:
    page = client.get("/okr/", query)
    assert page.status_code == 200
    return [row.objective.title for row in page.context["rows"]]


def form_of(world, **changes) -> dict:
    values = {
        "title": "Win the north", "description": "", "owner": world.objective.owner_id, "department": "", "period": world.period.pk,
        "parent": "", "weight": 1, "form_token": "one",
    }  # fmt: skip
    return {**values, **changes}


def test_bw_33_a_salesforce_icon_stands_next_to_linked_key_results(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get("/okr/").content.decode()
    assert html.count('aria-label="Updated from Salesforce"') == 1
    assert html.index("Pipeline EMEA") < html.index('aria-label="Updated from Salesforce"') < html.index("New partners")


def test_bw_d17_filters_by_owner_department_period_status_and_text(client, world, cast, now):
    other = Objective.objects.create(
        title="Renew all",
        owner=cast.olga,
        period=Period.objects.create(name="Old", starts_on="2020-01-01", ends_on="2020-03-31"),
    )
    broken = make_key_result(other, "Churn", cast.olga, confidence="off_track")
    make_link(broken, world.org, now, status="report_gone")
    client.force_login(cast.marsha)
    assert listed(client) == ["Grow EMEA", "Renew all"]
    assert listed(client, owner=cast.marsha.pk) == ["Grow EMEA"]  # she owns a key result of it
    assert listed(client, department=world.sales.pk) == ["Grow EMEA"]
    assert listed(client, period=world.period.pk) == ["Grow EMEA"]
    assert listed(client, status="off_track") == ["Renew all"]
    assert listed(client, status="stale") == ["Renew all"]
    assert listed(client, q="churn") == ["Renew all"]
    assert listed(client, q="100%_") == []
    assert listed(client, attention=1) == ["Renew all"]


@pytest.mark.parametrize(
    "query", [{"owner": "abc"}, {"owner": 10**30}, {"period": "-1"}, {"status": "x"}, {"page": "zzz"}, {"page": -3}]
)
def test_senseless_filters_are_not_errors(client, world, cast, query):
    client.force_login(cast.marsha)
    assert listed(client, **query) == ["Grow EMEA"]


def test_filters_stand_in_the_address_as_chips(client, world, cast):
    client.force_login(cast.marsha)
    html = client.get("/okr/", {"q": "grow", "status": "linked"}).content.decode()
    assert 'href="?status=linked"' in html  # takes the text away, keeps the status
    assert 'href="?q=grow"' in html


def test_roll_up_is_the_weighted_mean(client, world, cast):
    child = Objective.objects.create(title="Below", owner=cast.jane, period=world.period, parent=world.objective)
    make_key_result(child, "Half", cast.jane, current=Decimal(50), target=Decimal(100))
    client.force_login(cast.marsha)
    page = client.get(f"/okr/objectives/{world.objective.pk}/")
    share = Decimal(510_000) / Decimal(590_000)
    assert page.context["progress"] == (share + 0 + Decimal("0.5")) / 3  # linked, manual without a value, child
    assert [row.progress for row in page.context["children"]] == [Decimal("0.5")]


def test_bw_05_anybody_creates_an_objective_for_a_department(client, world, cast):
    client.force_login(cast.marsha)
    answer = client.post(reverse("okr:objective_create"), form_of(world, owner=cast.marsha.pk, department=world.sales.pk))
    made = Objective.objects.get(title="Win the north")
    assert answer["Location"] == f"/okr/objectives/{made.pk}/"
    assert (made.owner, made.department) == (cast.marsha, world.sales)


def test_r_283_an_objective_form_sent_twice_makes_one(client, world, cast):
    client.force_login(cast.marsha)
    first = client.post(reverse("okr:objective_create"), form_of(world))
    second = client.post(reverse("okr:objective_create"), form_of(world))
    assert Objective.objects.filter(title="Win the north").count() == 1
    assert second["Location"] == first["Location"]
    client.post(reverse("okr:objective_create"), form_of(world, form_token="two"))
    assert Objective.objects.filter(title="Win the north").count() == 2


def test_r_283_a_refused_form_may_be_sent_again(client, world, cast):
    client.force_login(cast.jane)
    address = reverse("okr:key_result_create", args=[world.objective.pk])
    values = {
        "title": "  ",
        "owner": cast.jane.pk,
        "unit": "number",
        "start": "1",
        "target": "1",
        "weight": 1,
        "form_token": "t",
        "save": "1",
    }
    assert client.post(address, values).status_code == 200
    assert client.post(address, {**values, "title": "Deals", "target": "9"}).status_code == 302
    assert KeyResult.objects.get(title="Deals").target == 9


def test_an_objective_cannot_be_its_own_ancestor(client, world, cast):
    child = Objective.objects.create(title="Below", owner=cast.jane, period=world.period, parent=world.objective)
    client.force_login(cast.jane)
    answer = client.post(
        reverse("okr:objective_edit", args=[world.objective.pk]), form_of(world, title="Grow EMEA", parent=child.pk)
    )
    assert answer.status_code == 200
    assert "cannot be its own ancestor" in answer.content.decode()


def test_archive_and_restore(client, world, cast):
    client.force_login(cast.jane)
    client.post(reverse("okr:objective_archive", args=[world.objective.pk]))
    assert listed(client) == []
    assert listed(client, status="archived") == ["Grow EMEA"]
    client.post(reverse("okr:objective_restore", args=[world.objective.pk]))
    assert listed(client) == ["Grow EMEA"]


def test_strangers_cannot_archive(client, world, cast):
    client.force_login(cast.marsha)
    client.post(reverse("okr:objective_archive", args=[world.objective.pk]))
    assert listed(client) == ["Grow EMEA"]


def test_s_034_export_has_no_formulas_and_keeps_numbers(client, world, cast):
    KeyResult.objects.filter(pk=world.linked.pk).update(title="=HYPERLINK(1)", current=Decimal("-5.5"))
    client.force_login(cast.marsha)
    answer = client.get("/okr/export.csv", {"q": "grow"})
    lines = b"".join(answer.streaming_content).decode().split("\r\n")
    assert lines[0].startswith("objective,objective_owner,department,period")
    assert "'=HYPERLINK(1)" in lines[1]
    assert ",-5.5," in lines[1]
    assert len(lines) == 4  # header, two key results, end


def test_r_280_export_is_streamed_in_parts(client, world, cast, django_assert_max_num_queries):
    Objective.objects.bulk_create(
        Objective(title=f"O{number:05}", owner=cast.jane, period=world.period) for number in range(1000)
    )
    client.force_login(cast.marsha)
    with django_assert_max_num_queries(14):
        answer = client.get("/okr/export.csv")
        assert answer.streaming
        stream = iter(answer.streaming_content)
        next(stream)
        next(stream)
    assert sum(1 for _ in stream) == 1001  # header and one line are gone; two lines of Grow EMEA, 1000 of the others


def test_without_a_period_the_form_says_who_makes_one(client, cast):
    client.force_login(cast.marsha)
    assert "There is no period yet" in client.get(reverse("okr:objective_create")).content.decode()


def test_departments_and_periods_are_made_by_operators(client, cast, world):
    client.force_login(cast.olga)
    client.post(reverse("okr:department_create"), {"name": "Marketing", "lead": cast.marsha.pk})
    client.post(
        reverse("okr:period_create"),
        {"name": "2027 Q1", "starts_on": "2027-01-01", "ends_on": "2027-03-31", "time_zone": "Europe/Berlin"},
    )
    assert Department.objects.get(name="Marketing").lead == cast.marsha
    assert Period.objects.get(name="2027 Q1").time_zone == "Europe/Berlin"
    again = client.post(reverse("okr:department_create"), {"name": "Marketing"})
    assert "There is a department called Marketing already." in again.content.decode()
    kept = client.post(reverse("okr:period_delete", args=[world.period.pk]), follow=True)
    assert "has objectives" in kept.content.decode()
    client.post(reverse("okr:department_delete", args=[world.sales.pk]))
    world.objective.refresh_from_db()
    assert world.objective.department is None


def test_a_connection_that_is_down_shows_at_once(client, world, cast):
    world.org.state = "needs_reauthorization"
    world.org.save()
    client.force_login(cast.marsha)
    assert "Connection down" in client.get("/okr/").content.decode()
    assert ReportLink.objects.get().status == "fresh"  # only shown, not written


def titles(html: str) -> list[str]:
    return re.findall(r'<td class="lead"><a href="/okr/key-results/\d+/">([^<]+)</a>', html)


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("key_result", ["New partners", "Pipeline EMEA", "Zeal"]),
        ("-key_result", ["Zeal", "Pipeline EMEA", "New partners"]),
        ("-progress", ["Zeal", "Pipeline EMEA", "New partners"]),  # without a value: last in both directions
        ("progress", ["Pipeline EMEA", "Zeal", "New partners"]),
        ("-now", ["Pipeline EMEA", "Zeal", "New partners"]),
        ("nonsense", ["Pipeline EMEA", "New partners", "Zeal"]),
    ],
)
def test_key_results_sort_within_their_objective(client, world, cast, sort, expected):
    make_key_result(world.objective, "Zeal", cast.ana, current=Decimal(7), target=Decimal(7))
    client.force_login(cast.marsha)
    for address in ("/okr/", f"/okr/objectives/{world.objective.pk}/"):
        html = client.get(f"{address}?sort={sort}").content.decode()
        assert titles(html) == expected
        assert ("aria-sort" in html) == (sort != "nonsense")


def test_objectives_stand_in_the_chosen_order_across_pages(client, world, cast):
    done = Objective.objects.create(title="A done one", owner=cast.ana, period=world.period)
    make_key_result(done, "Done", cast.ana, current=Decimal(9), target=Decimal(9))
    Objective.objects.create(title="B without numbers", owner=cast.marsha, period=world.period)
    client.force_login(cast.marsha)
    assert listed(client, order="") == ["A done one", "B without numbers", "Grow EMEA"]
    assert listed(client, order="-progress") == ["A done one", "Grow EMEA", "B without numbers"]
    assert listed(client, order="progress") == ["Grow EMEA", "A done one", "B without numbers"]
    assert listed(client, order="owner") == ["A done one", "Grow EMEA", "B without numbers"]  # ana, jane, marsha
    assert listed(client, order="junk") == listed(client, order="")
    client.force_login(cast.ada)
    csv = b"".join(client.get("/okr/export.csv?order=progress").streaming_content).decode()
    assert [line.split(",")[0] for line in csv.splitlines()[1:]] == [
        "Grow EMEA",
        "Grow EMEA",
        "A done one",
        "B without numbers",
    ]
