"""How well each attribute is filled, with examples: from the mirror once it has the object, before that from a live sample.

Nothing here is logged; samples are shown to people who may see the map and kept for ten minutes at most.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache

from analytics.attributes.body import MapBody, Source, as_json
from analytics.attributes.catalogue import PERSONAL
from analytics.attributes.linking import value_text
from analytics.attributes.seeing import DOMAIN
from integrations.access import Refusal
from integrations.lake.dialect import quote_name
from integrations.lake.engine import Engine, EngineError, open_engine
from integrations.lake.types import SchemaError
from integrations.models import MirrorObject, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import soql
from integrations.salesforce.client import Client
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mirror import tables

LIVE_ROWS = 200  # of a live sample: one call an object
EXAMPLES = 3
LONGEST = 60
KEPT = 600  # seconds
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of one attribute: how many records have it, examples, and where that is known from (`is_sample`: the last few only)."""

    records: int = 0
    filled: int = 0
    samples: tuple[str, ...] = ()
    is_sample: bool = False
    problem: str = ""

    @property
    def share(self) -> float | None:
        """Part of the records that has a value, 0 to 1; None without records."""
        return self.filled / self.records if self.records else None


def coverage_of(org: SalesforceOrg, body: MapBody, *, keys: Iterable[str] = ()) -> dict[str, Coverage]:
    """Coverage of every mapped attribute (or of `keys`), one query an object; what cannot be asked says why.

    Records are those of the object that holds the field, without the conditions of the map. Values of contacts are not shown.
    """
    wanted = {key: found for key, found in body.attributes.items() if found is not None and (not keys or key in set(keys))}
    cached = f"analytics-coverage:{org.pk}:{org.generation}:{_digest(body, wanted)}"
    known = cache.get(cached)
    if known is None:
        known = _ask(org, wanted)
        cache.set(cached, known, KEPT)
    return known


def _digest(body: MapBody, wanted: Mapping[str, Source]) -> str:
    text = json.dumps([as_json(body), sorted(wanted)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _ask(org: SalesforceOrg, wanted: Mapping[str, Source]) -> dict[str, Coverage]:
    by_object: dict[str, list[str]] = {}
    for source in wanted.values():
        by_object.setdefault(source.holder, []).extend(source.fields)
    found: dict[str, dict[str, Coverage]] = {}
    mirrored = {each.name: each for each in MirrorObject.objects.filter(org=org, watermark__isnull=False, table__isnull=False)}
    live: dict[str, list[str]] = {}
    with open_engine() as engine:
        for name, fields in by_object.items():
            names = list(dict.fromkeys(fields))
            have = _from_mirror(engine, org, name, names) if name in mirrored else None
            if have is None:
                live[name] = names
            else:
                found[name] = have
    found |= _live(org, live)
    return {key: _combined(key, source, found.get(source.holder, {})) for key, source in wanted.items()}


def _from_mirror(engine: Engine, org: SalesforceOrg, name: str, fields: Sequence[str]) -> dict[str, Coverage] | None:
    """From the records that are here; None when the mirror lacks one of the fields."""
    try:
        engine.bind("covered", tables.live(org, name, list(fields)))
        counts = ", ".join(f"count({quote_name(each)})" for each in fields)
        row = engine.rows(f"SELECT count(*), {counts} FROM covered")[0]  # noqa: S608  names are checked by the lake
        return {
            each: Coverage(row[0], row[place + 1], _examples(engine, each)) for place, each in enumerate(fields)
        }  # fmt: skip
    except (Refusal, SchemaError, EngineError):
        return None


def _examples(engine: Engine, field: str) -> tuple[str, ...]:
    name = quote_name(field)
    sql = f"SELECT {name}, count(*) AS n FROM covered WHERE {name} IS NOT NULL GROUP BY {name} ORDER BY n DESC, {name} LIMIT 8"  # noqa: S608
    return _shown(row[0] for row in engine.rows(sql))


def _shown(values: Iterable[Any]) -> tuple[str, ...]:
    """The first few that say something, short enough to be read."""
    texts = (_text(each) for each in values)
    return tuple(dict.fromkeys(text[:LONGEST] for text in texts if text))[:EXAMPLES]


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value_text(value)
    if INSTANT.match(text):
        return text[:10]
    return text.rstrip("0").rstrip(".") if "." in text and text.replace(".", "", 1).lstrip("-").isdigit() else text


def _live(org: SalesforceOrg, wanted: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Coverage]]:
    """The records that were changed last, asked now."""
    if not wanted:
        return {}
    try:
        with client_for(org, domain=DOMAIN) as client:
            return {name: _live_object(client, name, fields) for name, fields in wanted.items()}
    except (Refusal, SalesforceError) as error:
        why = Coverage(problem=error.message)
        return {name: dict.fromkeys(fields, why) for name, fields in wanted.items()}


def _live_object(client: Client, name: str, fields: Sequence[str]) -> dict[str, Coverage]:
    try:
        rows = client.query_all(soql.select(name, ["Id", *fields], limit=LIVE_ROWS))
    except SalesforceError as error:
        return dict.fromkeys(fields, Coverage(problem=error.message))
    found = {}
    for each in fields:
        values = [row.get(each) for row in rows]
        filled = [value for value in values if value not in (None, "")]
        found[each] = Coverage(len(rows), len(filled), _shown(filled), is_sample=True)
    return found


def _combined(key: str, source: Source, by_field: Mapping[str, Coverage]) -> Coverage:
    """Of an attribute with several fields: as filled as the best of them, with examples of each."""
    parts = [by_field[each] for each in source.fields if each in by_field]
    if not parts:
        return Coverage(problem="Nothing is known about this field yet.")
    best = max(parts, key=lambda each: each.filled)
    samples = tuple(dict.fromkeys(text for part in parts for text in part.samples))[:EXAMPLES]
    shown = () if key in PERSONAL else samples
    return Coverage(best.records, best.filled, shown, best.is_sample, best.problem)
