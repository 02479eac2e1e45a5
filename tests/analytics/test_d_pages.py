"""The pages of drivers, and the customers behind each of the four groups."""

import csv
import html
import io
import re

import pytest
from django.utils import timezone

from analytics.analyses import asking, kinds
from analytics.drivers.study import url_key
from analytics.models import Result
from tests.analytics.driver_world import Retail

pytestmark = pytest.mark.django_db


@pytest.fixture
def done(org, cast) -> Result:
    """A computed result on retention."""
    Retail(org, accounts=400)
    found = asking.ask(kinds.get("drivers"), org, {"outcome": "retention"}, user=cast.ana, now=timezone.now())
    result = asking.request_result(found, user=cast.ana, now=timezone.now())
    result.refresh_from_db()
    assert result.state == Result.State.DONE, result.problem
    return result


def text_of(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


def address(result, key="event:Data Imported"):
    return f"/analytics/drivers/{result.pk}/{url_key(key)}/"


def test_fz_01_the_page_of_drivers_leads_to_each_driver(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(f"/analytics/results/{done.pk}/"))
    assert address(done) in page
    assert "Robust association" in page
    assert "Not tested" in page


def test_fz_d9_the_page_of_a_driver_says_what_was_allowed_for_and_what_could_be_wrong(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(address(done)))
    for words in ("after allowing for size, industry", "Association, not proof", "What could make this wrong", "Suggested experiment",
                  "Dose and response", "By segment", "Raw and stratified", "How often is enough", "E-value",
                  "Held constant and left out", "As of".lower()):  # fmt: skip
        assert words in html.unescape(page), words


def test_fz_d14_each_of_the_four_groups_opens_its_customers(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(address(done)))
    table = page[page.index("Accounts that did it or not") :].split("</table>")[0]
    links = re.findall(r'<a href="([^"]+)">([\d,]+)</a>', table)
    assert len(links) == 4
    assert sum(int(n.replace(",", "")) for _, n in links) == done.document["population"]
    link, count = links[1]
    listed = text_of(client.get(html.unescape(link)))
    assert f"{count} customer" in listed


def test_every_part_of_the_page_has_a_csv_with_the_same_numbers(client, cast, done):
    client.force_login(cast.ana)
    page = text_of(client.get(address(done)))
    found = sorted(set(re.findall(rf"{address(done)}([a-z]+)\.csv", page)))
    assert found == ["doses", "numbers", "segments", "strata"]
    for block in found:
        lines = list(csv.reader(io.StringIO(text_of(client.get(f"{address(done)}{block}.csv")))))
        assert len(lines) > 1
        assert len({len(line) for line in lines}) == 1
    assert client.get(f"{address(done)}nothing.csv").status_code == 404


def test_a_behavior_that_was_not_tested_and_one_that_nobody_knows(client, cast, done):
    client.force_login(cast.ana)
    key = next(each["key"] for each in done.document["extra"]["behaviors"].values() if each["verdict"] == "Not enough data")
    assert "Not enough data" in text_of(client.get(address(done, key)))
    assert client.get(address(done, "event:Nobody")).status_code == 404
    assert client.get(f"/analytics/drivers/{done.pk + 1}/{url_key('event:Data Imported')}/").status_code == 404


def test_members_read_a_driver_but_open_no_customers(client, cast, done):
    asking.name_analysis(done.analysis, "Retention", user=cast.ana, now=timezone.now())
    client.force_login(cast.jane)
    assert f"/analytics/results/{done.pk}/behind/" not in text_of(client.get(address(done)))
    client.logout()
    assert client.get(address(done)).status_code in (302, 403)


def test_the_form_offers_every_outcome_and_says_what_is_wrong(client, cast, org, done):
    client.force_login(cast.ana)
    page = text_of(client.get(f"/analytics/drivers/?org={org.pk}&outcome=retention"))
    for label in ("Trial converted to paid", "Expanded", "Change of recurring revenue"):
        assert label in page
    answer = client.get(f"/analytics/drivers/?org={org.pk}&outcome=retention&landmark_days=900")
    assert answer.status_code == 400
    assert "Must be a whole number from 1 to 365" in answer.content.decode()


def test_the_address_of_a_question_asks_the_same_again(client, cast, org, done):
    from django.http import QueryDict

    from analytics.analyses import forms

    kind = kinds.get("drivers")
    given = {"outcome": "churn", "hidden": ["Viewed", "Report Exported"], "refused": ["Data Imported"], "families": ["event", "ticket"],
             "landmark_days": 14}  # fmt: skip
    parameters = asking.read_parameters(kind, org, given)
    query = QueryDict(forms.query_of(kind, parameters, org))
    assert asking.read_parameters(kind, org, forms.data_of(kind, query)) == parameters
    client.force_login(cast.ana)
    assert "Report Exported" in text_of(client.get(f"/analytics/drivers/?{query.urlencode()}"))
