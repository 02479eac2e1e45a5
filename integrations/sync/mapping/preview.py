"""What a mapping would do to real rows, shown before it does it. Values are only returned: nothing is stored or logged (S-002).

Pulled values come from a few records of Salesforce (linked ones first), pushed values from a few customers or end users; each
goes through the same conversion as in a run.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from django.db.models import F

from integrations.models import Customer, EndUser, Mapping, RecordLink, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import soql
from integrations.salesforce.describe import FieldInfo
from integrations.salesforce.errors import InvalidField, SalesforceError
from integrations.salesforce.values import read_key
from integrations.sync.mapping import catalogue, facts
from integrations.sync.mapping.body import PULL, PUSH, FieldPair, MappingBody
from integrations.sync.mapping.check import Known, problems_of, problems_of_pair
from integrations.sync.mapping.convert import NOTICES, convert_in, convert_out
from integrations.sync.mapping.problems import Problem
from integrations.sync.mapping.stored import read_stored, write_instant, write_plain, write_stored
from integrations.sync.mirror.describing import forget_description

USUAL, MOST = 5, 20


@dataclass(frozen=True)
class Sample:
    """One value of one row: as it is, as it would be written, and what happens on the way."""

    record: str
    before: str
    after: str
    notice: str = ""
    problem: str = ""
    code: str = ""


@dataclass(frozen=True)
class PairPreview:
    """A line of the mapping with its samples; `state` is ok, notice, fails or wrong (cannot be saved)."""

    place: int
    direction: str
    source: str
    target: str
    state: str
    message: str = ""
    samples: Sequence[Sample] = ()


@dataclass(frozen=True)
class Preview:
    """All lines, the problems of the body, and why there are no samples of a direction."""

    pairs: Sequence[PairPreview]
    problems: Sequence[Problem]
    counts: dict[str, int] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)


def preview(mapping: Mapping, body: MappingBody, n: int = USUAL, *, now: datetime) -> Preview:
    """Samples for every line of a body that need not be saved, or even be right. One or two calls to Salesforce."""
    n = max(1, min(n, MOST))
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    without: dict[str, str] = {}
    records = _records(mapping.org, body, known, n, without) if body.pairs_of(PULL) else []
    rows = _rows(mapping.org, body, n, now) if body.pairs_of(PUSH) else []
    if body.pairs_of(PUSH) and not rows:
        without[PUSH] = "There are no records of the product yet."
    pairs = [_pair(place, pair, body, known, records, rows) for place, pair in enumerate(body.pairs)]
    states = [each.state for each in pairs]
    counts = {state: states.count(state) for state in ("ok", "notice", "fails", "wrong")}
    return Preview(pairs, problems_of(body, known), counts, without)


def _pair(
    place: int,
    pair: FieldPair,
    body: MappingBody,
    known: Known,
    records: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
) -> PairPreview:
    wrong = [each for each in problems_of_pair(pair, body, known) if each.code != "lossy"]
    info = known.info.field(pair.target) if known.info else None
    if wrong or info is None:
        message = wrong[0].message if wrong else "The object is not known."
        return PairPreview(place, pair.direction, pair.source, pair.target, "wrong", message)
    if pair.direction == PULL:
        samples = [_pulled(record, info, pair) for record in records]
    else:
        samples = [_pushed(row, info, pair, known) for row in rows]
    state = "fails" if any(each.problem for each in samples) else "notice" if any(each.notice for each in samples) else "ok"
    message = next((each.problem or each.notice for each in samples if each.problem or each.notice), "")
    return PairPreview(place, pair.direction, pair.source, pair.target, state, message, samples)


def _pulled(record: dict[str, Any], info: FieldInfo, pair: FieldPair) -> Sample:
    try:
        value = read_key(record, info.name, info.type)
    except (ValueError, TypeError) as error:
        return Sample(str(record.get("Id", "")), "", "", problem=str(error), code="unreadable")
    one = convert_in(value, info, pair)
    shown = show(record.get(info.name))
    if isinstance(one, Problem):
        return Sample(str(record.get("Id", "")), shown, "", problem=one.message, code=one.code)
    return Sample(str(record.get("Id", "")), shown, show(write_stored(one.value)), NOTICES.get(one.notice, ""))


def _pushed(row: dict[str, Any], info: FieldInfo, pair: FieldPair, known: Known) -> Sample:
    source = known.sources[pair.source]
    raw = row["values"].get(pair.source)
    try:
        value = raw if isinstance(raw, datetime | Decimal) else read_stored(source.type, raw)
    except ValueError as error:
        return Sample(row["name"], show(raw), "", problem=f"{info.label}: {error}.", code="unreadable")
    one = convert_out(value, source.type, info, pair)
    if isinstance(one, Problem):
        return Sample(row["name"], show(raw), "", problem=one.message, code=one.code)
    return Sample(row["name"], show(raw), show(one.value), NOTICES.get(one.notice, ""))


def show(value: Any) -> str:
    """A value for a person: plain digits, ISO dates, yes and no; a blank is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return write_plain(value)
    if isinstance(value, datetime):
        return write_instant(value) if value.tzinfo else value.isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)


