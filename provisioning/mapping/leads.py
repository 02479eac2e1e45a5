"""Products of Salesforce as the mirror has them, with their mapping fields and standard prices (ST-19, ST-23)."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from integrations.access import Refusal
from integrations.lake.engine import open_engine
from integrations.models import MirrorObject, SalesforceOrg
from integrations.sync.mirror import needs, tables
from provisioning.catalogue import finding
from provisioning.catalogue.contents import number_words
from provisioning.mapping.judging import PRICE_OFF, PRICED, UNKNOWN, UNPRICED, Ids, Judged, ProductFacts, judge
from provisioning.models import ProvisioningSettings

DOMAIN = "provisioning"
PRODUCT, PRICE, BOOK = "Product2", "PricebookEntry", "Pricebook2"
OBJECTS = (PRODUCT, PRICE, BOOK)
PRICES = ("Product2Id", "Pricebook2Id", "UnitPrice", "IsActive")
ABOUT = ("Name", "ProductCode", "IsActive", "Family")
STANDARD = 'SELECT "Id" FROM books WHERE "IsStandard" LIMIT 1'
STANDARD_PRICES = """
SELECT "Product2Id", sum(CASE WHEN "IsActive" THEN 1 ELSE 0 END), max(CASE WHEN "IsActive" THEN "UnitPrice" END) FROM entries
WHERE "Pricebook2Id" IN (SELECT "Id" FROM books WHERE "IsStandard") AND "Product2Id" IS NOT NULL GROUP BY "Product2Id"
"""
MOST = 20_000  # products of an org: the page reads them all to put the unmapped ones first


@dataclass(frozen=True, slots=True)
class Fields:
    """API names of the mapping fields of a connection; `unlimited` may be empty."""

    type: str
    id: str
    unlimited: str

    @property
    def all(self) -> tuple[str, ...]:
        """Those that are used."""
        return tuple(each for each in (self.type, self.id, self.unlimited) if each)


@dataclass(frozen=True, slots=True)
class Lead:
    """A Salesforce product that leads to something of the catalogue."""

    org: SalesforceOrg
    id: str
    name: str
    active: bool


def fields_of(org: SalesforceOrg) -> Fields:
    """The names that the connection's settings give (ST-D3)."""
    settings = ProvisioningSettings.objects.filter(org=org).first() or ProvisioningSettings(org=org)
    return Fields(settings.type_field, settings.id_field, settings.unlimited_field)


def needs_of(org: SalesforceOrg) -> list[needs.Need]:
    """Products with the mapping fields that the org has, and their prices, once the org was checked for provisioning.

    A field that the latest check did not find is not asked for: it would make every read of the mirror incomplete.
    """
    settings = ProvisioningSettings.objects.filter(org=org, removed_at=None).exclude(checked_at=None).first()
    if settings is None or not org.provisioning_enabled or (PRODUCT.lower(), "") in _lacking(settings):
        return []
    lacking = _lacking(settings)
    named = [each for each in fields_of(org).all if needs.NAME.match(each) and (PRODUCT.lower(), each.lower()) not in lacking]
    return [
        needs.Need(DOMAIN, PRODUCT, (*ABOUT, *named), since_months=None),
        needs.Need(DOMAIN, PRICE, PRICES, since_months=None),
        needs.Need(DOMAIN, BOOK, ("Name", "IsStandard", "IsActive"), since_months=None),
    ]


def _lacking(settings: ProvisioningSettings) -> set[tuple[str, str]]:
    """Objects and fields that the latest check did not find, in small letters; a field "" is the whole object."""
    rows = [each for each in settings.lacks if isinstance(each, dict) and each.get("code") in ("no_field", "no_object")]
    return {(str(each.get("object")).lower(), str(each.get("field") or "").lower()) for each in rows}


def ids_of_catalogue() -> Ids:
    """What products may lead to."""
    known = finding.known_ids()
    return Ids(known.plans, known.add_ons, known.features, known.refused)


