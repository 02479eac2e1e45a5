"""The outbox kinds of the write-back: fields that the connection names on account and opportunity, nothing else (ST-33)."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from django.urls import reverse

from integrations.models import OutboxTarget, SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.outbox.kinds import OutboxKind
from integrations.sync.outbox.targets import ensure_target
from provisioning.connection import DOMAIN, settings_of
from provisioning.models import Provision, ProvisioningSettings
from provisioning.provision import places

if TYPE_CHECKING:
    import pyarrow as pa

ACCOUNT, OPPORTUNITY = "provisioning.account", "provisioning.opportunity"
OBJECTS = {ACCOUNT: "Account", OPPORTUNITY: "Opportunity"}
FIELDS: dict[str, Callable[[ProvisioningSettings], dict[str, str]]] = {
    ACCOUNT: places.account_fields,
    OPPORTUNITY: places.opportunity_fields,
}
JOB = "provisioning.write_back"
MOST = 20_000  # rows of a dry run
ID_LENGTH = 255
Wishes = dict[str, dict[str, str | None]]
"""Values by field, by record id."""


def outbox_kinds() -> list[OutboxKind]:
    """Both, to be registered."""
    labels = {ACCOUNT: "Customer ids on accounts", OPPORTUNITY: "Subscription ids on opportunities"}
    return [
        OutboxKind(
            name=name, label=labels[name], domain=DOMAIN, may_write=may_write, operations=("update",), human_edits="ours",
            desired=desired_rows, targets=partial(_targets, name), page=page_of, job=JOB,
        )
        for name in OBJECTS
    ]  # fmt: skip


def may_write(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only the fields that the connection's settings name."""
    named = FIELDS[target.kind](settings_of(target.org))
    return "" if field.lower() in {each.lower() for each in named} else "it is no field that provisioning writes"


def target_of(org: SalesforceOrg, kind: str) -> OutboxTarget:
    """Where the rows of a kind go."""
    return ensure_target(org, kind=kind, object=OBJECTS[kind])


def _targets(kind: str, org: SalesforceOrg) -> list[OutboxTarget]:
    is_used = org.provisioning_enabled and Provision.objects.filter(org=org, customer__isnull=False).exists()
    return [target_of(org, kind)] if is_used else []


def page_of(target: OutboxTarget) -> str:
    """Where people find what lies behind the rows."""
    return reverse("provisioning:provisions")


def wishes_of(kind: str, settings: ProvisioningSettings, provisions: Iterable[Provision]) -> Wishes:
    """What is to stand on each record; of several deals of an account the last one counts."""
    named = FIELDS[kind](settings)
    wishes: Wishes = {}
    for each in provisions:
        record = each.account_id if kind == ACCOUNT else each.opportunity_id
        if record and named and each.result.get("customer_id"):
            wishes[record] = {field: value_of(each.result, part) for field, part in named.items()}
    return wishes


def value_of(result: Mapping[str, Any], part: str) -> str | None:
    """One value as Salesforce keeps it: several subscription ids with commas between, the address of the first."""
    value = result.get(part)
    if isinstance(value, list):
        kept: list[str] = []
        for each in value if part == "subscription_ids" else value[:1]:
            if len(",".join([*kept, each])) <= ID_LENGTH:
                kept.append(each)
        value = ",".join(kept)
    return value or None


def table_of(wishes: Wishes, labels: Mapping[str, str]) -> "pa.Table":
    """Wishes as desired rows."""
    import pyarrow as pa

    keys = list(wishes)
    columns: dict[str, Any] = {
        "key": pa.array(keys, pa.string()), "label": pa.array([labels.get(key, "") for key in keys], pa.string()),
    }  # fmt: skip
    fields = list(dict.fromkeys(field for values in wishes.values() for field in values))
    for field in fields:
        columns[field] = pa.array([wishes[key].get(field) for key in keys], pa.string())
    return pa.table(columns)


def desired_rows(target: OutboxTarget) -> "pa.Table":
    """Everything that stands or should stand there, for a dry run or a verification."""
    rows = Provision.objects.filter(org=target.org, state__in=[Provision.State.DONE, Provision.State.INCOMPLETE])
    newest = list(rows.select_related("automation").order_by("-pk")[:MOST])[::-1]
    settings = settings_of(target.org)
    wanted = [each for each in newest if places.wants_write_back(settings, each)]
    return table_of(wishes_of(target.kind, settings, wanted), {})
