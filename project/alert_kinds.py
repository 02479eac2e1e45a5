"""What pages that join domains can raise, for the catalog of alerts."""

from integrations.alert_rules.catalogue import WARNING, Kind, register


def register_kinds() -> None:
    """Make them known."""
    register(
        Kind(
            "security.finding",
            "security",
            "Security needs somebody",
            "The daily look at a connection or the installation found something bad that was not there before.",
            "Open the security page; each finding says what to do.",
            "security:",
            "project/security/review.py",
            WARNING,
            ("…@…",),
        ),
    )
