"""What the demo product needs: its write key, its people, and what its server would tell the snippet about one of them."""

from dataclasses import dataclass
from datetime import datetime

from integrations.access import Person
from integrations.models import EndUser
from integrations.product.ingest import write_keys
from integrations.product.models.events import WriteKey

KEY_NAME = "Demo product"
MOST_PEOPLE = 200


@dataclass(frozen=True)
class Button:
    """Something to do on a page, and the event that the product sends then."""

    label: str
    event: str
    icon: str


@dataclass(frozen=True)
class Section:
    """A page of the demo product."""

    title: str
    lead: str
    buttons: tuple[Button, ...]


SECTIONS = {
    "boards": Section(
        "Boards", "What the team works on this week.",
        (Button("Create a board", "Board created", "plus"), Button("Share it", "Board shared", "send"),
         Button("Move a card", "Card moved", "arrow-right")),
    ),
    "reports": Section(
        "Reports", "How the work goes.",
        (Button("Build a report", "Report built", "chart-line"), Button("Export as PDF", "Report exported", "download")),
    ),
    "billing": Section(
        "Billing", "Your plan and your invoices.",
        (Button("Compare plans", "Plans compared", "scale"), Button("Download an invoice", "Invoice downloaded", "download")),
    ),
}  # fmt: skip
FIRST = "boards"


def open_demo_product(*, user: Person | None, now: datetime) -> WriteKey:
    """Its write key; made once. Users are signed, as a real product should do it."""
    return find_key() or write_keys.create_write_key(name=KEY_NAME, require_signature=True, actor=user, now=now)[0]


def find_key() -> WriteKey | None:
    """The demo product's write key, if it may be used."""
    return WriteKey.objects.filter(name=KEY_NAME, revoked_at=None).order_by("pk").first()


def read_people() -> list[EndUser]:
    """End users to choose from, by customer."""
    found = EndUser.objects.filter(erased_at=None, customer__isnull=False, customer__erased_at=None).exclude(name="")
    return list(found.select_related("customer").order_by("customer__name", "name", "pk")[:MOST_PEOPLE])


def find_person(external_id: str) -> EndUser | None:
    """One of them, whether listed or not."""
    if "\0" in external_id:
        return None
    return EndUser.objects.filter(external_id=external_id, erased_at=None).select_related("customer").first()


def identity_of(person: EndUser, key: WriteKey) -> dict[str, str]:
    """What the product's server writes into its pages: who it is, and a signature that only it can make."""
    account = person.customer.external_id if person.customer else ""
    signature = write_keys.sign(write_keys.secret_of(key), person.external_id, account)
    return {"user": person.external_id, "account": account, "signature": signature, "name": person.name}
