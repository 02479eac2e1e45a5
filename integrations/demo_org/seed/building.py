"""Filling a new org with the demo company."""

import gc
import sqlite3
from typing import TYPE_CHECKING

from integrations.demo_org.seed.articles import seed_articles
from integrations.demo_org.seed.company import seed_company
from integrations.demo_org.seed.customers import Customer, seed_customers
from integrations.demo_org.seed.deals import Deals
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.marketing import Marketing, count_campaigns, seed_campaigns, seed_playbooks
from integrations.demo_org.seed.products import seed_products
from integrations.demo_org.seed.reports import seed_reports
from integrations.demo_org.seed.showcase import seed_near_deals
from integrations.demo_org.seed.success import Success, seed_topics

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CHUNK = 2000
SHOWN_FROM = 60  # the deals near closing belong to some of so many accounts


def build(org: "DemoOrg", *, size: int = 2000, seed: int = 1) -> int:
    """Seed `size` accounts and all that hangs on them; the number of records written.

    The same size, seed and clock give the same records. Dates lie around the org's present day, so the data looks current.
    Rows go straight into the tables (no rules run), in one transaction: a crash leaves an empty org.
    """
    collecting = gc.isenabled()
    gc.disable()  # many small objects that live until their chunk is written: collecting cycles only costs time
    try:
        with org.store.write() as connection:
            return _build(org, connection, size=size, seed=seed)
    finally:
        if collecting:
            gc.enable()


def _build(org: "DemoOrg", connection: sqlite3.Connection, *, size: int, seed: int) -> int:
    loader, dice, days = Loader(org, connection), Dice(seed), Days(org.clock.now())
    loader.drop_indexes()
    company = seed_company(org, loader, days)
    prices = seed_products(loader, days, company)
    campaigns = seed_campaigns(loader, dice, days, company)
    seed_articles(loader, days, company)
    seed_playbooks(loader, days, company)
    seed_reports(loader, dice, days, company)
    deals = Deals(loader, dice, days, company, prices, campaigns)
    success = Success(loader, dice, days, company, prices, seed_topics(loader, days, company))
    marketing = Marketing(loader, dice, days, company, campaigns)
    first: list[Customer] = []
    for start in range(1, size + 1, CHUNK):
        numbers = range(start, min(start + CHUNK, size + 1))
        for customer in seed_customers(loader, dice, days, company, numbers):
            sold = deals.of_account(customer)
            success.of_account(customer, sold)
            marketing.of_account(customer, sold)
            if len(first) < SHOWN_FROM:
                first.append(customer)
    seed_near_deals(deals, first)
    loader.flush()
    count_campaigns(loader)
    loader.make_indexes()
    _continue_numbers(org, size, deals.numbers | success.numbers)
    return loader.count()


def _continue_numbers(org: "DemoOrg", size: int, used: dict[str, int]) -> None:
    """Let the auto-numbers of new records go on where the seed stopped."""
    for name, count in {**used, "Account": size}.items():
        kind = org.schema.objects[name.lower()]
        for each in kind.fields:
            if each.auto_number:
                org.store.next_numbers(f"{kind.name}.{each.name}", count)
