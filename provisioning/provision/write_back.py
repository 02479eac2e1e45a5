"""Step 5, the job `provisioning.write_back`: ids and addresses onto account and opportunity, through the outbox (ST-33, R-188).

It stands apart: what was granted stays granted while Salesforce refuses, and is tried again with growing waits. Light to
import.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from integrations import disconnect
from integrations.models import OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mirror import describing
from integrations.sync.outbox.push import push_rows
from integrations.sync.runs import Recorder, RunStopped
from provisioning.connection import CLEAR_JOB, DOMAIN, is_working, peek_settings, settings_of
from provisioning.models import Provision, ProvisioningSettings, ProvisionStep
from provisioning.provision import kinds, places, refusals, turns
from provisioning.provision.kinds import Wishes

JOB, LABEL = kinds.JOB, "Customer and subscription ids to Salesforce"
CLEAR_LABEL = "Removal of ids from Salesforce"
MOST = 2_000  # deals of one run
WAITS = (1, 2, 5, 15, 60, 360)  # minutes between tries; the last one goes on
MOST_TRIES = 100  # more than three weeks; then only a person tries again
OPTIONAL = frozenset((kinds.OPPORTUNITY,))  # whose fields need not be there (ST-D15)


def is_enabled(org: SalesforceOrg) -> bool:
    """Whether ids are written into this org at all; a run that finds nothing due ends at once."""
    return is_working(org, peek_settings(org))


def due(org: SalesforceOrg, *, now: datetime) -> Any:
    """Deals whose ids Salesforce does not have yet, and whose next try has come."""
    rows = Provision.objects.filter(org=org, state=Provision.State.INCOMPLETE, not_before__lte=now)
    return rows.select_related("automation").order_by("not_before", "pk")


def perform(recorder: Recorder) -> None:
    """One run of a connection: both objects in one push each, then what became of every deal."""
    org, now = recorder.org, timezone.now()
    assert org is not None
    settings, provisions = settings_of(org), list(due(org, now=now)[:MOST])
    if not provisions:
        return
    _ask_again(org, provisions, now=now)
    problems = []
    for kind in kinds.OBJECTS:
        try:
            problems.append(_push(recorder, settings, kind, provisions))
        except (SalesforceError, RunStopped) as error:
            told = {
                each.pk: refusals.told_of_call(kind, each, list(kinds.FIELDS[kind](settings)), error) for each in provisions
            }
            _postpone_all(provisions, getattr(error, "code", "") or "not_written", told, now=now)
            raise
    for provision in provisions:
        _note(provision, [found for each in problems if (found := each.get(provision.pk))], now=timezone.now())


def _push(
    recorder: Recorder, settings: ProvisioningSettings, kind: str, provisions: Sequence[Provision]
) -> dict[int, tuple[str, str]]:
    """Push one object; why each deal that is not in Salesforce yet is not, by provision."""
    wishes = kinds.wishes_of(kind, settings, provisions)
    if not wishes:
        return {}
    target = kinds.target_of(settings.org, kind)
    missing = _missing_fields(target, wishes)
    for values in wishes.values():
        for field in missing:
            values.pop(field, None)
    if missing and kind not in OPTIONAL:
        words = f"{', '.join(sorted(missing))} of {target.object} is missing or not visible to the integration user; create it."
        return (
            {each.pk: ("no_field", words) for each in provisions}
            if not any(wishes.values())
            else _each_with(_pushed(recorder, target, kind, wishes, provisions), provisions, ("no_field", words))
        )
    if not any(wishes.values()):
        return {}
    return _pushed(recorder, target, kind, wishes, provisions)


def _each_with(
    found: dict[int, tuple[str, str]], provisions: Sequence[Provision], problem: tuple[str, str]
) -> dict[int, tuple[str, str]]:
    return {each.pk: found.get(each.pk, problem) for each in provisions}


def _pushed(
    recorder: Recorder, target: OutboxTarget, kind: str, wishes: Wishes, provisions: Sequence[Provision]
) -> dict[int, tuple[str, str]]:
    labels = {(each.account_id if kind == kinds.ACCOUNT else each.opportunity_id): str(each) for each in provisions}
    report = push_rows(recorder, target, kinds.table_of(wishes, labels), complete=False, interactive=True)
    target.refresh_from_db()
    accepted = _accepted(target, list(wishes))
    refused = {row.key: row for row in OutboxRow.objects.filter(target=target, key__in=list(wishes))}
    found: dict[int, tuple[str, str]] = {}
    for each in provisions:
        key = each.account_id if kind == kinds.ACCOUNT else each.opportunity_id
        if key not in wishes or _is_same(wishes[key], accepted.get(key)):
            continue
        row, fields = refused.get(key), list(wishes[key])
        if row is not None:
            found[each.pk] = (row.code or row.state, refusals.told_of_row(kind, each, fields, row))
        else:
            found[each.pk] = ("not_written", refusals.told(kind, each, fields, report.error or "it was not sent yet"))
    return found


def _missing_fields(target: OutboxTarget, wishes: Wishes) -> set[str]:
    """Fields that the integration user cannot see or that do not exist, asked anew when one seems to be missing."""
    names = {field for values in wishes.values() for field in values}
    with client_for(target.org, domain=DOMAIN) as client:
        for fresh in (False, True):
            info = describing.describe_object(target.org, client, target.object, fresh=fresh)
            missing = {name for name in names if info.field(name) is None}
            if not missing:
                return set()
    return missing


def _accepted(target: OutboxTarget, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What Salesforce accepted without doubt, by key and lower-case field."""
    if target.accepted is None:
        return {}
    import pyarrow as pa

    from integrations.lake import reading
    from integrations.lake.engine import open_engine

    with open_engine() as engine:
        engine.bind("accepted", reading.newest(target.accepted))
        engine.bind("wanted", pa.table({"wanted_": pa.array(keys, pa.string())}))
        names = [name for name, *_ in engine.rows("SELECT column_name FROM (DESCRIBE accepted)")]
        rows = engine.rows("SELECT accepted.* FROM accepted JOIN wanted ON key_ = wanted_ WHERE coalesce(unsure_, '') = ''")
    found = [dict(zip(names, row, strict=True)) for row in rows]
    return {row["key_"]: {name.lower(): value for name, value in row.items()} for row in found}


