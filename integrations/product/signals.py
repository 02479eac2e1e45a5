"""What is known of a customer, under one key each: product fields, attributes, KPIs, support cases, NPS, days since or until.

Health scores and task rules are made of these. Values come in bounded pieces of customers; what a domain computes (KPIs) and
what the mirror holds (cases) is asked once, set-based. A value that is not known is None and never 0 (R-115, I-21).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from integrations.access import Refusal
from integrations.lake.engine import Engine, open_engine
from integrations.models import Customer, Entity, RecordLink, Run, SalesforceOrg
from integrations.product.ingest import lake_tables
from integrations.product.kpis import values as kpis
from integrations.product.models import KpiState
from integrations.sync.mapping import catalogue
from integrations.sync.mapping.stored import read_stored
from integrations.sync.mapping.types import BOOLEAN, DATE_TIME, NUMBER, STRING
from integrations.sync.mirror import tables
from integrations.sync.runs import Recorder, RunStopped

if TYPE_CHECKING:
    pass

Value = None | bool | str | Decimal | datetime
Values = dict[str, Value]
PIECE = 5_000  # customers at once: bounds memory
ATTRIBUTE, UNTIL = "attributes.", "days_until:"
SEEN, DETRACTORS = "days_since_seen", "nps.detractors_30d"
SUPPORT = {
    "support.open_cases": ("Open cases", "Cases of the linked account that are not closed"),
    "support.urgent_cases": (
        "Urgent open cases",
        "Open cases that are escalated or of priority High, Urgent or Critical",
    ),
    "support.cases_30d": ("New cases (30 days)", "Cases of the linked account that were created in the last 30 days"),
    "support.oldest_open_days": ("Age of the oldest open case", "Whole days since it was created; 0 when no case is open"),
}
CLEARER = {
    **{f"active_users_{days}d": f"Active users, {days} days" for days in (7, 30, 90)},
    **{f"active_users_{days}d_pct": f"Active users, change over {days} days (%)" for days in (7, 30, 90)},
}
"""Names that say by themselves what a figure is, where the mapping page keeps those of the reference."""
CASE, CASE_FIELDS = "Case", ("AccountId", "IsClosed", "Priority", "IsEscalated", "CreatedDate")
WINDOW = timedelta(days=30)
ACCOUNT = "Account"  # cases hang on accounts; linked records of another object have none


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that is known of customers. `type` is a product type (PX-26..PX-29)."""

    key: str
    label: str
    type: str
    description: str = ""
    group: str = ""


def signals_of(org: SalesforceOrg) -> list[Signal]:
    """Everything that scores and rules can use for this connection."""
    sources = catalogue.source_fields(org, Entity.CUSTOMER)
    found = [
        Signal(each.key, CLEARER.get(each.key, each.label), each.type, each.description, each.group) for each in sources
    ]  # fmt: skip
    found.append(Signal(SEEN, "Days since last seen", NUMBER, "Whole days since anybody there used the product", "Days"))
    found += [
        Signal(UNTIL + each.key, f"Days until {each.label}", NUMBER, "UTC days from today; below 0 once it has passed", "Days")
        for each in sources if each.type == DATE_TIME and each.attribute
    ]  # fmt: skip
    found += [Signal(key, label, NUMBER, text, "Support") for key, (label, text) in SUPPORT.items()]
    text = "Answers of 0 to 6 in the last 30 days"
    found.append(Signal(DETRACTORS, "NPS detractors (30 days)", NUMBER, text, "NPS"))
    return found


def by_key(org: SalesforceOrg) -> dict[str, Signal]:
    """The same by key."""
    return {each.key: each for each in signals_of(org)}


def uses_support(keys: Sequence[str]) -> bool:
    """Whether any of these needs the mirrored cases."""
    return any(key in SUPPORT for key in keys)


