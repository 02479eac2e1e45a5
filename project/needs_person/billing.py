"""Billing: what an org lacks, customers without an account, records that are left over. Refused rows stand in the outbox."""

from datetime import datetime

from django.core.cache import cache
from django.urls import reverse

from billing import attention
from integrations.models import SalesforceOrg
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

LEFT_OVER, KEPT_SECONDS = "needs_person:left_over:2", 6 * 3600


def read(asker: Asker) -> list[Need]:
    """No statement: the settings stand with the connections."""
    if not asker.may("operator", "billing"):
        return []
    return [
        Need("billing.lacks", "billing", Urgency.NOW,
             f"{each.org.name}: {words_for(each.rows, 'object or field', 'objects and fields')} missing for billing",
             f"{reverse('billing:overview')}#org-{each.org.pk}", "Install or grant", each.words, each.rows, each.since,
             connection=each.org.name)
        for each in attention.lacking(asker.orgs)
    ]  # fmt: skip


def _left_over(asker: Asker) -> list[attention.Waiting]:
    """Compared a few times a day, because every record is looked at; at once when a person asks."""
    kept = None if asker.at_once else cache.get(LEFT_OVER)
    if not isinstance(kept, list):
        known = attention.left_over(now=asker.now)
        rows = [[each.org.pk, each.rows, each.since.isoformat() if each.since else None, each.words] for each in known]
        cache.set(LEFT_OVER, rows, KEPT_SECONDS)
        return known
    orgs = SalesforceOrg.objects.in_bulk([row[0] for row in kept])
    return [
        attention.Waiting(orgs[pk], rows, datetime.fromisoformat(since) if since else None, words)
        for pk, rows, since, words in kept
        if pk in orgs
    ]


def read_kept(asker: Asker) -> list[Need]:
    """Kept by the worker: links are counted, leftovers compared in the lake."""
    found = [
        Need("billing.unlinked", "billing", Urgency.TODAY,
             f"{each.org.name}: {words_for(each.rows, 'billing customer')} without an account",
             f"{reverse('billing:links')}?org={each.org.pk}", "Link them", "Their invoices hang on no account.", each.rows,
             connection=each.org.name)
        for each in attention.unlinked()
    ]  # fmt: skip
    found += [
        Need("billing.leftovers", "billing", Urgency.TODAY,
             f"{each.org.name}: {words_for(each.rows, 'billing record is', 'billing records are')} left over in Salesforce",
             reverse("billing:leftovers", kwargs={"org_id": each.org.pk}), "Keep or remove",
             "Nothing here has them any more. Nothing is removed unasked.", each.rows, connection=each.org.name)
        for each in _left_over(asker)
    ]  # fmt: skip
    found += [
        Need("billing.deleted", "billing", Urgency.TODAY,
             f"{each.org.name}: {words_for(each.rows, 'billing customer has', 'billing customers have')} a deleted account",
             f"{reverse('billing:links')}?org={each.org.pk}", "Choose another", "Their records stay where they are.", each.rows,
             each.since, connection=each.org.name)
        for each in attention.deleted_accounts()
    ]  # fmt: skip
    return found


SOURCES = (Source("billing", read, 0), Source("billing customers", read_kept, 60, kept=True))
