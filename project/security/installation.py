"""What is known about this installation's own keys and people: who may see what, and with which keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.utils.crypto import salted_hmac

from integrations import audit_keeping
from integrations.access import GROUPS, ROLE_LABELS, ROLES, role_of
from integrations.models import ApiKey, AuditCheck, SecurityReview
from integrations.orgs import vault
from integrations.product.models import WriteKey
from okr.models import License
from project.roles import API, PAGES
from project.security.posture import BAD, OK, UNKNOWN, UNUSED_KEY_DAYS, InstallationFacts

_SALT = "causeway.security.keys"


def read_facts(*, now: datetime) -> tuple[InstallationFacts, dict[str, Any]]:
    """The facts, and the notes to keep: when each encryption key was first seen, by a fingerprint that tells nothing else."""
    prints = [fingerprint(key) for key in settings.FIELD_ENCRYPTION_KEYS]
    kept = SecurityReview.objects.filter(org=None).first()
    seen: dict[str, str] = dict((kept.body if kept else {}).get("keys", {}))
    notes = {each: seen.get(each, now.isoformat()) for each in prints}
    limit = now - timedelta(days=UNUSED_KEY_DAYS)
    check = audit_keeping.latest_check()
    keys = ApiKey.objects.filter(Q(expiry_date=None) | Q(expiry_date__gt=now), revoked=False)
    powers = Q(is_superuser=True) | Q(is_staff=True) | Q(groups__name=GROUPS["admin"])
    admins = get_user_model().objects.filter(powers, is_active=True).distinct()
    idle = admins.filter(Q(last_login__lt=limit) | Q(last_login=None, date_joined__lt=limit))
    facts = InstallationFacts(
        keys=len(prints), behind=vault.behind_newest_key(), key_at=datetime.fromisoformat(notes[prints[0]]) if prints else None,
        admins=admins.count(), idle_admins=tuple(idle.order_by("username").values_list("username", flat=True)),
        unused_keys=tuple(_named(keys.filter(Q(last_used_at__lt=limit) | Q(last_used_at=None, created__lt=limit)))),
        endless_keys=tuple(_named(keys.filter(expiry_date=None))), chain=_chain_state(check),
        chain_at=check.at if check else None,
    )  # fmt: skip
    return facts, {"keys": notes}


def fingerprint(key: str) -> str:
    """A short name of a key that cannot be turned back."""
    return salted_hmac(_SALT, key, algorithm="sha256").hexdigest()[:12]  # pyright: ignore[reportCallIssue]


def _chain_state(check: AuditCheck | None) -> str:
    if check is None:
        return UNKNOWN
    return OK if check.broken_id is None else BAD


def _named(keys: Any) -> list[str]:
    return [f"{key.name} of {key.owner}" for key in keys.select_related("owner").order_by("name")]


@dataclass(frozen=True)
class RoleLine:
    """A role: how many pages and API addresses it opens that smaller ones do not, and who has it."""

    role: str
    label: str
    pages: int
    api_reads: int
    api_writes: int
    examples: tuple[str, ...]
    people: tuple[str, ...]


def roles() -> list[RoleLine]:
    """Every role with what it adds and who holds it, from the least."""
    holders = _holders()
    lines = []
    for role in ROLES:
        pages = sorted(name for name, needed in PAGES.items() if needed == role)
        lines.append(RoleLine(
            role, ROLE_LABELS[role], len(pages), sum(reads == role for reads, _ in API.values()),
            sum(writes == role for _, writes in API.values()),
            tuple(name.partition(":")[2].replace("_", " ") or name.replace("_", " ") for name in pages[:6]),
            tuple(holders.get(role, ())),
        ))  # fmt: skip
    return lines


def _holders() -> dict[str, list[str]]:
    people = get_user_model().objects.filter(is_active=True).prefetch_related("groups").order_by("username")
    found: dict[str, list[str]] = {}
    for person in people:
        found.setdefault(role_of(person), []).append(person.get_username())
    return found


def back_office() -> list[Any]:
    """People who may open the back office."""
    return list(get_user_model().objects.filter(Q(is_staff=True) | Q(is_superuser=True), is_active=True).order_by("username"))


def api_keys(*, now: datetime) -> list[ApiKey]:
    """API keys that work now, the least recently used first."""
    keys = ApiKey.objects.filter(Q(expiry_date=None) | Q(expiry_date__gt=now), revoked=False, owner__is_active=True)
    return list(keys.select_related("owner").order_by("last_used_at", "name"))


def write_keys() -> list[WriteKey]:
    """Keys by which products send events."""
    return list(WriteKey.objects.filter(revoked_at=None).order_by("name"))


def licenses() -> list[License]:
    """People who may link reports to key results."""
    return list(License.objects.select_related("user", "org").order_by("org__name", "user__username"))
