"""What happens when a won deal is undone in Salesforce (ST-D13, R-183) or its account is merged (ST-D8): nothing by itself.

The deal is flagged, people are told, and one of them decides: cancel now, cancel at the end of the period, or keep. A trial
whose deal is lost ends as the connection's settings say (ST-D11).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Customer, Run, SalesforceOrg
from integrations.sync.mirror import needs
from provisioning.models import Provision, ProvisioningSettings, ProvisionStep, Subscription
from provisioning.provision import alarms, claims, customers
from provisioning.provision.sorting import UNDONE, Found
from provisioning.subscriptions import endings
from provisioning.subscriptions.terms import in_trial, status_of

CANCEL_NOW, CANCEL_AT_END, KEEP = ANSWERS = ("cancel_now", "cancel_at_end", "keep")
MERGED = "merged"
SENTENCES = {
    "reopened": "The opportunity was opened again after it was won. What the customer has stays until you decide.",
    "lost": "The opportunity was marked as lost after it was won. What the customer has stays until you decide.",
    "deleted": "The opportunity was deleted after it was won. What the customer has stays until you decide.",
}
LOST_TRIAL = "The opportunity was lost."


def follow(found: Found, *, now: datetime) -> int:
    """Do what a changed opportunity asks for: flag, unflag, or end a lost trial. 1 when something changed."""
    provision = Provision.objects.select_related("org").filter(pk=found.provision_id).first()
    if provision is None:
        return 0
    if found.action == "flag":
        return raise_flag(provision, found.flag, SENTENCES[found.flag], now=now)
    if found.action == "unflag":
        return lower_flag(provision, now=now)
    return end_lost_trial(provision, now=now)


def raise_flag(provision: Provision, flag: str, sentence: str, *, now: datetime) -> int:
    """Flag a deal, once for each state; the subscription is not touched."""
    rows = Provision.objects.filter(pk=provision.pk).exclude(flag=flag)
    changed = rows.update(flag=flag, flag_answer="", flagged_at=now, sentence=sentence)
    if changed:
        provision.refresh_from_db()
        alarms.tell(provision, now=now)
    return changed


def lower_flag(provision: Provision, *, now: datetime) -> int:
    """The deal is won again: nothing is provisioned anew, and nobody has to decide any more."""
    rows = Provision.objects.filter(pk=provision.pk, flag__in=UNDONE)
    changed = rows.update(flag="", flag_answer="", flagged_at=None, sentence="")
    if changed:
        provision.refresh_from_db()
        alarms.tell(provision, now=now)
    return changed


def look_again(provision_ids: Iterable[int], *, now: datetime) -> int:
    """Let the worker judge deals anew that had nothing to do or were blocked; how many."""
    ids = list(provision_ids)
    ProvisionStep.objects.filter(provision__in=ids, provision__state=Provision.State.SKIPPED).update(
        state=ProvisionStep.State.WAITING, reason_code="", sentence=""
    )
    rows = Provision.objects.filter(pk__in=ids)
    skipped = rows.filter(state=Provision.State.SKIPPED).update(state=Provision.State.WAITING, not_before=now, finished_at=None)
    return skipped + rows.filter(state=Provision.State.BLOCKED).update(not_before=now)


def end_lost_trial(provision: Provision, *, now: datetime) -> int:
    """End the trials of a lost deal at once where the connection wants that; by default they end at their date (ST-D11)."""
    settings = ProvisioningSettings.objects.filter(org=provision.org_id).first()
    if settings is None or settings.lost_trials != ProvisioningSettings.Lost.AT_ONCE:
        return 0
    ended = 0
    for subscription in subscriptions_of(provision):
        if subscription.cancelled_at is None and in_trial(subscription, now):
            endings.end_trial(subscription, reason=LOST_TRIAL, provision=provision, actor=None, now=now)
            ended += 1
    return ended


def subscriptions_of(provision: Provision) -> list[Subscription]:
    """What the provision made or changed."""
    keys = provision.result.get("subscription_ids") or []
    return list(Subscription.objects.filter(key__in=keys).select_related("customer", "product").order_by("pk"))


def answer(provision: Provision, choice: str, *, actor: Person | None, now: datetime) -> Provision:
    """What a person decided about a flagged deal. `Refusal` when it is not flagged or the choice is none."""
    if choice not in ANSWERS:
        raise Refusal("bad_answer", f"Answer with one of {', '.join(ANSWERS)}.")
    with transaction.atomic():
        provision = Provision.objects.select_for_update().select_related("org").get(pk=provision.pk)
        if not provision.flag or provision.flag_answer:
            raise Refusal("not_flagged", "Nothing is to be decided about this deal.")
        if provision.flag == MERGED and choice != KEEP:
            raise Refusal("merged", "Nothing is cancelled because accounts were merged; cancel the subscription itself.")
        if choice != KEEP:
            _cancel(provision, at_end=choice == CANCEL_AT_END, actor=actor, now=now)
        Provision.objects.filter(pk=provision.pk).update(flag_answer=choice)
        provision.flag_answer = choice
        after = {"flag": provision.flag, "answer": choice}
        audit.record("provision.answered", actor=actor, target=f"provision {provision.pk}", after=after)
    alarms.tell(provision, now=now)
    return provision


def _cancel(provision: Provision, *, at_end: bool, actor: Person | None, now: datetime) -> None:
    for subscription in subscriptions_of(provision):
        if status_of(subscription, now) in ("cancelled", "expired"):
            continue
        reason = f"The opportunity was {provision.flag} after it was won."
        if at_end and (subscription.ends_at or subscription.trial_ends_at):
            endings.cancel(subscription, at_period_end=True, reason=reason, actor=actor, now=now)
        else:
            endings.cancel(subscription, reason=reason, actor=actor, now=now)


def provide_again(provision: Provision, *, actor: Person | None, now: datetime) -> Provision:
    """A new version of a deal's provision, because a person asks for it after everything of the old one was cancelled."""
    with transaction.atomic():
        held = Provision.objects.select_for_update().select_related("org").get(pk=provision.pk)
        latest = claims.newest(held.org, held.opportunity_id)[held.slot]
        if latest.pk != held.pk:
            raise Refusal("not_newest", "There is a newer provision of this deal.")
        if held.state not in claims.SETTLED or any(each.running_key for each in subscriptions_of(held)):
            raise Refusal("still_running", "What this deal gave still runs; there is nothing to provide anew.")
        made = Provision.objects.create(
            org=held.org, opportunity_id=held.opportunity_id, slot=held.slot, version=held.version + 1, kind=held.kind,
            name=held.name, account_id=held.account_id, account_name=held.account_name, source=Provision.Source.MANUAL,
            opened_at=now, not_before=now,
        )  # fmt: skip
        Provision.objects.filter(pk=held.pk).update(flag="", flag_answer="")
        audit.record("provision.asked_again", actor=actor, target=f"provision {held.pk}", after={"provision": made.pk})
    return made


