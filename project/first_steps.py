"""The first steps of a new installation: each ticks itself by what is there, one statement for all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists
from django.urls import reverse

from analytics.models import Result
from integrations.access import DOMAINS, may_change
from integrations.models import Dismissed, MirrorObject, OutboxTarget, RecordLink, SalesforceOrg
from integrations.product.models import EventBatch, IngestDay
from okr.models import ReportLink
from provisioning.models import Provision

NAME = "first_steps"


@dataclass(frozen=True, slots=True)
class Step:
    """One line: what to do, why, where, and whether it is done."""

    key: str
    title: str
    why: str
    url: str
    done: bool = False


@dataclass(frozen=True)
class FirstSteps:
    """All of them in their order."""

    steps: Sequence[Step]

    @property
    def done(self) -> int:
        """How many are done."""
        return sum(each.done for each in self.steps)

    @property
    def following(self) -> Step | None:
        """The first that is not done."""
        return next((each for each in self.steps if not each.done), None)


def _facts() -> dict[str, Any]:
    connected = SalesforceOrg.objects.filter(authorized_at__isnull=False)
    return {
        "connect": Exists(connected),
        "read": Exists(MirrorObject.objects.filter(read_at__isnull=False)),
        "match": Exists(RecordLink.objects.filter(state=RecordLink.State.ACTIVE)),
        "link": Exists(ReportLink.objects.all()),
        "events": Exists(IngestDay.objects.filter(accepted__gt=0)),
        "waiting_events": Exists(EventBatch.objects.all()),
        "push": Exists(OutboxTarget.objects.filter(pushed_at__isnull=False)),
        "win": Exists(Provision.objects.filter(state=Provision.State.DONE)),
        "ask": Exists(Result.objects.filter(state=Result.State.DONE)),
    }


def read_first_steps(user: Any) -> FirstSteps | None:
    """The steps for somebody who can take them; None once all are done or the person has put them away."""
    if not (may_change(user, "operator") or any(may_change(user, "operator", each) for each in DOMAINS)):
        return None
    facts = _facts() | {"is_dismissed": Exists(Dismissed.objects.filter(what=NAME, user=user))}
    known = get_user_model().objects.filter(pk=user.pk).annotate(**facts).values(*facts).first()
    if known is None or known["is_dismissed"]:
        return None
    known["events"] = known["events"] or known["waiting_events"]
    steps = [Step(each.key, each.title, each.why, each.url, bool(known[each.key])) for each in _steps()]
    return None if all(each.done for each in steps) else FirstSteps(steps)


def _steps() -> tuple[Step, ...]:
    return (
        Step("connect", "Connect an org", "Four steps; the demo org needs no Salesforce account.",
             reverse("integrations:connection_new")),
        Step("read", "Let the first read come in", "Causeway copies what it needs, then only what changed.",
             reverse("integrations:mirror")),
        Step("match", "Match customers", "Says which account is which customer.", reverse("integrations:mappings")),
        Step("link", "Link a key result to a report", "Its number then updates itself.", reverse("okr:objectives")),
        Step("events", "Send product events", "A snippet or an API call.", reverse("product:data")),
        Step("push", "Write something to Salesforce", "Look at the dry run first.", reverse("integrations:outbox")),
        Step("win", "Win a deal", "What was sold is provisioned by itself.", reverse("provisioning:overview")),
        Step("ask", "Ask an analysis", "What drives renewals, and how sure that is.", reverse("analytics:overview")),
    )  # fmt: skip


def dismiss_first_steps(user: Any, *, now: datetime) -> None:
    """The person does not want to see them any more; doing it twice is the same."""
    Dismissed.objects.get_or_create(user=user, what=NAME, defaults={"at": now})
