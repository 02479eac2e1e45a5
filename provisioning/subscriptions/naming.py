"""What sentences about subscriptions call things: names in place of keys, days in the time zone of the org that sold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from integrations.models import SalesforceOrg
from provisioning.models import Feature, Offer, Product, Provision, Subscription, Term
from provisioning.subscriptions.spec import TermsSpec


class Zones:
    """The time zones of connections, in which days of their deals begin (ST-D7); each is asked once."""

    def __init__(self) -> None:
        self._known: dict[int, str] = {}

    def of(self, org: SalesforceOrg | None) -> str:
        """As its newest deal was read, else that of the integration user; "" where neither is known."""
        if org is None:
            return ""
        if org.pk not in self._known:
            deals = Provision.objects.filter(org=org).exclude(facts={}).order_by("-pk")
            told = deals.values_list("facts__time_zone", flat=True).first()
            self._known[org.pk] = str(told or (org.posture.get("user") or {}).get("TimeZoneSidKey") or "")
        return self._known[org.pk]


def zone_told(org: SalesforceOrg | None, provision: Provision | None) -> str:
    """The time zone of the deal that does something, else that of the connection."""
    told = provision.facts.get("time_zone") if provision is not None else ""
    return str(told) if told else Zones().of(org)


@dataclass(frozen=True, slots=True)
class Named:
    """A subscription as people know it; its key is for machines."""

    key: str
    product: str
    plan: str
    customer: str

    @property
    def words(self) -> str:
        """`CRM: Pro`."""
        return f"{self.product}: {self.plan}" if self.plan else self.product


def name_subscriptions(keys: Iterable[str], *, now: datetime) -> dict[str, Named]:
    """Product, plan (in force at `now`, UTC, else the first) and customer of these subscriptions, by key; one query.

    Unknown keys are missing.
    """
    wanted = set(keys)
    if not wanted:
        return {}
    terms = Term.objects.filter(subscription=OuterRef("pk"))
    in_force = terms.filter(effective_at__lte=now).order_by("-effective_at", "-id").values("plan__offer__name")[:1]
    first = terms.order_by("effective_at", "-id").values("plan__offer__name")[:1]
    plan = Coalesce(Subquery(in_force), Subquery(first), Value(""), output_field=CharField())
    rows = Subscription.objects.filter(key__in=wanted).order_by().annotate(plan=plan)
    columns = ("key", "product__name", "product__key", "plan", "customer__name", "customer__external_id")
    return {
        key: Named(key, name or product, plan, customer or external)
        for key, name, product, plan, customer, external in rows.values_list(*columns)
    }


def sold_names(products: Iterable[str], plans: Iterable[str]) -> dict[str, str]:
    """Names of products and plans by key; a key that is not in the catalogue any more is missing."""
    found = dict(Product.objects.filter(key__in=set(products)).values_list("key", "name"))
    return found | dict(Offer.objects.filter(key__in=set(plans)).values_list("key", "name"))


def names_of(*specs: TermsSpec | None) -> dict[str, str]:
    """Names of the plans, add-ons and features of these terms, by key."""
    known = [each for each in specs if each is not None]
    offers = {each.plan for each in known} | {line.key for each in known for line in each.add_ons}
    features = {line.feature for each in known for line in each.overrides}
    found = dict(Offer.objects.filter(key__in=offers).values_list("key", "name"))
    return found | (dict(Feature.objects.filter(key__in=features).values_list("key", "name")) if features else {})
