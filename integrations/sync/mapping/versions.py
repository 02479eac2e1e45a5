"""Saving a mapping: numbered bodies that never change, which runs pin (I-13); compared, taken back, paused, audited."""

from collections.abc import Iterable
from collections.abc import Mapping as Map
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations import audit
from integrations.access import Refusal
from integrations.models import Attribute, Mapping, MappingVersion, SalesforceOrg
from integrations.sync.mapping import facts
from integrations.sync.mapping.body import PULL, MappingBody, default_body, read_body, write_body
from integrations.sync.mapping.check import Known, problems_of
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.mapping.types import PRODUCT_TYPE_OF

UNSEEN_CODES = frozenset(("unknown_field", "unknown_object", "not_in_picklist", "incompatible", "lossy"))
"""Problems that a describe of up to an hour ago may only imagine: they are judged again by a fresh one."""


def find_mapping(org: SalesforceOrg, entity: str) -> Mapping:
    """The mapping of an entity; one that nobody set up yet is not stored (`pk` is None), so that looking changes nothing."""
    return Mapping.objects.filter(org=org, entity=entity).first() or Mapping(org=org, entity=entity)


def open_mapping(org: SalesforceOrg, entity: str, *, now: datetime) -> Mapping:
    """The stored mapping of an entity, made as a draft when there is none."""
    return begin_mapping(org, entity, now=now)[0]


def begin_mapping(org: SalesforceOrg, entity: str, *, now: datetime) -> tuple[Mapping, bool]:
    """The same, and whether it was made just now."""
    default_body(entity)  # KeyError for anything but customer and end_user
    return Mapping.objects.get_or_create(org=org, entity=entity, defaults={"updated_at": now})


def body_of(mapping: Mapping, number: int | None = None) -> MappingBody:
    """The body in force, or that of one version. A draft has the default body; `Refusal` when there is no such version."""
    number = mapping.version if number is None else number
    if number == 0:
        return default_body(mapping.entity)
    return read_body(version_of(mapping, number).body, entity=mapping.entity)


def version_of(mapping: Mapping, number: int) -> MappingVersion:
    """One stored version; `Refusal` when there is none such."""
    version = MappingVersion.objects.filter(mapping=mapping, number=number).first()
    if version is None:
        raise Refusal("no_version", f"This mapping has no version {number}.")
    return version


# --- Saving ---------------------------------------------------------------------------------------------------------


def check_body(mapping: Mapping, body: MappingBody) -> tuple[Known, list[Problem]]:
    """What exists, and everything wrong with the body. Asks Salesforce afresh before it says that something is missing."""
    known = facts.know_object(mapping.org, mapping.entity, body.object)
    problems = problems_of(body, known)
    if any(each.code in UNSEEN_CODES for each in problems):
        known = facts.know_object(mapping.org, mapping.entity, body.object, fresh=True)
        problems = problems_of(body, known)
    return known, problems


def save_version(
    mapping: Mapping,
    body: MappingBody,
    *,
    user: Any,
    now: datetime,
    note: str = "",
    expected: int | None = None,
    address: str | None = None,
) -> MappingVersion:
    """Store the body as the next version and put it in force; an unchanged body makes no version.

    Raises `ProblemsFound` with everything that is wrong, `Refusal` when the object would change (see `change_object`) or when
    somebody saved meanwhile (`expected` is the version that the person was looking at).
    """
    if body.entity != mapping.entity:
        raise ProblemsFound([Problem("entity", "entity", f"This is the mapping of {mapping.entity} records.")])
    known, problems = check_body(mapping, body)
    if problems:
        raise ProblemsFound(problems)
    body = _spelled_as_described(body, known)
    with transaction.atomic():
        locked = _lock(mapping)
        before = body_of(locked)
        _refuse_race(locked, expected)
        if locked.version and before.object.lower() != body.object.lower():
            raise Refusal(
                "object_change", f"Changing {before.object} to {body.object} resets fields and links; confirm it first."
            )
        if locked.version and write_body(before) == write_body(body):
            mapping.refresh_from_db()
            return version_of(locked, locked.version)
        made = _make_attributes(body, known, now=now)
        version = add_version(locked, body, user=user, now=now, note=note)
        changes = compare(before, body)
        audit.record(
            "mapping.saved", actor=user, target=f"{locked} v{version.number}", address=address,
            before={"version": version.number - 1, **{each.path: each.before for each in changes}},
            after={"version": version.number, **{each.path: each.after for each in changes}, "new_attributes": made},
        )  # fmt: skip
    mapping.refresh_from_db()
    return version


def _lock(mapping: Mapping) -> Mapping:
    locked = Mapping.objects.select_for_update().filter(pk=mapping.pk).first()
    if locked is None:
        raise Refusal("gone", "This mapping was deleted meanwhile.")
    return locked


def _refuse_race(mapping: Mapping, expected: int | None) -> None:
    if expected is not None and mapping.version != expected:
        text = f"Version {mapping.version} was saved meanwhile; you were looking at version {expected}. Load it and change it."
        raise Refusal("changed_meanwhile", text)


