"""Where the search looks, group by group: each reads at most nine rows, through an index or the newest rows of its table."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Case, IntegerField, Max, Q, QuerySet, When
from django.urls import reverse

from billing.models import BillingCustomer, Invoice
from integrations.access import Person
from integrations.masking import hide_people, may_see_people
from integrations.models import Customer, CustomerAlias, EndUser, Mapping, Run, SalesforceOrg
from integrations.product.models.segments import Segment
from integrations.sync import jobs
from okr.models import KeyResult, Objective
from project.documents.library import find_sections, path_of
from provisioning.models import Automation, Offer, Provision, Subscription

MOST = 8
NEWEST = 50_000
"""Of how many rows, the newest, any part of a text is looked up; ids and e-mail addresses are found in all."""
LAST = "\U0010ffff"


class Hit(NamedTuple):
    """Something that was found: its words, what tells it from others, its page."""

    title: str
    about: str
    url: str


@dataclass(frozen=True)
class Group:
    """What one place found. `more`: there is more than is shown; `url` lists it, where such a list exists."""

    key: str
    title: str
    icon: str
    hits: Sequence[Hit]
    more: bool = False
    url: str = ""


@dataclass(frozen=True)
class Place:
    """A place to look in, for people with at least `role`. `url_of` names the list that shows all of what was found."""

    key: str
    title: str
    icon: str
    role: str
    look: Callable[[str, Person], Iterable[Hit]]
    list_page: str = ""  # name of an address
    parameter: str = ""  # that filters it by the text

    def group(self, text: str, user: Person) -> Group | None:
        """At most eight hits; None without any."""
        hits = list(dict.fromkeys(self.look(text, user)))
        if not hits:
            return None
        address = reverse(self.list_page) if self.list_page else ""
        return Group(self.key, self.title, self.icon, hits[:MOST], len(hits) > MOST, address)


def pick(rows: QuerySet[Any], text: str, *, exact: Sequence[str] = (), within: Sequence[str] = ()) -> list[Any]:
    """At most nine rows: those whose `exact` columns (indexed) begin with the text, then the newest with it in `within`."""
    found: dict[int, Any] = {}
    for column in exact:
        starts = Q(**{f"{column}__gte": text, f"{column}__lt": text + LAST})
        found |= {each.pk: each for each in rows.filter(starts).order_by(column)[: MOST + 1]}
    if len(found) <= MOST and within:
        parts, begin = Q(), Q()
        for column in within:
            parts |= Q(**{f"{column}__icontains": text})
            begin |= Q(**{f"{column}__istartswith": text})
        top = rows.model._default_manager.aggregate(top=Max("pk"))["top"] or 0
        first = Case(When(begin, then=0), default=1, output_field=IntegerField())
        newest = rows.filter(parts, pk__gt=top - NEWEST).order_by(first, "-pk")
        found |= {each.pk: each for each in newest[: MOST + 1] if each.pk not in found}
    return list(found.values())[: MOST + 1]


def find_customers(text: str, user: Person) -> Iterable[Hit]:
    """By name, id, alias or website."""
    rows = pick(
        Customer.objects.filter(merged_into=None, erased_at=None), text, exact=("external_id",), within=("name", "website")
    )
    aliases = CustomerAlias.objects.filter(value=text, customer__erased_at=None).select_related("customer__merged_into")
    named = [each.customer.merged_into or each.customer for each in aliases[:MOST]]
    return [Hit(str(each), each.external_id, reverse("customer", args=[each.pk])) for each in (*named, *rows)]


def find_end_users(text: str, user: Person) -> Iterable[Hit]:
    """By name or id; by e-mail address for those who may see it."""
    shows = may_see_people(user)
    everybody = EndUser.objects.filter(erased_at=None).select_related("customer")
    exact = ("external_id", "email") if shows else ("external_id",)
    found = pick(everybody, text, exact=exact, within=("name", "email") if shows else ("name",))
    for each in found:
        words = str(each) if shows else hide_people(str(each))
        company = str(each.customer) if each.customer else ""
        about = " · ".join(part for part in (each.email if shows else "", company) if part)
        yield Hit(words, about, reverse("end_user", args=[each.pk]))


def find_connections(text: str, user: Person) -> Iterable[Hit]:
    """By name, org id or address."""
    rows = SalesforceOrg.objects.filter(Q(name__icontains=text) | Q(org_id__iexact=text) | Q(instance_url__icontains=text))
    for each in rows.order_by("name")[: MOST + 1]:
        yield Hit(each.name, each.get_state_display(), reverse("integrations:connection", args=[each.pk]))


def find_runs(text: str, user: Person) -> Iterable[Hit]:
    """By number, with or without #; by the name of its job."""
    number = text.removeprefix("#")
    labels = {each.name: each.label for each in jobs.every()}
    rows = Run.objects.select_related("org").order_by("-pk")
    if number.isascii() and number.isdigit() and len(number) < 18:
        rows = rows.filter(pk=int(number))
    elif text.startswith("#"):
        return
    else:
        word = text.casefold()
        rows = rows.filter(job__in=[name for name, label in labels.items() if word in label.casefold() or word in name])
    for each in rows[: MOST + 1]:
        about = " · ".join(part for part in (each.org.name if each.org else "", each.get_state_display()) if part)
        yield Hit(f"#{each.pk} {labels.get(each.job, each.job)}", about, reverse("integrations:run", args=[each.pk]))


