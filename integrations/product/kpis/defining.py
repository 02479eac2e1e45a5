"""Defining features: saving and deleting them, and trying rules out on stored events before they count."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.lake import reading
from integrations.lake.engine import open_engine
from integrations.models import Entity, LakeFile
from integrations.models import Mapping as MappingRow
from integrations.product.ingest import lake_tables
from integrations.product.kpis import catalog, tables
from integrations.product.kpis.registry import SEPARATOR
from integrations.product.kpis.rules import Rule, RuleProblem, Wanted, check_key, read_rules, write_rules
from integrations.product.kpis.rules_sql import Conditions
from integrations.product.models import Feature
from integrations.sync.mapping import facts
from integrations.sync.mapping.body import PUSH, read_body

MOST_FEATURES = 100
PREVIEW_DAYS, PREVIEW_EVENTS = 30, 2_000_000
NAMES = 200
LONGEST_NAME = 80


class FeatureProblems(ValueError):
    """What is wrong with a feature that somebody wants to save: sentences by field (or place in the rules)."""

    def __init__(self, problems: Mapping[str, Sequence[str]]) -> None:
        super().__init__("; ".join(f"{path}: {' '.join(texts)}" for path, texts in problems.items()))
        self.problems = {path: list(texts) for path, texts in problems.items()}


def save_feature(
    wanted: Wanted, *, feature: Feature | None = None, user: Person | None, now: datetime, address: str | None = None
) -> Feature:
    """Create a feature, or change one (its key stays: mappings name it). Figures change with the next computation.

    FeatureProblems for what is wrong; Refusal when there are too many, or a mapping pushes what would go away.
    """
    rules = check(wanted, feature)
    values = {"name": wanted.name.strip(), "rules": write_rules(rules), "active": wanted.active, "as_kpi": wanted.as_kpi}
    if feature is None:
        made = _create(wanted.key, values, now)
        audit.record("feature.created", actor=user, target=made.key, after=values, address=address)
        return made
    if feature.as_kpi and feature.active and not (wanted.as_kpi and wanted.active):
        _refuse_pushed(feature, "stays a KPI")
    before = {name: getattr(feature, name) for name in values}
    if before != values:
        Feature.objects.filter(pk=feature.pk).update(**values, updated_at=now)
        audit.record("feature.changed", actor=user, target=feature.key, before=before, after=values, address=address)
        feature.refresh_from_db()
    return feature


def check(wanted: Wanted, feature: Feature | None = None) -> tuple[Rule, ...]:
    """The rules of what is wanted; FeatureProblems names every field that is wrong."""
    problems: dict[str, list[str]] = {}
    if feature is None:
        try:
            check_key(wanted.key)
            if Feature.objects.filter(key=wanted.key).exists():
                problems["key"] = ["Another feature has this key."]
        except RuleProblem as error:
            problems[error.path] = [error.message]
    elif wanted.key != feature.key:
        problems["key"] = ["The key stays as it is, because mappings name it; make another feature instead."]
    name = wanted.name.strip()
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        problems["name"] = [f"Give a name of 1 to {LONGEST_NAME} characters."]
    rules: tuple[Rule, ...] = ()
    try:
        rules = read_rules(wanted.rules)
    except RuleProblem as error:
        problems[error.path] = [error.message]
    if problems:
        raise FeatureProblems(problems)
    return rules


def delete_feature(feature: Feature, *, user: Person | None, now: datetime, address: str | None = None) -> None:
    """Forget a feature. Refusal while a mapping pushes one of its figures."""
    _refuse_pushed(feature, "cannot be deleted")
    feature.delete()
    audit.record("feature.deleted", actor=user, target=feature.key, before={"rules": feature.rules}, address=address)


def _create(key: str, values: dict[str, Any], now: datetime) -> Feature:
    """With the lowest free position; two at once get different ones."""
    for _ in range(MOST_FEATURES):
        taken = set(Feature.objects.values_list("position", flat=True))
        free = next((each for each in range(1, MOST_FEATURES + 1) if each not in taken), None)
        if free is None:
            raise Refusal("too_many_features", f"There are {MOST_FEATURES} features; delete one that nobody needs.")
        try:
            with transaction.atomic():
                return Feature.objects.create(key=key, position=free, created_at=now, updated_at=now, **values)
        except IntegrityError:
            if Feature.objects.filter(key=key).exists():
                raise FeatureProblems({"key": ["Another feature has this key."]}) from None
    raise Refusal("busy", "Others make features at the same time; try again.")


def _refuse_pushed(feature: Feature, what: str) -> None:
    """Mappings that push a figure of the feature keep it alive."""
    for version in facts.newest_versions(MappingRow.objects.filter(entity=Entity.CUSTOMER)):
        body = read_body(version.body, entity=Entity.CUSTOMER)
        used = [each.source for each in body.pairs_of(PUSH) if each.source.endswith(f"{SEPARATOR}{feature.key}")]
        if used:
            org = version.mapping.org.name
            raise Refusal(
                "in_use", f"{feature.name} {what}: the mapping of {org} pushes {', '.join(used)}. Take that line out first."
            )


# --- Trying out -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tried:
    """What rules fit on the days that were looked at: events, people, customers, and the most frequent names."""

    first: date | None
    last: date | None
    days: int
    events: int
    users: int
    customers: int
    names: tuple[tuple[str, int], ...] = field(default=())


def try_rules(rules: Sequence[Rule], *, now: datetime) -> Tried:
    """Count what rules fit among the events of the last 30 days, or of fewer days where there are very many."""
    today = now.astimezone(UTC).date()
    files = _recent_files(today)
    days = sorted({each.day for each in files if each.day is not None})
    if not days:
        return Tried(None, None, 0, 0, 0, 0)
    columns = [lake_tables.NAME, lake_tables.CUSTOMER_ID, lake_tables.END_USER_ID]
    with open_engine() as engine:
        made = Conditions(engine.dialect)
        fits = made.of_rules(rules)
        columns += [lake_tables.PROPERTIES] if made.uses_properties else []
        engine.bind("events", reading.relation_of(lake_tables.events_table(), files, columns=columns))
        text = engine.sql("product/kpis/sql/tried.sql").replace("<<fits>>", fits)
        rows = engine.rows(text, **made.params)
        sums = engine.rows(engine.sql("product/kpis/sql/tried_sums.sql").replace("<<fits>>", fits), **made.params)[0]
    events, users, customers = sums
    return Tried(days[0], days[-1], len(days), events, users, customers, tuple((name, count) for name, count in rows))


def _recent_files(today: date) -> list[LakeFile]:
    """Files of the newest days, together of a bounded number of events (one day at least)."""
    found = LakeFile.objects.filter(table=lake_tables.events_table(), retired_at=None, day__lte=today)
    by_day: dict[date, list[LakeFile]] = {}
    for each in found.filter(day__gt=today - timedelta(days=PREVIEW_DAYS)).order_by("-day", "number"):
        assert each.day is not None
        by_day.setdefault(each.day, []).append(each)
    chosen: list[LakeFile] = []
    for files in by_day.values():
        if chosen and sum(each.rows for each in (*chosen, *files)) > PREVIEW_EVENTS:
            break
        chosen += files
    return sorted(chosen, key=lambda each: each.number)


def known_events(*, now: datetime) -> list[tuple[str, int]]:
    """Names of events of the last 30 days with how many there were, the most frequent first."""
    today = now.astimezone(UTC).date()
    with open_engine() as engine:
        engine.bind("daily_events", tables.daily_events(since=today - timedelta(days=PREVIEW_DAYS), until=today))
        found = engine.rows(engine.sql("product/kpis/sql/event_names.sql"), most=NAMES)
    return [(name, count) for name, count in found]


def usage_of_features(*, now: datetime) -> dict[int, tuple[int, int]]:
    """Events and people of each active feature on the last 30 complete UTC days, by its number."""
    features = catalog.read_counted().features
    if not features:
        return {}
    today = now.astimezone(UTC).date()
    table = tables.daily_table([(each.id, each.position) for each in features])
    names = [tables.count_column(each.id) for each in features]
    counts = ", ".join(
        f"coalesce(sum({name}), 0) AS n{name}, count(DISTINCT CASE WHEN {name} > 0 THEN end_user_id END) AS u{name}"
        for name in names
    )
    with open_engine() as engine:
        since, until = today - timedelta(days=PREVIEW_DAYS), today - timedelta(days=1)
        engine.bind("daily", reading.newest(table, columns=[tables.END_USER_ID, *names], since=since, until=until))
        row = engine.rows(engine.sql("product/kpis/sql/feature_usage.sql").replace("<<counts>>", counts))[0]
    return {each.id: (row[2 * place], row[2 * place + 1]) for place, each in enumerate(features)}
