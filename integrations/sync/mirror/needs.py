"""What the domains need to read: each registers a provider, the mirror reads the union once (DESIGN, idea 1).

A provider is a pure read of configuration: it asks Salesforce nothing and changes nothing, because it runs at the start of
every read, in pages and in the timetable.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from integrations.models import SalesforceOrg

USUAL_MONTHS = 6  # PX-32: the first read goes back six calendar months
CONVERSION = ("IsConverted", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")  # leads only
ALWAYS = ("Id", "SystemModstamp", "CreatedDate", "IsDeleted", "MasterRecordId", *CONVERSION)
FALLBACK = "LastModifiedDate"  # asked for where SystemModstamp is missing or cannot be filtered (PX-D2)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Need:
    """Fields of one object that a domain asks for. `since_months` is how far the first read goes back; None = everything.

    `hashed` are those of the fields that it wants as digests only; a field is kept in clear when another domain needs it so.
    `optional`: what the integration user does not see is done without, silently. `rides`: the fields join where another
    domain reads the object; alone it starts no read, and how far back one goes is not its to say.
    """

    domain: str
    object: str
    fields: tuple[str, ...] = ()
    since_months: int | None = USUAL_MONTHS
    hashed: tuple[str, ...] = ()
    optional: bool = False
    rides: bool = False


@dataclass(frozen=True, slots=True)
class ObjectNeed:
    """What all domains together need of one object: each field with the domains that ask for it.

    `optional` are fields that nobody insists on; `is_optional`: nobody insists on the object.
    """

    object: str
    fields: dict[str, tuple[str, ...]]
    domains: tuple[str, ...]
    since_months: int | None = USUAL_MONTHS
    hashed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    is_optional: bool = False


Provider = Callable[[SalesforceOrg], Iterable[Need]]
_providers: dict[str, Provider] = {}


def register_needs(domain: str, provider: Provider) -> None:
    """Let `provider` say what `domain` needs of a connection. ValueError when the name is another's."""
    if _providers.get(domain, provider) is not provider:
        raise ValueError(f"{domain} has registered its needs already.")
    _providers[domain] = provider


def needs_of(org: SalesforceOrg) -> dict[str, ObjectNeed]:
    """The union of what all domains need of this connection, by object name; {} when nobody needs anything."""
    return merge_needs(need for domain in sorted(_providers) for need in _providers[domain](org))


def has_needs(org: SalesforceOrg) -> bool:
    """Whether anything is to be read for this connection."""
    return any(True for domain in _providers for _ in _providers[domain](org))


def merge_needs(needs: Iterable[Need]) -> dict[str, ObjectNeed]:
    """One need an object. Names are compared without case, as Salesforce does; the first spelling stays.

    The fields that every mirror wants (`ALWAYS`) come first; those that an object does not have are left out by the plan.
    """
    spelled: dict[str, str] = {}
    fields: dict[str, dict[str, tuple[str, dict[str, None]]]] = {}
    months: dict[str, list[int | None]] = {}
    domains: dict[str, dict[str, None]] = {}
    hashed: dict[str, dict[str, bool]] = {}
    optional: dict[str, dict[str, bool]] = {}
    insisted: set[str] = set()
    for need in _started(needs):
        key = _checked(need.object, "an object").lower()
        spelled.setdefault(key, need.object)
        if not need.rides:
            months.setdefault(key, []).append(need.since_months)
        insisted |= set() if need.optional else {key}
        domains.setdefault(key, {})[need.domain] = None
        wanted = fields.setdefault(key, {name.lower(): (name, {}) for name in ALWAYS})
        secret = {name.lower() for name in need.hashed}
        for name in need.fields:
            wishes = hashed.setdefault(key, {})
            wishes[name.lower()] = wishes.get(name.lower(), True) and name.lower() in secret
            wishes = optional.setdefault(key, {})
            wishes[name.lower()] = wishes.get(name.lower(), True) and need.optional
            wanted.setdefault(name.lower(), (name, {}))[1][need.domain] = None
    return {
        name: ObjectNeed(
            object=name,
            fields={name: tuple(sorted(asking)) for name, asking in fields[key].values()},
            domains=tuple(sorted(domains[key])),
            since_months=None if None in months[key] else max(each for each in months[key] if each is not None),
            hashed=tuple(sorted(field for field, wish in hashed.get(key, {}).items() if wish)),
            optional=tuple(sorted(field for field, wish in optional.get(key, {}).items() if wish)),
            is_optional=key not in insisted,
        )
        for key, name in sorted(spelled.items())
    }


def _started(needs: Iterable[Need]) -> list[Need]:
    """Without those that ride along where nobody drives."""
    known = list(needs)
    read = {each.object.lower() for each in known if not each.rides}
    return [each for each in known if each.object.lower() in read]


def _checked(name: str, what: str) -> str:
    if not NAME.match(name):
        raise ValueError(f"{name[:80]!r} is not the API name of {what}.")
    return name
