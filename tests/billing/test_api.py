"""The billing API: batches, order of versions, exact money, links, settings."""

from decimal import Decimal

import pytest

from billing.models import AccountLink, Invoice, Plan

pytestmark = pytest.mark.django_db
BASE = "/api/v1/billing"


@pytest.fixture
def api(client, cast):
    client.force_login(cast.ada)

    def send(method: str, path: str, data=None):
        return getattr(client, method)(f"{BASE}{path}", data, content_type="application/json")

    return send


def test_mt_01_rows_are_created_changed_and_left(api):
    row = {"id": "p-1", "name": "Pro"}
    assert api("post", "/plans/", [row]).json()["created"] == 1
    assert api("post", "/plans/", [row]).json()["unchanged"] == 1
    assert api("post", "/plans/", {"rows": [{**row, "name": "Professional"}]}).json()["updated"] == 1
    assert api("get", "/plans/p-1/").json()["name"] == "Professional"
    assert api("get", "/plans/", None).json()["count"] == 1


def test_i_04_versions_in_any_order_end_in_the_newest(api):
    old = {"id": "p-1", "name": "Old", "updated_at": "2026-11-01T00:00:00Z"}
    new = {"id": "p-1", "name": "New", "updated_at": "2026-11-02T00:00:00Z"}
    for order in ([old, new, old], [new, old], [new, new, old, new]):
        Plan.objects.all().delete()
        for row in order:
            api("post", "/plans/", [row])
        assert Plan.objects.get().name == "New"
    assert api("post", "/plans/", [old]).json()["stale"] == 1


def test_a_deleted_record_is_not_brought_back_by_an_older_version(api):
    api("post", "/plans/", [{"id": "p-1", "name": "A", "updated_at": "2026-11-02T00:00:00Z"}])
    api("post", "/plans/", [{"id": "p-1", "deleted": True, "updated_at": "2026-11-03T00:00:00Z"}])
    assert api("post", "/plans/", [{"id": "p-1", "name": "B", "updated_at": "2026-11-02T12:00:00Z"}]).json()["stale"] == 1
    assert api("get", "/plans/").json()["count"] == 0
    assert api("get", "/plans/?deleted=true").json()["count"] == 1
    assert api("post", "/plans/", [{"id": "p-1", "name": "C", "updated_at": "2026-11-04T00:00:00Z"}]).json()["updated"] == 1
    assert api("delete", "/plans/p-1/").status_code == 204
    assert api("get", "/plans/").json()["count"] == 0


def test_mt_d4_amounts_keep_every_digit(api):
    rows = (
        '[{"id": "i-1", "customer_id": "c", "total": 1234567890123456.785}, {"id": "i-2", "customer_id": "c", "total": "0.1"}]'
    )
    assert api("post", "/invoices/", rows).json()["created"] == 2
    assert Invoice.objects.get(key="i-1").total == Decimal("1234567890123456.785")
    assert api("get", "/invoices/i-1/").json()["total"] == "1234567890123456.785"


def test_children_may_come_before_their_parents(api):
    assert api("post", "/line-items/", [{"id": "l", "invoice_id": "later", "name": "Seats"}]).json()["created"] == 1


def test_bad_rows_name_their_fields_and_the_good_ones_stay(api):
    answer = api("post", "/invoices/", [
        {"id": "ok", "customer_id": "c", "starts_at": "2026-01-01"},
        {"id": "", "customer_id": "c", "total": "ten", "starts_at": "2026-02-01", "ends_at": "2026-01-01", "colour": "red"},
        {"id": "x", "customer_id": "c", "starts_at": "2026-02-01", "ends_at": "2026-01-01"},
        {"id": "y"},
        "no object",
    ])  # fmt: skip
    assert answer.status_code == 207
    errors = [row["errors"] for row in answer.json()["rows"]]
    assert errors[0] == {}
    assert set(errors[1]) == {"id", "total", "colour"}
    assert set(errors[2]) == {"ends_at"}
    assert set(errors[3]) == {"customer_id"}
    assert set(errors[4]) == {"row"}
    assert list(Invoice.objects.values_list("key", flat=True)) == ["ok"]
    assert api("post", "/plans/", [{"id": "z"}]).status_code == 400


