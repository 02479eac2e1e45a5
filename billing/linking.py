"""Billing customers and their Salesforce accounts: many to many, one of them primary (MT-12, MT-D1..MT-D3).

Every verb writes the audit trail. What the mirror tells (merged, deleted, revived accounts) may be told twice.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from billing.models import AccountLink, BillingCustomer
from billing.objects import ACCOUNT, CUSTOMER_ID_LENGTH
from billing.payloads import MARK, MOST_FURTHER
from integrations import alerts, audit
from integrations.access import Person, Refusal
from integrations.models import Customer, Entity, RecordLink, Run, SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from integrations.sync.matching.saving import customers_called
from integrations.sync.mirror import needs

State, Source = AccountLink.State, AccountLink.Source
ACCOUNT_PREFIX = "001"
BATCH = 500
LONGEST_KEY = CUSTOMER_ID_LENGTH - len(MARK) - 2
Tell = Callable[[str, str, str], object]


@dataclass(frozen=True, slots=True)
class Linked:
    """One link as payloads need it."""

    account_id: str
    ordinal: int
    is_primary: bool
    state: str

    @property
    def is_active(self) -> bool:
        return self.state == State.ACTIVE

    @property
    def is_removed(self) -> bool:
        return self.state == State.REMOVED


def links_of(org: SalesforceOrg, customers: Iterable[int]) -> dict[int, list[Linked]]:
    """All links, removed ones too, of some billing customers, in the order of their ordinals."""
    found: dict[int, list[Linked]] = {}
    rows = AccountLink.objects.filter(org=org, customer_id__in=list(customers)).order_by("customer_id", "ordinal")
    for customer, *rest in rows.values_list("customer_id", "account_id", "ordinal", "is_primary", "state"):
        found.setdefault(customer, []).append(Linked(*rest))
    return found


def link_account(
    customer: BillingCustomer, *, org: SalesforceOrg, account_id: str, actor: Person | None, now: datetime,
    source: str = Source.MANUAL,
) -> AccountLink:  # fmt: skip
    """Link an account; the first one of a customer is its primary. Linking what is linked changes nothing.

    Refusal `bad_account` for what is no id of an account, `too_many_accounts`, `key_too_long_for_more_accounts` (MT-D1).
    """
    account = read_account(account_id)
    with transaction.atomic():
        BillingCustomer.objects.select_for_update().get(pk=customer.pk)
        known = AccountLink.objects.filter(org=org, customer=customer)
        link = known.filter(account_id=account).first()
        if link is not None and link.state == State.ACTIVE:
            return link
        primary = not known.filter(is_primary=True, state=State.ACTIVE).exists()
        if primary and not _may_have_more(customer) and (link is None or link.ordinal):
            known.filter(ordinal=0).exclude(
                state=State.ACTIVE
            ).delete()  # its id has no room for a further row, but the place of the only one is free
            link = None if link is None else known.filter(pk=link.pk).first()
        if link is None:
            link = AccountLink(
                org=org, customer=customer, account_id=account, ordinal=_next_ordinal(known, customer), linked_at=now
            )
        elif not primary and link.ordinal == 0:  # the bare row carries another account now: this one needs a row of its own
            link.ordinal = _next_ordinal(known, customer)
        before = {"state": link.state if link.pk else ""}
        link.state, link.is_primary, link.source, link.reason, link.changed_at = State.ACTIVE, primary, source, "", now
        link.linked_by = actor if actor is not None and actor.pk else None  # pyright: ignore[reportAttributeAccessIssue]
        link.save()
        audit.record("billing.link", actor=actor, target=link, before=before, after=_told(link))
    return link


def unlink_account(link: AccountLink, *, actor: Person | None, now: datetime, reason: str = "") -> None:
    """Take a link away: the next push clears the lookup, or deletes the row of a further account (MT-D3)."""
    with transaction.atomic():
        BillingCustomer.objects.select_for_update().get(pk=link.customer_id)
        link.refresh_from_db()
        if link.state == State.REMOVED:
            return
        before = _told(link)
        link.state, link.is_primary, link.reason, link.changed_at = State.REMOVED, False, reason[:255], now
        link.save()
        audit.record("billing.unlink", actor=actor, target=link, before=before, after=_told(link))


def make_primary(link: AccountLink, *, actor: Person | None, now: datetime) -> None:
    """Let the bare customer row carry this account; the former primary becomes a further one."""
    with transaction.atomic():
        customer = BillingCustomer.objects.select_for_update().get(pk=link.customer_id)
        link.refresh_from_db()
        if link.state != State.ACTIVE:
            raise Refusal("not_linked", "Only a linked account can be the primary one. Link it first.")
        if link.is_primary:
            return
        known = AccountLink.objects.filter(org=link.org, customer=customer)
        for former in known.filter(is_primary=True):
            former.is_primary, former.changed_at = False, now
            if former.ordinal == 0:
                former.ordinal = _next_ordinal(known, customer)
            former.save()
        link.is_primary, link.changed_at = True, now
        link.save()
        audit.record("billing.primary", actor=actor, target=link, after=_told(link))


def read_account(text: str) -> str:
    """An account's id with 18 characters; Refusal `bad_account` names what is wrong."""
    wanted = text.strip()
    if not is_id(wanted) or not wanted.startswith(ACCOUNT_PREFIX):
        raise Refusal("bad_account", f"“{wanted[:40]}” is no id of an account: 15 or 18 characters that begin with 001.")
    return to_18(wanted)


