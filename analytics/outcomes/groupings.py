"""Telling customers apart by an attribute, as it was at an instant: field history first, today's value where there is none.

Seats are put into bands. Values beyond the most frequent ones are put together; a missing one reads `Not known`.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from analytics.facts import reading
from integrations.lake.dialect import quote_name
from integrations.models import SalesforceOrg

if TYPE_CHECKING:
    from integrations.lake.engine import Engine

SQL = Path(__file__).parent / "sql"
GROUPINGS = {
    "industry": "Industry", "region": "Region", "source": "Source", "plan": "Plan", "product": "Product",
    "contract_type": "Contract type", "seats": "Seats",
}  # fmt: skip
UNKNOWN, OTHERS = "Not known", "Other values"
MOST_GROUPS = 10
BANDS = (
    ("1 to 9", 1, 10),
    ("10 to 49", 10, 50),
    ("50 to 199", 50, 200),
    ("200 to 999", 200, 1000),
    ("1,000 and more", 1000, 0),
)
ORDER = {label: place for place, (label, _, _) in enumerate(BANDS)}


def bind_values(engine: "Engine", org: SalesforceOrg, attribute: str, *, members: str, key: str, moment: str) -> None:
    """Give the engine `values_then` (member, value): the attribute of each row of the bound table `members` (columns `key`,
    `subject` and `moment`, an instant) as of its moment. Needs nothing else bound."""
    reading.bind(engine, org, "subjects", "attribute_history")
    text = engine.sql(SQL / "values_then.sql")
    names = {"members": quote_name(members), "key": quote_name(key), "moment": quote_name(moment)}
    names["now"] = "CAST(s.seats AS {{text}})" if attribute == "seats" else f"s.{quote_name(attribute)}"
    for name, value in names.items():
        text = text.replace(f"<<{name}>>", value)
    shown = _bands("value_then") if attribute == "seats" else "value_then"
    engine.bind("values_then", engine.table(text.replace("<<shown>>", shown), attribute=attribute))


def ordered_groups(sizes: Iterable[tuple[str | None, int]], *, most: int = MOST_GROUPS) -> list[str]:
    """The values to show, the largest group first (bands in their own order), `UNKNOWN` last; the rest is `OTHERS`."""
    counted = Counter({value or UNKNOWN: size for value, size in sizes})
    unknown = counted.pop(UNKNOWN, 0)
    ranked = sorted(counted, key=lambda value: (ORDER.get(value, len(ORDER)), -counted[value], value))
    if not all(value in ORDER for value in ranked):
        ranked = sorted(counted, key=lambda value: (-counted[value], value))
    shown = ranked[:most] + ([OTHERS] if len(ranked) > most else [])
    return shown + ([UNKNOWN] if unknown else [])


def group_of(value: str | None, shown: Iterable[str]) -> str:
    """The group that a value is shown in."""
    named = value or UNKNOWN
    return named if named in shown else OTHERS


def _bands(value: str) -> str:
    number = f"{{{{try_number({value})}}}}"
    cases = [f"WHEN {number} >= {low}{f' AND {number} < {high}' if high else ''} THEN '{label}'" for label, low, high in BANDS]
    return f"CASE {' '.join(cases)} END"