def read_products(org: SalesforceOrg, ids: Iterable[str] | None = None, *, prices: bool = True) -> dict[str, ProductFacts]:
    """All products (or these) by id, with standard prices unless not wanted; Refusal `not_mirrored` before the first read."""
    fields = fields_of(org)
    rows = _rows(org, [*ABOUT, *fields.all], ids=ids)
    known = _standard_prices(org) if prices else None
    return {row["Id"]: _facts(row, fields, known) for row in rows}


def fields_mirrored(org: SalesforceOrg) -> set[str]:
    """Which of the mapping fields the mirror has; the others are not in the org, not visible, or not read yet."""
    mirror = tables.mirror_of(org, PRODUCT)
    table = mirror.table if mirror is not None else None
    known = {name.lower() for name in tables.fields_of(mirror, table)} if mirror is not None and table is not None else set()
    return {each for each in fields_of(org).all if each.lower() in known}


def judge_products(org: SalesforceOrg, ids: Ids | None = None) -> list[Judged]:
    """Every product with where it leads: unmapped ones first, then problems, the rest by name."""
    known = ids or ids_of_catalogue()
    return sorted((judge(each, known) for each in read_products(org).values()), key=lambda each: each.rank)


def leading_to(key: str) -> list[Lead]:
    """Products of all connections that carry this id; connections that cannot be looked at are left out."""
    found = []
    read = MirrorObject.objects.filter(name=PRODUCT, table__isnull=False, org__provisioning_enabled=True)
    for mirror in read.select_related("org"):
        try:
            products = read_products(mirror.org, prices=False).values()
        except Refusal:
            continue
        found += [Lead(mirror.org, each.id, each.name, each.active) for each in products if each.ref.strip() == key]
    return sorted(found, key=lambda each: (each.org.name, each.name))


def _rows(org: SalesforceOrg, wanted: list[str], *, ids: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Live products with those of the wanted fields that are mirrored, under the wanted names."""
    mirror = tables.mirror_of(org, PRODUCT)
    table = mirror.table if mirror is not None else None
    if mirror is None or table is None:
        raise Refusal("not_mirrored", f"The products of {org} have not been read yet.")
    known = {name.lower(): name for name in tables.fields_of(mirror, table)}
    names = {each: known[each.lower()] for each in wanted if each.lower() in known}
    columns = list(dict.fromkeys([tables.KEY, *names.values()]))
    all_ = ids is None
    rows = tables.sample(org, PRODUCT, columns, n=MOST) if all_ else tables.find(org, PRODUCT, list(ids), columns)
    return [{"Id": row[tables.KEY], **{asked: row[name] for asked, name in names.items()}} for row in rows]


def _facts(row: dict[str, Any], fields: Fields, prices: dict[str, tuple[str, str]] | None) -> ProductFacts:
    price, amount = (UNKNOWN, "") if prices is None else prices.get(row["Id"], (UNPRICED, ""))
    return ProductFacts(
        id=row["Id"], name=row.get("Name") or "", code=row.get("ProductCode") or "", family=row.get("Family") or "",
        active=bool(row.get("IsActive", True)), type=str(row.get(fields.type) or ""), ref=str(row.get(fields.id) or ""),
        unlimited=bool(fields.unlimited and row.get(fields.unlimited)), price=price, amount=amount,
    )  # fmt: skip


def _standard_prices(org: SalesforceOrg) -> dict[str, tuple[str, str]] | None:
    """State and words of each product's standard price; None when prices are not mirrored."""
    try:
        books, entries = tables.live(org, BOOK, ["Id", "IsStandard"]), tables.live(org, PRICE, PRICES)
    except (Refusal, tables.SchemaError):
        return None
    with open_engine() as engine:
        engine.bind("books", books)
        engine.bind("entries", entries)
        if not engine.rows(STANDARD):
            return None
        return {product: _price(active, amount) for product, active, amount in engine.rows(STANDARD_PRICES)}


def _price(active: int, amount: Any) -> tuple[str, str]:
    if not active:
        return PRICE_OFF, ""
    words = number_words(Decimal(str(amount))) if active == 1 and amount is not None else f"{active} prices"
    return PRICED, words