def find_goals(text: str, user: Person) -> Iterable[Hit]:
    """Objectives and key results by title; archived ones too, marked."""
    for each in pick(Objective.objects.select_related("period"), text, within=("title",)):
        about = f"Objective · {each.period}" + (" · archived" if each.archived_at else "")
        yield Hit(each.title, about, reverse("okr:objective", args=[each.pk]))
    for each in pick(KeyResult.objects.select_related("objective"), text, within=("title",)):
        yield Hit(each.title, f"Key result of {each.objective}", reverse("okr:key_result", args=[each.pk]))


def find_segments(text: str, user: Person) -> Iterable[Hit]:
    """By name."""
    for each in pick(Segment.objects.filter(archived_at=None), text, within=("name",)):
        yield Hit(each.name, each.get_entity_display(), reverse("product:segment", args=[each.pk]))


def find_invoices(text: str, user: Person) -> Iterable[Hit]:
    """By number or id; those of a billing customer stand with the customer."""
    found = pick(Invoice.objects.filter(deleted_at=None), text, exact=("key",), within=("number",))
    names = dict(BillingCustomer.objects.filter(key__in={each.customer_key for each in found}).values_list("key", "name"))
    for each in found:
        about = " · ".join((names.get(each.customer_key) or each.customer_key, each.status.capitalize()))
        yield Hit(each.number or each.key, about, reverse("billing:invoice", args=[each.pk]))


def find_subscriptions(text: str, user: Person) -> Iterable[Hit]:
    """By id, or by the customer's name."""
    rows = Subscription.objects.select_related("customer", "product").filter(customer__erased_at=None)
    for each in pick(rows, text, exact=("key",), within=("customer__name",)):
        yield Hit(each.key, f"{each.product} · {each.customer}", reverse("provisioning:subscription", args=[each.key]))


def find_deals(text: str, user: Person) -> Iterable[Hit]:
    """Provisioned and waiting deals by name of opportunity or account."""
    rows = Provision.objects.defer("facts", "intent", "result")
    for each in pick(rows, text, within=("name", "account_name")):
        about = " · ".join(part for part in (each.account_name, each.get_state_display()) if part)
        yield Hit(str(each), about, reverse("provisioning:provision", args=[each.pk]))


def find_offers(text: str, user: Person) -> Iterable[Hit]:
    """Plans and add-ons of the catalogue by name or id."""
    for each in pick(Offer.objects.select_related("product"), text, exact=("key",), within=("name",)):
        yield Hit(each.name, f"{each.get_kind_display()} · {each.key}", reverse("provisioning:offer", args=[each.pk]))


def find_automations(text: str, user: Person) -> Iterable[Hit]:
    """By name."""
    for each in pick(Automation.objects.select_related("org"), text, within=("name",)):
        about = f"{each.get_trigger_display()} · {each.org}"
        yield Hit(each.name, about, reverse("provisioning:automation", args=[each.pk]))


def find_mappings(text: str, user: Person) -> Iterable[Hit]:
    """By what is mapped, and by connection."""
    word = text.casefold()
    for each in Mapping.objects.select_related("org").order_by("org__name", "entity")[:200]:
        if word in f"{each} {each.org}".casefold():
            address = reverse("integrations:mapping", args=[each.org_id, each.entity])
            yield Hit(f"{each.get_entity_display()} mapping", f"{each.org} · {each.get_state_display()}", address)


def find_documents(text: str, user: Person) -> Iterable[Hit]:
    """Sections of the documents with all words of the text."""
    for document, section in find_sections(text, most=MOST + 1):
        about = document.title if section.anchor else "Document"
        yield Hit(section.heading, about, path_of(document.slug) + (f"#{section.anchor}" if section.anchor else ""))


PLACES = (
    Place("customers", "Customers", "building-2", "member", find_customers, "customers", "text"),
    Place("end_users", "End users", "user", "member", find_end_users, "end_users", "text"),
    Place("deals", "Deals", "zap", "member", find_deals, "provisioning:provisions", "q"),
    Place("subscriptions", "Subscriptions", "id-card", "member", find_subscriptions, "provisioning:subscriptions", "search"),
    Place("invoices", "Invoices", "file-text", "member", find_invoices, "billing:invoices", "text"),
    Place("goals", "Objectives and key results", "target", "member", find_goals),
    Place("segments", "Segments", "layers", "member", find_segments),
    Place("offers", "Plans and add-ons", "tag", "member", find_offers),
    Place("connections", "Connections", "plug-zap", "member", find_connections),
    Place("automations", "Automations", "wand-sparkles", "analyst", find_automations),
    Place("mappings", "Mappings", "arrow-left-right", "analyst", find_mappings),
    Place("runs", "Runs", "list-checks", "analyst", find_runs),
    Place("documents", "Documents", "book-open", "member", find_documents),
)
