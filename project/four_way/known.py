"""Findings that somebody explained: out of the list until they change or get worse."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from integrations import audit
from integrations.access import Refusal
from integrations.models import KnownFinding
from project.four_way.positions import RANK, Finding, Severity

GROWTH = Decimal("1.1")
"""Up to a tenth more is the same finding: usage and prices move a little every day."""


class Known(Protocol):
    """What is kept of a finding."""

    severity: str
    amount: Decimal | None
    currency: str
    words: str


@dataclass(frozen=True)
class Split:
    """Findings that need somebody, and those that are explained, each with who said what."""

    open: list[Finding]
    known: list[tuple[Finding, KnownFinding]]


def key_of(finding: Finding) -> str:
    """Stands for a finding over the nights: kind, customer (by name where there is none) and subject."""
    parts = [str(finding.kind), finding.customer or finding.customer_name, finding.subject]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def words_of(finding: Finding) -> str:
    """The sentence without its numbers, which move every day."""
    return re.sub(r"\d[\d,.]*", "#", finding.sentence)


def is_same(known: Known, finding: Finding) -> bool:
    """Whether a finding is still what was explained: not more severe, not a tenth more worth, saying the same. Pure."""
    if RANK[finding.severity] < RANK[Severity(known.severity)] or words_of(finding) != known.words:
        return False
    if finding.amount is None or known.amount is None:
        return finding.amount is None
    return finding.currency == known.currency and finding.amount <= known.amount * GROWTH


def split(findings: Iterable[Finding]) -> Split:
    """Those that need somebody, and those that are explained."""
    rows: Mapping[str, KnownFinding] = {each.key: each for each in KnownFinding.objects.select_related("known_by")}
    found = Split([], [])
    for each in findings:
        row = rows.get(key_of(each)) if rows else None
        if row is not None and is_same(row, each):  # pyright: ignore[reportArgumentType]  columns are their values
            found.known.append((each, row))
        else:
            found.open.append(each)
    return found


def explain(
    findings: Iterable[Finding], key: str, *, reason: str, user: Any, now: datetime, address: str | None = None
) -> KnownFinding:
    """Keep why a finding is right, or known. Refusals `no_finding`, `no_reason`."""
    finding = next((each for each in findings if key_of(each) == key), None)
    if finding is None:
        raise Refusal("no_finding", "This finding is not there any more. Look at the list again.")
    if not reason.strip():
        raise Refusal("no_reason", "Say why it is right as it is, or who takes care of it.")
    facts = {
        "kind": str(finding.kind), "customer_id": finding.customer, "subject": finding.subject[:200],
        "severity": str(finding.severity), "amount": finding.amount, "currency": finding.currency, "words": words_of(finding),
        "reason": reason.strip()[:300], "known_by": user, "known_at": now,
    }  # fmt: skip
    row, _ = KnownFinding.objects.update_or_create(key=key, defaults=facts)
    after = {"kind": row.kind, "subject": row.subject, "reason": row.reason, "customer": finding.customer}
    audit.record("four_way.explained", actor=user, target=finding.customer_name, after=after, address=address)
    return row


def forget(key: str, *, user: Any, address: str | None = None) -> None:
    """Put a finding back into the list. Refusal `not_explained`."""
    row = KnownFinding.objects.filter(key=key).first()
    if row is None:
        raise Refusal("not_explained", "Nobody has explained this finding.")
    before = {"kind": row.kind, "subject": row.subject, "reason": row.reason}
    audit.record("four_way.reopened", actor=user, target=row.subject, before=before, address=address)
    row.delete()
