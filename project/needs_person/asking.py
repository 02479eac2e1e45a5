"""Who asks what needs a person, and the domains' answers: what several of them must know is read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from integrations import attention
from integrations.access import DOMAINS, may_change
from integrations.models import Run, SalesforceOrg
from integrations.orgs import vault
from project.needs_person.need import Need


@dataclass
class Asker:
    """Who looks (None: the worker, who may everything), and when. `at_once`: what is otherwise remembered is asked anew."""

    user: Any
    now: datetime
    at_once: bool = False

    def may(self, role: str, domain: str = "") -> bool:
        """Whether the person can act where `role` is asked for; admins of a domain are operators in it, viewers never act."""
        return self.user is None or may_change(self.user, role, domain if domain in DOMAINS else "")

    @property
    def may_somewhere(self) -> bool:
        """Whether the person operates Causeway or one domain of it."""
        return self.may("operator") or any(self.may("operator", each) for each in DOMAINS)

    @cached_property
    def orgs(self) -> list[SalesforceOrg]:
        """Every connection that is not gone, by name, with what the domains know of it."""
        return attention.connections("provisioning_settings", "billing", "analytics_settings", "facts_state")

    @cached_property
    def locked(self) -> set[int]:
        """Connections whose secrets cannot be read."""
        return vault.locked_orgs()

    @cached_property
    def runs(self) -> list[Run]:
        """The latest run of each job and connection."""
        return attention.newest_runs()

    @cached_property
    def times(self) -> dict[str, datetime]:
        """When the queue starts each line of the timetable next, by its name there."""
        return dict(attention.schedules())


@dataclass(frozen=True, slots=True)
class Source:
    """A domain's answer. `most_queries` bounds it whatever the size of the tables. `kept` ones are asked by the worker each ten
    minutes, for everybody; the page reads what they said."""

    name: str
    read: Callable[[Asker], Sequence[Need]]
    most_queries: int
    kept: bool = False
