"""Incoming calls of an org: who calls, what it names, what becomes of it (ST-18, ST-29, ST-D2, S-080 to S-084).

A call is a hint. The key says which connection it belongs to; the org id in it must be the connection's own, because a sandbox
that was copied from production carries production's key and addresses. An outbound message is stored before it is acknowledged.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from integrations.models import Run, SalesforceOrg
from integrations.orgs.usage import USAGE
from integrations.sync import runs
from provisioning.connection import is_working
from provisioning.models import Delivery, Provision, ProvisioningSettings
from provisioning.provision import alarms, messages, taking
from provisioning.provision.messages import Hint
from provisioning.provision.taking import Outcome

SECONDS = 5.0  # a call waits so long at most; the worker goes on afterwards
JOB, WRITE_BACK_JOB = "provisioning.advance", "provisioning.write_back"
SEEN_EVERY = timedelta(minutes=1)
MOST_ATTEMPTS = 50
ASK_EVERY = 3.0  # seconds without a deal after which the next one asks for a run at once
_asked: dict[tuple[str, int], float] = {}
KEPT = timedelta(days=30)
Source = Provision.Source
REPEATED = "repeated"


@dataclass(frozen=True)
class Reply:
    """What the caller gets: a status, a stable word, a sentence, and the outcome of each deal."""

    status: int
    verdict: str
    message: str
    outcomes: tuple[Outcome, ...] = ()

    @property
    def is_taken(self) -> bool:
        """Whether everything in the message is done or safely stored."""
        return self.status < 300


def handle(
    settings: ProvisioningSettings, hint: Hint, *, source: str, address: str | None, now: datetime, message_id: str = ""
) -> Reply:  # fmt: skip
    """Do what a call with a right key asks for, within a few seconds. A known `message_id` does nothing (S-081)."""
    clock, org = time.monotonic(), settings.org
    refusal = _refuse(settings, hint, now=now)
    if refusal is not None:
        note(refusal, org=org, source=source, ids=hint.opportunity_ids, address=address, clock=clock, now=now)
        return refusal
    stored = None
    if source == Source.MESSAGE or message_id:
        stored = _store(org, hint, source, address, now, message_id)
        if stored is None:
            return Reply(200, REPEATED, "This call was taken before; nothing was done again.")
    deadline = clock + SECONDS
    outcomes = [_take_in_time(settings, each, source=source, now=now, deadline=deadline) for each in hint.opportunity_ids]
    reply = _sum_up(outcomes)
    left = [each.opportunity_id for each in outcomes if each.later and each.provision_id is None]
    with transaction.atomic():  # one wait for the turn to write
        USAGE.flush()
        note(
            reply,
            org=org,
            source=source,
            ids=hint.opportunity_ids,
            address=address,
            clock=clock,
            now=now,
            left=left,
            row=stored,
        )
        _mark_seen(settings, now)
    follow_up(org, outcomes, now=now)
    return reply


def _refuse(settings: ProvisioningSettings, hint: Hint, *, now: datetime) -> Reply | None:
    org = settings.org
    if not org.org_id or hint.org_id != org.org_id:
        alarms.tell_wrong_org(org, hint.org_id, now=now)
        message = (
            f"This key belongs to the connection of org {org.org_id or '(none yet)'}, but the call says that it comes from "
            f"{hint.org_id}. Nothing was done. Give a sandbox a connection and a key of its own."
        )
        return Reply(403, "wrong_org", message)
    if not is_working(org, settings):
        return Reply(409, "switched_off", "Provisioning is switched off for this connection.")
    return None


def _store(
    org: SalesforceOrg, hint: Hint, source: str, address: str | None, now: datetime, message_id: str
) -> Delivery | None:  # fmt: skip
    """Keep a message before anything is done, so that an Ack is never a promise only; None when its id was taken before."""
    try:
        with transaction.atomic():
            return Delivery.objects.create(
                org=org, source=source, opportunity_ids=list(hint.opportunity_ids), waiting=True, verdict=taking.TAKEN,
                sentence="Stored.", received_at=now, address=address, message_id=message_id,
            )  # fmt: skip
    except IntegrityError:
        if not Delivery.objects.filter(org=org, message_id=message_id).exists():
            raise
        return None


def _take_in_time(
    settings: ProvisioningSettings, opportunity_id: str, *, source: str, now: datetime, deadline: float
) -> Outcome:
    if time.monotonic() >= deadline:
        return Outcome(opportunity_id, taking.TAKEN, "The worker does it within a minute.", later=True)
    return taking.take(settings, opportunity_id, source=source, now=now, deadline=deadline)


def _sum_up(outcomes: Sequence[Outcome]) -> Reply:
    """One word for all deals: what needs attention first."""
    order = (taking.NOT_FOUND, "stopped", taking.BLOCKED, taking.TAKEN, taking.DONE, taking.ALREADY_DONE, taking.NOTHING)
    worst = min(outcomes, key=lambda each: order.index(each.status))
    if len(outcomes) == 1 and worst.status == taking.NOT_FOUND:
        return Reply(404, worst.status, worst.message, tuple(outcomes))
    status = 202 if worst.status == taking.TAKEN else 200
    return Reply(status, worst.status, worst.message, tuple(outcomes))


def note(
    reply: Reply, *, org: SalesforceOrg | None, source: str, ids: Sequence[str] = (), address: str | None, clock: float,
    now: datetime, left: Sequence[str] = (), row: Delivery | None = None,
) -> Delivery:  # fmt: skip
    """The line in the list of deliveries. `left` are deals that the worker must take up without a provision."""
    values: dict[str, Any] = {
        "verdict": reply.verdict[:40], "sentence": reply.message[:500], "status": reply.status, "waiting": bool(left),
        "milliseconds": int((time.monotonic() - clock) * 1000), "address": address,
    }  # fmt: skip
    if row is None:
        return Delivery.objects.create(org=org, source=source, opportunity_ids=list(left or ids), received_at=now, **values)
    if left:
        values["opportunity_ids"] = list(left)
    if not reply.is_taken:  # what was refused may be sent again under the same id
        values["message_id"] = ""
    Delivery.objects.filter(pk=row.pk).update(**values)
    return row


def _mark_seen(settings: ProvisioningSettings, now: datetime) -> None:
    if settings.last_callout_at is None or now - settings.last_callout_at > SEEN_EVERY:
        ProvisioningSettings.objects.filter(pk=settings.pk).update(last_callout_at=now)


def follow_up(org: SalesforceOrg, outcomes: Sequence[Outcome], *, now: datetime) -> None:
    """Let the worker go on at once: with what is not finished, and with what Salesforce is to be told.

    Of deals that come within seconds of each other only the first one asks: a burst has the machine for itself, and the look of
    the next minute finds the rest.
    """
    if any(each.later for each in outcomes):
        _ask(JOB, org, now)
    if any(each.status == taking.DONE for each in outcomes):
        _ask(WRITE_BACK_JOB, org, now)


def _ask(job: str, org: SalesforceOrg, now: datetime) -> None:
    clock, key = time.monotonic(), (job, org.pk)
    last, _asked[key] = _asked.get(key, float("-inf")), clock
    if clock - last >= ASK_EVERY:
        runs.request_run(job, org=org, trigger=Run.Trigger.SYSTEM, now=now)


def take_waiting(settings: ProvisioningSettings, delivery: Delivery, *, now: datetime) -> list[Outcome]:
    """The worker's part of a stored call: each deal that it names. What cannot be read yet stays for the next time."""
    Delivery.objects.filter(pk=delivery.pk).update(attempts=F("attempts") + 1)
    outcomes = [taking.take(settings, each, source=delivery.source, now=now) for each in delivery.opportunity_ids]
    left = [each.opportunity_id for each in outcomes if each.later and each.provision_id is None]
    gives_up = delivery.attempts + 1 >= MOST_ATTEMPTS
    reply = _sum_up(outcomes)
    values: dict[str, Any] = {"waiting": bool(left) and not gives_up, "verdict": reply.verdict, "sentence": reply.message[:500]}
    Delivery.objects.filter(pk=delivery.pk).update(**values, **({"opportunity_ids": left} if left else {}))
    return outcomes


def purge(*, now: datetime) -> int:
    """Forget old deliveries that nothing waits for."""
    return Delivery.objects.filter(received_at__lt=now - KEPT, waiting=False).delete()[0]


def read_message(body: bytes, *, is_xml: bool) -> tuple[str, Hint]:
    """The source and the hint of a body. Raises `BadMessage`."""
    if is_xml:
        return Source.MESSAGE, messages.read_xml(body)
    return Source.CALLOUT, messages.read_json(body)
