"""Who may give whom which role. Pure: no database, no request (S-072)."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from integrations.access import DOMAINS, ROLE_LABELS, ROLES

GIVEN = ROLES[1:]
"""Roles that somebody can be given, least first."""
WITH_DOMAINS = ("member", "analyst")
"""Roles beside which domains make sense: operators and admins have all of them already, viewers change nothing."""


@dataclass(frozen=True)
class Rights:
    """What decides what a person may do: the role, and the domains where they are operators besides."""

    role: str
    domains: tuple[str, ...] = field(default=())

    @property
    def words(self) -> str:
        """ "Analyst, admin of billing"."""
        label = ROLE_LABELS[self.role]
        return f"{label}, admin of {_listed(DOMAINS[each].lower() for each in self.domains)}" if self.domains else label

    def as_data(self) -> dict[str, object]:
        """For the audit and the API."""
        return {"role": self.role, "domains": list(self.domains)}


def grantable(actor: str) -> tuple[str, ...]:
    """The roles that somebody with the role `actor` may give: super admins all, admins those below their own, others none."""
    if actor == "superadmin":
        return GIVEN
    return GIVEN[: GIVEN.index("admin")] if actor == "admin" else ()


def why_not_manage(actor: str, target: str, *, is_self: bool) -> str:
    """Why somebody with the role `actor` may not change a person of the role `target`; empty when they may."""
    if is_self:
        return "Nobody changes their own rights. Ask another super admin."
    if target not in grantable(actor) and target != "anonymous":
        return f"Only a super admin changes people who are {ROLE_LABELS[target].lower()}s."
    return ""


def why_not_give(actor: str, wanted: Rights) -> tuple[str, str]:
    """The field that is wrong and why; two empty texts when it may be given."""
    if wanted.role not in GIVEN:
        return "role", f"There is no role {wanted.role!r}. Known: {', '.join(GIVEN)}."
    if wanted.role not in grantable(actor):
        return "role", f"Only a super admin makes somebody {ROLE_LABELS[wanted.role].lower()}."
    unknown = [each for each in wanted.domains if each not in DOMAINS]
    if unknown:
        return "domains", f"There is no domain {', '.join(unknown)}. Known: {', '.join(DOMAINS)}."
    if wanted.domains and wanted.role not in WITH_DOMAINS:
        reason = "changes nothing anywhere" if wanted.role == "viewer" else "has all domains already"
        return "domains", f"A person with the role {ROLE_LABELS[wanted.role].lower()} {reason}; take the domains away."
    return "", ""


def _listed(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
