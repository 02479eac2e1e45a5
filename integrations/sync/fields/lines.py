"""New lines of a mapping for fields that were created for it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from integrations.models import Mapping, MappingVersion, Run
from integrations.sync.fields.wishes import Wish
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import PUSH, FieldPair, MappingBody


def with_lines(body: MappingBody, wishes: Sequence[Wish]) -> MappingBody:
    """The body with a line to Salesforce for each field that no line writes yet, of a product field that is not written yet."""
    pushes = body.pairs_of(PUSH)
    sources, targets = {each.source for each in pushes}, {each.target.lower() for each in pushes}
    new = tuple(
        FieldPair(PUSH, each.source, each.field.name, accept_lossy=each.accept_lossy)
        for each in wishes if each.source not in sources and each.field.name.lower() not in targets
    )  # fmt: skip
    return replace(body, pairs=(*body.pairs, *new))


def add_lines(mapping: Mapping, wishes: Sequence[Wish], *, run: Run, now: datetime) -> MappingVersion | None:
    """Save them as the next version; None when nothing is new, or when the mapping meanwhile has another object.

    Raises `ProblemsFound` or `Refusal` when the mapping cannot be saved any more as it is.
    """
    stored = versions.open_mapping(mapping.org, mapping.entity, now=now)
    body = versions.body_of(stored)
    wanted = with_lines(body, wishes)
    if wanted == body or wishes[0].field.object.lower() != body.object.lower():
        return None
    note = f"Lines for the fields that run #{run.pk} created"
    return versions.save_version(stored, wanted, user=run.requested_by, now=now, note=note)