def read_values(
    org: SalesforceOrg, keys: Sequence[str], *, now: datetime, only: Sequence[int] | None = None, fresh: bool = True
) -> Iterator[tuple[int, Values]]:
    """Each customer (or those with the ids `only`) with the values of these keys, by id. Unknown keys have no value.

    `fresh` brings KPIs up to date first, which can take a while; pages take them as they are stored.
    """
    keys = list(dict.fromkeys(keys))
    types = {each.key: each.type for each in catalogue.source_fields(org, Entity.CUSTOMER)}
    stored = {key: types[key] for key in map(stored_key, keys) if key in types and is_stored(key)}
    rest = [key for key in keys if key in types and not is_stored(key)]
    with open_engine() as engine:
        computed = _bind_computed(engine, org, rest, now) if fresh else _bind_stored(engine, rest)
        support = read_support(engine, org, now=now) if uses_support(keys) else {}
        detractors = read_detractors(engine, now=now) if DETRACTORS in keys else {}
        for piece in _pieces(only):
            ids = [row["id"] for row in piece]
            beside = _computed_of(engine, computed, ids)
            accounts = _accounts_of(org, ids) if support is not None and uses_support(keys) else {}
            for row in piece:
                own = {key: _stored_value(row, key, kind) for key, kind in stored.items()}
                values: Values = {key: own.get(key) for key in keys} | beside.get(row["id"], {})
                values |= _derived(keys, own, now)
                if support is not None and row["id"] in accounts:
                    values |= _support_of(support.get(accounts[row["id"]]), keys, now)
                if DETRACTORS in keys:
                    values[DETRACTORS] = Decimal(detractors.get(row["id"], 0))
                yield row["id"], values


def is_stored(key: str) -> bool:
    """Whether the key is a column or an attribute."""
    return key.startswith(ATTRIBUTE) or key in {each.key for each in catalogue.COLUMNS[Entity.CUSTOMER]}


def stored_key(key: str) -> str:
    """The column or attribute behind a key: that of the instant for `days_until:` and `days_since_seen`."""
    return "last_seen_at" if key == SEEN else key.removeprefix(UNTIL)


def _pieces(only: Sequence[int] | None) -> Iterator[list[dict[str, Any]]]:
    """Live customers by id, a bounded number at a time."""
    columns = [each.key for each in catalogue.COLUMNS[Entity.CUSTOMER]]
    customers = Customer.objects.filter(erased_at=None, merged_into=None).order_by("pk")
    after, chosen = 0, None if only is None else sorted(set(only))
    while True:
        rows = customers.filter(pk__gt=after)
        if chosen is not None:
            rows = rows.filter(pk__in=[pk for pk in chosen if pk > after][:PIECE])
        piece = list(rows.values("id", "attributes", *columns)[:PIECE])
        if not piece:
            return
        yield piece
        after = piece[-1]["id"]


def _stored_value(row: Mapping[str, Any], key: str, kind: str) -> Value:
    if not key.startswith(ATTRIBUTE):
        return row[key] or None
    value = row["attributes"].get(key.removeprefix(ATTRIBUTE))
    if value is None or value == "":
        return None
    try:
        return read_stored(kind, value)
    except ValueError:  # kept from before the attribute's type was changed
        return None


def _derived(keys: Sequence[str], own: Values, now: datetime) -> Values:
    """Days since and until, from the instants."""
    found: Values = {}
    for key in keys:
        moment = own.get(stored_key(key))
        if key == SEEN and isinstance(moment, datetime):
            found[key] = Decimal(max(0, (now - moment).days))
        elif key.startswith(UNTIL):
            known = isinstance(moment, datetime)
            found[key] = Decimal((moment.astimezone(UTC).date() - now.astimezone(UTC).date()).days) if known else None  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    return found


# --- computed by domains ----------------------------------------------------------------------------------------------


def _bind_computed(engine: Engine, org: SalesforceOrg, keys: Sequence[str], now: datetime) -> list[tuple[str, list[str]]]:
    """Registered fields (KPIs) as tables of the engine, computed once."""
    bound = []
    for place, (mine, table) in enumerate(catalogue.values_of(org, Entity.CUSTOMER, keys, now=now) if keys else []):
        engine.bind(f"computed{place}", table)
        bound.append((f"computed{place}", mine))
    return bound