def test_mt_12_links_by_the_api(api, connected_org):
    api("post", "/customers/", [{"id": "acme", "name": "Acme"}])
    first = {"org": connected_org.pk, "customer_id": "acme", "account_id": "001000000000001"}
    made = api("post", "/links/", first).json()
    assert (made["is_primary"], made["ordinal"], len(made["account_id"])) == (True, 0, 18)
    assert api("post", "/links/", first).json()["id"] == made["id"]
    second = api("post", "/links/", {**first, "account_id": "001000000000002"}).json()
    assert (second["is_primary"], second["ordinal"]) == (False, 1)
    assert api("post", f"/links/{second['id']}/primary/").json()["is_primary"] is True
    assert AccountLink.objects.get(pk=made["id"]).ordinal == 2
    assert api("delete", f"/links/{made['id']}/").status_code == 204
    refused = api("post", "/links/", {**first, "account_id": "003000000000001"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "bad_account")


def test_mt_d1_ids_that_are_too_long_for_several_accounts_are_refused(api, connected_org):
    key = "c" * 48
    api("post", "/customers/", [{"id": key}])
    row = {"org": connected_org.pk, "customer_id": key, "account_id": "001000000000001"}
    assert api("post", "/links/", row).status_code == 200
    refused = api("post", "/links/", {**row, "account_id": "001000000000002"})
    assert refused.json()["error"]["code"] == "key_too_long_for_more_accounts"


def test_settings_are_read_changed_and_checked(api, connected_org, demo_org):
    path = f"/settings/{connected_org.pk}/"
    assert api("get", path).json()["scope"] == "linked"
    assert api("patch", path, {"scope": "all"}).json()["scope"] == "all"
    assert api("patch", path, {"scope": "some"}).status_code == 400
    assert len(api("post", path + "check/").json()["missing"]) == 8
    demo_org.control("packages", {"package": "billing"})
    found = api("post", path + "check/").json()
    assert (found["prefix"], found["missing"]) == ("NOME__", [])


def test_members_read_and_may_not_write(client, cast):
    client.force_login(cast.jane)
    assert client.get(f"{BASE}/plans/").status_code == 200
    assert client.post(f"{BASE}/plans/", [{"id": "p"}], content_type="application/json").status_code == 403


def test_usage_is_reported_in_batches_and_counts_once(api):
    api("post", "/customers/", [{"id": "acme"}])
    api("post", "/billable-metrics/", [{"id": "api", "name": "API calls"}])
    row = {"id": "u-1", "customer_id": "acme", "metric_id": "api", "quantity": "2.5", "at": "2026-11-01T00:00:00Z"}
    assert api("post", "/usage/", [row, row]).json() == {"accepted": 1, "repeated": 1, "rejected": []}
    mixed = api("post", "/usage/", [{**row, "id": "u-2"}, {**row, "id": "u-3", "metric_id": "x"}])
    assert (mixed.status_code, mixed.json()["rejected"]) == (
        207,
        [{"index": 1, "errors": {"metric_id": "is no billable metric"}}],
    )
    assert api("post", "/usage/", [{"id": "u"}]).status_code == 400
    assert [each["quantity"] for each in api("get", "/usage/?customer_id=acme").json()["results"]] == ["2.5", "2.5"]


def test_prices_by_the_api(api):
    row = {"id": "p", "plan_id": "pro", "metric_id": "api", "name": "Calls", "model": "tiered"}
    refused = api("post", "/prices/", {**row, "tiers": [{"up_to": "10", "unit": "1"}]})
    assert (refused.status_code, "must have no end" in str(refused.json())) == (400, True)
    assert api("post", "/prices/", {**row, "tiers": [{"up_to": "x", "unit": "1"}]}).status_code == 400
    tiers = [{"up_to": "10", "unit": "1"}, {"up_to": None, "unit": "0.5"}]
    assert api("post", "/prices/", {**row, "tiers": tiers}).status_code == 201
    assert api("patch", "/prices/p/", {"name": "API calls"}).json()["tiers"] == tiers
    assert api("get", "/prices/?plan_id=other").json()["count"] == 0
    assert api("delete", "/prices/p/").status_code == 204


def test_mt_d10_invoices_are_voided_by_the_api(api):
    api("post", "/invoices/", [{"id": "i", "customer_id": "c", "status": "FINALIZED"}])
    assert api("post", "/invoices/i/void/", {}).json()["status"] == "VOID"
    assert api("post", "/invoices/i/void/", {}).status_code == 409


def test_a_version_from_the_future_is_refused_so_that_later_ones_still_count(api):
    ahead = api("post", "/plans/", [{"id": "p", "name": "A", "updated_at": "2999-01-01T00:00:00Z"}])
    assert set(ahead.json()["rows"][0]["errors"]) == {"updated_at"}
    assert api("post", "/plans/", [{"id": "p", "name": "A"}]).json()["created"] == 1