def needs_of(org: SalesforceOrg) -> list[needs.Need]:
    """The mirror tells what became of the accounts that something was provisioned for: of all, because a deal may be old."""
    wanted = org.provisioning_enabled and Provision.objects.filter(org=org, customer__isnull=False).exists()
    return [needs.Need("provisioning", customers.ACCOUNT, ("Name",), since_months=None)] if wanted else []


# --- merged and deleted records, told by the mirror -------------------------------------------------------------------------


def on_merged(org: SalesforceOrg, name: str, pairs: Sequence[tuple[str, str]], /, *, run: Run, now: datetime) -> None:
    """ST-D8: deals and subscriptions follow the surviving account; a second customer is flagged, nothing is cancelled."""
    if name != customers.ACCOUNT:
        return
    losers = dict(pairs)
    theirs = Provision.objects.filter(org=org, account_id__in=losers, customer__isnull=False)
    for account_id in sorted(set(theirs.values_list("account_id", flat=True))):
        _follow_account(org, account_id, losers[account_id], now=now)


def _follow_account(org: SalesforceOrg, loser: str, winner: str, *, now: datetime) -> None:
    with transaction.atomic():
        other = Provision.objects.filter(org=org, account_id=loser, customer__isnull=False).select_related("customer").last()
        keeper = _customer_of(org, winner)
        rows = Provision.objects.filter(org=org, account_id=loser)
        latest = rows.filter(customer__isnull=False).order_by("-pk").first()
        moved = list(rows.values_list("pk", flat=True))
        Provision.objects.filter(pk__in=moved).update(account_id=winner)
        Subscription.objects.filter(org=org, account_id=loser).update(account_id=winner, updated_at=now)
    if other is None or keeper is None or latest is None or other.customer_id == keeper.pk:
        return
    sentence = (
        f"The account was merged into another one, which belongs to {keeper}. {other.customer} keeps what it has; "
        "merge the two customers if they are one."
    )
    latest.refresh_from_db()
    raise_flag(latest, MERGED, sentence, now=now)


def _customer_of(org: SalesforceOrg, account_id: str) -> Customer | None:
    """The survivor's own customer: by what was provisioned for it first, because its link may be the loser's that moved."""
    own = Provision.objects.filter(org=org, account_id=account_id, customer__isnull=False)
    found = own.select_related("customer").order_by("-pk").first()
    return found.customer if found is not None else customers.linked_customer(org, account_id)


def on_deleted(org: SalesforceOrg, name: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Opportunities that the mirror found deleted, in case the poll was away for longer than the recycle bin keeps them."""
    if name != "Opportunity":
        return
    granted = [Provision.State.DONE, Provision.State.INCOMPLETE]
    rows = Provision.objects.select_related("org").filter(
        org=org, opportunity_id__in=ids, slot=Provision.Slot.CONTRACT, state__in=granted
    )
    for provision in rows.exclude(flag="deleted"):
        raise_flag(provision, "deleted", SENTENCES["deleted"], now=now)
