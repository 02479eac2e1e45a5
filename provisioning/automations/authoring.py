"""Writing automations: save, copy, activate, deactivate, delete (ST-34 to ST-38, ST-D14). All problems at once, by field.

Secret values of headers are sealed apart and never given back. They are kept only while the address stays on its host.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from integrations import audit, hooks
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.orgs import vault
from provisioning.automations.callout import check_callout
from provisioning.automations.conditions import MOST_CONDITIONS, check_condition, read_condition
from provisioning.automations.finding import ensure_templates
from provisioning.automations.matching import overlaps
from provisioning.automations.stages import Choices
from provisioning.intent.kinds import is_among
from provisioning.intent.loading import rule_of
from provisioning.models import Automation, AutomationVersion

LONGEST_NAME, LONGEST_TRIAL, MOST_STAGES = 120, 365, 50
CONTENT = ("name", "trigger", "stages", "conditions", "callout", "write_back", "trial_days")


class BadAutomation(Refusal):
    """A draft with mistakes: `errors` has a sentence for each field."""

    status = 400

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("invalid", " ".join(errors.values()))
        self.errors = dict(errors)


@dataclass
class Draft:
    """What a person wrote. A secret header with an empty value keeps the stored one."""

    name: str
    trigger: str
    stages: list[str] = field(default_factory=list)
    conditions: list[Mapping[str, Any]] = field(default_factory=list)
    callout: Mapping[str, Any] = field(default_factory=dict)
    write_back: bool = True
    trial_days: int | None = None


def draft_of(automation: Automation) -> Draft:
    """A stored automation as a draft."""
    return Draft(
        automation.name, automation.trigger, list(automation.stages), list(automation.conditions), dict(automation.callout),
        automation.write_back, automation.trial_days,
    )  # fmt: skip


def check_draft(draft: Draft, *, choices: Choices | None, known: Automation | None = None) -> dict[str, Any]:
    """The columns of a draft without mistakes; raises `BadAutomation`. Without `choices` (the org cannot be asked) only stages
    and conditions that stand there already are taken."""
    errors: dict[str, str] = {}
    name = " ".join(draft.name.split())
    if not 1 <= len(name) <= LONGEST_NAME:
        errors["name"] = f"Give it a name of 1 to {LONGEST_NAME} characters."
    if draft.trigger not in Automation.Trigger.values:
        errors["trigger"] = f"Choose one of {', '.join(Automation.Trigger.values)}."
    if draft.trial_days is not None and not 1 <= draft.trial_days <= LONGEST_TRIAL:
        errors["trial_days"] = f"A trial lasts 1 to {LONGEST_TRIAL} days."
    stages = _stages(draft, choices, known, errors)
    conditions = _conditions(draft, choices, known, errors)
    callout, wrong = check_callout(draft.callout, inner_origins=hooks.inner_origins())
    errors |= {f"callout.{name}": sentence for name, sentence in wrong.items()}
    if errors:
        raise BadAutomation(errors)
    trial_days = draft.trial_days if draft.trigger == Automation.Trigger.TRIAL else None
    return {
        "name": name, "trigger": draft.trigger, "stages": stages, "conditions": conditions, "callout": callout,
        "write_back": bool(draft.write_back), "trial_days": trial_days,
    }  # fmt: skip


def save_automation(
    automation: Automation | None, draft: Draft, *, org: SalesforceOrg, choices: Choices | None, actor: Person | None,
    now: datetime,
) -> Automation:  # fmt: skip
    """Make an automation (inactive) or change one; a change is a new version. Templates are copied, not changed."""
    if automation is not None and automation.is_template:
        raise Refusal("template", f"“{automation.name}” ships with Causeway: copy it and change the copy.")
    columns = check_draft(draft, choices=choices, known=automation)
    with transaction.atomic():
        _lock(org)
        ensure_templates(org, now=now)
        row = Automation(org=org, created_at=now, version=0)
        if automation is not None:
            row = Automation.objects.select_for_update().get(pk=automation.pk, org=org)
        _check_name(row, columns["name"])
        secrets = _secrets(row, draft.callout, columns["callout"])
        before = content_of(row) if row.pk else {}
        if row.pk and before == columns and secrets == read_secrets(row):
            return row
        for name, value in columns.items():
            setattr(row, name, value)
        if row.is_active:
            _check_overlap(row, _open_stages(choices))
        row.version, row.updated_at = row.version + 1, now
        row.save()
        _seal(row, secrets)
        _keep_version(row, actor, now)
        action = "automation.changed" if automation is not None else "automation.made"
        audit.record(action, actor=actor, target=f"{row} ({org})", before=before, after=columns)
    return row


def copy_automation(automation: Automation, *, name: str = "", actor: Person | None, now: datetime) -> Automation:
    """An inactive copy that can be changed (ST-37), secrets included."""
    wanted = " ".join(name.split()) or _free_name(automation)
    with transaction.atomic():
        content = {**content_of(automation), "name": wanted[:LONGEST_NAME]}
        made = Automation(org=automation.org, version=1, created_at=now, updated_at=now, **content)
        _check_name(made, made.name)
        made.save()
        _seal(made, read_secrets(automation))
        _keep_version(made, actor, now)
        audit.record("automation.copied", actor=actor, target=f"{made} ({made.org})", before={"from": automation.name})
    return made


def activate(
    automation: Automation, *, choices: Choices | None = None, replacing: bool = False, actor: Person | None, now: datetime
) -> Automation:
    """Let it answer to deals. One that could answer to the same deal stands against it (ST-38), unless it is to be replaced."""
    org = automation.org
    with transaction.atomic():
        _lock(org)
        row = Automation.objects.select_for_update().get(pk=automation.pk)
        if row.is_active:
            return row
        if replacing:
            for other in _overlapping(row, _open_stages(choices)):
                _switch(other, on=False, actor=actor, now=now)
        _check_overlap(row, _open_stages(choices))
        _switch(row, on=True, actor=actor, now=now)
    return row


def deactivate(automation: Automation, *, actor: Person | None, now: datetime) -> Automation:
    """It answers to no deal any more; deals on their way go on."""
    with transaction.atomic():
        row = Automation.objects.select_for_update().get(pk=automation.pk)
        if row.is_active:
            _switch(row, on=False, actor=actor, now=now)
    return row


def delete_automation(automation: Automation, *, actor: Person | None) -> None:
    """Remove an automation that is not active and no template; its provisions keep what they did."""
    if automation.is_template or automation.is_active:
        raise Refusal("in_use", "Deactivate it first." if automation.is_active else "Templates stay.")
    audit.record("automation.deleted", actor=actor, target=f"{automation} ({automation.org})", before=content_of(automation))
    automation.delete()


def content_of(automation: Automation) -> dict[str, Any]:
    """What makes a version, without secrets."""
    return {name: getattr(automation, name) for name in CONTENT}


# --- secrets -----------------------------------------------------------------------------------------------------------------


def read_secrets(automation: Automation) -> dict[str, str]:
    """The secret header values by lower-case name; only for sending and copying. Raises `VaultLocked`."""
    sealed = bytes(automation.callout_secrets or b"")
    return json.loads(vault.unseal(_label(automation), sealed)) if sealed else {}


def rotate_secrets() -> tuple[int, int]:
    """Seal the secrets of all automations with the newest key; (done, unreadable), as `vault.rotate_all` counts."""
    done, unreadable = 0, 0
    for row in Automation.objects.exclude(callout_secrets=b"").iterator(chunk_size=200):
        old = bytes(row.callout_secrets)
        try:
            fresh = vault.seal(_label(row), vault.unseal(_label(row), old))
        except vault.VaultLocked:
            unreadable += 1
            continue
        # Only if nobody replaced them meanwhile; theirs are sealed with the newest key already.
        done += Automation.objects.filter(pk=row.pk, callout_secrets=old).update(callout_secrets=fresh)
    return done, unreadable


def _label(automation: Automation) -> str:
    return f"automation:{automation.pk}"


def _seal(row: Automation, secrets: Mapping[str, str]) -> None:
    sealed = vault.seal(_label(row), json.dumps(secrets)) if secrets else b""
    row.callout_secrets = sealed
    Automation.objects.filter(pk=row.pk).update(callout_secrets=sealed)


def _secrets(row: Automation, given: Mapping[str, Any], callout: Mapping[str, Any]) -> dict[str, str]:
    """The secrets that the request needs: typed now, or stored and still for the same host."""
    stored = read_secrets(row) if row.pk else {}
    same_host = _origin(row.callout.get("url")) == _origin(callout.get("url")) if row.pk else False
    typed = {str(each.get("name") or "").strip().lower(): str(each.get("value") or "") for each in given.get("headers") or []}
    kept: dict[str, str] = {}
    for header in callout.get("headers") or []:
        name = header["name"].lower()
        if not header["secret"]:
            continue
        value = typed.get(name) or (stored.get(name, "") if same_host else "")
        if not value:
            why = "enter its value again, because the address leads to another host" if name in stored else "enter its value"
            raise BadAutomation({"callout.headers": f"{header['name']}: {why}."})
        kept[name] = value
    return kept


def _origin(url: object) -> str:
    parts = urlsplit(str(url or ""))
    return f"{parts.scheme}://{parts.netloc}".lower()


# --- checks ------------------------------------------------------------------------------------------------------------------


def _stages(draft: Draft, choices: Choices | None, known: Automation | None, errors: dict[str, str]) -> list[str]:
    named = list(dict.fromkeys(each.strip() for each in draft.stages if each.strip()))
    if len(named) > MOST_STAGES:
        errors["stages"] = f"At most {MOST_STAGES} stages."
    if choices is None:
        stored = known.stages if known is not None else []
        if any(each not in stored for each in named):
            errors["stages"] = "The org cannot be asked for its stages now; try again when it is connected."
        return named
    fitting = [each.name for each in choices.stages_for(draft.trigger)]
    for each in named:
        if not is_among(each, fitting):
            exists = is_among(each, [stage.name for stage in choices.stages])
            sort = "an open stage" if draft.trigger == Automation.Trigger.TRIAL else "a stage that means won"
            errors["stages"] = f"“{each[:80]}” is {'not ' + sort if exists else 'no stage of this org'}."
    return [next((name for name in fitting if is_among(each, [name])), each) for each in named]


def _conditions(
    draft: Draft, choices: Choices | None, known: Automation | None, errors: dict[str, str]
) -> list[dict[str, Any]]:
    if len(draft.conditions) > MOST_CONDITIONS:
        errors["conditions"] = f"At most {MOST_CONDITIONS} conditions."
        return []
    stored = [read_condition(each) for each in known.conditions] if known is not None else []
    kept: list[dict[str, Any]] = []
    for place, each in enumerate(draft.conditions, 1):
        if choices is None:
            if read_condition(each) not in stored:
                errors[f"conditions[{place}]"] = "The org cannot be asked for its fields now; try again when it is connected."
            kept.append(read_condition(each).as_dict())
            continue
        name = str(each.get("field") or "") if isinstance(each, Mapping) else ""
        condition, problem = check_condition(each if isinstance(each, Mapping) else {}, choices.opportunity.field(name))
        if condition is None:
            errors[f"conditions[{place}]"] = problem
        else:
            kept.append(condition.as_dict())
    return kept


def _check_name(row: Automation, name: str) -> None:
    same = Automation.objects.filter(org=row.org, name=name).exclude(pk=row.pk)
    if same.exists():
        raise BadAutomation({"name": f"This connection has an automation called “{name}” already."})


def _free_name(automation: Automation) -> str:
    taken = set(Automation.objects.filter(org=automation.org).values_list("name", flat=True))
    for number in range(1, len(taken) + 2):
        word = " (copy)" if number == 1 else f" (copy {number})"
        name = automation.name[: LONGEST_NAME - len(word)] + word
        if name not in taken:
            return name
    raise AssertionError("more copies than names")


def _check_overlap(row: Automation, stages: Iterable[str]) -> None:
    others = _overlapping(row, stages)
    if others:
        names = " and ".join(f"“{each.name}”" for each in others)
        message = f"{names} could answer to the same deal: deactivate it first, or tell the two apart by stages or conditions."
        raise Refusal("overlap", message)


def overlapping(automation: Automation, choices: Choices | None = None) -> list[Automation]:
    """Active automations that could answer to the same deal."""
    return _overlapping(automation, _open_stages(choices))


def _overlapping(row: Automation, stages: Iterable[str]) -> list[Automation]:
    active = Automation.objects.filter(org=row.org, is_active=True).exclude(pk=row.pk)
    known = list(stages)
    return [each for each in active if overlaps(rule_of(row), rule_of(each), stages=known)]


def _open_stages(choices: Choices | None) -> list[str]:
    return [each.name for each in choices.stages if not each.is_closed] if choices else []


def _lock(org: SalesforceOrg) -> None:
    """One change of a connection's automations at a time, or two could be activated at once that overlap."""
    SalesforceOrg.objects.select_for_update().get(pk=org.pk)


def _switch(row: Automation, *, on: bool, actor: Person | None, now: datetime) -> None:
    row.is_active, row.updated_at = on, now
    row.save(update_fields=["is_active", "updated_at"])
    audit.record("automation.activated" if on else "automation.deactivated", actor=actor, target=f"{row} ({row.org})")


def _keep_version(row: Automation, actor: Person | None, now: datetime) -> None:
    person = actor if getattr(actor, "pk", None) else None
    AutomationVersion.objects.create(automation=row, number=row.version, content=content_of(row), saved_at=now, saved_by=person)  # pyright: ignore[reportArgumentType]
