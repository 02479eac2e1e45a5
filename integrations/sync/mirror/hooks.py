"""Who wants to know what happened to mirrored records: domains register here, the mirror tells them inside its run.

Told at least once, in batches, after the mirror itself is right: a hook must therefore be able to hear the same thing twice.
An exception in one hook stops neither the others nor the read (I-10); it is a failed row of the object, and because the news
is not marked as told, the next read tells it again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from django.db import DatabaseError, InterfaceError

from integrations.models import Drift, Run, SalesforceOrg
from integrations.sync import retrying
from integrations.sync.endings import Defer, RunStopped
from integrations.sync.runs import Recorder

log = structlog.get_logger(__name__)
BATCH = 5_000  # ids a call


@dataclass(frozen=True, slots=True)
class Conversion:
    """A lead that became an account, a contact and perhaps an opportunity (ids of 18 characters, empty when none)."""

    lead: str
    account: str
    contact: str
    opportunity: str


class Pairs(Protocol):
    """Called with (loser, winner) of merges; the winner is the last of its chain."""

    def __call__(
        self, org: SalesforceOrg, name: str, pairs: Sequence[tuple[str, str]], /, *, run: Run, now: datetime
    ) -> None: ...


class Ids(Protocol):
    """Called with record ids of 18 characters."""

    def __call__(self, org: SalesforceOrg, name: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None: ...


class Drifts(Protocol):
    """Called with changes of the object's shape, the settled ones too (a field that is back, a type that turned back).

    `settled_at` says only that the mirror needs nothing more; whether a mapping does is for its domain to judge.
    """

    def __call__(self, org: SalesforceOrg, name: str, drifts: Sequence[Drift], /, *, run: Run, now: datetime) -> None: ...


class Conversions(Protocol):
    """Called with converted leads."""

    def __call__(
        self, org: SalesforceOrg, name: str, conversions: Sequence[Conversion], /, *, run: Run, now: datetime
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class Hooks:
    """What one domain wants to hear."""

    on_merged: Pairs | None = None
    on_deleted: Ids | None = None
    on_revived: Ids | None = None
    on_drift: Drifts | None = None
    on_converted: Conversions | None = None


_hooks: dict[str, Hooks] = {}


def register(
    domain: str,
    *,
    on_merged: Pairs | None = None,
    on_deleted: Ids | None = None,
    on_revived: Ids | None = None,
    on_drift: Drifts | None = None,
    on_converted: Conversions | None = None,
) -> None:
    """Make the mirror tell `domain`. ValueError when the name is taken by other hooks."""
    wanted = Hooks(on_merged, on_deleted, on_revived, on_drift, on_converted)
    if _hooks.get(domain, wanted) != wanted:
        raise ValueError(f"{domain} has registered other hooks already.")
    _hooks[domain] = wanted


def tell(recorder: Recorder, event: str, object_: str, news: Sequence[Any], *, now: datetime) -> bool:
    """Tell every domain that listens to `event` (such as on_merged); whether all of them took it. Nothing new: True."""
    org, run = recorder.org, recorder.run
    if not news or org is None:
        return True
    all_well = True
    for domain in sorted(_hooks):
        hook: Callable[..., None] | None = getattr(_hooks[domain], event)
        if hook is None:
            continue
        try:
            for start in range(0, len(news), BATCH):
                hook(org, object_, news[start : start + BATCH], run=run, now=now)
        except Exception as error:  # noqa: BLE001 - whatever a domain does wrong stays with it (I-10)
            _let_pass(error)
            all_well = False
            _write_down(recorder, domain, event, object_, error)
    return all_well


def _let_pass(error: Exception) -> None:
    """What concerns the whole run is not the hook's failure."""
    away = isinstance(error, DatabaseError | InterfaceError) and retrying.is_away(error)
    if away or isinstance(error, RunStopped | Defer):
        raise error


def _write_down(recorder: Recorder, domain: str, event: str, object_: str, error: Exception) -> None:
    """The failed row; its text names the kind of error only, because a message may quote a record."""
    log.exception("mirror.hook_failed", domain=domain, hook_event=event, object=object_)
    recorder.object(object_).failed(
        f"{event} {domain}",
        "hook_failed",
        f"{domain} could not take in what changed ({type(error).__name__}); it is told again with the next read.",
    )
