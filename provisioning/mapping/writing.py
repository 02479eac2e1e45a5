"""The job `provisioning.map_products`: what people want products to lead to, onto Product2, and into the mirror at once.

The truth about a mapping stays in Salesforce, where people change it too. So nothing is compared with what we wrote earlier:
each wish is written once, with its before-image, which makes the run undoable like any other.
"""

from datetime import datetime

from django.utils import timezone

from integrations.models import OutboxRow, OutboxTarget, Run, SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import InvalidType, NotFound, SalesforceError
from integrations.sync.endings import RunStopped
from integrations.sync.mirror import describing, fetching, tables
from integrations.sync.outbox.push import push_rows
from integrations.sync.outbox.targets import forget_accepted, is_planned
from integrations.sync.runs import Recorder
from provisioning.catalogue.waking import wake_blocked
from provisioning.mapping import kind, leads
from provisioning.models import ProductMapping


def perform(recorder: Recorder) -> None:
    """Write what waits; called again in each turn until the outbox is done. Why nothing was written stands at each product."""
    org = recorder.org
    assert org is not None
    target = kind.target_of(org)
    if "wishes" not in recorder.checkpoint:
        chosen = list(kind.fresh_wishes(org).values_list("pk", flat=True))
        recorder.save({**recorder.checkpoint, "wishes": chosen})
    wishes = list(kind.wishes_of(org).filter(pk__in=recorder.checkpoint["wishes"]))
    if not wishes and not is_planned(recorder.run, target):
        return
    try:
        _write(recorder, target, wishes)
    except (RunStopped, SalesforceError) as error:
        text = error.sentence if isinstance(error, RunStopped) else str(error)
        ProductMapping.objects.filter(pk__in=[each.pk for each in wishes], written_at=None).update(problem=text[:500])
        raise


def _write(recorder: Recorder, target: OutboxTarget, wishes: list[ProductMapping]) -> None:
    org = target.org
    info = _describe(org)
    if not is_planned(recorder.run, target):
        forget_accepted(target)
        target.refresh_from_db()
    report = push_rows(recorder, target, kind.rows_of(org, wishes, info), complete=False, interactive=True)
    if report.error:
        raise RunStopped("not_written", report.error, Run.State.FAILED)
    written = note_written(target, wishes, now=timezone.now())
    _read_again(recorder, org, info, written, now=timezone.now())
    wake_blocked(now=timezone.now(), org_id=org.pk)


def _describe(org: SalesforceOrg) -> ObjectInfo:
    """The object with its mapping fields, asked anew: they may just have been deployed."""
    with client_for(org, domain=leads.DOMAIN) as client:
        try:
            info = describing.describe_object(org, client, leads.PRODUCT, fresh=True)
        except (NotFound, InvalidType):
            text = "The integration user does not see products. Give it Read and Edit on Product2."
            raise RunStopped("no_products", text, Run.State.FAILED) from None
    fields = leads.fields_of(org)
    if lacking := [each for each in (fields.type, fields.id) if info.field(each) is None]:
        text = f"Nothing was written: Product2 has no field {', '.join(lacking)}. Deploy the fields, then save again."
        raise RunStopped("no_fields", text, Run.State.FAILED)
    return info


def note_written(target: OutboxTarget, wishes: list[ProductMapping], *, now: datetime) -> list[str]:
    """Mark what Salesforce took, and why it did not take the rest; the ids of the former."""
    rows = OutboxRow.objects.filter(target=target, key__in=[each.product_id for each in wishes])
    refused = dict(rows.values_list("key", "message"))
    written = []
    for each in wishes:
        fresh = ProductMapping.objects.filter(pk=each.pk, wanted_at=each.wanted_at)  # another wish may have come since
        if each.product_id in refused:
            fresh.update(problem=(refused[each.product_id] or "Salesforce refused it.")[:500])
        else:
            fresh.update(written_at=now, problem="")
            written.append(each.product_id)
    return written


def _read_again(recorder: Recorder, org: SalesforceOrg, info: ObjectInfo, ids: list[str], *, now: datetime) -> None:
    """The mirror must not show the old mapping until its next read."""
    mirror = tables.mirror_of(org, leads.PRODUCT)
    if mirror is None or mirror.table is None or not ids:
        return
    client = client_for(org, domain=leads.DOMAIN)
    with client:
        fetching.fetch_records(recorder, client, mirror, info, ids, now=now)
        recorder.spent(client.calls)
