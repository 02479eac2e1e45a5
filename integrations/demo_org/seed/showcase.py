"""A handful of open deals near closing, for people who want to see what happens when one is won: known products, known sizes.

They are added after everything else and without dice, so that the rest of the company stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from integrations.demo_org.schema.catalogue.sales import ALL_STAGES
from integrations.demo_org.seed.customers import Customer
from integrations.demo_org.seed.deals import TYPES, Deals


@dataclass(frozen=True, slots=True)
class Near:
    """A deal: what it is called, its stage, in how many days it closes, and (product, quantity) of its lines."""

    title: str
    kind: str
    stage: str
    close: int
    lines: tuple[tuple[str, float], ...]


NEW, GROWN, RENEWED = "New Business", "Expansion", "Renewal"
NEAR = (
    Near("Planning for everybody", NEW, "Negotiation/Review", 2,
         (("Planning Business", 25), ("Single Sign-On", 1), ("API Calls (1 million)", 5))),
    Near("Forecasting pilot", NEW, "Proof of Concept", 21, (("Forecasting Enterprise", 10), ("Sandbox Environment", 1))),
    Near("Insights for finance", NEW, "Proposal/Price Quote", 4, (("Insights Team", 12), ("Stored Gigabytes (100)", 3))),
    # nobody provisions workshops: a line without a mapping
    Near("Workspace and workshops", NEW, "Negotiation/Review", 6, (("Workspace Business", 15), ("Integration Workshop", 2))),
    Near("More planners", GROWN, "Negotiation/Review", 8, (("Additional Seats (10)", 3), ("Audit Trail", 1))),
    Near("Planning, next year", RENEWED, "Perception Analysis", 12, (("Planning Enterprise", 40), ("Premier Support", 1))),
)  # fmt: skip
OPENED = -20


def pick_customers(customers: Sequence[Customer]) -> list[Customer]:
    """One account for each deal: prospects for new business, customers for growth and renewal; none of too few accounts."""
    fresh = [each for each in customers if each.since is None]
    known = [each for each in customers if each.since is not None and each.churned is None]
    wanted = [fresh if each.kind == NEW else known for each in NEAR]
    return [(pool or list(customers)).pop(0) for pool in wanted if pool or customers] if len(customers) >= len(NEAR) else []


def seed_near_deals(deals: Deals, customers: Sequence[Customer]) -> int:
    """Write the deals on some of these accounts; how many."""
    chosen = pick_customers(customers)
    for near, customer in zip(NEAR, chosen, strict=False):
        _add(deals, near, customer)
    return len(chosen)


def _add(deals: Deals, near: Near, customer: Customer) -> None:
    """One deal with its lines and history."""
    days, owner = deals.days, customer.owner
    products = {each.name: each for each in (*deals.prices.editions, *deals.prices.extras)}
    items = [(products[name], quantity, products[name].price) for name, quantity in near.lines]
    amount = round(sum(quantity * price for _, quantity, price in items), 2)
    name, probability, _, _, category, shown = next(each for each in ALL_STAGES if each[0] == near.stage)
    created, moved = f"{days.date(OPENED)}T09:00:00.000Z", f"{days.date(OPENED + 14)}T15:30:00.000Z"
    close, (year, quarter, fiscal) = days.date(near.close), days.fiscal(near.close)
    id_, number = deals.opportunities.next_id(), deals.take_number("Opportunity")
    expected = round(amount * probability / 100, 2)
    deals.opportunities.add((
        id_, customer.id, deals.company.record_types["Opportunity", near.kind], f"{customer.name[:80]} - {near.title}", name,
        amount,
        probability, expected, sum(quantity for _, quantity in near.lines), close, TYPES[near.kind], "Send the contract",
        "Web", 0, 0,
        category, shown, customer.currency, None, 1, deals.prices.book, owner, moved[:10], moved, quarter, year, fiscal, None,
        f"opp-{number:07d}", amount, 12.0, None, None, None, created, owner, moved, owner, moved,
    ))  # fmt: skip
    deals.add_lines(id_, number, customer, items, near.close, created)
    first = ALL_STAGES[0]
    steps = ((created, first[0], first[1], first[4], None, None), (moved, name, probability, category, first[0], amount))
    for at, stage, chance, forecast, before, old in steps:
        deals.history.add((deals.history.next_id(), id_, at, owner, stage, amount, round(amount * chance / 100, 2), close,
            chance,
                           forecast, customer.currency, old, close if before else None, at))  # fmt: skip
        kind = ("StageName", "DynamicEnum", before, stage) if before else ("created", "Text", None, None)
        deals.changes.add((deals.changes.next_id(), id_, owner, at, *kind))
    if customer.people:
        stamps = (created, owner, created, owner, created)
        deals.roles.add((deals.roles.next_id(), id_, customer.people[0][0], "Decision Maker", 1, *stamps))
