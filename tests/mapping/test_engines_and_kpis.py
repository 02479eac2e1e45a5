"""Computed fields (KPIs) beside attributes, on both engines; an object that was only pushed and is back."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest
from django.core.cache import cache
from django.db import transaction

from integrations.lake import reading, tables, writing
from integrations.lake.engine import open_engine
from integrations.models import Attribute, Customer, EndUser, Mapping, RecordLink, Run
from integrations.orgs import posture
from integrations.sync.mapping import catalogue, desired, filling, linked, versions
from integrations.sync.mapping.body import FieldPair, default_body
from integrations.sync.mapping.catalogue import SourceField
from integrations.sync.mapping.check import know
from tests.mapping.shapes import make_choices, make_field, make_object
from tests.mapping.work import counts_of, link_customers, query, run_job, save

KPIS = (
    SourceField(
        "kpi.active_users_30d", "Monthly active users", "NUMBER", "Distinct users in 30 days", "KPIs", True, whole=True
    ),
    SourceField("kpi.nps_score_90d_pct", "% change in 90 day NPS", "NUMBER", "Against the window before", "KPIs", True),
)


@pytest.fixture(params=["duckdb", "chdb"])
def engine_name(request, settings):
    if request.param == "chdb":
        pytest.importorskip("chdb", reason="The chdb package stands in for a ClickHouse server.")
    settings.LAKE_ENGINE_URL = f"{request.param}://"
    return request.param


@pytest.fixture
def kpis(monkeypatch):
    """A domain that computes two fields for every customer with an even number."""
    monkeypatch.setattr(catalogue, "_registered", {"customer": {}, "end_user": {}})

    def values(org, keys, *, now):
        ids = list(Customer.objects.order_by("pk").values_list("pk", flat=True))[::2]
        columns = {catalogue.column_of(key): pa.array([Decimal("33.335")] * len(ids), pa.decimal128(38, 12)) for key in keys}
        return pa.table({"id": pa.array(ids, pa.int64()), **columns})

    catalogue.register_sources("customer", lambda org: KPIS, values, name="test")


def test_px_43_computed_fields_are_pushed_beside_attributes(connected_org, account_mapping, cast, kpis, engine_name):
    Attribute.objects.create(entity="customer", key="health", label="Health", type="STRING")
    records = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_Health__c = null ORDER BY Id LIMIT 3")
    link_customers(connected_org, records, attributes={"health": "good"})
    save(account_mapping, cast.olga, FieldPair("push", "attributes.health", "PX_Health__c"),
         FieldPair("push", "kpi.active_users_30d", "PX_Active_Users_30d__c"),
         FieldPair("push", "kpi.nps_score_90d_pct", "PX_NPS_Score__c", accept_lossy=True))  # fmt: skip
    run = run_job("mapping.push", connected_org)
    assert run.state == Run.State.SUCCESS, run.sentence
    ids = "','".join(each["Id"] for each in records)
    fields = "Id, PX_Health__c, PX_Active_Users_30d__c, PX_NPS_Score__c"
    held = query(connected_org, f"SELECT {fields} FROM Account WHERE Id IN ('{ids}') ORDER BY Id")
    assert [each["PX_Health__c"] for each in held] == ["good"] * 3
    assert [each["PX_Active_Users_30d__c"] for each in held] == [33, None, 33]
    assert [each["PX_NPS_Score__c"] for each in held] == [33, None, 33]


def test_px_60_a_computed_field_is_refused_for_end_users(connected_org, contact_mapping, cast, kpis):
    from integrations.sync.mapping.problems import ProblemsFound

    with pytest.raises(ProblemsFound) as found:
        save(contact_mapping, cast.olga, FieldPair("push", "kpi.active_users_30d", "PX_Sessions_30d__c"))
    assert [each.code for each in found.value.problems] == ["customers_only"]


# --- Both engines, piece by piece ---------------------------------------------------------------------------------------

SHOWN = {
    "Industry": ("picklist", "text", ["Energy", None, "Retail", "Retail"]),
    "Tags__c": ("multipicklist", "text", ["B;A", "A", None, "C"]),
    "Revenue__c": ("double", "number", [Decimal("12.5"), Decimal(0), Decimal("-0.000000000001"), None]),
    "Count__c": ("int", "whole", [7, None, -1, 0]),
    "Is__c": ("boolean", "flag", [True, False, None, False]),
    "Day__c": ("date", "day", [date(2027, 1, 31), date(1700, 1, 1), None, date(1970, 1, 1)]),
    "At__c": ("datetime", "moment", [datetime(2027, 1, 31, 8, 30, tzinfo=UTC), None, datetime(1899, 12, 31, 23, 59, 59, tzinfo=UTC),
              datetime(2027, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)]),
    "Opens__c": ("time", "clock", [time(8, 30), time(0), None, time(23, 59, 59)]),
}  # fmt: skip
WANTED = {
    "Industry": ["Energy", None, "Retail", "Retail"], "Tags__c": ["B;A", "A", None, "C"],
    "Revenue__c": ["12.5", "0", "-0.000000000001", None], "Count__c": ["7", None, "-1", "0"], "Is__c": [True, False, None, False],
    "Day__c": ["2027-01-31T00:00:00Z", "1700-01-01T00:00:00Z", None, "1970-01-01T00:00:00Z"],
    "At__c": ["2027-01-31T08:30:00Z", None, "1899-12-31T23:59:59Z", "2027-01-01T00:00:00.5Z"],
    "Opens__c": ["1970-01-01T08:30:00Z", "1970-01-01T00:00:00Z", None, "1970-01-01T23:59:59Z"],
}  # fmt: skip


@pytest.mark.django_db
def test_every_type_is_filled_alike_on_both_engines(engine_name, now):
    from integrations.models import SalesforceOrg

    org = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com")
    ids = [f"00100000000000{n}AAA" for n in range(5)]
    for number, salesforce_id in enumerate(ids):
        old = {"tags__c": "A;B", "revenue__c": "12.500"} if number == 0 else {"is__c": False} if number == 2 else {}
        customer = Customer.objects.create(external_id=f"c{number}", name=f"C{number}", attributes=old)
        RecordLink.objects.create(
            org=org, entity="customer", customer=customer, object="Account", salesforce_id=salesforce_id, rule="manual"
        )
    columns = [("Id", "text"), *((name, kind) for name, (_, kind, _) in SHOWN.items())]
    table = tables.ensure_table("mirror/9/Account", columns=columns, key="Id")
    with writing.open_writer(table, kind="base") as writer:
        values = {"Id": ids[:4], **{name: each[2] for name, each in SHOWN.items()}}
        from integrations.lake.types import arrow_schema

        writer.write(pa.table(values, schema=arrow_schema(columns)))
    with transaction.atomic():
        writing.register(table, writer.staged, now=now)
    info = make_object(
        "Account", *(make_field(name, kind, choices=make_choices("A", "B", "C")) for name, (kind, _, _) in SHOWN.items())
    )
    fillings = [filling.Filling(FieldPair("pull", f"attributes.{name.lower()}", name), info.field(name)) for name in SHOWN]
    with open_engine() as engine:
        engine.bind("records", reading.newest(table))
        pieces = list(linked.read_linked(org, "customer", "Account", [each.pair.source for each in fillings], rows=3))
        assert [piece.num_rows for piece in pieces] == [3, 2]
        found = [filling.fill(engine, piece, fillings) for piece in pieces]
    patches = {record: patch for each in found for record, patch in each.patches}
    records = list(Customer.objects.order_by("pk").values_list("pk", flat=True))
    for number in range(4):
        wanted = {name.lower(): values[number] for name, values in WANTED.items() if values[number] is not None}
        if number == 0:
            del wanted["tags__c"], wanted["revenue__c"]  # the same set, the same number
        if number == 2:
            wanted["is__c"] = None  # cleared
        assert patches[records[number]] == wanted, number
    assert [name[0] for each in found for name in each.missing] == ["c4"]


@pytest.mark.django_db
def test_end_users_come_with_the_record_of_their_customer_as_parent(engine_name, now):
    from integrations.models import SalesforceOrg

    org = SalesforceOrg.objects.create(name="One", login_url="https://one.my.salesforce.com")
    other = SalesforceOrg.objects.create(name="Two", login_url="https://two.my.salesforce.com")
    customer = Customer.objects.create(external_id="c")
    for place, (each, state) in enumerate(((org, "active"), (other, "active"))):
        RecordLink.objects.create(org=each, entity="customer", customer=customer, object="Account", state=state,
                                  salesforce_id=f"00100000000000{place}AAA", rule="manual")  # fmt: skip
    for number in range(2):
        user = EndUser.objects.create(
            external_id=f"u{number}", name="Jo", email="jo@acme.example", customer=customer if number else None
        )
        RecordLink.objects.create(
            org=org,
            entity="end_user",
            end_user=user,
            object="Contact",
            salesforce_id=f"00300000000000{number}AAA",
            rule="email",
        )
    body = replace(default_body("end_user"), pairs=(FieldPair("push", "email", "PX_Mail__c"),))
    info = make_object("Contact", make_field("PX_Mail__c", "email"))
    sendings = desired.sendings_of(body, know(catalogue.COLUMNS["end_user"], info))
    rows = [
        row
        for batch in desired.stream(org, body, sendings, losers={}, left=desired.Left(), now=now)
        for row in batch.to_pylist()
    ]
    assert rows == [
        {"key": "003000000000000AAA", "parent_key": None, "label": "Jo", "problem": None, "PX_Mail__c": "jo@acme.example"},
        {
            "key": "003000000000001AAA",
            "parent_key": "001000000000000AAA",
            "label": "Jo",
            "problem": None,
            "PX_Mail__c": "jo@acme.example",
        },
    ]


# --- An object that is only pushed -----------------------------------------------------------------------------------------


def test_a_pushed_object_that_is_back_goes_on_by_itself(connected_org, account_mapping, cast, demo_org):
    Attribute.objects.create(entity="customer", key="health", label="Health", type="STRING")
    records = query(connected_org, "SELECT Id, Name FROM Account WHERE PX_Health__c = null ORDER BY Id LIMIT 1")
    link_customers(connected_org, records, attributes={"health": "good"})
    save(account_mapping, cast.olga, FieldPair("push", "attributes.health", "PX_Health__c"), retrieve=False)
    demo_org.settings(hidden_objects=["Account"])
    cache.clear()
    run = run_job("mapping.push", connected_org)
    account_mapping.refresh_from_db()
    assert (run.state, account_mapping.state) == (Run.State.FAILED, Mapping.State.PAUSED)
    demo_org.settings(hidden_objects=[])
    cache.clear()
    assert counts_of(run_job("mapping.push", connected_org), "Account") == {"written": 1}
    account_mapping.refresh_from_db()
    assert account_mapping.state == Mapping.State.ACTIVE


def test_px_30_the_access_check_asks_for_the_mapped_objects_only(connected_org, account_mapping, cast, now):
    def objects():
        return {each.key for each in posture.check_access(connected_org, now=now) if each.key.startswith("object:")}

    assert "object:Account" not in objects()
    save(account_mapping, cast.olga)
    versions.save_version(account_mapping, replace(versions.body_of(account_mapping), prefix="GPX_"), user=cast.olga, now=now)
    assert "object:Account" in objects()
    assert "object:Contact" not in objects()
