"""What an administrator of the demo org does: the mapping fields, and where its products lead (ST-19, ST-20, ST-24).

Left as it would be found: services and training lead nowhere, one product is not mapped yet, one carries the wrong type.
"""

from datetime import datetime

import requests
from django.conf import settings

from integrations.models import SalesforceOrg
from integrations.orgs.connect import client_for
from provisioning.catalogue.demo import LINES
from provisioning.connection import settings_of
from provisioning.intent.mapping import WORDS
from provisioning.mapping import leads
from provisioning.mapping.judging import type_of
from provisioning.salesforce import checking

SECONDS = 60
AT_ONCE = 200
EXTRAS = {
    "Additional Seats (10)": "addon-seats-10", "API Calls (1 million)": "addon-api-calls-1m",
    "Stored Gigabytes (100)": "addon-storage-100gb", "Workflow Runs (10,000)": "addon-workflow-runs-10k",
    "Sandbox Environment": "addon-sandbox", "Single Sign-On": "feature-sso", "Audit Trail": "feature-audit-trail",
    "Data Residency EU": "feature-data-residency", "Standard Support": "plan-support-standard",
    "Premier Support": "plan-support-premier", "24/7 Hotline": "plan-support-hotline",
}  # fmt: skip
WRONG = {"Regional Data Mirror": ("Plan", "addon-regional-mirror")}


def wanted() -> dict[str, tuple[str, str]]:
    """Type and id by the name of the product."""
    editions = {
        f"{line} {edition}": f"plan-{line.lower()}-{edition.lower()}"
        for line in LINES
        for edition in ("Team", "Business", "Enterprise")
    }
    return {**{name: (WORDS[type_of(ref)], ref) for name, ref in {**editions, **EXTRAS}.items()}, **WRONG}


def fill(org: SalesforceOrg, *, now: datetime) -> bool:
    """Make the fields and set them, straight in the demo org; False when products lead somewhere already."""
    url = f"{settings.DEMO_ORG_URL}/__demo__/packages"
    requests.post(url, json={"package": "provisioning"}, timeout=SECONDS).raise_for_status()
    fields, names = leads.fields_of(org), wanted()
    with client_for(org, domain=leads.DOMAIN) as client:
        rows = client.query_all(f"SELECT Id, Name, {fields.id} FROM Product2")  # noqa: S608  a name of our settings
        known = any(row[fields.id] for row in rows)
        records = [
            {"attributes": {"type": leads.PRODUCT}, "Id": row["Id"], fields.type: names[row["Name"]][0],
             fields.id: names[row["Name"]][1]}
            for row in rows if row["Name"] in names and not known
        ]  # fmt: skip
        for start in range(0, len(records), AT_ONCE):
            body = {"allOrNone": True, "records": records[start : start + AT_ONCE]}
            client.request("PATCH", "composite/sobjects", json=body)
    if not known or settings_of(org).checked_at is None:
        checking.check_now(org, now=now)  # from here on the mirror reads the fields
    return not known
