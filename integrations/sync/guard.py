"""The mass-change guard (I-11): no run clears, unlinks or deletes more than a fifth (and at least 50) without a person's yes.

A run asks; when it may not, it leaves the change undone, says so in its ledger and goes on. The yes of a person counts for
exactly that change, named by its digest, and asks for the job again.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from integrations import alerts, audit
from integrations.access import Person
from integrations.models import GuardRequest, Run, SalesforceOrg
from integrations.sync import jobs, runs

SHARE = 0.20
FEWEST = 50
EXAMPLES = 20
YES_LASTS = timedelta(days=7)
EFFECTS = {"clear": "cleared", "unlink": "unlinked", "delete": "deleted"}


def needs_yes(rows: int, of_rows: int) -> bool:
    """Whether a change of `rows` out of `of_rows` is too large to go through unasked."""
    return rows >= FEWEST and rows > SHARE * of_rows


def digest_of(parts: Iterable[str]) -> str:
    """A change's name: the same for the same parts in any order. Holds two numbers in memory, however many parts."""
    total = count = 0
    for part in parts:
        total = (total + int.from_bytes(hashlib.sha256(part.encode()).digest(), "big")) % (1 << 256)
        count += 1
    return hashlib.sha256(f"{count}:{total:x}".encode()).hexdigest()


def ask(
    org: SalesforceOrg,
    *,
    subject: str,
    effect: str,
    rows: int,
    of_rows: int,
    digest: str,
    examples: Sequence[object] = (),
    run: Run | None = None,
    now: datetime,
) -> bool:
    """Whether the change may be done now. If a person must say yes first, the question is open afterwards.

    `subject` says what is guarded (`mirror/Account`), `effect` is clear, unlink or delete. A yes is good for seven days.
    An open question about an earlier form of the same change is replaced.
    """
    if effect not in EFFECTS:
        raise ValueError(f"effect is one of {', '.join(EFFECTS)}, not {effect!r}")
    if not needs_yes(rows, of_rows):
        withdraw(org, subject=subject, effect=effect, now=now)
        return True
    about = GuardRequest.objects.filter(org=org, subject=subject, effect=effect)
    same = about.filter(digest=digest).order_by("-id").first()
    if same is not None and same.answer is not None:
        if not same.answer:
            return False
        if same.answered_at is not None and same.answered_at > now - YES_LASTS:
            return True
        same = None  # too long ago: asked anew
    with transaction.atomic():
        about.filter(answer=None).exclude(digest=digest).delete()
        if same is None:
            same = GuardRequest(org=org, subject=subject, effect=effect, digest=digest, asked_at=now)
        same.run, same.rows, same.of_rows, same.examples = run, rows, of_rows, list(examples[:EXAMPLES])
        same.save()
    _raise_alert(same, now)
    return False


def withdraw(org: SalesforceOrg, *, subject: str, effect: str, now: datetime) -> None:
    """The change is not wanted any more, or has become small: its open question goes."""
    gone, _ = GuardRequest.objects.filter(org=org, subject=subject, effect=effect, answer=None).delete()
    if gone:
        alerts.recover_alert(_key(org, subject, effect), now=now, note="The change is no longer asked for.")


def answer(request: GuardRequest, *, yes: bool, user: Person, now: datetime) -> Run | None:
    """A person decides; the run that asks again after a yes. None: it was decided already, or the answer is no."""
    decided = GuardRequest.objects.filter(pk=request.pk, answer=None)
    if not decided.update(answer=yes, answered_by=user, answered_at=now):
        return None
    request.refresh_from_db()
    audit.record(
        "guard.allowed" if yes else "guard.refused",
        actor=user,
        target=request.subject,
        after={"effect": request.effect, "rows": request.rows, "of_rows": request.of_rows, "digest": request.digest},
    )
    alerts.recover_alert(_key(request.org, request.subject, request.effect), now=now, note="Somebody has decided.")
    return _ask_again(request, user, now) if yes else None


def pending(org: SalesforceOrg | None = None) -> "QuerySet[GuardRequest]":
    """Questions that nobody has answered yet, newest first."""
    found = GuardRequest.objects.filter(answer=None).select_related("org", "run")
    return found if org is None else found.filter(org=org)


def _ask_again(request: GuardRequest, user: Person, now: datetime) -> Run | None:
    """The same job with the same arguments, now that it is allowed."""
    asked = request.run
    if asked is None or asked.job not in {job.name for job in jobs.every()}:
        return None
    return runs.request_run(asked.job, org=asked.org, trigger=Run.Trigger.MANUAL, user=user, arguments=asked.arguments, now=now)


def _raise_alert(request: GuardRequest, now: datetime) -> None:
    """One message for each change asked for."""
    done = EFFECTS[request.effect]
    alerts.raise_alert(
        _key(request.org, request.subject, request.effect),
        code=f"guard-{request.digest[:12]}",
        title=f"{request.org}: {request.rows:,} of {request.of_rows:,} rows would be {done}",
        body=f"{request.subject}: more than a fifth would be {done} at once. Nothing is {done} until somebody allows it.",
        url=f"{reverse('integrations:outbox')}?org={request.org.pk}",
        org=request.org,
        now=now,
    )


def _key(org: SalesforceOrg, subject: str, effect: str) -> str:
    return f"guard:{org.pk}:{effect}:{subject}"[:120]