def _next_ordinal(known: Any, customer: BillingCustomer) -> int:
    """0 for the first account ever, then the next number that was never used (it names a row in Salesforce)."""
    highest = known.aggregate(top=Max("ordinal"))["top"]
    if highest is None or (not _may_have_more(customer) and not known.filter(ordinal=0).exists()):
        return 0
    if highest >= MOST_FURTHER:
        raise Refusal("too_many_accounts", f"A billing customer has at most {MOST_FURTHER} further accounts.")
    if not _may_have_more(customer):
        raise Refusal(
            "key_too_long_for_more_accounts",
            f"The id of {customer} has {len(customer.key)} characters, and {LONGEST_KEY} at most with several accounts.",
        )
    return highest + 1


def _may_have_more(customer: BillingCustomer) -> bool:
    """Whether the id leaves room for the mark of further rows (MT-D1)."""
    return len(customer.key) <= LONGEST_KEY


def _told(link: AccountLink) -> dict[str, Any]:
    return {"account": link.account_id, "state": link.state, "primary": link.is_primary, "ordinal": link.ordinal,
            "source": link.source}  # fmt: skip


# --- the product's customers ------------------------------------------------------------------------------------------------


def join_customers(customers: Sequence[BillingCustomer]) -> int:
    """Tie billing customers to the product's customers with the same id or alias; how many were tied."""
    loose = [each for each in customers if each.customer_id is None]
    joined = 0
    for start in range(0, len(loose), BATCH):
        chunk = loose[start : start + BATCH]
        found = customers_called(each.key for each in chunk)
        for each in chunk:
            if (known := found.get(each.key)) is not None:
                each.customer = known
                joined += BillingCustomer.objects.filter(pk=each.pk, customer=None).update(customer=known)
    return joined


def follow_matches(org: SalesforceOrg, *, now: datetime, tell: Tell | None = None) -> int:
    """Link the accounts that matching found for the product's customers; links by hand and kept-apart ones stay. How many.

    A link that matching made follows when matching moves it; one that it takes back is removed. A customer that cannot be
    linked stops no other: `tell` gets its key, a code and the reason.
    """
    changed = 0
    matched = RecordLink.objects.filter(org=org, entity=Entity.CUSTOMER, object=ACCOUNT)
    active = matched.filter(state=RecordLink.State.ACTIVE)
    billed = list(BillingCustomer.objects.filter(deleted_at=None, customer__isnull=False).values_list("pk", "customer_id"))
    for start in range(0, len(billed), BATCH):
        chunk = billed[start : start + BATCH]
        accounts = dict(active.filter(customer_id__in={each for _, each in chunk}).values_list("customer_id", "salesforce_id"))
        customers = BillingCustomer.objects.in_bulk([pk for pk, _ in chunk])
        own: dict[int, list[AccountLink]] = {}
        for link in AccountLink.objects.filter(org=org, customer_id__in=customers):
            own.setdefault(link.customer_id, []).append(link)
        for pk, spine in chunk:
            try:
                changed += _follow(customers[pk], own.get(pk, []), accounts.get(spine, ""), org=org, now=now)
            except Refusal as refusal:
                if tell is not None:
                    tell(customers[pk].key, refusal.code, refusal.message)
    return changed


def _follow(customer: BillingCustomer, links: list[AccountLink], account: str, *, org: SalesforceOrg, now: datetime) -> int:
    by_match = [link for link in links if link.source == Source.MATCH and link.state == State.ACTIVE]
    stale = [link for link in by_match if link.account_id != account]
    for link in stale:
        unlink_account(link, actor=None, now=now, reason="Matching no longer leads there.")
    decided = any(link.source != Source.MATCH for link in links)  # a person's choice stays, an unlinked account too
    if not account or decided or any(link.account_id == account and link.state == State.ACTIVE for link in links):
        return len(stale)
    link_account(customer, org=org, account_id=account, actor=None, now=now, source=Source.MATCH)
    return len(stale) + 1


# --- what the mirror tells --------------------------------------------------------------------------------------------------


def on_merged(org: SalesforceOrg, name: str, pairs: Sequence[tuple[str, str]], /, *, run: Run, now: datetime) -> None:
    """Follow the surviving accounts (MT-D3)."""
    if name != ACCOUNT:
        return
    winners = last_winners(pairs)
    for chunk in batched(winners):
        for link in AccountLink.objects.filter(org=org, account_id__in=chunk).exclude(state=State.REMOVED):
            _move(link, winners[link.account_id], now=now)


