"""One set of status words for every page: label, tone and icon of each state (text + color + icon, never color alone)."""

from typing import NamedTuple


class Status(NamedTuple):
    """`tone` is one of ok, warn, bad, info, quiet; `icon` a name in the sprite."""

    label: str
    tone: str
    icon: str


STATUSES = {
    # runs
    "queued": Status("Queued", "quiet", "clock"),
    "running": Status("Running", "info", "loader"),
    "success": Status("Succeeded", "ok", "circle-check"),
    "partial": Status("Finished with errors", "warn", "triangle-alert"),
    "failed": Status("Failed", "bad", "circle-x"),
    "deferred": Status("Deferred", "quiet", "hourglass"),
    "cancelled": Status("Cancelled", "quiet", "ban"),
    "interrupted": Status("Interrupted", "warn", "octagon-alert"),
    # rows
    "written": Status("Written", "ok", "check"),
    "unchanged": Status("Unchanged", "quiet", "minus"),
    "skipped": Status("Skipped", "quiet", "skip-forward"),
    "not_attempted": Status("Not attempted", "quiet", "circle-dashed"),
    # connections
    "healthy": Status("Healthy", "ok", "circle-check"),
    "degraded": Status("Degraded", "warn", "triangle-alert"),
    "action": Status("Action needed", "bad", "octagon-alert"),
    "warning": Status("Warning", "warn", "triangle-alert"),
    "connected": Status("Healthy", "ok", "circle-check"),
    "new": Status("Not connected yet", "quiet", "circle-dashed"),
    "paused": Status("Paused", "quiet", "circle-pause"),
    "needs_reauthorization": Status("Action needed", "bad", "octagon-alert"),
    "app_rejected": Status("Action needed", "bad", "octagon-alert"),
    "user_inactive": Status("Action needed", "bad", "octagon-alert"),
    "ip_blocked": Status("Action needed", "bad", "octagon-alert"),
    "bad_login": Status("Action needed", "bad", "octagon-alert"),
    "login_locked": Status("Action needed", "bad", "octagon-alert"),
    "api_disabled": Status("Action needed", "bad", "octagon-alert"),
    "locked": Status("Action needed", "bad", "lock"),
    "disconnected": Status("Disconnected", "quiet", "plug"),
    # waiting rows of the outbox
    "retrying": Status("Tried again by itself", "info", "rotate-ccw"),
    "waiting_parent": Status("Waiting for its parent", "quiet", "hourglass"),
    "parked": Status("Needs a person", "bad", "octagon-alert"),
    "conflict": Status("Several rows claim one record", "warn", "triangle-alert"),
    "unfit": Status("A value does not fit", "bad", "octagon-alert"),
    "dismissed": Status("Left alone", "quiet", "ban"),
    # invoices
    "DRAFT": Status("Draft", "quiet", "pencil"),
    "FINALIZED": Status("Finalized", "ok", "circle-check"),
    "VOID": Status("Void", "quiet", "ban"),
    # key results and their links
    "on_track": Status("On track", "ok", "trending-up"),
    "at_risk": Status("At risk", "warn", "triangle-alert"),
    "off_track": Status("Off track", "bad", "trending-down"),
    "done": Status("Reached", "ok", "circle-check"),
    "not_started": Status("No value yet", "quiet", "circle-dashed"),
    "fresh": Status("Up to date", "ok", "circle-check"),
    "not_read": Status("Not read yet", "quiet", "clock"),
    "report_gone": Status("Report deleted", "bad", "link-2-off"),
    "no_access": Status("Report not readable", "bad", "lock"),
    "field_gone": Status("Summary field gone", "bad", "link-2-off"),
    "row_missing": Status("Row not in report", "warn", "triangle-alert"),
    "no_value": Status("No value", "warn", "circle-alert"),
    "format": Status("Format not supported", "bad", "circle-x"),
    "type_changed": Status("Field type changed", "bad", "triangle-alert"),
    "currency_changed": Status("Currency changed", "bad", "triangle-alert"),
    "incomplete": Status("Run incomplete", "warn", "triangle-alert"),
    "filter_refused": Status("Filter refused", "bad", "funnel"),
    "timeout": Status("Report too slow", "warn", "timer-off"),
    "limit": Status("Report limit reached", "warn", "gauge"),
    "connection": Status("Connection down", "bad", "plug"),
    "upstream": Status("Salesforce unavailable", "warn", "cloud-off"),
    "frozen": Status("Period closed", "quiet", "snowflake"),
}


def status_of(value: object) -> Status:
    """The words for a state; an unknown one is shown as it is, quietly."""
    text = str(value or "")
    return STATUSES.get(text, Status(text.replace("_", " ").capitalize() or "Unknown", "quiet", "circle"))
