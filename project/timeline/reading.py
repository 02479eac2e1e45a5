"""The timeline of one customer as pages read it: what a person may see, of one kind or all, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core.paginator import Page, Paginator

from analytics.queries import CustomerFacts
from integrations.access import Person, has_role
from integrations.lake.failures import EngineError
from integrations.models import Customer
from integrations.queries import count_each
from project.customer_sides import revenue_of
from project.timeline.entries import Entry, Source, count, read_page
from project.timeline.lake import nps_entries, revenue_entries
from project.timeline.sources import KINDS, database_sources, of_list

SIZE = 50
CLOSED = ("/runs/", "/product/engagements/")  # pages for analysts: others read the words without the way there


@dataclass(frozen=True)
class Timeline:
    """A list as Django's paginator takes it: it asks for the length and for one page."""

    sources: Sequence[Source]
    user: Person

    def __len__(self) -> int:
        together = {each.name: each.rows for each in self.sources if each.rows is not None}
        return sum(count_each(together).values()) + count(each for each in self.sources if each.rows is None)

    def __getitem__(self, part: slice) -> list[Entry]:
        start, stop = part.start or 0, part.stop or 0
        size = max(stop - start, 1) if start == 0 else SIZE
        found = read_page(self.sources, number=start // size + 1, size=size)
        return found if has_role(self.user, "analyst") else [_opened(each) for each in found]


def timeline_of(customer: Customer, *, user: Person, kind: str = "", facts: Sequence[CustomerFacts] | None = None) -> Timeline:
    """Everything that happened with the customer; with `kind` only that. What the lake knows is missing while it is down."""
    sources = [each for each in database_sources(customer, user) if not kind or each.kind == kind]
    if kind in ("", "nps"):
        sources.append(of_list("nps", "nps", _nps(customer, user)))
    if kind in ("", "revenue"):
        sources.append(of_list("revenue", "revenue", revenue_entries(revenue_of(customer) if facts is None else facts)))
    return Timeline(sources, user)


def page_of(timeline: Timeline, number: object) -> Page:
    """One page of 50."""
    return Paginator(timeline, SIZE).get_page(number)  # type: ignore[arg-type]


def known_kind(text: str) -> str:
    """`text` when it is a kind, else nothing: all."""
    return text if text in KINDS else ""


def _nps(customer: Customer, user: Person) -> list[Entry]:
    try:
        return nps_entries(customer, user)
    except EngineError:
        return []


def _opened(entry: Entry) -> Entry:
    """Without links to pages that are closed to the person."""
    url = "" if entry.url.startswith(CLOSED) else entry.url
    return replace(entry, url=url, origin_url="" if entry.origin_url.startswith(CLOSED) else entry.origin_url)


__all__ = ["KINDS", "SIZE", "Timeline", "known_kind", "page_of", "timeline_of"]