def batched(ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in pieces that one statement can name."""
    rest = iter(ids)
    while chunk := list(islice(rest, BATCH)):
        yield chunk


def last_winners(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Loser to the account that is left at the end, where a winner was merged away in its turn (pure)."""
    direct, found = dict(pairs), {}
    for loser, winner in direct.items():
        seen, current = {loser}, winner
        while current in direct and current not in seen:
            seen.add(current)
            current = direct[current]
        found[loser] = current
    return found


def _move(link: AccountLink, winner: str, *, now: datetime) -> None:
    with transaction.atomic():
        BillingCustomer.objects.select_for_update().get(pk=link.customer_id)  # first, as every verb does it
        loser = link.account_id
        link.refresh_from_db()
        if link.state == State.REMOVED or link.account_id != loser:
            return  # a person was quicker
        known = AccountLink.objects.filter(org=link.org, customer=link.customer)
        there = known.filter(account_id=winner).first()
        before = _told(link)
        if there is None:
            link.account_id, link.state, link.reason, link.changed_at = winner, State.ACTIVE, "The account was merged.", now
            link.save()
            audit.record("billing.link_moved", actor=None, target=link, before=before, after=_told(link))
            return
        was_primary = link.is_primary
        unlink_account(link, actor=None, now=now, reason="The account was merged into one that is linked too.")
        if there.state != State.ACTIVE:
            link_account(link.customer, org=link.org, account_id=winner, actor=None, now=now, source=link.source)
            there.refresh_from_db()
        if was_primary:
            make_primary(there, actor=None, now=now)


def on_deleted(org: SalesforceOrg, name: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Clear the lookups to deleted accounts, keep the rows, raise one alert (MT-D3)."""
    if name != ACCOUNT:
        return
    lost = [AccountLink.objects.filter(org=org, account_id__in=chunk, state=State.ACTIVE) for chunk in batched(ids)]
    reason = "The account was deleted in Salesforce."
    number = sum(each.update(state=State.SUSPENDED, reason=reason, changed_at=now) for each in lost)
    if number:
        audit.record("billing.links_suspended", actor=None, target=org, after={"links": number})
        _alert(org, now=now)


def on_revived(org: SalesforceOrg, name: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Accounts that came back from the recycle bin are linked again."""
    if name != ACCOUNT:
        return
    found = (AccountLink.objects.filter(org=org, account_id__in=chunk, state=State.SUSPENDED) for chunk in batched(ids))
    for given in (link for links in found for link in links):
        with transaction.atomic():
            customer = BillingCustomer.objects.select_for_update().get(pk=given.customer_id)
            known = AccountLink.objects.filter(org=org, customer=customer)
            link = known.filter(pk=given.pk, state=State.SUSPENDED).first()
            if link is None:
                continue  # a person was quicker
            primary = link.is_primary and not known.filter(is_primary=True, state=State.ACTIVE).exists()
            ordinal = link.ordinal if primary or link.ordinal else _row_of_its_own(known, customer)
            known.filter(pk=link.pk).update(state=State.ACTIVE, reason="", changed_at=now, is_primary=primary, ordinal=ordinal)
    _alert(org, now=now)


def _row_of_its_own(known: Any, customer: BillingCustomer) -> int:
    try:
        return _next_ordinal(known, customer)
    except Refusal:  # its id has no room for a further row; the account stays linked here and is without one there
        return 0


def _alert(org: SalesforceOrg, *, now: datetime) -> None:
    key = f"billing.accounts:{org.pk}"
    number = AccountLink.objects.filter(org=org, state=State.SUSPENDED).count()
    if not number:
        alerts.recover_alert(key, now=now)
        return
    who = "1 billing customer has" if number == 1 else f"{number:,} billing customers have"
    alerts.raise_alert(
        key, code="billing_accounts_deleted", title=f"{who} an account that was deleted in Salesforce",
        body="Their rows stay in Salesforce without an account. Link another account.", url="/billing/links/", org=org, now=now,
    )  # fmt: skip


def work_list(org: SalesforceOrg) -> Any:
    """Billing customers without an account in a connection (orphans), by name."""
    linked = AccountLink.objects.filter(org=org, state=State.ACTIVE).values("customer_id")
    return BillingCustomer.objects.filter(deleted_at=None).exclude(pk__in=linked).order_by("name", "key")


def needs_of(org: SalesforceOrg) -> list[needs.Need]:
    """The mirror tells what became of linked accounts: of all that there are, because a link may lead to an old one."""
    wanted = org.billing_enabled and AccountLink.objects.filter(org=org).exists()
    return [needs.Need("billing", ACCOUNT, ("Name",), since_months=None)] if wanted else []


def find_customers(word: str) -> Any:
    """The product's customers whose name or id contains a word, for the picker."""
    return Customer.objects.filter(Q(name__icontains=word) | Q(external_id__icontains=word), erased_at=None).order_by("name")
