"""R-112: a percent change without a base is blank, and pages say why; 0 to 0 is 0; the API gives null."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from integrations.models import Customer, EndUser
from integrations.product.kpis import blanks, job, registry
from integrations.product.kpis.windows import start_of_day, windows_of
from integrations.product.segments.usage import usage_of
from tests.product.kpi_world import World

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)
CHANGE = registry.Column("active_users_30d_pct", registry.BY_KEY["active_users_30d_pct"])
BEFORE = windows_of(AS_OF)["30d_prev"].start


@pytest.mark.parametrize(
    ("key", "others", "began", "word"),
    [
        ("active_users_30d_pct", {"active_users_30d": 3}, BEFORE, "new"),
        ("active_users_30d_pct", {"active_users_30d": 3}, BEFORE + timedelta(milliseconds=1), "no history"),
        ("active_users_30d_pct", {"active_users_30d": 3}, None, "no history"),
        ("active_users_30d_pct", {}, BEFORE, "not computed yet"),
        ("active_users_30d_pct", {"active_users_30d": 0}, BEFORE, "not computed yet"),
        ("nps_responses_wow", {"nps_responses_last_week": 1}, AS_OF - timedelta(days=60), "new"),
        ("nps_responses_wow", {"nps_responses_last_week": 1}, AS_OF - timedelta(days=8), "no history"),
        ("nps_score_30d", {}, BEFORE, "no answers"),
        ("nps_score_wow", {}, BEFORE, "no answers"),
        ("nps_score_30d_pct", {"nps_score_30d": None, "nps_score_30d_prev": 4}, BEFORE, "no answers"),
        ("nps_score_30d_pct", {"nps_score_30d": 4, "nps_score_30d_prev": None}, BEFORE, "no history"),
        ("nps_score_30d_pct", {"nps_score_30d": 4, "nps_score_30d_prev": 0}, BEFORE, "from 0"),
    ],
)
def test_r_112_a_blank_has_a_reason(key, others, began, word):
    column = registry.Column(key, registry.BY_KEY[key])
    assert set(others) <= set(blanks.asked_with(column))
    assert blanks.why_blank(column, others, as_of=AS_OF, began=began) == word


def test_r_112_a_feature_asks_for_its_own_users():
    feature = registry.FeatureKpis(1, "reports", "Reports", 1)
    column = registry.Column("feature_users_7d_pct:reports", registry.BY_KEY["feature_users_7d_pct"], feature)
    assert blanks.asked_with(column) == ("feature_users_7d:reports",)


@pytest.fixture
def back_and_fresh(db) -> tuple[Customer, Customer, Customer]:
    """One that came back after a long silence, one whose first event is recent, one that never came."""
    now = datetime.now(UTC)
    made = []
    for name, first in (("back", 150), ("fresh", 3), ("idle", None)):
        seen = None if first is None else start_of_day(now) - timedelta(days=first)
        made.append(Customer.objects.create(external_id=name, name=name.title(), first_seen_at=seen))
    world = World()
    for customer, days in ((made[0], (150, 3)), (made[1], (3,))):
        user = EndUser.objects.create(external_id=f"u-{customer.external_id}", customer=customer)
        for each in days:
            world.event(user.pk, customer.pk, start_of_day(now) - timedelta(days=each) + timedelta(hours=1))
    world.store(now=now)
    job.bring_up_to_date(now=now)
    return made[0], made[1], made[2]


def test_r_112_the_customer_page_says_new_or_no_history(back_and_fresh, client, cast):
    shown = {each.external_id: figure(each) for each in back_and_fresh}
    assert shown == {"back": "new", "fresh": "no history", "idle": Decimal(0)}
    client.force_login(cast.ana)
    for customer, word in zip(back_and_fresh, ("new", "no history"), strict=False):
        page = client.get(f"/customers/{customer.pk}/").content.decode()
        row = page.partition("Month over Month")[2].partition("</dd>")[0]
        assert f">{word}<" in row
        assert "inf" not in row.lower()
        assert "nan" not in row.lower().replace("name", "")


def figure(customer: Customer):
    found = usage_of(customer, now=datetime.now(UTC)).figures
    return next(value for column, value in found if column.key == "active_users_30d_pct")


def test_r_112_the_accounts_explorer_says_it_and_csv_and_api_give_a_blank(back_and_fresh, client, cast):
    client.force_login(cast.ana)
    address = "?col=kpi.active_users_30d_pct&col=kpi.nps_score_90d_pct&sort=name"
    page = client.get(f"/product/accounts/{address}").content.decode()
    cells = {name: row_of(page, name) for name in ("Back", "Fresh", "Idle")}
    assert ">new<" in cells["Back"]
    assert ">no history<" in cells["Fresh"]
    assert ">0<" in cells["Idle"]
    assert all(">no answers<" in each for each in cells.values())
    lines = b"".join(client.get(f"/product/accounts/export.csv{address}")).decode().splitlines()
    assert [line.split(",")[2:4] for line in lines[1:3]] == [["", ""], ["", ""]]
    found = client.get(f"/api/v1/kpis/values/?customer={back_and_fresh[0].external_id}").json()
    assert found["values"]["active_users_30d_pct"] is None
    assert found["exact"]["active_users_30d_pct"] is None


def test_r_112_an_end_user_without_a_customer_has_no_reason_and_one_with_has_the_customers(back_and_fresh, client, cast):
    EndUser.objects.create(external_id="loose", name="Loose")
    EndUser.objects.filter(external_id="u-fresh").update(name="Fresh Person")
    client.force_login(cast.ada)
    page = client.get("/product/audience/?col=customer.kpi.active_users_30d_pct&sort=name").content.decode()
    assert ">no history<" in row_of(page, "Fresh Person")
    assert "not computed" not in row_of(page, "Loose")


def row_of(page: str, name: str) -> str:
    return page.partition(f">{name}</a>")[2].partition("</tr>")[0]
