"""Customers without a record in Salesforce, records that several claim, links to deleted records."""

from django.urls import reverse

from integrations import attention
from integrations.models import Entity
from project.needs_person.asking import Asker, Source
from project.needs_person.need import Need, Urgency, words_for

MANY = 0.5


def read(asker: Asker) -> list[Need]:
    """Kept by the worker: it counts all customers and links."""
    return [*_unlinked(), *_contested(), *_suspended()]


def _unlinked() -> list[Need]:
    return [
        Need(
            "customers.unlinked", "product", Urgency.TODAY,
            f"{each.org.name}: {words_for(each.rows, 'customer')} of {each.of:,} without an account",
            f"{reverse('customers')}?link=unlinked", "Match or link them",
            "Nothing of theirs is written to Salesforce." + (
                " Most of them: look at the match rules first." if each.rows > each.of * MANY and each.rows > 1 else ""
            ),
            each.rows, connection=each.org.name,
        )
        for each in attention.unlinked_customers()
    ]  # fmt: skip


def _contested() -> list[Need]:
    return [
        Need(
            "customers.conflict", "product", Urgency.TODAY,
            f"{each['connection']}: {words_for(each['n'], 'record is', 'records are')} claimed by several of ours",
            reverse("customer_conflicts"), "Choose who wins", "None of them is written until it is clear which one counts.",
            each["n"], connection=each["connection"],
        )
        for each in attention.contested_records()
    ]  # fmt: skip


def _suspended() -> list[Need]:
    pages = {Entity.CUSTOMER: "customers", Entity.END_USER: "end_users"}
    return [
        Need(
            "customers.deleted", "product", Urgency.TODAY,
            f"{each['connection']}: {words_for(each['n'], 'link leads', 'links lead')} to a deleted record",
            f"{reverse(pages[each['entity']])}?link=suspended", "See them",
            "They stay as they are and go on if the record comes back.", each["n"], each["since"],
            connection=each["connection"],
        )
        for each in attention.suspended_links()
    ]  # fmt: skip


SOURCES = (Source("customers", read, 7, kept=True),)
