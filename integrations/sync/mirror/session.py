"""What all reads of one turn of a run share: the ledger, the client, the clock of Salesforce, and how to stop and go on."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations.models import Run
from integrations.orgs.connect import OrgClient
from integrations.salesforce import rest
from integrations.salesforce.errors import LimitReached, SalesforceError
from integrations.sync.endings import Defer, RunStopped
from integrations.sync.mirror.downloading import Nearness
from integrations.sync.mirror.planning import LEAST_OVERLAP
from integrations.sync.runs import Recorder

DOMAIN = "mirror"  # who pays for the calls
SIGN_OF_LIFE = 5.0  # seconds between two looks whether the run must stop, while pages are on their way
AGAIN_AFTER = timedelta(minutes=15)
GIVE_UP_AFTER = timedelta(hours=24)


class Session:
    """One turn. `checkpoint` gives everything that a resumed run needs; `began` is when the first turn of the run began.

    `beside` writes books of the caller's own in every transaction that saves the checkpoint.
    """

    def __init__(
        self,
        recorder: Recorder,
        client: OrgClient,
        job_limit: timedelta,
        checkpoint: Callable[[], dict[str, Any]],
        *,
        overlap: timedelta = LEAST_OVERLAP,
        began: datetime | None = None,
        beside: Callable[[], None] | None = None,
    ) -> None:
        self.recorder, self.client, self.job_limit, self.checkpoint = recorder, client, job_limit, checkpoint
        self.now, self.overlap, self.beside = timezone.now(), overlap, beside
        self.began = began or self.now
        self.near = Nearness(client)
        self._spent = 0
        self._looked = time.monotonic()
        self._skew: float | None = None

    def save(self, also: Callable[[], None] | None = None) -> None:
        """Commit the checkpoint, and `also` with it; raises when the run must end here."""
        self.note_calls()

        def write() -> None:
            for each in (self.beside, also):
                if each is not None:
                    each()

        self.recorder.save(self.checkpoint(), also=write)
        self._looked = time.monotonic()

    def note_calls(self) -> None:
        """Put the calls made since the last time on the run's account."""
        calls, self._spent = self.client.calls - self._spent, self.client.calls
        if calls:
            self.recorder.spent(calls)

    def look(self) -> None:
        """Prove life and find out whether to stop, each few seconds while something long is going on (R-079)."""
        if time.monotonic() - self._looked >= SIGN_OF_LIFE:
            self.recorder.save()
            self._looked = time.monotonic()

    def server_now(self) -> datetime:
        """Salesforce's time: ours, corrected by the difference that its list of versions showed (a call free of charge)."""
        if self._skew is None:
            theirs = rest.read_clock(self.client)
            self._skew = (theirs - timezone.now()).total_seconds() if theirs is not None else 0.0
        return timezone.now() + timedelta(seconds=self._skew)

    def deferral(self, error: SalesforceError) -> Exception:
        """How the run ends when nothing is wrong here: it goes on from its checkpoint in a quarter of an hour, for a day at
        most (R-058, R-059, R-062). After a day an allowance that is still used up is a failure."""
        limit = isinstance(error, LimitReached)
        code = "api_limit" if limit else "network" if error.status == 0 else "upstream"
        said = "Salesforce's API allowance is used up" if limit else "Salesforce could not be reached"
        return self.later(code, f"{said}: {error.message}", wait=error.retry_after)

    def later(self, code: str, sentence: str, *, wait: float | None = None) -> Exception:
        """The deferral with that code; `wait` in seconds when Salesforce asked for a longer pause."""
        self.save()
        now = timezone.now()
        if now - self.began < GIVE_UP_AFTER:
            until = now + max(AGAIN_AFTER, timedelta(seconds=wait or 0))
            return Defer(code, f"{sentence} It goes on at {until:%H:%M} UTC.", until)
        if code == "api_limit":
            return RunStopped(code, f"{sentence} This has lasted for more than a day.", Run.State.FAILED)
        return Defer(code, f"{sentence} This has lasted for more than a day; the next slot begins anew.")
