"""Bringing a file about: planned once more, refused when something is wrong or changed, then done section by section."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import AppliedConfiguration, SalesforceOrg
from project.configuration.comparing import Difference, differences
from project.configuration.document import Document, read_document
from project.configuration.planning import Line, Plan, Step, do_step, make_plan, open_step, places_of, remove_step
from project.configuration.registry import SECTIONS
from project.configuration.section import Section, Work

KEPT = 20  # files that were applied


@dataclass
class Outcome:
    """What applying did. `plan` is what was found before; `done` what really happened, which stops where a problem came up."""

    plan: Plan
    done: Plan = field(default_factory=Plan)
    applied: AppliedConfiguration | None = None

    @property
    def is_done(self) -> bool:
        """Whether everything is as the file says now."""
        return not self.plan.problems and not self.done.problems


def plan_file(
    text: str | bytes, *, renames: Mapping[str, str] | None = None, prune: bool = False, actor: Person | None, now: datetime
) -> Plan:
    """What applying the file would do; nothing is changed."""
    document = read_document(text, SECTIONS, renames=renames)
    return make_plan(document, SECTIONS, prune=prune, actor=actor, now=now)


def apply_file(
    text: str | bytes, *, renames: Mapping[str, str] | None = None, prune: bool = False, expect: str = "",
    actor: Person | None, now: datetime, address: str | None = None,
) -> Outcome:  # fmt: skip
    """Bring the file about, each section in a transaction of its own. Nothing is changed while the plan has a problem.

    `expect` is the digest of the plan that a person saw: Refusal `changed_meanwhile` when the file or what is here is another.
    """
    document = read_document(text, SECTIONS, renames=renames)
    outcome = Outcome(make_plan(document, SECTIONS, prune=prune, actor=actor, now=now))
    if outcome.plan.problems:
        return outcome
    if expect and expect != outcome.plan.digest:
        words = f"What is here, or the file, is not what the plan {expect[:16]} was made of. Look at the new plan, then apply."
        raise Refusal("changed_meanwhile", words)
    _do_all(document, outcome, prune=prune, actor=actor, now=now)
    if outcome.is_done:
        outcome.applied = _keep(document, text, outcome, actor=actor, now=now, address=address)
    return outcome


def _do_all(document: Document, outcome: Outcome, *, prune: bool, actor: Person | None, now: datetime) -> None:
    """Each section in a transaction of its own, then each removal, as far as no problem comes up."""
    about: dict[str, Any] = {"actor": actor, "now": now}
    steps: list[Step] = []

    def save(section: Section, org: str, part: Plan) -> None:
        step = open_step(document, section, org, prune=prune, **about)
        if step is not None:
            steps.append(step)
            do_step(step, part, **about)

    for section, org in places_of(document, SECTIONS):
        if not _in_transaction(outcome, lambda part, section=section, org=org: save(section, org, part)):
            return
    for step in reversed(steps):
        if not _in_transaction(outcome, lambda part, step=step: remove_step(step, part, **about)):
            return


def _in_transaction(outcome: Outcome, work: Callable[[Plan], None]) -> bool:
    """All of it, or with a problem nothing."""
    part = Plan()
    with transaction.atomic():
        work(part)
        if part.problems:
            transaction.set_rollback(True)
    if part.problems:
        outcome.done.problems += part.problems
        return False
    outcome.done.lines += part.lines
    return True


def _keep(
    document: Document, text: str | bytes, outcome: Outcome, *, actor: Person | None, now: datetime, address: str | None
) -> AppliedConfiguration | None:
    """Remember the file and what its entries are now; a file that changed nothing and is the last one already is not kept."""
    words = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    digest = hashlib.sha256(words.encode()).hexdigest()
    last = AppliedConfiguration.objects.first()
    state = _plain(state_of(document, now=now))
    if outcome.done.is_quiet and last is not None and last.digest == digest and last.state == state:
        return last
    counts, person = outcome.done.counts, actor if getattr(actor, "pk", None) else None
    with transaction.atomic():
        made = AppliedConfiguration.objects.create(
            at=now, actor=person, digest=digest, text=words, renames=document.renamed, counts=counts, state=state  # type: ignore[misc]
        )  # fmt: skip
        old = AppliedConfiguration.objects.values_list("pk", flat=True)[KEPT:]
        AppliedConfiguration.objects.filter(pk__in=list(old)).delete()
        after = {"digest": digest, "map": document.renamed, **counts}
        audit.record("configuration.applied", actor=actor, target=f"configuration {digest[:12]}", after=after, address=address)
    return made


def state_of(document: Document, *, now: datetime) -> list[list[Any]]:
    """What the entries of a file are now: title, connection, key, entry of each (None: not there). Salesforce is not asked."""
    found: list[list[Any]] = []
    for section, org in places_of(document, SECTIONS):
        work = Work(None, now, SalesforceOrg.objects.filter(name=org).first() if org else None)
        entries = section.read(work) if work.org is not None or not section.per_org else {}
        keys = [each.key for each in document.entries if each.section is section and each.org == org]
        found += [[section.title, org, key, entries.get(key)] for key in keys]
    return found


@dataclass(frozen=True)
class Drift:
    """One entry of the file in force that is not as it was right after applying."""

    line: Line
    changes: tuple[Difference, ...]

    @property
    def is_gone(self) -> bool:
        """Whether it is not there any more."""
        return self.line.action == "remove"


def drift_of(applied: AppliedConfiguration, *, now: datetime) -> list[Drift]:
    """What changed since a file was applied, entry by entry. Only reads; Salesforce is not asked."""
    known = {section.title if not section.per_org else f"*{section.title}": section for section in SECTIONS}
    found, read = [], dict[tuple[str, str], dict[str, Any]]()
    for title, org, key, before in applied.state:
        section = known.get(f"*{title}" if org else title)
        if section is None:
            continue
        if (title, org) not in read:
            place = SalesforceOrg.objects.filter(name=org).first() if org else None
            read[title, org] = _plain(section.read(Work(None, now, place))) if place is not None or not org else {}
        after = read[title, org].get(key)
        if after != before:
            action = "remove" if after is None else "create" if before is None else "change"
            changes = tuple(differences(before, after))
            found.append(Drift(Line(action, section, org, key, "", changes), changes))
    return found


def _plain(data: Any) -> Any:
    """Data as the database gives it back."""
    return json.loads(json.dumps(data, cls=DjangoJSONEncoder))
