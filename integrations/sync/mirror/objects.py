"""The mirror's own books: which objects and fields there are now, as the needs and the describe say."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Backfill, MirrorField, MirrorObject, MirrorSettings, SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mirror import drift, planning, tables
from integrations.sync.mirror.needs import ALWAYS, ObjectNeed
from integrations.sync.mirror.planning import Column, FieldPlan

State = MirrorObject.State
FieldState = MirrorField.State


def settings_of(org: SalesforceOrg) -> MirrorSettings:
    """How this connection's mirror reads; the defaults where nobody changed them."""
    return MirrorSettings.objects.filter(org=org).first() or MirrorSettings(org=org)


def overlap_of(settings: MirrorSettings) -> timedelta:
    """How far a read goes back behind the last one, never under 10 minutes (I-05)."""
    return max(timedelta(minutes=settings.overlap_minutes), planning.LEAST_OVERLAP)


def match_objects(org: SalesforceOrg, needs: Mapping[str, ObjectNeed], *, now: datetime) -> dict[str, MirrorObject]:
    """A `MirrorObject` for each need, by the need's name; those that nobody needs any more are marked and no longer read."""
    known = {mirror.name.lower(): mirror for mirror in MirrorObject.objects.filter(org=org).select_related("table")}
    wanted = {name.lower() for name in needs}
    for key, mirror in known.items():
        if key not in wanted and mirror.state != State.UNNEEDED:
            _change(mirror, state=State.UNNEEDED, needed_by=[], reason="No part of the product asks for it any more.")
    found: dict[str, MirrorObject] = {}
    for name, need in needs.items():
        mirror = known.get(name.lower())
        if mirror is None:
            mirror, _ = MirrorObject.objects.get_or_create(org=org, name=name, defaults={"needed_by": list(need.domains)})
        changes: dict[str, object] = {"needed_by": list(need.domains)}
        if mirror.state == State.UNNEEDED:
            changes |= {"state": State.ACTIVE, "reason": ""}
        if mirror.watermark is None:
            changes["reads_from"] = first_start_of(mirror, need, now=now)
        _change(mirror, **changes)
        found[name] = mirror
    return found


def first_start_of(mirror: MirrorObject, need: ObjectNeed, *, now: datetime) -> datetime | None:
    """Where its first read begins (PX-32, PX-D2): the object's own setting, the connection's, or what the domains ask."""
    chosen = mirror.first_months if mirror.first_months is not None else settings_of(mirror.org).first_months
    months = need.since_months if chosen is None else chosen or None
    return planning.first_start(authorized_at=mirror.org.authorized_at or now, months=months)


def match_fields(mirror: MirrorObject, info: ObjectInfo, need: ObjectNeed, *, now: datetime) -> FieldPlan:
    """A `MirrorField` for each field that is needed; returns what is to be asked for.

    A field that joins an object which was read before is BACKFILLING until its older values have come. Fields that nobody
    needs any more are forgotten: asked for no longer, shown no longer (I-23).
    """
    plan = planning.choose_fields(info, need.fields, optional=need.optional)
    asking = {name.lower(): list(domains) for name, domains in need.fields.items()}
    secret = set(need.hashed)
    known = {field.name.lower(): field for field in mirror.fields.all()}
    wanted = {column.name: "" for column in plan.columns} | plan.left_out | dict.fromkeys(plan.missing, "")
    new: list[MirrorField] = []
    for name, reason in wanted.items():
        field = known.pop(name.lower(), None)
        if field is None:
            new.append(_new_field(mirror, name, reason, info, asking.get(name.lower(), []), now=now))
            new[-1].hashed = name.lower() in secret
        else:
            _keep_field(field, reason, asking.get(name.lower(), []), hashed=name.lower() in secret)
    MirrorField.objects.bulk_create(new, ignore_conflicts=True)
    if known:
        MirrorField.objects.filter(pk__in=[field.pk for field in known.values()]).delete()
    if not mirror.describe_digest and not plan.missing:  # nothing was known before, so nothing can have drifted
        _change(mirror, describe_digest=drift.digest_of(info, wanted), described_at=now)
    return plan


def _new_field(
    mirror: MirrorObject, name: str, reason: str, info: ObjectInfo, needed_by: list[str], *, now: datetime
) -> MirrorField:
    described = info.field(name)
    shape = drift.described(described) if described is not None else {}
    field = MirrorField(object=mirror, name=name, state=_first_state(mirror), needed_by=needed_by, since=now, **shape)
    _set_reason(field, reason)
    return field


