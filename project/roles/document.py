"""docs/roles.md, made of the declared table, so that readers and tests look at the same thing."""

from collections.abc import Iterator

from integrations.access import DOMAIN_GROUPS, DOMAINS, GROUPS, ROLE_LABELS, ROLES
from project.people.meaning import MEANING
from project.roles import EACH_DOMAIN, PARTS, WHOLE, Rights, allows

TITLES = {
    "project": "The whole: home, customers, people, configuration",
    "engine": "Connections, mirror, mappings, outbox, runs",
    "security": "Security",
}
HEAD = """# Roles

Who may do what. This page is written by `./run manage write_roles` from the table that the application is tested against
(`project/roles/`): every address, by every role, with every method. Change the table, not this page.

"""
RULES = """
- Somebody's role is their group; who is in no group is a member. Super admins are super users.
- An admin of a domain has an operator's rights in that domain's pages and API, and is member or analyst elsewhere.
- Viewers change nothing: whatever else they are in, every request that is not a plain read is refused, in pages, API and back
  office. Their own name, password, sessions and chosen connection are theirs, and they can sign out.
- An API key does what its scopes say, and never more than its owner may at that moment: who loses a role takes the rights of
  their keys with it.
- Everybody from member on makes and revokes API keys of their own on their own page or through the API, with no scope that
  their role could not use. Keys of others are the super admins'.
- What belongs to somebody (an objective, a key result, a segment) is changed by its owner, or by people with more rights.
  Linking key results to reports needs a license besides.
- People are managed at People. Admins give roles below their own; only super admins make admins and super admins. Nobody
  changes their own rights, and the last super admin stays. Each change asks for a fresh sign-in and is in the audit with before
  and after.
- In the back office operators and admins look at everything except people, keys and secrets; admins of a domain at that
  domain's tables; viewers at tables that name no people. Only super admins change anything there.

In the tables, `all` means everything that the address offers, `read` that it is opened and nothing is sent to it; an empty cell
is refused. An admin of a domain has the operator's column in the tables of that domain. They reach addresses with a `*`, too,
with an operator's rights over what belongs to their domain: runs of its jobs.
"""


def render() -> str:
    """The whole page."""
    return HEAD + "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("| Role | Group | What it means |", "|---|---|---|")
    for role, sentence in MEANING:
        label = "Admin of a domain" if role == "domain" else ROLE_LABELS[role]
        yield f"| {label} | {_group(role)} | {sentence} |"
    yield RULES.rstrip()
    for key, part in PARTS.items():
        title = TITLES.get(key, key.capitalize()) if key in WHOLE else DOMAINS[key]
        yield from ("", f"## {title}", "")
        yield from _table("Page", sorted(part.PAGES))
        if part.API:
            yield ""
            yield from _table("API", sorted(part.API))


def _group(role: str) -> str:
    if role == "domain":
        return ", ".join(DOMAIN_GROUPS.values())
    return GROUPS.get(role, "super user" if role == "superadmin" else "none")


def _table(kind: str, names: list[str]) -> Iterator[str]:
    yield f"| {kind} | {' | '.join(ROLE_LABELS[role] for role in ROLES)} |"
    yield f"|---{'|---' * len(ROLES)}|"
    for name in names:
        yield f"| `{name}`{' *' if name in EACH_DOMAIN else ''} | {' | '.join(_cell(name, role) for role in ROLES)} |"


def _cell(name: str, role: str) -> str:
    """What a role gets there."""
    rights = Rights(role)
    reads, writes = allows(rights, name, "GET"), allows(rights, name, "POST")
    return "all" if reads and writes else "read" if reads else "write" if writes else ""
