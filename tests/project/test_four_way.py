"""The four-way audit: pure cases for each kind of finding, agreement finds nothing, mirrored cases; then the page over real rows."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.saving import save_rows
from integrations.models import Customer, RecordLink, SalesforceOrg
from project.four_way import audit
from project.four_way.comparing import compare
from project.four_way.positions import (
    Billed,
    Book,
    Finding,
    Holding,
    Kind,
    Limit,
    Position,
    Price,
    Row,
    Severity,
    Used,
    Waiting,
    total_by_kind,
)
from project.four_way.winning import read_won
from provisioning.intent.result import SubscriptionIntent
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product, Provision
from provisioning.subscriptions import changes
from provisioning.subscriptions.spec import AddOnLine, TermsSpec
from tests.project.mirrored import mirror

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
OLD, RECENT = NOW - timedelta(days=300), NOW - timedelta(days=2)
PRICES = {
    "plan-pro": Price(Decimal(20), "USD", per_seat=True), "plan-team": Price(Decimal(100), "USD"),
    "addon-calls": Price(Decimal(50), "USD"), "plan-euro": Price(Decimal(70), "EUR"),
}  # fmt: skip
BOOK = Book(NOW, prices=PRICES, names={"plan-pro": "Pro", "plan-team": "Team", "addon-calls": "Extra calls"})
PRO = Holding("crm", "plan-pro", Decimal(10), since=OLD)
BILLED = Billed("plan-pro", "Pro", "plan-pro", Decimal(200), "USD", Decimal(10))
AGREED = Position(
    1, "Acme", sold=[PRO], granted=[PRO], billed=[BILLED], active_users=8, last_seen_at=RECENT,
    used=[Used("feature-calls", Decimal(90), Limit(Decimal(100)), last_at=RECENT)],
)  # fmt: skip


def found(position: Position, book: Book = BOOK) -> dict[Kind, Finding]:
    return {each.kind: each for each in compare(position, book)}


def only(position: Position, kind: Kind, book: Book = BOOK) -> Finding:
    findings = compare(position, book)
    assert [each.kind for each in findings] == [kind], findings
    return findings[0]


# --- pure cases ---------------------------------------------------------------------------------------------------------


def test_nothing_is_found_where_all_four_agree() -> None:
    assert compare(AGREED, BOOK) == []


def test_a_won_deal_that_gave_nothing_is_sold_and_not_granted() -> None:
    waiting = Waiting("Acme renewal", "Line 2 is not mapped.", (Row("sold", "deal", "/deal/"),))
    one = only(Position(1, "Acme", waiting=[waiting]), Kind.SOLD_NOT_GRANTED)
    assert (one.severity, one.fix_url) == (Severity.HIGH, "/deal/")
    assert "Line 2 is not mapped." in one.sentence


def test_a_contract_without_subscription_is_worth_its_seats_and_add_ons() -> None:
    sold = replace(PRO, add_ons={"addon-calls": Decimal(2)})
    one = only(replace(AGREED, sold=[sold], granted=[], used=[]), Kind.SOLD_NOT_GRANTED)
    assert (one.amount, one.currency) == (Decimal(300), "USD")


def test_a_trial_does_not_fulfil_what_was_sold_and_alone_is_no_finding() -> None:
    trial = replace(PRO, is_trial=True)
    assert only(replace(AGREED, granted=[trial]), Kind.SOLD_NOT_GRANTED).sentence.endswith("It still has a trial only.")
    assert compare(Position(1, "Acme", granted=[trial], active_users=3), BOOK) == []


def test_a_paid_subscription_that_nobody_sold_or_bills_is_given_away_and_self_service_is_not() -> None:
    kinds = found(replace(AGREED, sold=[], billed=[]))
    assert set(kinds) == {Kind.GRANTED_NOT_SOLD, Kind.USED_NOT_BILLED}
    assert kinds[Kind.GRANTED_NOT_SOLD].severity == Severity.HIGH
    assert compare(replace(AGREED, sold=[]), BOOK) == []  # billed and used: bought without a salesperson


def test_won_opportunities_that_were_never_provisioned_make_it_less_certain() -> None:
    position = replace(AGREED, sold=[], billed=[], active_users=0, used=[], last_seen_at=None, won_elsewhere=2)
    one = found(position)[Kind.GRANTED_NOT_SOLD]
    assert one.severity == Severity.MEDIUM
    assert one.sentence.endswith("2 won opportunities were never provisioned and may have.")
    assert only(Position(1, "Acme", billed=[BILLED], won_elsewhere=1), Kind.BILLED_NOT_SOLD).severity == Severity.LOW


def test_nothing_is_said_of_billing_where_nobody_bills() -> None:
    book = replace(BOOK, uses_billing=False)
    assert compare(replace(AGREED, billed=[]), book) == []
    assert only(replace(AGREED, sold=[], billed=[]), Kind.GRANTED_NOT_SOLD, book).severity == Severity.MEDIUM


@pytest.mark.parametrize(("soft", "severity"), [(True, Severity.MEDIUM), (False, Severity.HIGH)])
def test_use_above_the_limit_costs_what_the_price_plan_asks_for_a_unit(soft, severity) -> None:
    used = Used("feature-calls", Decimal(140), Limit(Decimal(100)), soft, "calls", RECENT)
    book = replace(BOOK, units={("plan-pro", "feature-calls"): Price(Decimal("0.25"), "USD")})
    one = only(replace(AGREED, used=[used]), Kind.USED_ABOVE_GRANTED, book)
    assert (one.amount, one.currency, one.severity) == (Decimal("10.00"), "USD", severity)
    assert "140 of 100 calls" in one.sentence
    assert "40 above" in one.sentence


def test_use_up_to_the_limit_and_of_something_unlimited_is_none() -> None:
    fits = [Used("a", Decimal(100), Limit(Decimal(100))), Used("b", Decimal(10**9), Limit(None, True))]
    assert compare(replace(AGREED, used=fits), BOOK) == []


def test_use_of_what_nothing_gives() -> None:
    one = only(replace(AGREED, used=[Used("feature-x", Decimal(3), Limit(None), last_at=RECENT)]), Kind.USED_ABOVE_GRANTED)
    assert "nothing gives it" in one.sentence
    assert one.amount is None
    assert one.currency == ""


def test_in_use_and_not_billed_or_sold_and_not_billed() -> None:
    used = only(replace(AGREED, billed=[]), Kind.USED_NOT_BILLED)
    assert (used.amount, used.severity) == (Decimal(200), Severity.HIGH)
    idle = replace(AGREED, billed=[], used=[], active_users=0, last_seen_at=OLD)
    assert set(found(idle)) == {Kind.SOLD_NOT_BILLED, Kind.GRANTED_NOT_USED}


def test_billed_without_anything_behind_it() -> None:
    one = only(Position(1, "Acme", billed=[BILLED]), Kind.BILLED_NOT_SOLD)
    assert (one.amount, one.severity) == (Decimal(200), Severity.MEDIUM)
    unknown = only(Position(1, "Acme", billed=[replace(BILLED, offer="")]), Kind.BILLED_NOT_SOLD)
    assert unknown.severity == Severity.LOW
    other = only(replace(AGREED, billed=[replace(BILLED, plan="p", name="Team plan", offer="plan-team", seats=None)]),
                 Kind.BILLED_NOT_SOLD)  # fmt: skip
    assert other.severity == Severity.HIGH
    assert "sold or granted is Pro" in other.sentence
    unknown = replace(BILLED, plan="p", name="Own plan", offer="")  # a price plan that the catalogue does not know
    assert compare(replace(AGREED, billed=[unknown]), BOOK) == []


def test_sixty_days_without_use() -> None:
    idle = replace(AGREED, used=[], active_users=0, last_seen_at=NOW - timedelta(days=60))
    assert only(idle, Kind.GRANTED_NOT_USED).amount == Decimal(200)
    assert compare(replace(idle, last_seen_at=NOW - timedelta(days=59)), BOOK) == []
    new = replace(PRO, since=NOW - timedelta(days=59))
    assert compare(replace(idle, sold=[new], granted=[new]), BOOK) == []


def test_an_add_on_that_nobody_uses_while_the_rest_is_used() -> None:
    extra = replace(PRO, add_ons={"addon-calls": Decimal(2)})
    book = replace(BOOK, counted={"addon-calls": frozenset({"feature-calls"})})
    position = replace(AGREED, sold=[extra], granted=[extra])
    assert compare(position, book) == []  # calls were used two days ago
    stale = [replace(AGREED.used[0], last_at=OLD)]
    one = only(replace(position, used=stale), Kind.GRANTED_NOT_USED, book)
    assert (one.amount, one.severity) == (Decimal(100), Severity.LOW)


def test_seats_sold_granted_billed_and_active() -> None:
    sold = replace(PRO, seats=Decimal(15))
    one = only(replace(AGREED, sold=[sold]), Kind.SEATS)
    assert (one.amount, one.severity) == (Decimal(100), Severity.HIGH)
    assert one.sentence == "Seats of Pro: 15 sold, 10 granted, 10 billed."
    billed = only(replace(AGREED, billed=[replace(BILLED, seats=Decimal(7))]), Kind.SEATS)
    assert (billed.amount, billed.severity) == (Decimal(60), Severity.MEDIUM)
    assert compare(replace(AGREED, billed=[replace(BILLED, offer="", seats=Decimal(7))]), BOOK) == []  # counts something else
    busy = only(replace(AGREED, active_users=13), Kind.SEATS)
    assert busy.amount == Decimal(60)
    assert "13 people active" in busy.sentence


def test_seats_that_add_ons_add_let_people_in() -> None:
    roomy = replace(PRO, capacity=Limit(Decimal(20)))
    assert compare(replace(AGREED, granted=[roomy], active_users=20), BOOK) == []
    assert compare(replace(AGREED, granted=[replace(PRO, capacity=Limit(None, True))], active_users=10**6), BOOK) == []


def test_another_plan_than_sold_is_worth_the_difference_and_currencies_are_never_mixed() -> None:
    euro = replace(PRO, plan="plan-euro", seats=None)
    one = only(replace(AGREED, sold=[euro]), Kind.SOLD_NOT_GRANTED)
    assert one.amount is None
    assert one.currency == ""
    both = replace(AGREED, billed=[], sold=[PRO, replace(euro, product="mail")], granted=[PRO, replace(euro, product="mail")])
    assert only(both, Kind.USED_NOT_BILLED).amount is None
    findings = [replace(one, amount=Decimal(5), currency="USD"), replace(one, amount=Decimal(7), currency="EUR")]
    assert [(each.count, each.amounts) for each in total_by_kind(findings)] == [
        (2, (("EUR", Decimal(7)), ("USD", Decimal(5))))
    ]  # fmt: skip


# --- rules for all cases ------------------------------------------------------------------------------------------------

counts = st.decimals(min_value=1, max_value=10_000, places=0)
limits = st.one_of(st.just(Limit(None)), st.just(Limit(None, True)), counts.map(Limit))
holdings = st.builds(
    Holding, product=st.sampled_from(["crm", "mail"]), plan=st.sampled_from(["plan-pro", "plan-team", "plan-euro"]),
    seats=st.one_of(st.none(), counts), add_ons=st.dictionaries(st.sampled_from(["addon-calls", "addon-x"]), counts),
    limits=st.dictionaries(st.sampled_from(["feature-a", "feature-b"]), limits), since=st.sampled_from([OLD, RECENT]),
)  # fmt: skip
holdings_of_one = st.lists(holdings, max_size=2, unique_by=lambda each: each.product)


@given(holdings_of_one)
def test_agreement_on_all_sides_finds_nothing(held) -> None:
    billed = [Billed(each.plan, each.plan, each.plan, Decimal(1), "USD", each.seats) for each in held]
    if len({each.plan for each in held}) < len(held):
        billed = [replace(each, seats=None) for each in billed]  # two products on one price plan: whose seats, nobody knows
    position = Position(1, "Acme", sold=held, granted=held, billed=billed, active_users=1, last_seen_at=RECENT)
    assert compare(position, BOOK) == []


SWAPPED = {Kind.SOLD_NOT_GRANTED: Kind.GRANTED_NOT_SOLD, Kind.GRANTED_NOT_SOLD: Kind.SOLD_NOT_GRANTED, Kind.SEATS: Kind.SEATS}


@given(holdings, holdings)
def test_swapping_sold_and_granted_swaps_the_finding_and_keeps_its_worth(one, other) -> None:
    """Among customers with the same plan on both sides; which of two plans is the better is known by price only."""
    one, other = replace(one, product="crm"), replace(other, product="crm", plan=one.plan)
    book = replace(BOOK, uses_billing=False)
    there = compare(Position(1, "Acme", sold=[one], granted=[other], active_users=1, last_seen_at=RECENT), book)
    back = compare(Position(1, "Acme", sold=[other], granted=[one], active_users=1, last_seen_at=RECENT), book)
    if one.seats is None or other.seats is None:
        there, back = ([each for each in side if each.kind != Kind.SEATS] for side in (there, back))
    worth = sorted((SWAPPED[each.kind], each.subject, each.amount or 0, each.currency) for each in there)
    assert worth == sorted((each.kind, each.subject, each.amount or 0, each.currency) for each in back)


# --- over real rows -----------------------------------------------------------------------------------------------------


@pytest.fixture
def crm(db) -> Product:
    """A product with a plan by the seat (20 USD a seat and month) and an add-on of calls."""
    product = Product.objects.create(key="crm", name="CRM")
    calls = Feature.objects.create(key="feature-calls", name="Calls", kind="metered", unit="calls")
    for key, kind, per_seat, price, limit in (
        ("plan-pro", "plan", True, 240, 100), ("addon-calls", "addon", False, 600, 1_000),
    ):  # fmt: skip
        offer = Offer.objects.create(key=key, name=key.partition("-")[2].title(), kind=kind, product=product)
        version = OfferVersion.objects.create(
            offer=offer, number=1, per_seat=per_seat, price=Decimal(price), currency="USD", period_months=12, published_at=OLD
        )
        OfferEntitlement.objects.create(version=version, feature=calls, limit=Decimal(limit), soft=True)
    return product


@pytest.fixture
def org(db) -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Acme org", state="connected", instance_url="https://acme.my.salesforce.com")


def deal(org: SalesforceOrg, customer: Customer | None, now: datetime, *, seats: int = 10, extra: int = 0, **more) -> Provision:
    terms = TermsSpec("plan-pro", Decimal(seats), (AddOnLine("addon-calls", Decimal(extra)),) if extra else ())
    intent = SubscriptionIntent("crm", "start", terms, now - timedelta(days=30))
    number = Provision.objects.count() + 1
    facts = {"slot": "contract", "kind": "won", "source": "poll", "state": "done", "name": "Acme deal", **more}
    return Provision.objects.create(
        org=org, opportunity_id=f"006{number:015}", customer=customer, intent={"subscriptions": [intent.as_dict()]},
        opened_at=now - timedelta(days=30), **facts,
    )  # fmt: skip


def subscribe(customer: Customer, product: Product, now: datetime, seats: int = 10) -> None:
    changes.start(
        customer,
        product=product,
        plan="plan-pro",
        seats=Decimal(seats),
        starts_at=now - timedelta(days=30),
        actor=None,
        now=now,
    )


def bill(customer: Customer, now: datetime) -> None:
    save_rows("plans", [{"id": "price-pro", "name": "Pro", "currency": "USD"}], source="api", now=now)
    save_rows("customers", [{"id": customer.external_id, "name": customer.name}], source="api", now=now)
    start = (now - timedelta(days=30)).isoformat()
    row = {
        "id": f"cp-{customer.external_id}",
        "customer_id": customer.external_id,
        "plan_id": "price-pro",
        "starting_on": start,
    }
    save_rows("customer-plans", [row], source="api", now=now)


@pytest.fixture
def acme(db, now) -> Customer:
    return Customer.objects.create(external_id="acme", name="Acme", last_seen_at=now)


def test_sold_granted_and_billed_alike_finds_nothing(crm, org, acme, now) -> None:
    deal(org, acme, now)
    subscribe(acme, crm, now)
    bill(acme, now)
    assert audit.compute_audit(now=now).findings == []


def test_differences_are_found_in_the_rows_that_say_them(crm, org, acme, now) -> None:
    sold = deal(org, acme, now, seats=15, extra=2)
    subscribe(acme, crm, now)
    bill(acme, now)
    kinds = {each.kind: each for each in audit.compute_audit(now=now).findings}
    assert set(kinds) == {Kind.SEATS, Kind.SOLD_NOT_GRANTED}
    assert (kinds[Kind.SEATS].amount, kinds[Kind.SOLD_NOT_GRANTED].amount) == (Decimal(100), Decimal(100))
    assert reverse("provisioning:provision", args=[sold.pk]) in {row.url for row in kinds[Kind.SEATS].rows}


def test_a_subscription_is_told_by_product_and_plan(crm, org, acme, now) -> None:
    deal(org, acme, now, seats=15)
    subscribe(acme, crm, now)
    words = {row.words for each in audit.compute_audit(now=now).findings for row in each.rows if row.side == "granted"}
    assert words == {f"Subscription of {crm.name}: Pro, 10 seats"}


def test_the_newest_deal_of_a_product_counts_and_one_that_was_lost_does_not(crm, org, acme, now) -> None:
    deal(org, acme, now, seats=5)
    deal(org, acme, now, seats=10)
    deal(org, acme, now, seats=99, flag="lost")
    subscribe(acme, crm, now)
    bill(acme, now)
    assert audit.compute_audit(now=now).findings == []


def test_a_deal_that_waits_is_found_by_its_account(crm, org, acme, now) -> None:
    account = "001dM0000000001QAA"
    RecordLink.objects.create(org=org, entity="customer", customer=acme, object="Account", salesforce_id=account, rule="name")
    deal(org, None, now, state="blocked", sentence="Line 1 is not mapped.", account_id=account)
    deal(org, None, now, state="blocked", sentence="No plan.", account_id="001dM0000000002QAA", account_name="Nobody Ltd")
    found_ = audit.compute_audit(now=now).findings
    assert {(each.customer, each.customer_name, each.kind) for each in found_} == {
        (acme.pk, "Acme", Kind.SOLD_NOT_GRANTED), (None, "Nobody Ltd", Kind.SOLD_NOT_GRANTED),
    }  # fmt: skip


def test_merged_customers_count_as_the_one_that_is_left_and_erased_ones_not_at_all(crm, org, acme, now) -> None:
    other = Customer.objects.create(external_id="acme-2", name="Acme 2", merged_into=acme)
    deal(org, acme, now)
    subscribe(other, crm, now)
    bill(acme, now)
    assert audit.compute_audit(now=now).findings == []
    subscribe(Customer.objects.create(external_id="gone", name="Gone"), crm, now)
    assert [each.customer_name for each in audit.compute_audit(now=now).findings] == ["Gone"]
    Customer.objects.filter(name="Gone").update(erased_at=now + timedelta(seconds=1))
    assert audit.read_audit(now=now).findings == []  # from the kept comparison too


def test_the_page_filters_sorts_exports_and_asks_for_a_role(client: Client, cast, crm, org, acme, now) -> None:
    assert client.get(reverse("four_way")).status_code == 302
    client.force_login(cast.jane)
    assert client.get(reverse("four_way")).status_code == 403
    client.force_login(cast.ana)
    assert "Nothing disagrees" in client.get(reverse("four_way")).content.decode()
    subscribe(acme, crm, now, seats=3)
    bill(Customer.objects.create(external_id="b", name="Billed only", last_seen_at=now), now)
    assert "Nothing disagrees" in client.get(reverse("four_way")).content.decode()  # kept until compared anew
    assert client.post(reverse("four_way_compare")).status_code == 302
    shown = client.get(reverse("four_way")).content.decode()
    assert "60.00 USD" in shown
    assert "Billed only" in shown
    assert "Acme" in shown
    narrowed = client.get(reverse("four_way"), {"kind": "billed_not_sold"}).content.decode()
    assert "Billed only is" not in narrowed
    assert "Pro is billed; nothing was sold" in narrowed
    assert "Pro (3 seats) is granted" not in narrowed
    answer = client.get(reverse("four_way_csv"), {"customer": acme.pk})
    lines = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))  # type: ignore[attr-defined]
    assert {(each["customer"], each["amount_per_month"], each["currency"]) for each in lines} == {("Acme", "60.00", "USD")}


@pytest.mark.parametrize("query", [{"kind": "x"}, {"severity": "?"}, {"customer": "abc"}, {"sort": "-nothing"}, {"page": "z"}])
def test_odd_addresses_are_answered(client: Client, cast, acme, query) -> None:
    client.force_login(cast.ana)
    assert client.get(reverse("four_way"), query).status_code == 200


def test_more_customers_need_no_more_queries(django_assert_max_num_queries, crm, org, now) -> None:
    for number in range(60):
        customer = Customer.objects.create(external_id=f"c{number}", name=f"C{number}", last_seen_at=now)
        deal(org, customer, now)
        subscribe(customer, crm, now, seats=9)
    with django_assert_max_num_queries(40):
        assert len(audit.compute_audit(now=now).findings) == 60


def test_the_api_answers_the_same_findings(client: Client, cast, crm, acme, now) -> None:
    subscribe(acme, crm, now, seats=3)
    client.force_login(cast.jane)
    assert client.get("/api/v1/four-way-audit/").status_code == 403
    client.force_login(cast.ana)
    answer = client.get("/api/v1/four-way-audit/", {"kind": "granted_not_sold", "customer": acme.pk}).json()
    assert answer["count"] == 1
    told = answer["results"][0]
    assert (told["customer_name"], told["amount"], told["currency"]) == ("Acme", "60.00", "USD")
    assert told["rows"][0]["side"] == "granted"
    assert client.get("/api/v1/four-way-audit/", {"kind": "seats"}).json()["results"] == []
    client.force_login(cast.olga)
    assert client.post("/api/v1/four-way-audit/").status_code == 405


def test_won_opportunities_of_the_mirror_count_unless_they_were_provisioned(crm, org, acme, now) -> None:
    account, stamp = "001dM0000000001QAA", {"SystemModstamp": now}
    RecordLink.objects.create(org=org, entity="customer", customer=acme, object="Account", salesforce_id=account, rule="name")
    known = deal(org, acme, now, account_id=account)
    columns = {"Id": "text", "AccountId": "text", "IsWon": "flag", "SystemModstamp": "moment"}
    rows = [
        {"Id": known.opportunity_id, "AccountId": account, "IsWon": True}, {"Id": "006A", "AccountId": account, "IsWon": True},
        {"Id": "006B", "AccountId": account, "IsWon": False}, {"Id": "006C", "AccountId": None, "IsWon": True},
    ]  # fmt: skip
    mirror(org, "Opportunity", columns, [{**row, **stamp} for row in rows], now)
    assert read_won({}) == {acme.pk: 1}
