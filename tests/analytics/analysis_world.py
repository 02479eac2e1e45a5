"""A tiny real kind of analysis (customers and MRR by an attribute), and a document with every type of block."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from analytics.analyses import kinds
from analytics.analyses.documents import Block, Column, Document
from analytics.analyses.kinds import AnalysisKind, Asked, Choice, Parameter
from analytics.facts import reading
from analytics.models import AnalyticsSettings
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import Problem, ProblemsFound
from tests.analytics.cast import make_customers, write_facts

ATTRIBUTES = ("industry", "region", "plan")
PARAMETERS = (
    Parameter("by", "By", default="industry", choices=lambda org: [Choice(each, each.title()) for each in ATTRIBUTES]),
    Parameter("least", "At least customers", kind="whole", default=1, help="Smaller groups are left out.", advanced=True),
    Parameter("paying", "Only paying", kind="flag", default=False),
    Parameter("regions", "Regions", default=[], many=True, choices=lambda org: [Choice("EMEA", "EMEA"), Choice("US", "US")]),
)


def read(org: SalesforceOrg, data: Mapping[str, Any]) -> dict[str, Any]:
    """Complete parameters; every problem at once."""
    found = {each.key: each.default for each in PARAMETERS} | dict(data)
    problems = []
    if unknown := sorted(set(found) - {each.key for each in PARAMETERS}):
        problems.append(Problem(unknown[0], "unknown", f"There is no setting {unknown[0]}."))
    if found["by"] not in ATTRIBUTES:
        problems.append(Problem("by", "unknown", f"{found['by']} is no attribute; choose one of {', '.join(ATTRIBUTES)}."))
    if not str(found["least"]).isdigit():
        problems.append(Problem("least", "number", "At least customers must be a whole number."))
    if problems:
        raise ProblemsFound(problems)
    return found | {"least": int(found["least"]), "regions": sorted(found["regions"])}


def compute(engine: Any, asked: Asked) -> Document:
    """Customers and MRR by attribute."""
    reading.bind(engine, asked.org, "subjects")
    by = asked.parameters["by"]
    asked.breathe()
    if asked.parameters["least"] == 13:
        raise ZeroDivisionError("13")
    rows = engine.rows(f"SELECT {by} AS v, count(*) AS n, sum(mrr) AS m FROM subjects GROUP BY {by} ORDER BY m DESC, v")
    rows = [row for row in rows if row[1] >= asked.parameters["least"]]
    unit = asked.currency
    listed = [{"v": value, "n": n, "m": str(m), "_behind": {"by": by, "value": value}} for value, n, m in rows]
    total = str(sum((row[2] for row in rows), Decimal(0)))
    figures = {
        "figures": [{"label": "MRR", "value": total, "kind": "money", "unit": unit, "behind": {"by": by, "value": None}}]
    }
    bars = {"y_kind": "money", "unit": unit, "categories": [row[0] for row in rows],
            "series": [{"name": "MRR", "values": [str(row[2]) for row in rows]}]}  # fmt: skip
    columns = (Column("v", by.title()), Column("n", "Customers", "count"), Column("m", "MRR", "money", unit))
    return Document(
        title="Customers by attribute", as_of=asked.as_of.isoformat(), population=sum(row[1] for row in rows),
        population_words="Every customer of the connection.", definition="asking-saving-csv-and-api",
        excluded=({"reason": "too small", "n": 2, "words": "2 customers in groups that are too small."},),
        blocks=(
            Block("figures", "In all", chart_type="figures", chart=figures, columns=columns[:1] + columns[2:],
                  rows=[{"v": "All", "m": total, "_behind": {"by": by, "value": None}}]),
            Block("groups", "By group", chart_type="bars", chart=bars, columns=columns, rows=listed),
        ),
    )  # fmt: skip


def behind(engine: Any, asked: Asked, cell: Mapping[str, Any]) -> Any:
    """Subjects with the value; all with None."""
    if cell["by"] not in ATTRIBUTES:
        raise KeyError(cell["by"])
    reading.bind(engine, asked.org, "subjects")
    if cell["value"] is None:
        return engine.table("SELECT subject FROM subjects")
    return engine.table(f"SELECT subject FROM subjects WHERE {cell['by']} = $value", value=cell["value"])


KIND = AnalysisKind(
    name="sampler", label="Customers by attribute", title="Customers by attribute", question="How many customers are of each kind?",
    parameters=PARAMETERS, read=read, compute=compute, behind=behind, icon="layers",
)  # fmt: skip


@contextmanager
def known(*registered: AnalysisKind) -> Iterator[None]:
    """Only these kinds exist for a while."""
    before = dict(kinds._kinds)
    kinds._kinds.clear()
    for kind in registered:
        kinds.register(kind)
    try:
        yield
    finally:
        kinds._kinds.clear()
        kinds._kinds.update(before)


def fill(
    org: SalesforceOrg, count: int = 6, *, as_of: datetime = datetime(2026, 11, 1, tzinfo=UTC), more: str = "0"
) -> list[Any]:
    """Customers as subjects: industries in turn, MRR 100, 200, ...; two accounts without a customer."""
    customers = make_customers(count)
    linked = [
        {
            "subject": f"c{each.pk}", "customer_id": each.pk, "account_id": f"001{place:012d}AAA", "accounts": 1, "name": each.name,
            "linked_by": "link", "industry": ("Retail", "Energy", "Software")[place % 3], "mrr": Decimal(100 * (place + 1)) + Decimal(more),
            "seats": 10 + place, "tickets": place, "owner_id": "005000000000001AAA", "open_opportunities": place % 2,
            "last_seen_at": as_of - timedelta(days=place), "region": "EMEA", "plan": "Pro",
        }
        for place, each in enumerate(customers)
    ]  # fmt: skip
    alone = [
        {"subject": f"001{place:012d}BBB", "account_id": f"001{place:012d}BBB", "name": "bob@example.com" if place else "Alone Ltd",
         "linked_by": "none", "industry": "Retail", "mrr": 5 + place, "region": "US", "plan": "Free"}
        for place in range(2)
    ]  # fmt: skip
    AnalyticsSettings.objects.update_or_create(org=org, defaults={"currency": "EUR", "started_at": as_of})
    write_facts(org, as_of=as_of, subjects=[*linked, *alone])
    return customers