def _is_same(wanted: Mapping[str, str | None], accepted: Mapping[str, Any] | None) -> bool:
    return accepted is not None and all((accepted.get(name.lower()) or None) == value for name, value in wanted.items())


def _ask_again(org: SalesforceOrg, provisions: Sequence[Provision], *, now: datetime) -> None:
    """The outbox parks a row that was refused five times; ours have longer waits between tries instead (R-188)."""
    ids = [each.account_id for each in provisions] + [each.opportunity_id for each in provisions]
    parked = OutboxRow.objects.filter(target__org=org, target__kind__in=list(kinds.OBJECTS), key__in=ids)
    parked.filter(state=OutboxRow.State.PARKED).update(asked_at=now)


# --- what became of each deal -------------------------------------------------------------------------------------------------


def _note(provision: Provision, problems: Sequence[tuple[str, str]], *, now: datetime) -> None:
    if problems:
        postpone(provision, problems[0][0], " ".join(sentence for _, sentence in problems), now=now)
        return
    with transaction.atomic():
        same = Provision.objects.filter(pk=provision.pk, state=Provision.State.INCOMPLETE, fence=provision.fence)
        done = {"state": Provision.State.DONE, "finished_at": now, "not_before": None, "reason_code": ""}
        if same.update(**done, **({} if provision.flag else {"sentence": ""})):
            _step(provision, ProvisionStep.State.DONE, "", "", now=now)


def postpone(provision: Provision, code: str, sentence: str, *, now: datetime) -> None:
    """Entitlements go on working; Salesforce is told later."""
    with transaction.atomic():
        tries = _step(provision, ProvisionStep.State.FAILED, code, sentence, now=now)
        minutes = WAITS[min(tries, len(WAITS)) - 1]
        wait = None if tries >= MOST_TRIES else now + timedelta(minutes=minutes)
        if wait is None:
            sentence = f"{sentence} It was tried {tries} times and waits for a person now: write again once the cause is gone."
        rows = Provision.objects.filter(pk=provision.pk, state=Provision.State.INCOMPLETE)
        rows.update(not_before=wait, reason_code=code[:60], **({} if provision.flag else {"sentence": sentence}))


def _postpone_all(provisions: Iterable[Provision], code: str, told: Mapping[int, str], *, now: datetime) -> None:
    for each in provisions:
        postpone(each, code, told[each.pk], now=now)


def _step(provision: Provision, state: str, code: str, sentence: str, *, now: datetime) -> int:
    """Record a try of the step; how many there were."""
    position = turns.NAMES.index(turns.WRITE_BACK) + 1
    row, _ = ProvisionStep.objects.get_or_create(provision=provision, name=turns.WRITE_BACK, defaults={"position": position})
    row.state, row.reason_code, row.sentence, row.attempts = state, code[:60], sentence, row.attempts + 1
    row.started_at, row.ended_at = row.started_at or now, now
    row.save(update_fields=["state", "reason_code", "sentence", "attempts", "started_at", "ended_at"])
    if row.attempts == 1:
        turns.note_granted(provision, now=now)
    return row.attempts


# --- removal ------------------------------------------------------------------------------------------------------------------


def perform_clear(recorder: Recorder) -> None:
    """Take what we wrote out of Salesforce, because the integration was removed so (ST-D16); then disconnect where asked."""
    import pyarrow as pa

    from integrations.lake import reading
    from integrations.lake.engine import open_engine

    org, settings = recorder.org, None
    assert org is not None
    settings = settings_of(org)
    for kind, named in kinds.FIELDS.items():
        target = kinds.target_of(org, kind)
        if target.accepted is None:
            continue
        with open_engine() as engine:
            engine.bind("accepted", reading.newest(target.accepted, columns=["key_"]))
            keys = [key for (key,) in engine.rows("SELECT key_ FROM accepted")]
        columns: dict[str, Any] = {"key": pa.array(keys, pa.string())}
        columns |= {field: pa.nulls(len(keys), pa.string()) for field in named(settings)}
        push_rows(recorder, target, pa.table(columns), interactive=True)
    if recorder.run.arguments.get("then_disconnect") and recorder.run.state == Run.State.RUNNING:
        disconnect.disconnect(org, actor=recorder.run.requested_by, now=timezone.now())


__all__ = ["CLEAR_JOB", "CLEAR_LABEL", "JOB", "LABEL", "due", "is_enabled", "perform", "perform_clear", "places", "postpone"]
