"""What a Salesforce id leads to: customers and people linked with it, deals, subscriptions, reports of key results."""

from collections.abc import Iterable, Iterator

from django.db.models import Q
from django.urls import reverse

from billing.models import AccountLink
from integrations.access import Person, has_role
from integrations.masking import hide_people, may_see_people
from integrations.models import RecordLink, SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from okr.models import ReportLink
from project.customers import id_in
from project.searching.places import MOST, Group, Hit
from provisioning.models import Provision, Subscription


def find_record(text: str, user: Person) -> Group | None:
    """A group for an id of 15 or 18 characters, or an address of Salesforce with one; None for any other text."""
    given = id_in(text)
    if not is_id(given):
        return None
    record_id = to_18(given)
    hits = list(dict.fromkeys([*_links(record_id, user), *_deals(record_id), *_billing(record_id), *_reports(record_id)]))
    if has_role(user, "analyst"):
        words = "Why this Salesforce record belongs to a customer, or to none"
        hits = [*hits[: MOST - 1], Hit(words, record_id, f"{reverse('record_why')}?record={record_id}")]
    return Group("records", "Salesforce record", "database", hits[:MOST], len(hits) > MOST) if hits else None


def _links(record_id: str, user: Person) -> Iterator[Hit]:
    rows = RecordLink.objects.filter(salesforce_id=record_id, org__in=SalesforceOrg.objects.all())
    for link in rows.select_related("org", "customer", "end_user")[: MOST + 1]:
        about = f"{link.object} in {link.org} · {link.get_state_display()}"
        if link.customer is not None and link.customer.erased_at is None:
            yield Hit(str(link.customer), about, reverse("customer", args=[link.customer.pk]))
        elif link.end_user is not None and link.end_user.erased_at is None:
            name = str(link.end_user) if may_see_people(user) else hide_people(str(link.end_user))
            yield Hit(name, about, reverse("end_user", args=[link.end_user.pk]))


def _deals(record_id: str) -> Iterable[Hit]:
    deals = Provision.objects.filter(Q(opportunity_id=record_id) | Q(account_id=record_id)).defer("facts", "intent", "result")
    for each in deals.select_related("org")[: MOST + 1]:
        yield Hit(
            str(each), f"Deal in {each.org} · {each.get_state_display()}", reverse("provisioning:provision", args=[each.pk])
        )
    for row in Subscription.objects.filter(opportunity_id=record_id).select_related("customer")[: MOST + 1]:
        yield Hit(row.key, f"Subscription of {row.customer}", reverse("provisioning:subscription", args=[row.key]))


def _billing(record_id: str) -> Iterable[Hit]:
    links = AccountLink.objects.filter(account_id=record_id).exclude(state=AccountLink.State.REMOVED)
    for each in links.select_related("org", "customer")[: MOST + 1]:
        page = reverse("billing:customer", args=[each.customer_id])
        yield Hit(str(each.customer), f"Billing customer, linked in {each.org}", page)


def _reports(record_id: str) -> Iterable[Hit]:
    for each in ReportLink.objects.filter(report_id=record_id).select_related("key_result")[: MOST + 1]:
        page = reverse("okr:key_result", args=[each.key_result_id])
        yield Hit(str(each.key_result), f"Key result, from the report {each.report_name}", page)
