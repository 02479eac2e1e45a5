"""The declared table of who may open which address; a test holds every URL of the application against it (S-071).

Roles grow: anonymous, member, analyst, operator, admin. What a license adds is asked by okr, not by an address; what
belongs to somebody (their objective, their key result) is asked by the verb. A file a domain.
"""

from project.roles import analytics, billing, engine, okr, product, project, provisioning

_parts = (project, engine, okr, product, billing, provisioning, analytics)
PAGES: dict[str, str] = {name: role for part in _parts for name, role in part.PAGES.items()}
"""Name of the address: smallest role that gets an answer."""
API: dict[str, tuple[str, str]] = {name: roles for part in _parts for name, roles in part.API.items()}
"""Name of the address: role to read, role to write."""
