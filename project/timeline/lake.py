"""What the lake tells of a customer's past: NPS answers, and milestones and movements of revenue."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time

from analytics.queries import CustomerFacts
from integrations.access import Person
from integrations.lake.engine import open_engine
from integrations.masking import hide_people, may_see_people
from integrations.models import Customer
from integrations.product.ingest import lake_tables
from integrations.product.segments.records import owned_rows
from project.blocks.values import money
from project.timeline.entries import Entry

ANSWERS = 500


def nps_entries(customer: Customer, user: Person) -> list[Entry]:
    """The newest 500 answers. Raises EngineError while the lake cannot be asked."""
    mine, params = owned_rows(customer.pk)
    with open_engine() as engine:
        engine.bind("answers", lake_tables.nps_answers())
        text = engine.sql("product/segments/statements/usage_answers.sql").replace("<<mine>>", mine)
        rows = engine.rows(f"{text} LIMIT {ANSWERS}", **params)
    shows = may_see_people(user)
    return [
        Entry(
            at, "nps", "gauge", f"NPS {score} of 10 given", "",
            comment if shows else hide_people(comment), f"survey {survey}" if survey else "in the product",
        )
        for at, score, comment, survey in rows
    ]  # fmt: skip


def revenue_entries(facts: Sequence[CustomerFacts]) -> list[Entry]:
    """Milestones and changes of MRR, of each connection that analytics reads."""
    return [entry for each in facts for entry in _of_connection(each)]


def _of_connection(facts: CustomerFacts) -> Iterator[Entry]:
    origin = f"analytics of {facts.org}"
    for moved in facts.movements:
        change = f"{money(moved.before, facts.currency)} to {money(moved.after, facts.currency)}"
        at = datetime.combine(moved.day, time(), UTC)
        yield Entry(at, "revenue", "trending-up", f"MRR {moved.kind}: {change}", "", "", origin)
    for reached in facts.milestones:
        why = "Worked out from the transactions" if reached.derived else "Stands in a field in Salesforce"
        yield Entry(reached.at, "revenue", "calendar", reached.kind.replace("_", " ").capitalize(), "", why, origin)
