"""Sending events and reading what became of them, for tests."""

from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from integrations.lake.engine import open_engine
from integrations.models import Run
from integrations.product.ingest import lake_tables
from integrations.product.ingest.accept import Accepted, accept_events
from integrations.product.ingest.flush import JOB
from integrations.sync import runs


def track(id: str, *, user: str = "u1", event: str = "Opened", **more: Any) -> dict[str, Any]:  # noqa: A002
    """A track event; None leaves a field out."""
    given = {"id": id, "type": "track", "event": event, "user": user, **more}
    return {name: value for name, value in given.items() if value is not None}


def text_of(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def accept(*events: Any, now: datetime | None = None, **more: Any) -> Accepted:
    return accept_events(list(events), now=now or timezone.now(), **more)


def flush() -> Run:
    """The run of a flush; it must have ended well."""
    run = runs.request_run(JOB, now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, run.sentence
    return run


def take_in(*events: Any, **more: Any) -> None:
    """Accept and flush; every event must be good."""
    done = accept(*events, **more)
    assert (done.accepted, done.rejected, done.quarantined) == (len(events), [], [])
    flush()


def stored(columns: str = "event_id", where: str = "true", relation=None) -> list[tuple[Any, ...]]:
    """Rows of the lake in the order of their ids."""
    with open_engine() as engine:
        engine.bind("events", relation or lake_tables.events())
        return engine.rows(f"SELECT {columns} FROM events WHERE {where} ORDER BY event_id")


def raw_count() -> int:
    """Rows in all live files, versions included."""
    from integrations.lake.reading import raw

    with open_engine() as engine:
        engine.bind("events", raw(lake_tables.events_table()))
        return engine.rows("SELECT count(*) FROM events")[0][0]


def post(body: Any, *, key: str = "", url: str = "/api/v1/events/", client: Client | None = None, **headers: str):
    """A request with an API key (`Api-Key ...`) or a write key (`Write-Key ...`) in `key`."""
    given = {"Authorization": key, **headers} if key else headers
    return (client or Client()).post(url, data=body, content_type="application/json", headers=given)


DAY = timedelta(days=1)
