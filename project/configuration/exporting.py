"""What is configured now, as a file: the same configuration gives the same bytes, whoever asks and whenever."""

from datetime import datetime

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.salesforce import API_VERSION
from project.configuration.document import write_document
from project.configuration.planning import read_named
from project.configuration.registry import SECTIONS
from project.configuration.section import CONNECTIONS, Entry, Section, Work

HEAD = (
    "Configuration of Causeway. Read it with `plan`, bring it about with `apply`; see docs/configuration.md.",
    f"Salesforce API v{API_VERSION}. Secrets, keys and tokens are never in it: people enter them on the pages.",
    "What a file does not say stays as it is.",
)


def export_configuration(*, org: str = "", now: datetime) -> str:
    """The text of a file. With `org` only that connection, without what is the whole company's; Refusal `no_connection`."""
    known = list(SalesforceOrg.objects.order_by("name"))
    chosen = [each for each in known if not org or each.name == org]
    if org and not chosen:
        names = ", ".join(each.name for each in known) or "none yet"
        raise Refusal("no_connection", f"There is no connection called {org!r}. Known: {names}.")
    found: list[tuple[Section, str, dict[str, Entry]]] = []
    for section in SECTIONS:
        if section.per_org:
            found += [(section, each.name, read_named(section, Work(None, now, each))) for each in chosen]
        elif section.place == (CONNECTIONS,):
            wanted = {each.name for each in chosen}
            entries = section.read(Work(None, now))
            found.append((section, "", {name: entry for name, entry in entries.items() if name in wanted}))
        elif not org:
            found.append((section, "", section.read(Work(None, now))))
    return write_document(found, head=HEAD)
