"""Open alerts that no source speaks for: what a rule of an administrator or a part of the product has told people about."""

from collections.abc import Sequence

from django.urls import reverse

from integrations.alerts import open_alerts
from project.needs_person.asking import Asker
from project.needs_person.need import Need, Urgency

SHOWN = 40
SPOKEN = (
    ("connection:", "connections."), ("connections", "connections."), ("access:", "connections.rights"),
    ("guard:", "outbox.guard"), ("okr", "key_results.stale"), ("links:", "customers.deleted"),
    ("billing.accounts:", "billing.deleted"), ("provisioning:deal:", "provisioning."), ("provisioning:many:", "provisioning."),
    ("provisioning:lacks:", "provisioning.lacks"), ("product:buffer", "product.buffer"), ("mapping:", "mirror.mapping"),
    ("drift", "mirror.drift"), ("mirror", "mirror."),
)  # fmt: skip
"""Beginnings of the keys of alerts, and of the kinds of needs that say the same with a better way to the fix."""


def read_alerts(asker: Asker, known: Sequence[Need]) -> list[Need]:
    """One statement. Who does not operate Causeway sees alerts that name them. One is left out only where `known` tells it."""
    alerts = open_alerts(asker.user)
    if not asker.may("operator"):
        alerts = alerts.filter(people=asker.user)
    kinds = {each.kind for each in known}
    found = []
    for alert in alerts.order_by("severity", "-since")[:SHOWN]:
        said = [kind for beginning, kind in SPOKEN if alert.key.startswith(beginning)]
        if any(kind.startswith(each) for kind in kinds for each in said):
            continue
        urgency = Urgency.NOW if alert.severity == "action" else Urgency.TODAY
        found.append(Need("alerts.open", "alerts", urgency, alert.title, alert.url or reverse("integrations:runs"),
                          _action_for(alert.url), alert.body, since=alert.since, role="member",
                          connection=alert.org.name if alert.org else ""))  # fmt: skip
    return found


def _action_for(url: str) -> str:
    if url.startswith("/connections/"):
        return "Fix connection"
    return "Choose again" if url.startswith("/okr/") else "Open"
