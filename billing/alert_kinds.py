"""What can be raised about billing, for the catalog of alerts."""

from integrations.alert_rules.catalogue import Kind, register


def register_kinds() -> None:
    """Make them known."""
    register(
        Kind(
            "billing.accounts",
            "billing",
            "Accounts of billing customers were deleted",
            "Accounts that billing customers are "
            "linked to were deleted in Salesforce; their rows stay there without an account.",
            "Link another account.",
            "billing.accounts:",
            "billing/linking.py",
            codes=("billing_accounts_deleted",),
        ),
    )
