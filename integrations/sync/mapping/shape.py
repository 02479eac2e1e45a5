"""When the object changes its shape in Salesforce: what no longer fits is set aside, the rest goes on (R-053, R-055).

A mapping is paused only when its object is gone. Everything goes on by itself once it fits again.
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from integrations import alerts
from integrations.models import Drift, Mapping, Run, SalesforceOrg
from integrations.orgs.states import page_of
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import PUSH, FieldPair, MappingBody, MatchRule
from integrations.sync.mapping.check import Known, Usable, usable
from integrations.sync.mapping.problems import Problem


def on_drift(org: SalesforceOrg, object_: str, drifts: Sequence[Drift], /, *, run: Run, now: datetime) -> None:
    """The mirror noticed that an object changed: judge the mappings of it anew. Hearing it twice changes nothing."""
    for mapping in Mapping.objects.filter(org=org, version__gt=0).select_related("org"):
        body = versions.body_of(mapping)
        if body.object.lower() == object_.lower():
            judge(mapping, body, facts.know_object(org, mapping.entity, body.object), now=now)


def recheck_paused(org: SalesforceOrg, *, now: datetime) -> None:
    """Mappings that drift paused go on when their object is back: asked at the start of each run, because an object that is
    only pushed is not watched by the mirror."""
    for mapping in Mapping.objects.filter(org=org, paused_by_drift=True, version__gt=0).select_related("org"):
        body = versions.body_of(mapping)
        judge(mapping, body, facts.know_object(org, mapping.entity, body.object), now=now)


def judge(mapping: Mapping, body: MappingBody, known: Known, *, now: datetime) -> Usable:
    """What of the body still fits; the mapping, its pages and its alert say the same."""
    found = usable(body, known)
    if known.info is None:
        reason = f"{body.object} is no longer in Salesforce, or the connected user may not see it any more."
        _write(mapping, [], reason=reason, now=now)
    else:
        _write(mapping, describe_dropped(found), reason="", now=now)
        _tell(mapping, found, now=now)
    return found


def describe_dropped(found: Usable) -> list[dict[str, str]]:
    """What was set aside, as the mapping keeps and shows it."""
    lines = [(name_of_pair(pair), problem) for pair, problem in found.dropped]
    lines += [(name_of_rule(rule), problem) for rule, problem in found.rules_off]
    return [{"what": what, "code": problem.code, "message": problem.message} for what, problem in lines]


def name_of_pair(pair: FieldPair) -> str:
    """A pair in words: what is written stands at the arrow's head."""
    return f"{pair.source} → {pair.target}" if pair.direction == PUSH else f"{pair.target} → {pair.source}"


def name_of_rule(rule: MatchRule) -> str:
    """A match rule in words."""
    return f"Match by {rule.name.replace('_', ' ')}"


def _write(mapping: Mapping, set_aside: list[dict[str, str]], *, reason: str, now: datetime) -> None:
    """Pause for the reason, or go on if drift alone had paused it; a person's pause is never lifted."""
    with transaction.atomic():
        locked = Mapping.objects.select_for_update().filter(pk=mapping.pk).first()
        if locked is None:
            return
        changes: dict[str, object] = {"set_aside": set_aside}
        if reason and locked.state == Mapping.State.ACTIVE:
            changes |= {"state": Mapping.State.PAUSED, "reason": reason, "paused_by_drift": True}
        elif not reason and locked.paused_by_drift:
            changes |= {"state": Mapping.State.ACTIVE, "reason": "", "paused_by_drift": False}
        if any(getattr(locked, name) != value for name, value in changes.items()):
            Mapping.objects.filter(pk=mapping.pk).update(**changes, updated_at=now)
    mapping.refresh_from_db()


def _tell(mapping: Mapping, found: Usable, *, now: datetime) -> None:
    """One alert for pushed fields; what the mirror reads it watches, and alerts on, itself."""
    key = f"mapping:{mapping.pk}:fields"
    pushed: list[tuple[FieldPair, Problem]] = [each for each in found.dropped if each[0].direction == PUSH]
    if not pushed:
        alerts.recover_alert(key, now=now, note=f"All fields of {mapping} fit again.")
        return
    lines = "\n".join(f"{name_of_pair(pair)}: {problem.message}" for pair, problem in pushed)
    alerts.raise_alert(
        key,
        code=",".join(sorted({pair.target for pair, _ in pushed}))[:60],
        title=f"{mapping}: {len(pushed)} fields are not sent",
        body=f"{lines}\n\nThe other fields go on. Open the mapping to choose others.",
        url=page_of(mapping.org),
        org=mapping.org,
        severity="warning",
        now=now,
    )
