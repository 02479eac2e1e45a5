"""The outbox kind of product mappings: only the configured type, id and unlimited fields of Product2 are ever written."""

from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.urls import reverse

from integrations.models import OutboxTarget, SalesforceOrg
from integrations.orgs.posture import Need
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.outbox.kinds import OutboxKind
from integrations.sync.outbox.targets import ensure_target
from provisioning.intent.mapping import WORDS, read_type
from provisioning.mapping import leads
from provisioning.models import ProductMapping

if TYPE_CHECKING:
    import pyarrow as pa

NAME, LABEL = "provisioning.product", "Mapping of Salesforce products"
JOB = "provisioning.map_products"


def may_write(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only the mapping fields of the connection's settings."""
    if info.name.lower() != leads.PRODUCT.lower():
        return "only products are mapped"
    allowed = {each.lower() for each in leads.fields_of(target.org).all}
    return "" if field.lower() in allowed else "it is no mapping field of this connection"


def targets_of(org: SalesforceOrg) -> list[OutboxTarget]:
    """Where mappings go, once somebody wants one."""
    return [target_of(org)] if org.provisioning_enabled and ProductMapping.objects.filter(org=org).exists() else []


def target_of(org: SalesforceOrg) -> OutboxTarget:
    """The target of the connection's mappings."""
    return ensure_target(org, kind=NAME, object=leads.PRODUCT)


def wishes_of(org: SalesforceOrg) -> QuerySet[ProductMapping]:
    """What is wanted and not yet written."""
    return ProductMapping.objects.filter(org=org, written_at=None).order_by("pk")


def fresh_wishes(org: SalesforceOrg) -> QuerySet[ProductMapping]:
    """Those of them that were not refused: a refused one is tried again once a person saves it again."""
    return wishes_of(org).filter(problem="")


def desired_rows(target: OutboxTarget) -> "pa.Table":
    """What waits to be written, for a dry run."""
    return rows_of(target.org, list(fresh_wishes(target.org)))


def rows_of(org: SalesforceOrg, wishes: list[ProductMapping], info: ObjectInfo | None = None) -> "pa.Table":
    """Wishes as desired rows. With `info` the picklist's own spelling of the type is used, and fields it lacks are left out."""
    import pyarrow as pa

    fields = leads.fields_of(org)
    columns = {
        "key": pa.array([each.product_id for each in wishes], pa.string()),
        "label": pa.array([each.name for each in wishes], pa.string()),
        fields.type: pa.array([spelled(each.type, info, fields.type) or None for each in wishes], pa.string()),
        fields.id: pa.array([each.ref or None for each in wishes], pa.string()),
    }
    if fields.unlimited and (info is None or info.field(fields.unlimited) is not None):
        columns[fields.unlimited] = pa.array([each.unlimited for each in wishes], pa.bool_())
    return pa.table(columns)


def spelled(type_: str, info: ObjectInfo | None, field_name: str) -> str:
    """The picklist value that means this type, as the org writes it ("Addon", "ADD-ON"); else our own word."""
    known = info.field(field_name) if info is not None else None
    kind = read_type(type_)
    if known is not None and kind:
        for choice in known.choices:
            if choice.active and read_type(choice.value) == kind:
                return choice.value
    return WORDS.get(kind, type_)


def page_of(target: OutboxTarget) -> str:
    """Where people find the products behind the rows."""
    return f"{reverse('provisioning:mapping')}?org={target.org_id}"


def _is_enabled(org: SalesforceOrg) -> bool:
    return org.provisioning_enabled


def outbox_kind() -> OutboxKind:
    """The kind, to be registered."""
    return OutboxKind(
        name=NAME, label=LABEL, domain=leads.DOMAIN, may_write=may_write, operations=("update",), blank="clear",
        human_edits="theirs", desired=desired_rows, targets=targets_of, page=page_of,
        job=JOB, needs=(Need(leads.PRODUCT, ("Name", "IsActive"), LABEL, enabled=_is_enabled),),
    )  # fmt: skip
