"""The Salesforce object of an entity: the standard one, or one custom object for everything (PX-08, PX-44, PX-45, PX-D12)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations import audit
from integrations.access import Refusal
from integrations.models import Mapping, MappingVersion, RecordLink
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.body import default_body, write_body
from integrations.sync.mapping.check import problems_of
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.matching.link_store import reset_links


@dataclass(frozen=True)
class Effect:
    """What changing the object takes along, for the question that is asked first."""

    before: str
    after: str
    pairs: int
    rules: int
    links: int

    @property
    def sentence(self) -> str:
        """The question's text."""
        return (
            f"{self.after} replaces {self.before} for matching, pulling and pushing. This resets {self.pairs:,} field lines "
            f"and {self.rules:,} match rules, and removes {self.links:,} links of this connection. Records in Salesforce stay "
            "as they are; earlier versions of the mapping are kept."
        )


def effect_of(mapping: Mapping, object_name: str) -> Effect:
    """What `change_object` would do now."""
    body = versions.body_of(mapping)
    links = RecordLink.objects.filter(org=mapping.org, entity=mapping.entity).count()
    return Effect(body.object, object_name, len(body.pairs), sum(rule.on for rule in body.rules), links)


def change_object(
    mapping: Mapping, object_name: str, *, confirmed: bool, user: Any, now: datetime, address: str | None = None
) -> MappingVersion:
    """Let another object stand for the entity. Match rules, field lines and links of the entity start anew (PX-D12).

    `Refusal` confirm (its text is the question) until a person confirmed; `ProblemsFound` for an object that cannot be used.
    """
    body = versions.body_of(mapping)
    known = facts.know_object(mapping.org, mapping.entity, object_name, fresh=True)
    fresh = default_body(mapping.entity, object_name=known.info.name if known.info else object_name)
    problems = [each for each in problems_of(fresh, known) if not each.path.startswith("rules")]
    if problems:
        raise ProblemsFound(problems)
    if fresh.object.lower() == body.object.lower():
        raise Refusal("same_object", f"{body.object} is the object already.")
    effect = effect_of(mapping, fresh.object)
    if not confirmed:
        raise Refusal("confirm", effect.sentence)
    with transaction.atomic():
        locked = Mapping.objects.select_for_update().get(pk=mapping.pk)
        reason = f"{effect.before} was replaced by {fresh.object}."
        removed = reset_links(
            mapping.org, mapping.entity, reason=reason, actor=user if getattr(user, "pk", None) else None, now=now
        )
        version = versions.add_version(locked, fresh, user=user, now=now, note=reason)
        audit.record(
            "mapping.object_changed", actor=user, target=f"{locked} v{version.number}", address=address,
            before=write_body(body), after={"object": fresh.object, "links_removed": removed},
        )  # fmt: skip
    mapping.refresh_from_db()
    return version
