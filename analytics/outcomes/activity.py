"""What people and customers did: events of the lake under the customers that stand for them by now.

Events that nobody caused (identify, group, a message shown: `automatic`) make nobody active, whichever event is asked for.
Customers that were merged count as the one that survived; people whose customer became known later count there (R-237).
Events without any customer are left out and counted by the caller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from analytics.analyses.kinds import Choice
from integrations.lake.failures import EngineError
from integrations.models import SalesforceOrg
from integrations.product.ingest import lake_tables
from integrations.product.kpis import moved
from integrations.product.kpis.rules import Rule, read_rules
from integrations.product.kpis.rules_sql import Conditions
from integrations.product.models import Feature
from integrations.product.segments.suggesting import event_names

if TYPE_CHECKING:
    from integrations.lake.engine import Engine

ANY, EVENT, FEATURE = "any", "event:", "feature:"
LONGEST = 200
MILLIS = {"duckdb": "epoch_ms({0})", "clickhouse": "toUnixTimestamp64Milli({0})"}
"""An instant as whole milliseconds since 1970: differences of instants are exact only so."""


@dataclass(frozen=True, slots=True)
class Acts:
    """A bound selection: `text` is a SELECT of customer_id, end_user_id, moment, and one flag for each act (`did0`, `did1`,
    ...); it has only rows of which some flag is true. `unknown` names features that no longer exist."""

    text: str
    params: dict[str, Any]
    unknown: tuple[str, ...] = ()


def is_act(value: str) -> bool:
    """Whether a parameter names an act: any, event:NAME or feature:KEY."""
    return value == ANY or any(value.startswith(kind) and kind != value and len(value) <= LONGEST for kind in (EVENT, FEATURE))


def words_of(act: str) -> str:
    """An act in words."""
    if act == ANY:
        return "anything active"
    if act.startswith(FEATURE):
        found = Feature.objects.filter(key=act.removeprefix(FEATURE)).first()
        return f"the feature {found.name if found else act.removeprefix(FEATURE)}"
    return f"the event {act.removeprefix(EVENT)}"


def act_choices(org: SalesforceOrg) -> list[Choice]:
    """What can be asked for: features, and the names of events that were frequent lately."""
    features = Feature.objects.filter(active=True).values_list("key", "name")
    found = [Choice(ANY, "Anything active")]
    found += [Choice(f"{FEATURE}{key}", f"Feature: {name}") for key, name in features]
    try:
        names = event_names(now=timezone.now())
    except EngineError:  # the form works without suggestions while the lake is away
        names = []
    return found + [Choice(f"{EVENT}{name}", f"Event: {name}") for name in names]


def bind_acts(engine: "Engine", acts: Sequence[str], *, as_of: datetime, since: datetime | None = None) -> Acts:
    """Bind `events`, `merged` and `late`, and give the selection of these acts before `as_of` (and from `since` on)."""
    made = Conditions(engine.dialect)
    known = _rules(acts)
    said = {
        act: made.of_rules(known[act]) if known[act] else ("true" if act == ANY else "false") for act in dict.fromkeys(acts)
    }
    names = [lake_tables.AT, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID, lake_tables.AUTOMATIC]
    names += [lake_tables.NAME] if any(known.values()) else []
    names += [lake_tables.PROPERTIES] if made.uses_properties else []
    first = since.date() if since else None
    engine.bind("events", lake_tables.events(columns=names, since=first, until=(as_of - timedelta(days=1)).date()))
    is_moved = moved.bind_moved(engine, ("events",))
    flags = ", ".join(f"{said[act]} AS did{place}" for place, act in enumerate(acts))
    wanted = "" if ANY in acts else f" AND ({' OR '.join(dict.fromkeys(said.values()))})"
    begins = ' AND "at" >= $acts_since' if since else ""
    text = (
        f'SELECT customer_id, end_user_id, "at" AS moment, {flags} FROM events '  # noqa: S608 - values are parameters
        f'WHERE "at" < $acts_until{begins} AND NOT coalesce(automatic, false){wanted}'
    )
    params = {**made.params, "acts_until": as_of, **({"acts_since": since} if since else {})}
    gone = tuple(act for act in dict.fromkeys(acts) if act != ANY and not known[act])
    return Acts(_survivors(text, len(acts)) if is_moved else _with_customer(text), params, gone)


def _survivors(text: str, flags: int) -> str:
    """The same rows under the customers that stand for them."""
    listed = ", ".join(f"a.did{place} AS did{place}" for place in range(flags))
    return (
        f"SELECT coalesce(m.survivor_id, a.customer_id, l.customer_id) AS customer_id, a.end_user_id AS end_user_id, "  # noqa: S608
        f"a.moment AS moment, {listed} FROM ({text}) AS a LEFT JOIN merged AS m ON m.merged_id = a.customer_id "
        "LEFT JOIN late AS l ON a.customer_id IS NULL AND l.user_id = a.end_user_id "
        "WHERE coalesce(m.survivor_id, a.customer_id, l.customer_id) IS NOT NULL"
    )


def _with_customer(text: str) -> str:
    return f"{text} AND customer_id IS NOT NULL"


def _rules(acts: Iterable[str]) -> dict[str, tuple[Rule, ...]]:
    """The rules of each act; none for anything active, and for a feature that is gone."""
    keys = [act.removeprefix(FEATURE) for act in acts if act.startswith(FEATURE)]
    stored = dict(Feature.objects.filter(key__in=keys).values_list("key", "rules")) if keys else {}
    found: dict[str, tuple[Rule, ...]] = {}
    for act in acts:
        if act.startswith(FEATURE):
            raw = stored.get(act.removeprefix(FEATURE))
            found[act] = read_rules(raw) if raw else ()
        else:
            found[act] = (Rule(act.removeprefix(EVENT)),) if act.startswith(EVENT) else ()
    return found


def millis(engine: "Engine", value: str) -> str:
    """An expression for an instant as whole milliseconds."""
    return MILLIS[engine.dialect.name].format(value)
