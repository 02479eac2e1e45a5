"""An alert when what was set up in an org breaks, or when two of its flows fire together (ST-38, ST-D14); a note at its end."""

from collections.abc import Sequence
from datetime import datetime

from django.urls import reverse

from integrations import alerts
from integrations.models import SalesforceOrg
from provisioning.connection import DOMAIN
from provisioning.models import Provision

SHOWN = 5


def tell(org: SalesforceOrg, *, together: str | None, missing: Sequence[str], now: datetime) -> None:
    """`together` says which flows fire together (None where nobody could look), `missing` what stops provisioning.

    Both are empty when all is well.
    Missing things alarm only where deals were provisioned before: an org that is being set up has its page.
    """
    key, page = f"{DOMAIN}:two-flows:{org.pk}", {"org_id": org.pk}
    if together:
        alerts.raise_alert(
            key, code="two_flows", severity="warning", title=f"{org.name}: two flows announce the same deals", body=together,
            url=reverse("provisioning:flows", kwargs=page), org=org, now=now,
        )  # fmt: skip
    elif together is not None:
        alerts.recover_alert(key, now=now, note="At most one flow announces a deal now.")
    key = f"{DOMAIN}:lacks:{org.pk}"
    if not missing:
        alerts.recover_alert(key, now=now, note="The org has again what provisioning needs.")
    elif Provision.objects.filter(org=org).exists():
        more = f" And {len(missing) - SHOWN} more." if len(missing) > SHOWN else ""
        alerts.raise_alert(
            key, code="lacks", title=f"{org.name}: provisioning lacks something in Salesforce",
            body=" ".join(missing[:SHOWN]) + more, url=reverse("provisioning:set_up", kwargs=page), org=org, now=now,
        )  # fmt: skip