def add_version(locked: Mapping, body: MappingBody, *, user: Any, now: datetime, note: str) -> MappingVersion:
    """The next number; a mapping that was never set up begins to work with its first one."""
    number = locked.version + 1
    person = user if getattr(user, "pk", None) else None
    version = MappingVersion.objects.create(
        mapping=locked, number=number, body=write_body(body), note=note.strip()[:255], saved_by=person, saved_at=now
    )
    changes: dict[str, Any] = {"version": number, "updated_at": now, "set_aside": []}
    if locked.state == Mapping.State.DRAFT or locked.paused_by_drift:
        changes |= {"state": Mapping.State.ACTIVE, "reason": "", "paused_by_drift": False}
    Mapping.objects.filter(pk=locked.pk).update(**changes)
    return version


def _spelled_as_described(body: MappingBody, known: Known) -> MappingBody:
    """Salesforce's own spelling of object and fields, which it compares without case."""
    info = known.info
    assert info is not None

    def spell(name: str) -> str:
        field = info.field(name)
        return field.name if field else name

    rules = tuple(replace(rule, salesforce_field=spell(rule.salesforce_field)) for rule in body.rules)
    pairs = tuple(replace(pair, target=spell(pair.target)) for pair in body.pairs)
    return replace(body, object=info.name, rules=rules, pairs=pairs)


def _make_attributes(body: MappingBody, known: Known, *, now: datetime) -> list[str]:
    """Attributes that a pull fills and that do not exist yet; their type is that of the Salesforce field (PX-26..PX-29)."""
    made = []
    for pair in body.pairs_of(PULL):
        field = known.info.field(pair.target) if known.info else None
        if pair.source in known.sources or field is None:
            continue
        Attribute.objects.get_or_create(
            entity=body.entity, key=pair.attribute,
            defaults={
                "label": field.label[:120], "type": PRODUCT_TYPE_OF[field.type], "pulled": True, "created_at": now,
                "description": f"{body.object}.{field.name} from Salesforce",
            },
        )  # fmt: skip
        made.append(pair.attribute)
    return made


# --- Looking back ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One difference between two bodies; None stands for "not there"."""

    path: str
    before: Any
    after: Any


def compare(before: MappingBody, after: MappingBody) -> list[Change]:
    """What differs, by name and not by position: a line that only moved is no change."""
    old, new = _flat(before), _flat(after)
    return [
        Change(path, old.get(path), new.get(path)) for path in dict.fromkeys([*old, *new]) if old.get(path) != new.get(path)
    ]


def _flat(body: MappingBody) -> dict[str, Any]:
    data = write_body(body)
    flat = {key: value for key, value in data.items() if key not in ("rules", "pairs")}
    for rule in data["rules"]:
        name = rule.pop("name")
        flat |= {f"rules.{name}.{key}": value for key, value in rule.items()}
    for pair in data["pairs"]:
        arrow = "→" if pair["direction"] == "push" else "←"
        options: Map[str, Any] = {key: pair[key] for key in ("accept_lossy", "cut", "values")}
        flat[f"pairs.{pair['source']} {arrow} {pair['target']}"] = options
    return flat


def versions_of(mapping: Mapping) -> list[MappingVersion]:
    """All versions, newest first."""
    return list(MappingVersion.objects.filter(mapping=mapping).select_related("saved_by").order_by("-number"))


def revert(
    mapping: Mapping, number: int, *, user: Any, now: datetime, expected: int | None = None, address: str | None = None
) -> MappingVersion:
    """Put an earlier body in force again, as a new version. It must still fit (`ProblemsFound`)."""
    body = body_of(mapping, version_of(mapping, number).number)
    return save_version(mapping, body, user=user, now=now, note=f"Back to version {number}", expected=expected, address=address)


def set_state(
    mapping: Mapping, state: str, *, user: Any, now: datetime, reason: str = "", address: str | None = None
) -> Mapping:
    """Pause or resume. A draft cannot be resumed: `Refusal` names the fix."""
    if state not in (Mapping.State.ACTIVE, Mapping.State.PAUSED):
        raise Refusal("state", "A mapping is active or paused.")
    with transaction.atomic():
        locked = _lock(mapping)
        if not locked.version:
            raise Refusal("draft", "Save the mapping first: it has no version yet.")
        if locked.state != state:
            text = reason.strip() or ("Paused by a person." if state == Mapping.State.PAUSED else "")
            Mapping.objects.filter(pk=locked.pk).update(state=state, reason=text, paused_by_drift=False, updated_at=now)
            word = "mapping.paused" if state == Mapping.State.PAUSED else "mapping.resumed"
            before, after = ({"state": each} for each in (locked.state, state))
            audit.record(word, actor=user, target=locked, before=before, after=after | {"reason": text}, address=address)
    mapping.refresh_from_db()
    return mapping


def delete_mapping(mapping: Mapping, *, user: Any, address: str | None = None) -> None:
    """Forget a mapping with all its versions. Links stay; runs that pinned it end as cancelled (R-085)."""
    with transaction.atomic():
        locked = _lock(mapping)
        body = write_body(body_of(locked))
        audit.record("mapping.deleted", actor=user, target=locked, before={"version": locked.version, **body}, address=address)
        locked.delete()


def list_problems(error: ProblemsFound) -> list[dict[str, str]]:
    """Problems as plain data, for the API."""
    return [{"path": each.path, "code": each.code, "message": each.message} for each in _sorted(error.problems)]


def _sorted(problems: Iterable[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
