"""What can be raised about product events, for the catalog of alerts."""

from integrations.alert_rules.catalogue import NEVER, WARNING, Kind, register


def register_kinds() -> None:
    """Make them known."""
    register(
        Kind(
            "product.buffer",
            "product",
            "Product events wait to be stored",
            "Events are taken but not stored for 15 minutes, or the buffer is 80 % full. Nothing is lost yet.",
            "Check that a worker runs, and the last runs of the flush.",
            "product:buffer",
            "integrations/product/ingest/watching.py",
            codes=("late", "full"),
        ),
        Kind(
            "product.write_key",
            "product",
            "A write key brings many unknown people",
            "A write key brought as many unknown people in one day as it may; further ones are refused until the next UTC day.",
            "Raise the bound of the key when the product grew so much; otherwise require signed users or revoke it.",
            "product.write_key:",
            "integrations/product/ingest/new_people.py",
            codes=("write_key_bound",),
            worsens=NEVER,
        ),
        Kind(
            "product.churn_risk",
            "product",
            "A customer is at risk",
            "A customer's health score fell from good or fair to poor. It recovers when the score is not poor any more.",
            "Open the customer's score; it says which parts pulled it down.",
            "product:churn:",
            "integrations/product/health/alarms.py",
            WARNING,
            ("poor",),
            worsens=NEVER,
        ),
        Kind(
            "product.churn_many",
            "product",
            "Many customers are at risk",
            "The health score of more than five customers fell to poor, so the others share one alert.",
            "Open the list of poor scores, worst first; most share a cause.",
            "product:churn-many:",
            "integrations/product/health/alarms.py",
            WARNING,
            ("many",),
            worsens=NEVER,
        ),
    )
