"""What every domain needs of a connection, gathered from what the domains registered: mirror, access checks, mappings, outbox,
billing, provisioning, reports. Nothing is asked of Salesforce and nothing is stored."""

from collections.abc import Callable, Iterable, Iterator

from analytics.acting import kinds as groups
from analytics.acting import places
from billing.models import BillingSettings
from billing.objects import ACCOUNT as BILLED_ACCOUNT
from billing.objects import LOOKUP
from billing.records import objects_of
from integrations.models import Mapping, SalesforceOrg
from integrations.orgs import posture
from integrations.product.task_rules import kind as tasks
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import PUSH
from integrations.sync.mirror import needs as mirror
from project.security.rights import CREATE, DELETE, EDIT, READ, Wish
from provisioning.connection import is_set_up, is_working, peek_settings
from provisioning.mapping import kind as product_mapping
from provisioning.provision import poll
from provisioning.salesforce import checking, package

LOOK = frozenset({READ})
CHANGE = frozenset({READ, EDIT})
SAVE = frozenset({READ, CREATE, EDIT})
ALL = frozenset({READ, CREATE, EDIT, DELETE})


def wishes_of(org: SalesforceOrg) -> list[Wish]:
    """Everything that the switched-on domains need of this connection."""
    return [wish for gather in GATHERERS for wish in gather(org)]


def user_rights_of(org: SalesforceOrg) -> dict[str, str]:
    """User permissions that are needed, with the reason."""
    needed = {"ApiEnabled": "Every call needs it."}
    if org.okr_enabled:
        needed["RunReports"] = "Key results read reports."
    needed["ViewSetup"] = "The access check reads limits, the integration user and its permission sets."
    if tasks.has_rules(org):
        needed["EditTask"] = "Task rules make tasks."
    return needed


def _mirrored(org: SalesforceOrg) -> Iterator[Wish]:
    """What the mirror reads for the domains; fields that every mirror wants are readable with the object."""
    for need in mirror.needs_of(org).values():
        asking = ", ".join(need.domains)
        yield Wish(need.object, "", LOOK, need.domains[0], f"Mirror, for {asking}", optional=need.is_optional)
        for name, domains in need.fields.items():
            if domains:
                why, optional = f"Mirror, for {', '.join(domains)}", name.lower() in need.optional
                yield Wish(need.object, name, LOOK, domains[0].partition(".")[0], why, optional=optional)


def _registered(org: SalesforceOrg) -> Iterator[Wish]:
    """What domains ask the access check to look for."""
    for need in posture.needs_of(org):
        yield Wish(need.object, "", LOOK, "", need.why)
        for name in need.fields:
            yield Wish(need.object, name, LOOK, "", need.why)


def _mapped(org: SalesforceOrg) -> Iterator[Wish]:
    """Fields that mappings write (PX-36)."""
    if not org.product_enabled:
        return
    for mapping in Mapping.objects.filter(org=org, version__gt=0, state=Mapping.State.ACTIVE):
        body = versions.body_of(mapping)
        for pair in body.pairs_of(PUSH):
            yield Wish(body.object, "", CHANGE, "product", "Pushes mapped fields")
            yield Wish(body.object, pair.target, CHANGE, "product", "Pushes mapped fields")


def _task_rules(org: SalesforceOrg) -> Iterator[Wish]:
    if tasks.has_rules(org):
        yield Wish(tasks.OBJECT, "", SAVE, "product", tasks.LABEL)
        for name in (*tasks.FIELDS, tasks.KEY_FIELD):
            yield Wish(tasks.OBJECT, name, SAVE, "product", tasks.LABEL)


def _billed(org: SalesforceOrg) -> Iterator[Wish]:
    """The billing objects where they are in the org, written by external id and deleted when voided (MT-14)."""
    settings = BillingSettings.objects.filter(org=org, prefix_known=True).first()
    if settings is None or not org.billing_enabled:
        return
    for each in objects_of(settings):
        name = each.api_name(settings.prefix)
        yield Wish(name, "", ALL, "billing", "Pushes billing objects")
        for made in each.fields:
            if not made.is_standard:
                verbs = SAVE if made.is_written else LOOK
                yield Wish(name, each.field_name(made, settings.prefix), verbs, "billing", "Pushes billing objects")
        if any(made.type == LOOKUP and made.to == BILLED_ACCOUNT for made in each.fields):
            yield Wish(BILLED_ACCOUNT, "", LOOK, "billing", "Billing objects lead to accounts")


def _provisioned(org: SalesforceOrg) -> Iterator[Wish]:
    """Deals with their lines, products with their mapping, and the ids that are written back (ST-19, ST-33)."""
    settings = peek_settings(org)
    if not is_working(org, settings) or not is_set_up(settings):
        return
    why = "Reads won deals and what they sell"
    for name in (package.ACCOUNT, package.OPPORTUNITY, package.PRODUCT, package.LINE, "Pricebook2", "PricebookEntry"):
        yield Wish(name, "", LOOK, "provisioning", why)
    for name in poll.FIELDS:
        yield Wish(package.OPPORTUNITY, name, LOOK, "provisioning", why)
    for name in ("Quantity", "ServiceDate", "Product2Id", "OpportunityId"):
        yield Wish(package.LINE, name, LOOK, "provisioning", why)
    optional = (package.LINE, package.QUOTE_LINE)
    for each in package.wanted_fields(checking.names_of(settings), cpq=bool(settings.uses_cpq)):
        verbs, text = (CHANGE, "Writes ids back") if each.written else (LOOK, "Reads what a product leads to")
        yield Wish(each.object, "", verbs, "provisioning", text)
        yield Wish(each.object, each.name, verbs, "provisioning", text, optional=each.object in optional)


def _mapped_products(org: SalesforceOrg) -> Iterator[Wish]:
    """The mapping of products, once somebody maps from here."""
    if not org.provisioning_enabled or not product_mapping.wishes_of(org).exists():
        return
    for name in product_mapping.leads.fields_of(org).all:
        yield Wish(package.PRODUCT, "", CHANGE, "provisioning", "Writes the mapping of products")
        yield Wish(package.PRODUCT, name, CHANGE, "provisioning", "Writes the mapping of products")


def _grouped(org: SalesforceOrg) -> Iterator[Wish]:
    """Groups of customers on accounts and in campaigns."""
    if not org.analytics_enabled:
        return
    for push in groups.pushes_of(org, groups.FLAG):
        yield Wish(places.ACCOUNT, "", CHANGE, "analytics", "Groups on accounts")
        yield Wish(places.ACCOUNT, push.field, CHANGE, "analytics", "Groups on accounts")
    if groups.has_members(org):
        yield Wish("Campaign", "", CHANGE, "analytics", "Groups as campaign members")
        yield Wish(places.MEMBER, "", ALL, "analytics", "Groups as campaign members")
        for name in places.MEMBER_FIELDS:
            yield Wish(places.MEMBER, name, SAVE, "analytics", "Groups as campaign members")


GATHERERS: tuple[Callable[[SalesforceOrg], Iterable[Wish]], ...] = (
    _mirrored, _registered, _mapped, _task_rules, _billed, _provisioned, _mapped_products, _grouped,
)  # fmt: skip
