"""One's own API keys: made with no more than one may at that moment, shown once, revoked at once (S-076).

What a key may do is asked anew at each call (`integrations.api.access`): it follows its person when they lose a role or are
switched off. Here it is decided what may be asked for when it is made.
"""

import functools
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import URLPattern, URLResolver, get_resolver

from integrations import audit
from integrations.access import SCOPES, Refusal, denial_of, denial_somewhere, domain_of
from integrations.api_keys import create_key
from integrations.models import ApiKey

MOST_KEYS = 20
"""Usable keys of one person."""
LONGEST = timedelta(days=366)
LONGEST_NAME = 50
METHODS = ("get", "post", "put", "patch", "delete")


class Door(NamedTuple):
    """What one address of the API asks for one method: a scope, a role, and whose admins get in besides."""

    scope: str
    role: str
    changes: bool
    domain: str
    each_domain: bool


@functools.cache
def _doors() -> frozenset[Door]:
    """Every address of the API by every method; they stand still while the program runs."""
    return frozenset(door for pattern in _patterns(get_resolver().url_patterns) for door in _doors_of(pattern))


def _doors_of(pattern: URLPattern) -> Iterator[Door]:
    made: Any = getattr(pattern.callback, "cls", None)
    if not getattr(made, "scope", None):
        return
    actions = getattr(pattern.callback, "actions", None) or {name: "" for name in METHODS if hasattr(made, name)}
    for method, action in actions.items():
        view = made()
        view.action = action  # some ask for more for one of their actions
        changes = method not in ("get", "head", "options")
        role = getattr(view, "role", "member")
        role = getattr(view, "write_role", role) if changes else role
        word = f"{view.scope}:{'write' if changes else 'read'}"
        yield Door(word, role, changes, domain_of(made.__module__), bool(getattr(view, "each_domain", False)))


def _patterns(patterns: Sequence[Any]) -> Iterator[URLPattern]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _patterns(each.url_patterns)
        else:
            yield each


def usable_scopes(user: User) -> list[str]:
    """The scopes that open anything for `user` now, in the order of the table."""
    usable = set()
    for door in _doors():
        if door.each_domain:
            reason = denial_somewhere(user, door.role, changes=door.changes)
        else:
            reason = denial_of(user, door.role, door.domain, changes=door.changes)
        if not reason:
            usable.add(door.scope)
    return [scope for scope in SCOPES if scope in usable]


def keys_of(user: User, *, now: datetime) -> QuerySet[ApiKey]:
    """The keys that can be used or still be revoked, newest first."""
    keys = ApiKey.objects.filter(owner=user, revoked=False).filter(Q(expiry_date=None) | Q(expiry_date__gt=now))
    return keys.order_by("-created")


def make_key(
    user: User, *, name: str, scopes: Sequence[str], expires: datetime, with_key: ApiKey | None = None, now: datetime,
    address: str | None = None,
) -> tuple[ApiKey, str]:  # fmt: skip
    """A new key of one's own and its clear text, which nobody can read again.

    `with_key` is the key that asks for it: a key makes none that could do more or would live longer than itself. `Refusal`:
    `no_name`, `no_scope`, `scope_not_yours`, `wrong_end`, `too_many_keys`.
    """
    _check(user, name, scopes, expires, with_key, now)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # two requests at once do not pass the bound together
        if keys_of(user, now=now).count() >= MOST_KEYS:
            raise Refusal("too_many_keys", f"You have {MOST_KEYS} keys. Revoke one that is not used any more.")
        key, secret = create_key(owner=user, name=name.strip(), scopes=scopes, expires=expires)
        after = {"name": key.name, "scopes": key.scopes, "expires": expires, "made_with": with_key.prefix if with_key else ""}
        audit.record("api_key.created", actor=user, target=f"{key.prefix} of {user}", after=after, address=address)
    return key, secret


def _check(
    user: User, name: str, scopes: Sequence[str], expires: datetime, with_key: ApiKey | None, now: datetime
) -> None:  # fmt: skip
    if not name.strip() or len(name.strip()) > LONGEST_NAME or not name.isprintable():
        raise Refusal("no_name", f"name: Say what the key is for, in 1 to {LONGEST_NAME} characters.")
    if not scopes:
        raise Refusal("no_scope", "scopes: Choose at least one; a key without scopes can do nothing.")
    mine = usable_scopes(user)
    usable = [each for each in mine if with_key is None or each in with_key.scopes]
    if wrong := sorted(set(scopes) - set(usable)):
        whose = "your role" if set(wrong) - set(mine) else "the key that asks"
        raise Refusal("scope_not_yours", f"scopes: {', '.join(wrong)} is more than {whose} allows.")
    latest = now + LONGEST
    if with_key is not None and with_key.expiry_date is not None:
        latest = min(latest, with_key.expiry_date)
    if not now < expires <= latest:
        raise Refusal("wrong_end", f"expires: Choose an end after now and not after {latest:%Y-%m-%d %H:%M} UTC.")


def revoke_key(user: User, prefix: str, *, address: str | None = None) -> ApiKey | None:
    """One's own key stops working at once; None when there is no such usable key of theirs."""
    key = ApiKey.objects.filter(prefix=prefix, owner=user, revoked=False).first()
    if key is None:
        return None
    ApiKey.objects.filter(pk=key.pk).update(revoked=True)
    audit.record("api_key.revoked", actor=user, target=key.prefix, address=address)
    key.refresh_from_db()
    return key
