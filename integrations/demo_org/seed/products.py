"""Some forty products in two price books."""

from dataclasses import dataclass

from integrations.demo_org.seed.company import OLD, Company
from integrations.demo_org.seed.dice import Days
from integrations.demo_org.seed.loading import Loader

SMALL_PRICE = 2000
LINES = ("Planning", "Forecasting", "Workspace", "Connect", "Insights")
EDITIONS = (("Team", 900.0), ("Business", 2400.0), ("Enterprise", 7200.0))
EXTRAS = (
    ("Additional Seats (10)", "Add-on", 1200.0, "Annual", 0), ("Sandbox Environment", "Add-on", 3000.0, "Annual", 0),
    ("Audit Trail", "Add-on", 1800.0, "Annual", 0), ("API Calls (1 million)", "Add-on", 250.0, "Monthly", 1),
    ("Stored Gigabytes (100)", "Add-on", 90.0, "Monthly", 1), ("Workflow Runs (10,000)", "Add-on", 120.0, "Monthly", 1),
    ("Data Residency EU", "Add-on", 4000.0, "Annual", 0), ("Single Sign-On", "Add-on", 1500.0, "Annual", 0),
    ("Standard Support", "Support", 1000.0, "Annual", 0), ("Premier Support", "Support", 9500.0, "Annual", 0),
    ("Technical Account Manager", "Support", 48000.0, "Annual", 0), ("Quick Start", "Services", 5000.0, "One-time", 0),
    ("Implementation Day", "Services", 1600.0, "One-time", 0), ("Data Migration", "Services", 12000.0, "One-time", 0),
    ("Health Check", "Services", 3500.0, "One-time", 0), ("Integration Workshop", "Services", 4200.0, "One-time", 0),
    ("Administrator Training", "Training", 1100.0, "One-time", 0), ("Planner Training", "Training", 900.0, "One-time", 0),
    ("Certification Exam", "Training", 300.0, "One-time", 0), ("Executive Workshop", "Training", 6000.0, "One-time", 0),
    ("Legacy Desktop Client", "Add-on", 500.0, "Annual", 0), ("Model Library", "Add-on", 2200.0, "Annual", 0),
    ("Regional Data Mirror", "Add-on", 5200.0, "Annual", 0), ("24/7 Hotline", "Support", 15000.0, "Annual", 0),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Item:
    """A product as an order line needs it."""

    product: str
    entry: str
    name: str
    code: str
    price: float
    family: str


@dataclass(frozen=True, slots=True)
class PriceList:
    """The products of the standard price book: editions of the platform, everything else, and what small customers buy."""

    book: str
    editions: tuple[Item, ...]
    extras: tuple[Item, ...]
    small: tuple[Item, ...]


def seed_products(loader: Loader, days: Days, company: Company) -> PriceList:
    """Products, price books and prices."""
    user, at = company.users["admin"], days.date(OLD) + "T10:00:00.000Z"
    stamps = (at, user, at, user, at)
    books = loader.table("Pricebook2", "Name IsActive IsStandard Description *")
    standard, partner = books.next_id(), books.next_id()
    books.add((standard, "Standard Price Book", 1, 1, None, *stamps))
    books.add((partner, "Partner Price Book", 1, 0, "Prices for channel partners", *stamps))
    rows = [(f"{line} {edition}", "Platform", price, "Annual", 0) for line in LINES for edition, price in EDITIONS]
    items = [_add(loader, number, row, (standard, partner), stamps) for number, row in enumerate([*rows, *EXTRAS], 1)]
    extras = tuple(items[len(rows) :])
    return PriceList(standard, tuple(items[: len(rows)]), extras, tuple(each for each in extras if each.price < SMALL_PRICE))


def _add(loader: Loader, number: int, row: tuple, books: tuple[str, str], stamps: tuple) -> Item:
    name, family, price, period, by_usage = row
    products = loader.table("Product2", "Name ProductCode Description IsActive Family QuantityUnitOfMeasure StockKeepingUnit"
                            " External_Id__c Billing_Period__c Is_Usage_Based__c *")  # fmt: skip
    prices = loader.table("PricebookEntry", "Name Pricebook2Id Product2Id UnitPrice IsActive UseStandardPrice ProductCode *")
    product, entry, code = products.next_id(), prices.next_id(), f"HP-{number:03d}"
    active = int(not name.startswith("Legacy"))
    unit = "Hour" if family == "Services" else "Each"
    products.add((product, name, code, f"{name}, {period.lower()}", active, family, unit, f"SKU{number:05d}",
                  f"prod-{number:03d}", period, by_usage, *stamps))  # fmt: skip
    prices.add((entry, name, books[0], product, price, active, 0, code, *stamps))
    prices.add((prices.next_id(), name, books[1], product, round(price * 0.8, 2), active, 0, code, *stamps))
    return Item(product, entry, name, code, price, family)
