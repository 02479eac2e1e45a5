"""What can be raised about key results, for the catalog of alerts."""

from integrations.alert_rules.catalogue import WARNING, Kind, register


def register_kinds() -> None:
    """Make them known."""
    register(
        Kind(
            "okr.link",
            "okr",
            "Key result stopped updating",
            "The report behind a key result was deleted, cannot be read by "
            "the integration user, or lacks the field or row that is shown. The last value stays.",
            "Open the key result and choose a report again, or share the report's folder with the integration user.",
            "okr:",
            "okr/notices.py",
            WARNING,
            (
                "report_gone",
                "no_access",
                "field_gone",
                "row_missing",
                "no_value",
                "format",
                "type_changed",
                "currency_changed",
                "incomplete",
                "filter_refused",
                "timeout",
            ),
        ),
        Kind(
            "okr.stuck",
            "okr",
            "Reports not readable for three passes",
            "Linked reports of a connection could not be read three times in a row, whoever owns the key results.",
            "Open the objectives; links that need somebody are marked.",
            "okr-stuck:",
            "okr/notices.py",
            codes=("stuck-…",),
        ),
    )
