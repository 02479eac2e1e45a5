"""What a file would do: every entry compared with what is there, and tried out in a transaction that is taken back.

Trying out means that each change goes through the verbs that would make it, so that a plan without problems can be applied, and
that what a domain only spells otherwise is no change. Nothing of it stays.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction

from integrations.access import Person, Refusal
from integrations.models import SalesforceOrg
from integrations.product.health.scoring import BadParts
from integrations.product.kpis.defining import FeatureProblems
from integrations.salesforce.errors import SalesforceError
from integrations.sync.mapping.problems import Problem, ProblemsFound
from project.configuration import names
from project.configuration.comparing import Difference, differences
from project.configuration.document import Document, Wanted
from project.configuration.section import CONNECTIONS, Entry, Section, Work
from provisioning.automations.authoring import BadAutomation
from provisioning.catalogue.checking import CatalogueProblems

CREATE, CHANGE, REMOVE, SAME, WAIT = "create", "change", "remove", "unchanged", "wait"
WAITS = "waits until the connection is authorized; apply the file again then."
SHAPES = (TypeError, AttributeError, KeyError, ValueError, ArithmeticError, IndexError)


@dataclass(frozen=True)
class Line:
    """What happens to one entry."""

    action: str
    section: Section
    org: str
    key: str
    path: str
    changes: tuple[Difference, ...] = ()

    @property
    def name(self) -> str:
        """How people call it: "segments: Churn risk", "connections[Production].mappings: customer"."""
        place = f"{CONNECTIONS}[{self.org}].{self.section.title}" if self.section.per_org else self.section.title
        return f"{place}: {self.key}" if self.key else place


@dataclass
class Plan:
    """Everything that a file would do. `digest` stands for the file together with what is there now."""

    lines: list[Line] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    digest: str = ""

    def count(self, action: str) -> int:
        """How many entries end so."""
        return sum(1 for each in self.lines if each.action == action)

    @property
    def counts(self) -> dict[str, int]:
        """Entries by what happens to them."""
        return {action: self.count(action) for action in (CREATE, CHANGE, REMOVE, SAME, WAIT)}

    @property
    def changes(self) -> list[Line]:
        """The entries that something happens to."""
        return [each for each in self.lines if each.action in (CREATE, CHANGE, REMOVE)]

    @property
    def is_quiet(self) -> bool:
        """Whether everything is as the file says already."""
        return not self.problems and not self.changes


@dataclass
class Step:
    """One section of the file in one place, with what is there and what is wanted."""

    section: Section
    org: str
    wanted: list[Wanted]
    before: dict[str, Entry]
    removes: list[str]
    is_offline: bool = False

    def waits(self, wanted: Wanted) -> bool:
        """Whether an entry can only be taken once the connection is authorized."""
        asks = self.section.asks_salesforce or (self.section.may_hold_ids and names.has_references(wanted.given))
        return self.is_offline and asks


def make_plan(document: Document, sections: Sequence[Section], *, prune: bool, actor: Person | None, now: datetime) -> Plan:
    """What applying would do. All problems are found at once; nothing is changed."""
    plan = Plan(problems=list(document.problems))
    if plan.problems:
        return plan
    _ask_ahead(document, sections, actor=actor, now=now)
    with _tried_out():
        _run_steps(document, sections, plan, prune=prune, actor=actor, now=now)
    return plan


def _ask_ahead(document: Document, sections: Sequence[Section], *, actor: Person | None, now: datetime) -> None:
    """Let Salesforce be asked before the transaction begins; what goes wrong here is told when it is tried."""
    for section, org in places_of(document, sections):
        work = _work_for(org, actor, now)
        if not section.asks_salesforce or work.org is None or not work.org.is_connected:
            continue
        before = section.read(work)
        for each in document.entries:
            if each.section is section and each.org == org:
                entry = section.complete(each.given, before.get(each.key))
                with suppress(Refusal, SalesforceError, *SHAPES):
                    if section.differs(entry, before.get(each.key)):
                        section.ask_ahead(each.key, entry, work)


def _run_steps(
    document: Document, sections: Sequence[Section], plan: Plan, *, prune: bool, actor: Person | None, now: datetime
) -> None:
    """Do everything in the order of the sections, then remove what is to go, in the other order; the caller takes it back."""
    steps = []
    for section, org in places_of(document, sections):
        step = open_step(document, section, org, prune=prune, actor=actor, now=now)
        if step is not None:
            steps.append(step)
            do_step(step, plan, actor=actor, now=now)
    for step in reversed(steps):
        remove_step(step, plan, actor=actor, now=now)
    seen = [(step.section.title, step.org, sorted(step.before.items())) for step in steps]
    plan.digest = digest_of(document, seen, prune=prune)


def places_of(document: Document, sections: Iterable[Section]) -> Iterator[tuple[Section, str]]:
    """The sections that a file names, in the order in which they are done, each with its connection."""
    for section in sections:
        if section.per_org:
            yield from ((section, org) for org in document.orgs if (section.title, org) in document.named)
        elif section.place == (CONNECTIONS,):
            if document.orgs:
                yield section, ""
        elif (section.title, "") in document.named:
            yield section, ""


def open_step(
    document: Document, section: Section, org: str, *, prune: bool, actor: Person | None, now: datetime
) -> Step | None:
    """What is there and what is wanted in one place; None when its connection could not be made."""
    wanted = [each for each in document.entries if each.section is section and each.org == org]
    work = _work_for(org, actor, now)
    if section.per_org and work.org is None:
        return None
    offline = work.org is not None and not work.org.is_connected
    before = read_named(section, work)
    named = {each.key for each in wanted}
    may_go = prune and section.removable and not (offline and section.asks_salesforce)
    gone = [key for key, entry in before.items() if key not in named and section.may_remove(entry)] if may_go else []
    return Step(section, org, wanted, before, gone, offline)


def read_named(section: Section, work: Work) -> dict[str, Entry]:
    """What there is in a section, ids of Salesforce as names."""
    found = section.read(work)
    if section.may_hold_ids and work.org is not None:
        return {key: names.to_names(work.org, entry) for key, entry in found.items()}
    return found


def do_step(step: Step, plan: Plan, *, actor: Person | None, now: datetime) -> None:
    """Save what differs; what a domain took otherwise than it was written is seen by reading again."""
    work = _work_for(step.org, actor, now)
    complete = {each.key: step.section.complete(each.given, step.before.get(each.key)) for each in step.wanted}
    todo = {each.key: each for each in step.wanted if step.section.differs(complete[each.key], step.before.get(each.key))}
    ready = {key for key, each in todo.items() if not step.waits(each)}
    touched: set[str] = set()
    for key, entry in step.section.in_order([(key, complete[key]) for key in todo if key in ready]):
        if _try(plan, todo[key].path, lambda key=key, entry=entry: _save(step, key, entry, work)):
            touched.add(key)
    after = read_named(step.section, work) if touched else step.before
    for each in step.wanted:
        plan.lines.append(_line(step, each, after, differs=each.key in todo))


def remove_step(step: Step, plan: Plan, *, actor: Person | None, now: datetime) -> None:
    """Take away what is to go: after everything was saved, so that what named it names it no more."""
    work = _work_for(step.org, actor, now)
    for key in step.removes:
        line = Line(REMOVE, step.section, step.org, key, "")
        if _try(plan, line.name, lambda key=key: step.section.remove(key, step.before[key], work)):
            plan.lines.append(line)


def _line(step: Step, wanted: Wanted, after: dict[str, Entry], *, differs: bool) -> Line:
    before, made = step.before.get(wanted.key), after.get(wanted.key)
    about = (step.section, step.org, wanted.key, wanted.path)
    if differs and step.waits(wanted):
        return Line(WAIT, *about)
    if not differs or (before is not None and before == made):
        return Line(SAME, *about)
    return Line(CREATE if before is None else CHANGE, *about, tuple(differences(before, made)))


def _save(step: Step, key: str, entry: Entry, work: Work) -> None:
    if step.section.may_hold_ids and work.org is not None:
        entry = names.to_ids(work.org, entry)
    step.section.save(key, entry, step.before.get(key), work)


def _work_for(org: str, actor: Person | None, now: datetime) -> Work:
    return Work(actor, now, SalesforceOrg.objects.filter(name=org).first() if org else None)


@contextmanager
def _tried_out() -> Iterator[None]:
    """Everything inside is taken back; its lines in the log say so, because they speak of entries that will not be there."""
    with structlog.contextvars.bound_contextvars(tried_out=True), transaction.atomic():
        yield
        transaction.set_rollback(True)


def _try(plan: Plan, path: str, act: Any) -> bool:
    """Whether it worked; what is wrong stands in the plan, and the look at the others goes on."""
    try:
        with transaction.atomic():
            act()
    except Exception as error:
        found = list(problems_in(error))
        if not found:
            raise
        plan.problems += [each.below(path) for each in found]
        return False
    return True


def problems_in(error: Exception) -> Iterator[Problem]:
    """What a domain's error says, place by place; nothing for an error that is nobody's mistake."""
    if isinstance(error, ProblemsFound | CatalogueProblems):
        for each in error.problems:
            yield Problem(each.path, getattr(each, "code", "invalid"), each.message)
    elif isinstance(error, BadParts | BadAutomation):
        yield from (Problem(name, "invalid", message) for name, message in error.errors.items())
    elif isinstance(error, FeatureProblems):
        yield from (Problem(name, "invalid", " ".join(messages)) for name, messages in error.problems.items())
    elif isinstance(error, ValidationError):
        found = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
        yield from (Problem("" if name == "__all__" else name, "invalid", " ".join(texts)) for name, texts in found.items())
    elif isinstance(error, Refusal):
        yield Problem("", error.code, error.message)
    elif isinstance(error, SalesforceError):
        yield Problem("", "salesforce", f"Salesforce could not be asked: {error.message}")
    elif isinstance(error, DatabaseError):
        yield Problem("", "not_stored", "The database does not take these values; look for texts that are too long.")
    elif isinstance(error, SHAPES):
        words = str(error)[:120] or type(error).__name__
        yield Problem("", "shape", f"A value in it has another form than expected ({words}).")


def digest_of(document: Document, seen: Any, *, prune: bool) -> str:
    """Stands for a file and what it was compared with: another one when either changed."""
    said = [[each.section.title, each.org, each.key, each.given] for each in document.entries]
    text = json.dumps([said, seen, prune], sort_keys=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
