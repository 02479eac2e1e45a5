"""Lists of people: found by text, role and state, with what the pages and the API show of each; a fixed number of queries."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Lower

from integrations.access import DOMAIN_GROUPS, GROUPS, remember_groups
from integrations.sorting import order_of
from okr.models import License
from project.people.changing import rights_of
from project.people.rights import Rights

COLUMNS: Mapping[str, Any] = {"name": Lower("username"), "signed_in": "last_login", "joined": "date_joined"}
_ROLED = [GROUPS["viewer"], GROUPS["admin"], GROUPS["operator"]]  # from the one that wins


@dataclass(frozen=True)
class Person:
    """One person as lists show them. `seats` names the connections; `ways` how they can sign in."""

    user: User
    rights: Rights
    seats: list[str]
    ways: list[str]
    keys: int


def find_people(*, text: str = "", role: str = "", active: bool | None = None, sort: str = "") -> QuerySet[User]:
    """People whose name, username or e-mail holds `text`, of one role (or "domain": admins of any domain)."""
    found: QuerySet[User] = User.objects.all()
    if word := text.replace("\0", "").strip()[:100]:
        columns = ("username", "first_name", "last_name", "email")
        for part in word.split():
            found = found.filter(Q(*[(f"{column}__icontains", part) for column in columns], _connector=Q.OR))
    if active is not None:
        found = found.filter(is_active=active)
    if role:
        found = _of_role(found, role)
    usable = Count("api_keys", filter=Q(api_keys__revoked=False), distinct=True)
    people = found.annotate(key_count=usable).prefetch_related("groups", "licenses__org", "salesforce_identities")
    return people.order_by(*order_of(sort, COLUMNS, usual=["-is_active", "username"]))


def described(users: Iterable[User]) -> list[Person]:
    """What the lists show of each."""
    return [_describe(user) for user in users]


def _describe(user: Any) -> Person:
    remember_groups(user, (group.name for group in user.groups.all()))
    ways = (["password"] if user.has_usable_password() else []) + (["Salesforce"] if user.salesforce_identities.all() else [])
    seats: list[License] = list(user.licenses.all())
    return Person(user, rights_of(user), sorted(each.org.name for each in seats), ways, user.key_count)


def _of_role(found: QuerySet[User], role: str) -> QuerySet[User]:
    """The same order of precedence as `role_of`, as conditions."""
    if role == "superadmin":
        return found.filter(is_superuser=True)
    found = found.filter(is_superuser=False)
    named = {key: group for key, group in GROUPS.items() if key != "analyst"}
    if role in named:
        before = _ROLED[: _ROLED.index(named[role])]
        return found.filter(pk__in=_in([named[role]])).exclude(pk__in=_in(before))
    found = found.exclude(pk__in=_in(_ROLED))
    if role == "domain":
        return found.filter(pk__in=_in(DOMAIN_GROUPS.values()))
    analysts = _in([GROUPS["analyst"]])
    return found.filter(pk__in=analysts) if role == "analyst" else found.exclude(pk__in=analysts)


def _in(groups: Iterable[str]) -> QuerySet[Any]:
    return User.objects.filter(groups__name__in=list(groups)).only("pk")