def _bind_stored(engine: Engine, keys: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The KPIs as they were computed last; none before the first time."""
    if not keys or not KpiState.objects.exists():
        return []
    engine.bind("computed0", kpis.of_customers(keys))
    return [("computed0", list(keys))]


def _computed_of(engine: Engine, bound: Sequence[tuple[str, list[str]]], ids: Sequence[int]) -> dict[int, Values]:
    found: dict[int, Values] = {}
    for name, keys in bound:
        columns = ", ".join(f'"{catalogue.column_of(key)}"' for key in keys)
        sql = f"SELECT id, {columns} FROM {name} WHERE id >= $low AND id <= $high"  # noqa: S608  names of our own
        for pk, *values in engine.rows(sql, low=ids[0], high=ids[-1]):
            found.setdefault(pk, {}).update(zip(keys, map(_plain, values), strict=True))
    return found


def _plain(value: Any) -> Value:
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


KPI_WAIT, LONGEST_WAIT = timedelta(minutes=2), timedelta(hours=6)


def wait_for_kpis(recorder: Recorder, refusal: Refusal, *, now: datetime) -> NoReturn:
    """The KPIs of the day are being computed by a run of their own: go on afterwards. Any other refusal is raised again."""
    if refusal.code != "kpis_not_ready":
        raise refusal
    if now - recorder.run.queued_at > LONGEST_WAIT:
        raise RunStopped("kpis_not_ready", f"Waited 6 hours. {refusal.message}", Run.State.FAILED)
    recorder.wait(until=now + KPI_WAIT, sentence=refusal.message)
    raise AssertionError("unreachable: wait always raises")


# --- support and NPS --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cases:
    """The cases of one account."""

    open: int
    urgent: int
    new: int
    oldest_open: datetime | None


def read_support(engine: Engine, org: SalesforceOrg, *, now: datetime) -> dict[str, Cases] | None:
    """Cases by account id, from the mirror; None when cases are not mirrored (yet), so that nobody takes that for 0."""
    mirror = tables.mirror_of(org, CASE)
    if mirror is None or mirror.table is None or mirror.read_at is None:
        return None
    known = tables.fields_of(mirror, mirror.table)
    if not {"AccountId", "IsClosed"} <= set(known):
        return None
    engine.bind("cases", tables.live(org, CASE, [name for name in CASE_FIELDS if name in known]))
    has = {name: name in known for name in CASE_FIELDS}
    urgent = " OR ".join(
        part for name, part in (("Priority", "{{lower(\"Priority\")}} IN ('high', 'urgent', 'critical')"),
                                ("IsEscalated", 'coalesce("IsEscalated", false)')) if has[name]
    ) or "false"  # fmt: skip
    created = '"CreatedDate"' if has["CreatedDate"] else "CAST(NULL AS {{moment}})"
    is_open = 'NOT coalesce("IsClosed", false)'
    sql = f"""
        SELECT "AccountId", {{{{count_if({is_open})}}}}, {{{{count_if({is_open} AND ({urgent}))}}}},
               {{{{count_if({created} >= $since)}}}}, min(CASE WHEN {is_open} THEN {created} END)
        FROM cases WHERE "AccountId" IS NOT NULL GROUP BY "AccountId"
    """  # noqa: S608  names of our own
    return {account: Cases(*figures) for account, *figures in engine.rows(sql, since=now - WINDOW)}


def read_detractors(engine: Engine, *, now: datetime) -> dict[int, int]:
    """Answers of 0 to 6 in the last 30 days by customer; those of a merged customer count for the one that stands for it."""
    since = now - WINDOW
    answers = lake_tables.nps_answers(columns=["event_id", "customer_id", "at", "score"], since=since.date())
    engine.bind("answers", answers)
    sql = """SELECT customer_id, count(*) FROM answers
             WHERE customer_id IS NOT NULL AND score <= 6 AND "at" >= $since AND "at" < $now GROUP BY customer_id"""
    counts: dict[int, int] = {}
    survivors = dict(Customer.objects.filter(merged_into__isnull=False).values_list("pk", "merged_into"))
    for customer, count in engine.rows(sql, since=since, now=now):
        for _ in range(20):  # a chain of merges ends
            if customer not in survivors:
                break
            customer = survivors[customer]
        counts[customer] = counts.get(customer, 0) + count
    return counts


def _accounts_of(org: SalesforceOrg, ids: Sequence[int]) -> dict[int, str]:
    links = RecordLink.objects.filter(
        org=org, entity=Entity.CUSTOMER, state=RecordLink.State.ACTIVE, object__iexact=ACCOUNT,
        customer_id__gte=ids[0], customer_id__lte=ids[-1],
    )  # fmt: skip
    return {customer: account for customer, account in links.values_list("customer_id", "salesforce_id") if customer}


def _support_of(cases: Cases | None, keys: Sequence[str], now: datetime) -> Values:
    cases = cases or Cases(0, 0, 0, None)
    oldest = (now - cases.oldest_open).days if cases.oldest_open is not None else 0
    figures = dict(zip(SUPPORT, (cases.open, cases.urgent, cases.new, max(0, oldest)), strict=True))
    return {key: Decimal(figures[key]) for key in keys if key in figures}


__all__ = [
    "BOOLEAN", "DATE_TIME", "NUMBER", "STRING", "Cases", "Signal", "Value", "Values", "by_key", "read_support", "read_values",
    "signals_of", "uses_support",
]  # fmt: skip
