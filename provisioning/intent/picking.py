"""Finding the opportunity that a person means: an id, an address of its page, or a part of its name."""

import re
from dataclasses import dataclass

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from integrations.salesforce.ids import is_id, to_18
from integrations.salesforce.soql import contains, select
from provisioning.connection import DOMAIN

ID_IN_TEXT = re.compile(r"(?<![0-9A-Za-z])006[0-9A-Za-z]{12}(?:[0-9A-Za-z]{3})?(?![0-9A-Za-z])")
SHOWN, LONGEST = 10, 120


@dataclass(frozen=True, slots=True)
class Candidate:
    """An opportunity to choose from."""

    id: str
    name: str
    stage: str
    account: str


def id_in(text: str) -> str:
    """The opportunity id in an id or an address, "" when there is none."""
    found = ID_IN_TEXT.search(text)
    return to_18(found[0]) if found and is_id(found[0]) else ""


def find_opportunities(org: SalesforceOrg, text: str) -> list[Candidate]:
    """At most ten opportunities whose name contains the text, newest first. Raises what the connection raises."""
    wanted = re.sub(r"[\x00-\x1f\x7f]+", " ", text).strip()[:LONGEST]
    if not wanted:
        return []
    names = ["Id", "Name", "StageName", "Account.Name"]
    soql = select("Opportunity", names, where=[contains("Name", wanted)], order_by=["SystemModstamp DESC"], limit=SHOWN)
    with client_for(org, domain=DOMAIN) as client:
        rows = client.query_all(soql)
    return [
        Candidate(to_18(each["Id"]), each["Name"] or "", each["StageName"] or "", (each.get("Account") or {}).get("Name") or "")
        for each in rows
    ]
