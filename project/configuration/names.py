"""Ids of Salesforce as names, and back: what is moved to another org must find its own record there (R-051).

An id stands in the file as `{salesforce: RecordType, name: Opportunity.Partner}`. One that the org does not give a name for (it
cannot be asked, the record is gone) stands as `{salesforce: User, id: 005...}`, which only the same org can read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce import soql
from integrations.salesforce.client import Client
from integrations.salesforce.errors import SalesforceError
from integrations.salesforce.ids import is_id, to_18
from integrations.sync.mapping.problems import Problem, ProblemsFound

DOMAIN = "other"
OBJECT, NAME, ID = "salesforce", "name", "id"
MOST = 200


@dataclass(frozen=True, slots=True)
class Kind:
    """An object whose records configuration may name: by which field, and by which other one that comes before it."""

    object: str
    field: str = "Name"
    within: str = ""


KINDS = {
    "005": Kind("User"), "00G": Kind("Group", "DeveloperName"), "012": Kind("RecordType", "DeveloperName", "SobjectType"),
    "701": Kind("Campaign"), "01s": Kind("Pricebook2"), "01t": Kind("Product2"), "00e": Kind("Profile"),
    "00E": Kind("UserRole"),
}  # fmt: skip
BY_OBJECT = {each.object: each for each in KINDS.values()}


def to_names(org: SalesforceOrg, data: Any) -> Any:
    """The same data with ids as names. Salesforce is asked only when there are ids, once for each object."""
    ids = {text for text in _texts(data) if text[:3] in KINDS and is_id(text)}
    if not ids:
        return data
    known = _names_of(org, {to_18(each) for each in ids})

    def name(value: Any, path: str) -> Any:
        if not isinstance(value, str) or value not in ids:
            return value
        kind, full = KINDS[value[:3]], to_18(value)
        return {OBJECT: kind.object, NAME: known[full]} if full in known else {OBJECT: kind.object, ID: full}

    return _replaced(data, name)


def to_ids(org: SalesforceOrg, data: Any) -> Any:
    """The same data with the ids that the org has for the names. `ProblemsFound` names each that it does not know."""
    wanted = {(each[OBJECT], str(each.get(NAME) or each.get(ID))) for each in _references(data)}
    if not wanted:
        return data
    found = _ids_of(org, wanted)
    problems: list[Problem] = []

    def ident(value: Any, path: str) -> Any:
        if not _is_reference(value):
            return value
        asked = (value[OBJECT], str(value.get(NAME) or value.get(ID)))
        ids = found.get(asked, [])
        if len(ids) != 1:
            words = f"has {len(ids)} records" if ids else "has no record"
            text = f"{org.name} {words} of {asked[0]} called {asked[1]}; write the name of one that is there once."
            problems.append(Problem(path, "unknown_name", text))
            return ""
        return ids[0]

    replaced = _replaced(data, ident)
    if problems:
        raise ProblemsFound(dict.fromkeys(problems))
    return replaced


def has_references(data: Any) -> bool:
    """Whether the data names records of Salesforce."""
    return next(_references(data), None) is not None


def _names_of(org: SalesforceOrg, ids: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        with client_for(org, domain=DOMAIN) as client:
            for prefix, kind in KINDS.items():
                rows = _ask(client, kind, "Id", sorted(each for each in ids if each.startswith(prefix)))
                found |= {to_18(row["Id"]): _called(kind, row) for row in rows}
    except (Refusal, SalesforceError):
        return found
    return found


def _ids_of(org: SalesforceOrg, wanted: set[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    with client_for(org, domain=DOMAIN) as client:
        for kind in BY_OBJECT.values():
            names = sorted(name for object_, name in wanted if object_ == kind.object)
            for row in _ask(client, kind, kind.field, [_last(kind, each) for each in names]):
                found.setdefault((kind.object, _called(kind, row)), []).append(to_18(row["Id"]))
            for row in _ask(client, kind, "Id", [each for each in names if is_id(each)]):
                found.setdefault((kind.object, to_18(row["Id"])), []).append(to_18(row["Id"]))
    return found


def _ask(client: Client, kind: Kind, field: str, values: list[str]) -> Iterator[dict[str, Any]]:
    """Records whose field has one of these values, in queries that fit."""
    fields = ", ".join(each for each in ("Id", kind.field, kind.within) if each)
    for start in range(0, len(values), MOST):
        some = soql.one_of(field, values[start : start + MOST])
        yield from client.query_all(f"SELECT {fields} FROM {kind.object} WHERE {some}")  # noqa: S608  values are quoted


def _last(kind: Kind, name: str) -> str:
    return name.split(".", 1)[-1] if kind.within else name


def _called(kind: Kind, row: dict[str, Any]) -> str:
    name = str(row[kind.field])
    return f"{row[kind.within]}.{name}" if kind.within else name


def _is_reference(value: Any) -> bool:
    return isinstance(value, dict) and value.get(OBJECT) in BY_OBJECT and set(value) in ({OBJECT, NAME}, {OBJECT, ID})


def _references(data: Any) -> Iterator[dict[str, Any]]:
    if _is_reference(data):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _references(each)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict | list):
        for each in data.values() if isinstance(data, dict) else data:
            yield from _texts(each)


def _replaced(data: Any, change: Callable[[Any, str], Any], path: str = "") -> Any:
    """The data with every part changed; `change` gets the place of each, too."""
    changed = change(data, path)
    if changed is not data:
        return changed
    if isinstance(data, dict):
        return {name: _replaced(each, change, f"{path}.{name}" if path else name) for name, each in data.items()}
    if isinstance(data, list):
        return [_replaced(each, change, f"{path}[{place}]") for place, each in enumerate(data)]
    return data
