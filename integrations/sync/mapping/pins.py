"""Which versions a run works on: chosen once at its start, kept in its checkpoint, shown as its configuration (I-13, R-085)."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone

from integrations.models import Entity, Mapping, MappingVersion, Run
from integrations.sync.mapping import shape
from integrations.sync.mapping.body import MappingBody, read_body
from integrations.sync.runs import Recorder, RunStopped

CHANGED = "configuration_changed"
LONGEST = 64


def pin(recorder: Recorder, *, wanted: Callable[[MappingBody], bool]) -> dict[str, int]:
    """Version numbers by mapping id for this run, customers first. The first turn chooses; later turns get the same."""
    pinned = recorder.checkpoint.get("pinned")
    if pinned is not None:
        _show(recorder.run, pinned)
        return pinned
    assert recorder.org is not None
    shape.recheck_paused(recorder.org, now=timezone.now())
    chosen: dict[str, int] = {}
    active = Mapping.objects.filter(org=recorder.org, state=Mapping.State.ACTIVE, version__gt=0)
    for mapping in sorted(active, key=lambda each: (each.entity != Entity.CUSTOMER, each.pk)):
        version = MappingVersion.objects.filter(mapping=mapping, number=mapping.version).first()
        if version is not None and wanted(read_body(version.body)):
            chosen[str(mapping.pk)] = mapping.version
    recorder.save({**recorder.checkpoint, "pinned": chosen}, also=lambda: _show(recorder.run, chosen))
    return chosen


def _show(run: Run, pinned: dict[str, int]) -> None:
    """The run names its versions; one that resumes another names the same."""
    name = ", ".join(f"mapping {pk} v{number}" for pk, number in pinned.items())[:LONGEST]
    if run.configuration != name:
        Run.objects.filter(pk=run.pk).update(configuration=name)
        run.configuration = name


def load(pk: str, number: int) -> tuple[Mapping, MappingBody]:
    """A pinned mapping and its body; the run ends as cancelled when it was deleted, paused or given another object."""
    mapping = Mapping.objects.select_related("org").filter(pk=int(pk)).first()
    version = MappingVersion.objects.filter(mapping=mapping, number=number).first() if mapping else None
    if mapping is None or version is None:
        raise RunStopped(CHANGED, "The configuration changed: the mapping was deleted while the run was going.")
    body = read_body(version.body)
    check(mapping, body)
    return mapping, body


def check(mapping: Mapping, body: MappingBody) -> None:
    """Ask before each piece whether the pinned copy may still be worked on; a newer version of it does not matter."""
    stored: dict[str, Any] | None = Mapping.objects.filter(pk=mapping.pk).values("state", "version").first()
    if stored is None:
        raise RunStopped(CHANGED, "The configuration changed: the mapping was deleted while the run was going.")
    if stored["state"] != Mapping.State.ACTIVE:
        raise RunStopped(CHANGED, "The configuration changed: the mapping was paused while the run was going.")
    newest = MappingVersion.objects.filter(mapping=mapping, number=stored["version"]).values_list("body", flat=True).first()
    if newest is not None and str(newest.get("object", "")).lower() != body.object.lower():
        raise RunStopped(CHANGED, f"The configuration changed: {body.object} was replaced while the run was going.")
