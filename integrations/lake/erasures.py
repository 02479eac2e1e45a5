"""Whom the lake must forget: keyed digests of ids, and rows without them (I-23, S-112).

A digest covers the connection, the kind of subject and the id: the same id in another org is another person. The key is
SECRET_KEY; keys in SECRET_KEY_FALLBACKS still recognize what was erased under them.
"""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings
from django.db.models import Q, QuerySet

from integrations.models import Erasure, LakeTable, SalesforceOrg

if TYPE_CHECKING:
    import pyarrow as pa

Org = SalesforceOrg | int | None


def digest_of(id: str, *, kind: str, org: Org = None, secret: str | None = None) -> str:  # noqa: A002
    """Keyed SHA-256, 64 hex digits."""
    return _digest(_key(secret or settings.SECRET_KEY), _scope(org, kind), id)


def mark_of(secret: str) -> str:
    """Names a key without giving it away: 8 hex digits."""
    return hashlib.sha256(_key(secret)).hexdigest()[:8]


def known_marks() -> set[str]:
    """Marks of the keys that this installation still has; erasures under any other can no longer be recognized."""
    return {mark_of(secret) for secret in _secrets()}


def erased_digests(kind: str, *, org: Org = None) -> set[str]:
    """Digests of all of that kind who must stay forgotten, in this connection or in all."""
    return set(_erasures([kind], _org_id(org)).values_list("digest", flat=True))


def is_erased(kind: str, id: str, *, org: Org = None) -> bool:  # noqa: A002
    """Whether that id was erased, in this connection or in all."""
    digests = [digest_of(id, kind=kind, org=each, secret=secret) for each in {_org_id(org), None} for secret in _secrets()]
    return Erasure.objects.filter(kind=kind, digest__in=digests).exists()


@dataclass(frozen=True)
class ErasureList:
    """Who must stay forgotten in one table, as of erasure number `seen`."""

    seen: int = 0
    digests: frozenset[str] = frozenset()
    scopes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    keys: tuple[bytes, ...] = ()

    def without(self, rows: "pa.Table") -> "pa.Table":
        """The rows that name nobody who was erased; columns that a file lacks are not looked at."""
        import pyarrow as pa

        for column in self.scopes:
            if column in rows.column_names:
                keep = [each is None or not self.covers(column, str(each)) for each in rows.column(column).to_pylist()]
                rows = rows if all(keep) else rows.filter(pa.array(keep, pa.bool_()))
        return rows

    def covers(self, column: str, id: str) -> bool:  # noqa: A002
        """Whether the id in that column was erased."""
        return any(_digest(key, scope, id) in self.digests for scope in self.scopes[column] for key in self.keys)


def list_of(table: LakeTable) -> ErasureList:
    """Who must stay forgotten in `table`: nobody in almost every table, and then no row is looked at."""
    subjects: dict[str, str] = table.subjects
    if not subjects:
        return ErasureList()
    found = list(_erasures(subjects.values(), table.org_id).values_list("pk", "kind", "digest", "org_id"))
    scopes = {
        column: tuple(sorted({_scope(org, kind) for _, each, _, org in found if each == kind}))
        for column, kind in subjects.items()
    }
    return ErasureList(
        max((pk for pk, *_ in found), default=0), frozenset(digest for _, _, digest, _ in found),
        {column: each for column, each in scopes.items() if each}, tuple(map(_key, _secrets())),
    )  # fmt: skip


def newest_number(table: LakeTable) -> int:
    """The number of the latest erasure that concerns `table`; 0 when there is none."""
    latest = _erasures(table.subjects.values(), table.org_id).order_by("-pk").values_list("pk", flat=True).first()
    return latest or 0


def _erasures(kinds: Iterable[str], org_id: int | None) -> "QuerySet[Erasure]":
    return Erasure.objects.filter(Q(org=org_id) | Q(org=None), kind__in=set(kinds))


def _org_id(org: Org) -> int | None:
    return org.pk if isinstance(org, SalesforceOrg) else org


def _scope(org: Org, kind: str) -> str:
    return f"{_org_id(org) or ''}:{kind}:"


def _secrets() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _key(secret: str) -> bytes:
    return hashlib.sha256(b"integrations.lake.erasures:" + secret.encode()).digest()


def _digest(key: bytes, scope: str, id: str) -> str:  # noqa: A002
    return hmac.digest(key, f"{scope}{id}".encode(), "sha256").hex()
