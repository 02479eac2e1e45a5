"""What is left of credit grants that our invoices burn down (MT-D9)."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from decimal import Decimal
from itertools import islice

from django.db.models import Q

from billing.models import CreditGrant, Deduction
from billing.pricing import ZERO
from billing.rewriting import BATCH, rewrite
from integrations.sync import retrying


def deductions_of(grants: Iterable[str], *, leave_out: Collection[str] = ()) -> dict[str, Decimal]:
    """What invoices took from grants, those of `leave_out` excepted; voided ones gave it back."""
    found: dict[str, Decimal] = defaultdict(lambda: ZERO)
    rows = Deduction.objects.filter(grant_key__in=list(grants)).values_list("grant_key", "invoice_key", "amount")
    for grant, invoice, amount in rows:
        if invoice not in leave_out:
            found[grant] += amount
    return dict(found)


def update_balances(*, now: datetime, grants: Collection[str] | None = None) -> int:
    """Bring the balances of grants (None: of all) up to date, drafts included (MT-D9); how many changed.

    Grants whose balance the source sends, and from which no invoice of ours ever took, keep theirs.
    """
    ours = CreditGrant.objects.filter(Q(is_burned=True) | Q(balance=None), deleted_at=None).order_by()
    if grants is not None:
        ours = ours.filter(key__in=list(grants))
    keys = iter(list(ours.values_list("key", flat=True)))
    changed = 0
    while chunk := list(islice(keys, BATCH)):
        changed += retrying.in_transaction(lambda chunk=chunk: _update(chunk, now), repeatable=True)
    return changed


def _update(keys: list[str], now: datetime) -> int:
    """Locked first: what is counted then holds until the commit, whoever rates meanwhile."""
    grants = list(CreditGrant.objects.select_for_update().filter(key__in=keys).order_by("pk"))
    taken = deductions_of(keys)
    changed = []
    for grant in grants:
        left = grant.start_of_burning - taken.get(grant.key, ZERO)
        if grant.balance != left:
            grant.balance, grant.updated_at = left, now
            changed.append(grant)
    rewrite(CreditGrant, changed, ("balance", "updated_at"))
    return len(changed)
