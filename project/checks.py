"""Start-up checks of settings that only fail much later, and then badly."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error


def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """A task may never be delivered again while it still runs (R-253), nor be tried without end (R-252)."""
    queue, found = settings.Q_CLUSTER, []
    if not queue.get("timeout") or queue["timeout"] >= queue["retry"]:
        found.append(
            Error("Q_CLUSTER: timeout must be set and shorter than retry, or a long task is started twice.", id="project.E001")
        )
    if not 0 < queue.get("max_attempts", 0) <= 5 or not queue.get("ack_failures"):
        found.append(
            Error("Q_CLUSTER: max_attempts must be 1 to 5 and ack_failures on, or a task is tried for ever.", id="project.E002")
        )
    return found
