"""What sentences about subscriptions call things: names in place of keys, days in the time zone of the org that sold them."""

from integrations.models import SalesforceOrg
from provisioning.models import Feature, Offer, Provision
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


def names_of(*specs: TermsSpec | None) -> dict[str, str]:
    """Names of the plans, add-ons and features of these terms, by key."""
    known = [each for each in specs if each is not None]
    offers = {each.plan for each in known} | {line.key for each in known for line in each.add_ons}
    features = {line.feature for each in known for line in each.overrides}
    found = dict(Offer.objects.filter(key__in=offers).values_list("key", "name"))
    return found | (dict(Feature.objects.filter(key__in=features).values_list("key", "name")) if features else {})