def _keep_field(field: MirrorField, reason: str, needed_by: list[str], *, hashed: bool) -> None:
    """A field that is hashed from now on, or no longer, is read anew: older values must not stand beside newer ones."""
    before = field.state, field.reason, field.needed_by, field.hashed
    _set_reason(field, reason)
    if field.hashed != hashed and field.state == FieldState.ACTIVE:
        field.state = FieldState.BACKFILLING
    field.needed_by, field.hashed = needed_by, hashed
    if before != (field.state, field.reason, field.needed_by, field.hashed):
        field.save(update_fields=["state", "reason", "needed_by", "hashed"])


def _first_state(mirror: MirrorObject) -> str:
    return FieldState.BACKFILLING if mirror.watermark is not None else FieldState.ACTIVE


def _set_reason(field: MirrorField, reason: str) -> None:
    if reason:
        field.state = FieldState.LEFT_OUT
    elif field.state == FieldState.LEFT_OUT:
        field.state = FieldState.BACKFILLING
    field.reason = reason


def columns_in_lake(mirror: MirrorObject, plan: FieldPlan) -> tuple[Column, ...]:
    """The columns to ask for, typed as the lake has them: a field whose type changed keeps its old kind, and values that
    still fit go on (R-055)."""
    kinds, secret = tables.kinds_of(mirror.org, mirror.name), hashed_fields(mirror)
    return tuple(
        replace(column, kind=kinds.get(column.name, column.kind), hashed=column.name in secret) for column in plan.columns
    )


def hashed_fields(mirror: MirrorObject) -> set[str]:
    """Names of the fields of which only digests are kept (FZ-D13)."""
    return set(mirror.fields.filter(hashed=True).values_list("name", flat=True))


def note_shape(mirror: MirrorObject, info: ObjectInfo, *, watermark_field: str, note: str) -> None:
    """Keep label, the field that changes are found by, and what a person should know about the read."""
    _change(mirror, label=info.label[:120], watermark_field=watermark_field, note=note)


def ask_for_backfill(mirror: MirrorObject, *, now: datetime) -> Backfill | None:
    """The request that fills older records of fields that joined later; None when there are none or it waits already."""
    names = sorted(
        mirror.fields.filter(state=FieldState.BACKFILLING).exclude(name__in=ALWAYS[:1]).values_list("name", flat=True)
    )
    if not names:
        return None
    waiting = Backfill.objects.filter(object=mirror, state__in=OPEN).exclude(only_fields=[])
    covered = {name for each in waiting for name in each.only_fields}
    missing = [name for name in names if name not in covered]
    if not missing:
        return None
    return Backfill.objects.create(
        object=mirror, only_fields=missing, since=mirror.reads_from, until=mirror.watermark, state=Backfill.State.QUEUED,
        estimated_rows=mirror.rows, requested_at=now, sentence="Older values of fields that were added.",
    )  # fmt: skip


OPEN = (Backfill.State.QUEUED, Backfill.State.RUNNING, Backfill.State.PAUSED)


def pause_reading(mirror: MirrorObject, *, user: Person | None, now: datetime) -> None:
    """Read this object no longer, until somebody resumes it. Refusal wrong_state when it is not read now."""
    _switch(mirror, State.ACTIVE, State.PAUSED, reason="Paused by a person.", user=user)


def resume_reading(mirror: MirrorObject, *, user: Person | None, now: datetime) -> None:
    """Read it again; what was missed comes with the next read. Refusal wrong_state when it is not paused."""
    _switch(mirror, State.PAUSED, State.ACTIVE, reason="", user=user)


def _switch(mirror: MirrorObject, before: str, after: str, *, reason: str, user: Person | None) -> None:
    if not MirrorObject.objects.filter(pk=mirror.pk, state=before).update(state=after, reason=reason):
        mirror.refresh_from_db()
        raise Refusal("wrong_state", f"{mirror.name} is {mirror.get_state_display().lower()}; nothing was changed.")
    mirror.refresh_from_db()
    audit.record(f"mirror.{after}", actor=user, target=mirror)


def change_settings(
    org: SalesforceOrg, changes: Mapping[str, int | None], *, user: Person | None, now: datetime
) -> MirrorSettings:
    """How the connection's mirror reads from the next run on. `Refusal` bad_setting names the field and the fix."""
    settings = settings_of(org)
    before = {name: getattr(settings, name) for name in changes}
    for name, value in changes.items():
        setattr(settings, name, value)
    try:
        settings.full_clean(exclude=["org"], validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise Refusal(
            "bad_setting", "; ".join(f"{name}: {' '.join(said)}" for name, said in error.message_dict.items())
        ) from error
    settings.save()
    audit.record("mirror.settings_changed", actor=user, target=org, before=before, after=dict(changes))
    return settings


def _change(mirror: MirrorObject, **changes: object) -> None:
    """Write what really changes."""
    changes = {name: value for name, value in changes.items() if getattr(mirror, name) != value}
    if changes:
        MirrorObject.objects.filter(pk=mirror.pk).update(**changes)
        for name, value in changes.items():
            setattr(mirror, name, value)
