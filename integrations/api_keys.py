"""Making API keys: the secret exists only in the return value (S-076)."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.access import SCOPES, Refusal
from integrations.models import ApiKey, Customer

BOUND_SCOPES = ("entitlements:read", "entitlements:write")
"""What a key that is bound to customers may be allowed: everything else is about all customers (S-079)."""


def create_key(
    *, owner: Any, name: str, scopes: Sequence[str], expires: datetime | None, customers: Iterable[Customer] | None = None
) -> tuple[ApiKey, str]:
    """The key's row and its clear text, which nobody can read again. With `customers` it is bound to them.

    Raises `Refusal` for a scope that does not exist, and for one that a bound key cannot have.
    """
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown:
        raise Refusal("unknown_scope", f"There is no scope {', '.join(unknown)}. Known: {', '.join(sorted(SCOPES))}.")
    bound = customers is not None
    if bound and (wrong := refuse_bound(scopes)):
        raise Refusal("scope_not_bound", wrong)
    with transaction.atomic():
        key, secret = ApiKey.objects.create_key(  # pyright: ignore[reportAttributeAccessIssue]
            owner=owner, name=name[:50], scopes=sorted(set(scopes)), expiry_date=expires, bound=bound
        )
        key.customers.set(customers or ())
    return key, secret


def refuse_bound(scopes: Iterable[str]) -> str:
    """Why a key with these scopes cannot be bound to customers; empty when it can."""
    wide = sorted(set(scopes) - set(BOUND_SCOPES))
    if not wide:
        return ""
    return f"A key that is bound to customers has the scopes {' and '.join(BOUND_SCOPES)} only; take away {', '.join(wide)}."
