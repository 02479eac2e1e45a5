"""ST-35: the request to the application's own API between the steps 2 and 3, so that its resources exist first (ST-D9).

HTTPS to public addresses only (the rules of alert hooks); ten seconds for each of three tries, all with the same idempotency
key, so that the application creates nothing twice. What it answers gives the ids of customer and subscriptions (ST-36).
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from integrations import outgoing
from integrations.access import Refusal
from provisioning.automations import callout as requests
from provisioning.automations.authoring import read_secrets
from provisioning.automations.placeholders import TemplateWrong
from provisioning.intent.deal import Deal
from provisioning.intent.result import Intent
from provisioning.models import Automation, Provision

SECONDS, TRIES = 10.0, 3
WAITS = (0.5, 2.0)  # seconds before the second and third try
LARGEST_ANSWER = 256 * 1024
PASSING = frozenset((408, 425, 429))  # of the refusals, those that may pass


class CalloutFailed(Exception):
    """Nothing usable came back; the sentence names the host only."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(frozen=True)
class CalloutAnswer:
    """What the application answered: ids of its resources, empty where it gave none."""

    status: int
    tries: int
    customer_id: str = ""
    subscription_ids: Mapping[str, str] = field(default_factory=dict)  # by product

    def as_dict(self) -> dict[str, Any]:
        """As a provision keeps it."""
        return {"customer_id": self.customer_id, "subscription_ids": dict(self.subscription_ids), "status": self.status}


def is_set(automation: Automation | None) -> bool:
    """Whether the automation calls out."""
    return automation is not None and isinstance(automation.callout, dict) and bool(automation.callout.get("url"))


def idempotency_key(provision: Provision) -> str:
    """The same for every try of one provision, also after a crash."""
    return f"{provision.org.org_id}-{provision.opportunity_id}-{provision.slot}-{provision.version}"


def send(provision: Provision, *, deal: Deal, sleep: Callable[[float], None] = time.sleep) -> CalloutAnswer:
    """Ask at most three times. Raises `CalloutFailed` when no try succeeded, or the answer lacks what the automation needs."""
    automation, intent = provision.automation, Intent.from_dict(provision.intent)
    assert automation is not None
    values = requests.values_of(deal, intent, key=idempotency_key(provision), org_id=provision.org.org_id)
    try:
        request = requests.render(automation.callout, values, secrets=read_secrets(automation))
        target = outgoing.check_target(request.url, inner_origins=settings.ALERT_HOOK_INTERNAL_ORIGINS)
    except (outgoing.TargetRefused, TemplateWrong, Refusal) as error:
        raise CalloutFailed("bad_request", f"The callout cannot be made: {error}") from None
    body = request.body.encode() if request.body else None
    reply, tries = _ask(target, request, body, sleep)
    return _read(automation, intent, reply, tries)


def _ask(
    target: outgoing.Target, request: requests.Request, body: bytes | None, sleep: Callable[[float], None]
) -> tuple[outgoing.Reply, int]:
    failure = ""
    for turn in range(1, TRIES + 1):
        try:
            answer = outgoing.ask(
                target, method=request.method, body=body, headers=request.headers, seconds=SECONDS, largest=LARGEST_ANSWER
            )
        except outgoing.TargetRefused as error:
            raise CalloutFailed("refused", f"The callout cannot be made: {error}") from None
        except outgoing.CallFailed as error:
            failure = str(error)
        else:
            if 200 <= answer.status < 300:
                return answer, turn
            failure = f"{target.host} answered with status {answer.status}."
            if answer.status < 500 and answer.status not in PASSING:
                raise CalloutFailed(f"http_{answer.status}", failure)
        if turn < TRIES:
            sleep(WAITS[turn - 1] * random.uniform(0.8, 1.2))  # noqa: S311  jitter is no secret
    raise CalloutFailed("callout_failed", f"{failure} It was tried {TRIES} times.")


def _read(automation: Automation, intent: Intent, reply: outgoing.Reply, tries: int) -> CalloutAnswer:
    """The ids in the answer; one that need not be JSON where no path asks for anything."""
    asks = any(automation.callout.get(name) for name in ("customer_path", "subscription_path"))
    try:
        data = json.loads(reply.body) if asks else None
    except (ValueError, RecursionError):
        raise CalloutFailed("bad_answer", "The answer of the callout is no JSON.") from None
    try:
        ids = requests.read_answer(automation.callout, data, products=[each.product for each in intent.subscriptions])
    except requests.AnswerWrong as error:
        raise CalloutFailed("bad_answer", str(error)) from None
    return CalloutAnswer(reply.status, tries, ids.customer_id, ids.subscription_ids or {})
