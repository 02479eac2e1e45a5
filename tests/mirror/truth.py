"""What the tests of the mirror's truth share: describes made up of a few fields, and an open ledger."""

import contextlib
from collections.abc import Iterator, Sequence

from django.utils import timezone

from integrations.models import MirrorField, MirrorObject, Run, SalesforceOrg
from integrations.salesforce.describe import Choice, FieldInfo, ObjectInfo
from integrations.sync import runs


def field(name: str, type_: str = "string", *, choices: Sequence[str] = (), **more: object) -> FieldInfo:
    """A described field."""
    made = tuple(Choice(value, value, active=True, default=False) for value in choices)
    return FieldInfo(name, name, type_, choices=made, **more)  # type: ignore[arg-type]


def described_object(*fields: FieldInfo, name: str = "Account") -> ObjectInfo:
    """A describe with Id, SystemModstamp, IsDeleted and these fields."""
    always = (field("Id", "id"), field("SystemModstamp", "datetime"), field("IsDeleted", "boolean"))
    return ObjectInfo(
        name, name, "001", custom=False, queryable=True, createable=True, updateable=True, deletable=True,
        retrieveable=True, replicateable=True, mergeable=True, fields=(*always, *fields),
    )  # fmt: skip


def mirrored(org: SalesforceOrg, *fields: FieldInfo, name: str = "Account") -> MirrorObject:
    """An object that is mirrored with these fields, as they are described now."""
    mirror = MirrorObject.objects.create(org=org, name=name, label=name)
    for each in fields:
        choices = list(each.active_values)
        MirrorField.objects.create(object=mirror, name=each.name, type=each.type, scale=each.scale, choices=choices)
    return mirror


@contextlib.contextmanager
def ledger(org: SalesforceOrg | None, job: str = "mirror.read", **arguments: object) -> Iterator[runs.Recorder]:
    """An open run; what the block raises comes out again."""
    run = Run.objects.create(
        job=job, org=org, domain="mirror", arguments=arguments, org_generation=org.generation if org else 0
    )
    raised: list[BaseException] = []
    with runs.recording(run, now=timezone.now()) as recorder:
        assert recorder is not None
        try:
            yield recorder
        except BaseException as error:
            raised.append(error)
            raise
    if raised:
        raise raised[0]
