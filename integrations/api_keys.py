"""Making API keys: the secret exists only in the return value (S-076)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from integrations.access import SCOPES, Refusal
from integrations.models import ApiKey


def create_key(*, owner: Any, name: str, scopes: Sequence[str], expires: datetime | None) -> tuple[ApiKey, str]:
    """The key's row and its clear text, which nobody can read again. Raises `Refusal` for a scope that does not exist."""
    unknown = sorted(set(scopes) - SCOPES.keys())
    if unknown:
        raise Refusal("unknown_scope", f"There is no scope {', '.join(unknown)}. Known: {', '.join(sorted(SCOPES))}.")
    key, secret = ApiKey.objects.create_key(  # pyright: ignore[reportAttributeAccessIssue]
        owner=owner, name=name[:50], scopes=sorted(set(scopes)), expiry_date=expires
    )
    return key, secret
