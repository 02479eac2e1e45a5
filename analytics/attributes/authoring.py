"""The attribute map of a connection: numbered versions that never change; the highest is in force and runs pin it (I-13)."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max

from analytics.attributes import checking, optional
from analytics.attributes.body import MapBody, as_json, fields_needed
from analytics.attributes.catalogue import BY_KEY
from analytics.attributes.reading import read_body
from analytics.attributes.seeing import describe_objects
from analytics.models import AttributeMap
from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.mapping.problems import ProblemsFound


def current_map(org: SalesforceOrg) -> tuple[MapBody, int] | None:
    """The map in force with its number; None while nobody saved one."""
    found = AttributeMap.objects.filter(org=org).order_by("-number").first()
    return (read_body(found.body), found.number) if found is not None else None


def map_of(org: SalesforceOrg, number: int) -> MapBody:
    """One version; `Refusal` no_version when there is none such."""
    found = AttributeMap.objects.filter(org=org, number=number).first()
    if found is None:
        raise Refusal("no_version", f"The attribute map of {org} has no version {number}.")
    return read_body(found.body)


def check_map(org: SalesforceOrg, body: MapBody) -> dict[str, ObjectInfo]:
    """The objects that a map names, described. `ProblemsFound` with everything that does not fit; what seems to be missing is
    asked for afresh before that is said (R-057)."""
    names = list(fields_needed(body))
    objects = describe_objects(org, names)
    if checking.problems_of(body, objects):
        objects = describe_objects(org, names, fresh=True)
        problems = checking.problems_of(body, objects)
        if problems:
            raise ProblemsFound(problems)
    return objects


def save_map(
    org: SalesforceOrg, body: MapBody, *, actor: Person | None, now: datetime, preset: str = "", expected: int | None = None
) -> AttributeMap:
    """Check the map against the org and put it in force as the next version; an unchanged one makes no version.

    `expected` is the version that the person was looking at (0: none): `Refusal` changed_meanwhile when there is a newer one.
    """
    objects = check_map(org, body)
    body = replace(body, reads=optional.fields_that_exist(org, body, objects))
    with transaction.atomic():
        SalesforceOrg.objects.select_for_update().get(pk=org.pk)  # one writer of a connection's map at a time
        number = AttributeMap.objects.filter(org=org).aggregate(n=Max("number"))["n"] or 0
        if expected is not None and number != expected:
            text = f"Version {number} was saved meanwhile; you were looking at version {expected}. Load it and change it."
            raise Refusal("changed_meanwhile", text)
        last = AttributeMap.objects.filter(org=org, number=number).first()
        data = as_json(body)
        if last is not None and as_json(read_body(last.body)) == data:
            return last
        person = actor if getattr(actor, "pk", None) else None
        made = AttributeMap.objects.create(
            org=org, number=number + 1, body=data, author=person, created_at=now,
            preset=preset or (last.preset if last is not None else ""),
        )  # fmt: skip
        before, after = _changes(read_body(last.body) if last is not None else None, body)
        audit.record(
            "analytics.map_saved", actor=actor, target=f"attribute map of {org} v{made.number}", before=before, after=after
        )
    return made


def _changes(before: MapBody | None, after: MapBody) -> tuple[dict[str, Any], dict[str, Any]]:
    """What differs, by attribute and setting."""
    old = as_json(before) if before is not None else {"attributes": {}, "settings": {}}
    new = as_json(after)
    flat = [
        {f"{part}.{key}": value for part in ("attributes", "settings") for key, value in each[part].items()}
        for each in (old, new)
    ]
    names = [name for name in flat[1] if flat[0].get(name) != flat[1].get(name)]
    return {name: flat[0].get(name) for name in names}, {name: flat[1].get(name) for name in names}


def lacking(org: SalesforceOrg, *keys: str, any_of: Iterable[str] = ()) -> str:
    """ "" when all `keys` (and one of `any_of`) are mapped; else the sentence that says what to map (FZ-D2)."""
    found = current_map(org)
    if found is None:
        return "The attributes of Salesforce are not mapped yet: choose them on the mapping page."
    body = found[0]
    missing = [BY_KEY[key].label for key in keys if not body.is_mapped(key)]
    either = list(any_of)
    if either and not any(body.is_mapped(key) for key in either):
        missing.append(" or ".join(BY_KEY[key].label for key in either))
    if not missing:
        return ""
    verb = "is" if len(missing) == 1 else "are"
    return f"{', '.join(missing)} {verb} not mapped: choose where Salesforce holds {'it' if verb == 'is' else 'them'}."
