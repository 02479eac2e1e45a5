"""The one button, and how to pause, resume and stop what it started (FZ-05..FZ-08, FZ-D6). Everything is audited."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from analytics.attributes import linking, optional
from analytics.attributes.authoring import current_map, save_map
from analytics.attributes.body import MapBody, fields_needed
from analytics.attributes.filling import choose_preset, fill_preset
from analytics.attributes.seeing import describe_objects
from analytics.connecting import first_read, older
from analytics.connecting.estimate import estimate
from analytics.models import AnalyticsSettings
from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Backfill, Run, SalesforceOrg
from integrations.sync import runs
from integrations.sync.mirror import backfill

State = Backfill.State
OURS = (first_read.JOB, first_read.SYNC)
MAKES = ("linking", "preference", "grace_days", "sync_hour", "currency", "hash_contacts")


def settings_for(org: SalesforceOrg) -> AnalyticsSettings:
    """The settings of a connection; defaults, not stored, while nobody made any."""
    return AnalyticsSettings.objects.filter(org=org).first() or AnalyticsSettings(org=org)


def map_to_start_with(org: SalesforceOrg) -> tuple[MapBody, str]:
    """The map in force, else what a preset makes of this org, with the Linking ID that matches most; and the preset's name."""
    found = current_map(org)
    if found is not None:
        return found[0], ""
    filled = fill_preset(org, choose_preset(org))
    body = linking.with_best_linking(org, filled.body)
    reads = optional.fields_that_exist(org, body, describe_objects(org, fields_needed(body)))
    return replace(body, reads=reads), filled.preset


def start(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> Run:
    """Map what can be mapped, read the newest year, then everything older; the daily sync follows by itself.

    Refusals: not_connected, switched_off, started, no_allowance (the first read does not fit our share of the API calls).
    """
    _check(org)
    if settings_for(org).started_at is not None:
        raise Refusal("started", f"Analytics of {org} was started already.")
    body, preset = map_to_start_with(org)
    cost = estimate(org, body, now=now)
    if not cost.fits:
        left = f"{cost.left or 0:,} of today's are left for us. Start it later."
        raise Refusal("no_allowance", f"The first read takes about {cost.calls:,} API calls; {left}")
    if current_map(org) is None:
        save_map(org, body, actor=actor, now=now, preset=preset, expected=0)
    person = actor if getattr(actor, "pk", None) else None
    changes = {"started_at": now, "started_by": person, "paused_at": None, "updated_at": now}
    with transaction.atomic():
        AnalyticsSettings.objects.update_or_create(org=org, defaults=changes)
        numbers = {"records": cost.rows, "calls": cost.calls}
        audit.record("analytics.started", actor=actor, target=org, after=numbers)
    return _ask(org, actor, now)


def pause(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> None:
    """Stop reading after the page that is being landed, and skip daily syncs, until somebody resumes. Refusal wrong_state."""
    found = settings_for(org)
    if found.started_at is None or found.paused_at is not None:
        raise Refusal("wrong_state", f"Analytics of {org} is not running; nothing was changed.")
    AnalyticsSettings.objects.filter(org=org).update(paused_at=now, updated_at=now)
    for each in older.open_backfills(org):
        if each.state in (State.QUEUED, State.RUNNING):
            _move(each, State.PAUSED, "Paused with analytics.")
    _end_runs(org, actor, now)
    audit.record("analytics.paused", actor=actor, target=org)


def resume(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> Run:
    """Go on with what is missing; objects that were read completely are not read again, only their changes."""
    _check(org)
    found = settings_for(org)
    if found.started_at is None or (found.paused_at is None and is_going(org)):
        raise Refusal("wrong_state", f"Analytics of {org} is not paused; nothing was changed.")
    AnalyticsSettings.objects.filter(org=org).update(paused_at=None, updated_at=now)
    for each in older.open_backfills(org):
        if each.state == State.PAUSED:
            _move(each, State.QUEUED, "")
    audit.record("analytics.resumed", actor=actor, target=org)
    return _ask(org, actor, now)


def stop(org: SalesforceOrg, *, actor: Person | None, now: datetime) -> None:
    """End it for good: nothing more is read for analytics. Facts, results and the map stay; it can be started again."""
    if settings_for(org).started_at is None:
        raise Refusal("wrong_state", f"Analytics of {org} was not started; nothing was changed.")
    for each in older.open_backfills(org):
        if not each.only_fields:
            backfill.cancel(each, user=actor, now=now)
    _end_runs(org, actor, now)
    AnalyticsSettings.objects.filter(org=org).update(started_at=None, paused_at=None, updated_at=now)
    audit.record("analytics.stopped", actor=actor, target=org)


def change_settings(org: SalesforceOrg, changes: dict[str, Any], *, actor: Person | None, now: datetime) -> AnalyticsSettings:
    """Linking, preference, grace gap, hour of the sync, currency, hashing. `ValidationError` names each wrong field."""
    found = settings_for(org)
    before = {name: getattr(found, name) for name in changes if name in MAKES}
    for name in before:
        setattr(found, name, changes[name])
    found.updated_at = now
    found.full_clean(exclude=["org", "started_by"], validate_unique=False, validate_constraints=False)
    if found.sync_hour > 23:
        raise ValidationError({"sync_hour": ["Choose an hour from 0 to 23 (UTC)."]})
    found.save()
    after = {name: getattr(found, name) for name in before}
    audit.record("analytics.settings_changed", actor=actor, target=org, before=before, after=after)
    return found


def is_going(org: SalesforceOrg) -> bool:
    """Whether the first read waits or runs."""
    return Run.objects.filter(org=org, job=first_read.JOB, state__in=Run.ACTIVE).exists()


def _check(org: SalesforceOrg) -> None:
    if not org.analytics_enabled:
        raise Refusal("switched_off", f"Analytics is switched off in {org}; switch it on in the connection's settings.")
    if not org.is_connected:
        raise Refusal("not_connected", f"{org} is {org.get_state_display().lower()}; connect it first.")


def _ask(org: SalesforceOrg, actor: Person | None, now: datetime) -> Run:
    arguments = first_read.arguments_of(org)
    return runs.request_run(first_read.JOB, org=org, user=actor, arguments=arguments, now=now)


def _end_runs(org: SalesforceOrg, actor: Person | None, now: datetime) -> None:
    for run in Run.objects.filter(org=org, job__in=OURS, state__in=Run.ACTIVE):
        runs.cancel_run(run, user=actor, now=now)


def _move(each: Backfill, state: str, sentence: str) -> None:
    """Only from a state that it is still in: the worker may have ended it meanwhile."""
    Backfill.objects.filter(pk=each.pk, state__in=older.WAITING).update(state=state, sentence=sentence)
