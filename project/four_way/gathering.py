"""All customers on all four sides, read in a fixed number of queries for each thousand of them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from django.urls import reverse

from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.lake.types import SchemaError
from integrations.models import Customer
from integrations.product.kpis.tables import CUSTOMER_ID
from integrations.product.segments.binding import kpi_table
from integrations.sync.mapping.catalogue import column_of
from project.four_way.charging import read_charged
from project.four_way.comparing import compare
from project.four_way.granting import read_granted
from project.four_way.positions import Book, Finding, Position, Price, Row, Waiting, sort_findings
from project.four_way.selling import read_sold
from project.four_way.winning import read_won
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion

ACTIVE = "active_users_30d"


def find_all(*, now: datetime) -> list[Finding]:
    """Every disagreement of every customer at `now` (UTC), the most urgent first."""
    merged = dict(Customer.objects.filter(merged_into__isnull=False).values_list("pk", "merged_into_id"))
    roots = {number: _root(number, merged) for number in merged}
    sold, granted, charged = read_sold(roots, now=now), read_granted(roots, now=now), read_charged(roots, now=now)
    book = _book(now, uses_billing=charged.is_used, units=charged.units)
    numbers = {*sold.holdings, *sold.waiting, *granted.holdings, *granted.used, *charged.plans}
    active, won = _active_users(), read_won(roots)
    found: list[Finding] = []
    people = Customer.objects.filter(erased_at=None, merged_into=None).order_by("pk")
    for number, name, external_id, seen in people.values_list("pk", "name", "external_id", "last_seen_at").iterator(5_000):
        if number not in numbers:
            continue
        page = Row("used", "The customer's use of the product", reverse("customer", args=[number]))
        position = Position(
            number, name or external_id, list(sold.holdings.get(number, {}).values()), sold.waiting.get(number, []),
            granted.holdings.get(number, []), granted.used.get(number, []), charged.plans.get(number, []),
            active.get(number), seen, (page,), won.get(number, 0),
        )  # fmt: skip
        found += compare(position, book)
    return sort_findings([*found, *_of_nobody(sold.nobody, book)])


def _of_nobody(deals: Mapping[tuple[int, str], tuple[str, list[Waiting]]], book: Book) -> list[Finding]:
    """Won deals of accounts that lead to no customer yet."""
    return [each for name, waiting in deals.values() for each in compare(Position(None, name, waiting=waiting), book)]


def _root(number: int, merged: Mapping[int, int]) -> int:
    """The customer that is left of a chain of merges; a circle ends too."""
    for _ in range(20):
        if number not in merged:
            break
        number = merged[number]
    return number


def _active_users() -> dict[int, int]:
    """People active in 30 days by customer, as last computed; empty before, and while the lake cannot be asked."""
    table = kpi_table()
    if table is None:
        return {}
    try:
        with open_engine() as engine:
            engine.bind("kpis", reading.newest(table, columns=[CUSTOMER_ID, column_of(ACTIVE)]))
            rows = engine.rows(f'SELECT "{CUSTOMER_ID}", "{column_of(ACTIVE)}" FROM kpis')  # noqa: S608  names of ours
    except (EngineError, SchemaError):
        return {}
    return {int(customer): int(count) for customer, count in rows if customer is not None and count is not None}


def _book(now: datetime, *, uses_billing: bool, units: Mapping[tuple[str, str], Price]) -> Book:
    """Names, prices and what add-ons count, of the newest published version of each offer."""
    names = dict(Feature.objects.values_list("key", "name"))
    newest: dict[int, OfferVersion] = {}
    for version in OfferVersion.objects.exclude(published_at=None).select_related("offer").order_by("number"):
        newest[version.offer_id] = version
    names |= {each.offer.key: each.offer.name for each in newest.values()}
    prices = {
        each.offer.key: Price(each.price / Decimal(each.period_months or 1), each.currency, each.per_seat)
        for each in newest.values() if each.price is not None and each.currency
    }  # fmt: skip
    add_ons = {each.pk: each.offer.key for each in newest.values() if each.offer.kind == Offer.Kind.ADDON}
    counted: dict[str, set[str]] = {}
    gives = OfferEntitlement.objects.filter(version__in=add_ons, feature__kind=Feature.Kind.METERED)
    for version, feature in gives.values_list("version_id", "feature__key"):
        counted.setdefault(add_ons[version], set()).add(feature)
    return Book(now, uses_billing, prices, units, names, {key: frozenset(each) for key, each in counted.items()})
