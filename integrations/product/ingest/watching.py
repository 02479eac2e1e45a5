"""Tells a person when events are no longer stored; nothing is lost before the buffer is full, so there is time."""

from datetime import datetime, timedelta

from integrations import alerts
from integrations.product.ingest.accept import BUFFER_BYTES, waiting

KEY, URL = "product:buffer", "/product/data/"
LATE, FULL = timedelta(minutes=15), 0.8


def watch_buffer(*, now: datetime) -> str:
    """Each minute: open an alert when the oldest request waits for 15 minutes or the buffer is 80 % full; close it when both
    are over. Gives the code of what is wrong, empty when nothing is."""
    found = waiting()
    code = ""
    if found.bytes >= FULL * BUFFER_BYTES:
        code = "full"
    elif found.since is not None and now - found.since >= LATE:
        code = "late"
    if not code:
        alerts.recover_alert(KEY, now=now, note="Events are stored again; nothing was lost.")
        return ""
    body = f"{found.rows:,} events of {found.batches:,} requests wait, the oldest since {found.since:%Y-%m-%d %H:%M} UTC. "
    body += "When the buffer is full, senders are told to wait. Check that a worker runs, and the last runs of the flush."
    alerts.raise_alert(KEY, code=code, title="Product events wait to be stored", body=body, url=URL, now=now)
    return code
