"""The kinds of rows that billing hands to the outbox: one for each object, parents first."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from django.utils import timezone

from billing.models import BillingSettings
from billing.objects import BY_KEY, BillingObject
from billing.preflight import DOMAIN, settings_of
from billing.records import objects_of, parent_of
from integrations.models import OutboxTarget, SalesforceOrg
from integrations.salesforce.describe import ObjectInfo
from integrations.sync.outbox.kinds import OutboxKind
from integrations.sync.outbox.targets import ensure_target

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "billing."


def kind_of(key: str) -> str:
    """The outbox kind of an object."""
    return f"{PREFIX}{key}"


def object_of(target: OutboxTarget) -> BillingObject:
    """The object that a target is for."""
    return BY_KEY[target.kind.removeprefix(PREFIX)]


def outbox_kinds() -> list[OutboxKind]:
    """All eight, to be registered."""
    return [
        OutboxKind(
            name=kind_of(each.key), label=each.plural.removeprefix("Metronome "), domain=DOMAIN, may_write=may_write,
            operations=("upsert", "delete"), parent_of=kind_of(parent) if (parent := parent_of(each.key)) else "",
            blank="clear", human_edits="ours", desired=desired_rows, targets=_targets_of(each.key),
        )
        for each in BY_KEY.values()
    ]  # fmt: skip


def may_write(target: OutboxTarget, info: ObjectInfo, field: str) -> str:
    """Only fields of the table, under the connection's prefix; the reason otherwise."""
    billing_object, prefix = object_of(target), settings_of(target.org).prefix
    if info.name.lower() != billing_object.api_name(prefix).lower():
        return f"billing writes {billing_object.api_name(prefix)} now"
    allowed = {billing_object.field_name(each, prefix).lower() for each in (*billing_object.written, billing_object.key_field)}
    return "" if field.lower() in allowed else "it is no field of the billing objects"


def _targets_of(key: str) -> Callable[[SalesforceOrg], list[OutboxTarget]]:
    return partial(_find_targets, key)


def _find_targets(key: str, org: SalesforceOrg) -> list[OutboxTarget]:
    settings = BillingSettings.objects.filter(org=org, prefix_known=True).first()
    if settings is None or settings.missing or not org.billing_enabled or BY_KEY[key] not in objects_of(settings):
        return []
    return [target_of(org, settings, key)]


def target_of(org: SalesforceOrg, settings: BillingSettings, key: str) -> OutboxTarget:
    """Where the rows of an object go in a connection."""
    billing_object = BY_KEY[key]
    prefix = settings.prefix
    name, key_field = billing_object.api_name(prefix), billing_object.field_name(billing_object.key_field, prefix)
    return ensure_target(org, kind=kind_of(key), object=name, key_field=key_field)


def desired_rows(target: OutboxTarget) -> "pa.RecordBatchReader":
    """What billing wants in the target now, for a dry run or a verification."""
    from billing.rows import Told, stream  # loads Arrow

    key = object_of(target).key
    return stream(target.org, settings_of(target.org), key, now=timezone.now(), told=Told())