# --- Where samples come from ------------------------------------------------------------------------------------------


def _records(org: SalesforceOrg, body: MappingBody, known: Known, n: int, without: dict[str, str]) -> list[dict[str, Any]]:
    """A few records of Salesforce with the pulled fields, read now: linked ones first, else the newest."""
    info = known.info
    if info is None:
        return []
    fields = [info.field(pair.target) for pair in body.pairs_of(PULL)]
    names = list(dict.fromkeys(["Id", *(each.name for each in fields if each is not None)]))
    links = RecordLink.objects.filter(org=org, entity=body.entity, state=RecordLink.State.ACTIVE, object__iexact=body.object)
    linked = list(links.order_by("pk").values_list("salesforce_id", flat=True)[:n])
    where = [soql.one_of("Id", linked)] if linked else []
    newest = any(each.name == "CreatedDate" and each.sortable for each in info.fields)
    order = [] if linked or not newest else ["CreatedDate DESC"]
    try:
        with client_for(org, domain=facts.DOMAIN) as client:
            found = client.query_all(soql.select(info.name, names, where=where, order_by=order, limit=n))
    except SalesforceError as error:
        if isinstance(error, InvalidField):  # what we know of the object is out of date
            forget_description(org, info.name)
        without[PULL] = f"Salesforce gave no samples: {error}"
        return []
    if not found:
        without[PULL] = f"There are no {info.label} records that the connected user can see."
    return [{key: value for key, value in record.items() if key != "attributes"} for record in found]


def _rows(org: SalesforceOrg, body: MappingBody, n: int, now: datetime) -> list[dict[str, Any]]:
    """A few records of the product with the pushed values: linked ones first, then those seen last."""
    model = Customer if body.entity == "customer" else EndUser
    linked = model.objects.filter(links__org=org, links__state=RecordLink.State.ACTIVE, erased_at=None)
    newest = F("last_seen_at").desc(nulls_last=True)
    chosen = list(linked.order_by(newest, "pk")[:n])
    if len(chosen) < n:
        others = model.objects.filter(erased_at=None).exclude(pk__in=[each.pk for each in chosen])
        chosen += list(others.order_by(newest, "pk")[: n - len(chosen)])
    keys = list(dict.fromkeys(pair.source for pair in body.pairs_of(PUSH)))
    computed = _computed(org, body.entity, keys, [each.pk for each in chosen], now) if chosen else {}
    rows = []
    for each in chosen:
        values = {key: _value_of(each, key, computed.get(each.pk, {})) for key in keys}
        rows.append({"name": each.name or each.external_id, "values": values})
    return rows


def _value_of(record: Any, key: str, computed: dict[str, Any]) -> Any:
    attribute = key.removeprefix("attributes.") if key.startswith("attributes.") else ""
    if attribute:
        return record.attributes.get(attribute)
    return computed[key] if key in computed else getattr(record, key, None)


def _computed(
    org: SalesforceOrg, entity: str, keys: Sequence[str], ids: Sequence[int], now: datetime
) -> dict[int, dict[str, Any]]:
    """Registered fields (KPIs) of these records."""
    found: dict[int, dict[str, Any]] = {}
    computed = catalogue.values_of(org, entity, keys, now=now)
    if not computed:
        return {}
    from integrations.lake.engine import open_engine

    with open_engine() as engine:
        for mine, table in computed:
            engine.bind("computed", table)
            for row in engine.table("SELECT * FROM computed WHERE {{has($ids, id)}}", ids=list(ids)).to_pylist():
                found.setdefault(row["id"], {}).update({key: row.get(catalogue.column_of(key)) for key in mine})
    return found
