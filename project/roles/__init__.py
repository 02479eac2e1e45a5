"""The declared table of who may do what at which address; a test holds every URL of the application against it (S-071).

Roles grow: viewer, member, analyst, operator, admin, super admin. An admin of a domain has an operator's rights at addresses of
that domain. Viewers read what analysts read and change nothing but what is declared for viewers. What a license adds is asked
by okr, not by an address; what belongs to somebody (their objective, their key result) is asked by the verb. A file a domain.
"""

from dataclasses import dataclass

from integrations.access import ROLES, SAFE_METHODS
from project.roles import analytics, billing, engine, okr, product, project, provisioning, security

PARTS = {
    "project": project, "engine": engine, "okr": okr, "product": product, "billing": billing, "provisioning": provisioning,
    "analytics": analytics, "security": security,
}  # fmt: skip
WHOLE = ("project", "engine", "security")  # parts that belong to no domain
PAGES: dict[str, str] = {name: role for part in PARTS.values() for name, role in part.PAGES.items()}
"""Name of the address: smallest role that gets an answer."""
API: dict[str, tuple[str, str]] = {name: roles for part in PARTS.values() for name, roles in part.API.items()}
"""Name of the address: role to read, role to write."""
DOMAIN: dict[str, str] = {name: "" if key in WHOLE else key for key, part in PARTS.items() for name in (*part.PAGES, *part.API)}
"""Name of the address: the domain whose admins have an operator's rights there; empty for none."""
FORMS: frozenset[str] = frozenset(name for part in PARTS.values() for name in getattr(part, "FORMS", ()))
"""Pages that are only there to change something: viewers do not even open them."""

EACH_DOMAIN: frozenset[str] = frozenset(name for part in PARTS.values() for name in getattr(part, "EACH_DOMAIN", ()))
"""Addresses that admins of any domain reach with an operator's rights; behind them only what is their domain's is theirs."""


@dataclass(frozen=True)
class Rights:
    """A role as the table knows it: the word, and the domains it is an operator of besides."""

    role: str
    domains: tuple[str, ...] = ()

    def reaches(self, needed: str, domain: str, *, each_domain: bool = False) -> bool:
        """Whether the role is enough to look at what needs `needed` in `domain`, or in any domain of one's own."""
        own = "analyst" if self.role == "viewer" else self.role
        is_own = bool(self.domains) if each_domain else domain in self.domains
        if is_own and ROLES.index(own) < ROLES.index("operator"):
            own = "operator"
        return ROLES.index(own) >= ROLES.index(needed)


def allows(rights: Rights, name: str, method: str) -> bool:
    """What the table says about a request to the address called `name`. KeyError for an address that is not declared."""
    is_safe = method in SAFE_METHODS
    needed = PAGES[name] if name in PAGES else API[name][0 if is_safe else 1]
    if not rights.reaches(needed, DOMAIN[name], each_domain=name in EACH_DOMAIN):
        return False
    changes = not is_safe or name in FORMS
    return not (rights.role == "viewer" and changes and needed not in ("anonymous", "viewer"))
