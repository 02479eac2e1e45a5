"""What can be raised about provisioning, for the catalog of alerts."""

from integrations.alert_rules.catalogue import NEVER, WARNING, Kind, register


def register_kinds() -> None:
    """Make them known."""
    register(
        Kind(
            "provisioning.deal",
            "provisioning",
            "A won deal is not provisioned",
            "A deal is blocked or stopped: a product is not "
            "mapped, a customer is unclear, a step failed; or it was opened again, lost, deleted or merged after it was won.",
            "Open the deal; it says what to do, and then goes on.",
            "provisioning:deal:",
            "provisioning/provision/alarms.py",
            codes=("flag-…", "…"),
        ),
        Kind(
            "provisioning.many",
            "provisioning",
            "Many deals need a person",
            "More than five deals of a connection need somebody, so the others share one alert.",
            "Open the list of deals that need somebody; most share a cause.",
            "provisioning:many:",
            "provisioning/provision/alarms.py",
            codes=("many",),
            worsens=NEVER,
        ),
        Kind(
            "provisioning.wrong_org",
            "provisioning",
            "Another org uses the integration key",
            "A call presented the key of a "
            "connection but came from another org, most likely a sandbox copy. Nothing was provisioned.",
            "Take the key out of that org, or make a new one.",
            "provisioning:wrong-org:",
            "provisioning/provision/alarms.py",
            codes=("…",),
        ),
        Kind(
            "provisioning.granted",
            "provisioning",
            "A won deal is provisioned",
            "A won deal gave or changed a subscription. This is news: it is told only where a rule names it or everything, "
            "stands in the history, and ends by itself after two days.",
            "Nothing; the deal's page says what the customer got.",
            "provisioning:granted:",
            "provisioning/provision/alarms.py",
            WARNING,
            ("granted",),
            worsens=NEVER,
            is_news=True,
        ),
        Kind(
            "provisioning.two_flows",
            "provisioning",
            "Two flows announce the same deals",
            "Two flows of an org fire together for the same deal. Nothing is provisioned twice, but calls are wasted.",
            "Switch one of them off.",
            "provisioning:two-flows:",
            "provisioning/salesforce/alarms.py",
            WARNING,
            ("two_flows",),
            worsens=NEVER,
        ),
        Kind(
            "provisioning.lacks",
            "provisioning",
            "Provisioning lacks something in Salesforce",
            "A field, a permission or the flow that deals need is gone in an org where deals were provisioned before.",
            "Open the set-up page of the connection; it names what is missing.",
            "provisioning:lacks:",
            "provisioning/salesforce/alarms.py",
            codes=("lacks",),
        ),
    )
