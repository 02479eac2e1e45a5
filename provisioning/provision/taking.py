"""One deal from a hint to its outcome: look whether it is done, read it, decide, provision (ST-D2, I-04, I-19, R-180).

The same for a flow's callout, an outbound message and the worker. What does not fit into the deadline is left to the worker at
its recorded step.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError, InterfaceError

from integrations.orgs.states import NotConnected
from integrations.salesforce.errors import NotFound, SalesforceError
from provisioning.connection import take_in_hand
from provisioning.intent.deal import Deal
from provisioning.models import Provision, ProvisioningSettings
from provisioning.provision import claims, flags, judging, steps

log = structlog.get_logger(__name__)
State = Provision.State
DONE, ALREADY_DONE, TAKEN, BLOCKED, NOTHING, NOT_FOUND = (
    "done", "already_done", "taken", "blocked", "nothing_to_do", "not_found",
)  # fmt: skip
WORDS = {State.BLOCKED: BLOCKED, State.STOPPED: "stopped", State.SKIPPED: NOTHING, State.WAITING: TAKEN, State.RUNNING: TAKEN}
GRANTED = (State.DONE, State.INCOMPLETE)


@dataclass(frozen=True)
class Outcome:
    """What became of one deal, as the caller hears it. `later`: the worker goes on with it."""

    opportunity_id: str
    status: str
    message: str = ""
    provision_id: int | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    later: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The answer's JSON; ids are texts, empty when there are none."""
        ids, urls = list(self.result.get("subscription_ids", [])), list(self.result.get("subscription_urls", []))
        return {
            "opportunity_id": self.opportunity_id, "status": self.status, "message": self.message,
            "provision_id": self.provision_id, "customer_id": self.result.get("customer_id", ""),
            "customer_url": self.result.get("customer_url", ""), "subscription_id": ids[0] if ids else "",
            "subscription_url": urls[0] if urls else "", "subscription_ids": ids, "subscription_urls": urls,
        }  # fmt: skip


def take(
    settings: ProvisioningSettings, opportunity_id: str, *, source: str, now: datetime, deadline: float | None = None
) -> Outcome:
    """Do what the deal asks for now. Never raises for what Salesforce or the deal did: `later` says that the worker goes on."""
    take_in_hand(settings)
    try:
        return _take(settings, opportunity_id, source=source, now=now, deadline=deadline)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # one deal stays alone with what is wrong with it (I-10)
        log.exception("provision.not_taken", opportunity=opportunity_id)
        sentence = f"This deal could not be judged ({type(error).__name__}); it is tried again."
        return Outcome(opportunity_id, TAKEN, sentence, later=True)


def _take(
    settings: ProvisioningSettings, opportunity_id: str, *, source: str, now: datetime, deadline: float | None
) -> Outcome:
    known = claims.newest(settings.org, opportunity_id)
    contract = known.get(Provision.Slot.CONTRACT)
    if contract is not None and contract.state in GRANTED and not contract.flag:
        return outcome_of(contract, fresh=False)
    try:
        deal = judging.read_deal(settings, opportunity_id)
    except NotFound:
        return _gone(known, opportunity_id)
    except (SalesforceError, NotConnected) as error:
        message = getattr(error, "message", "") or str(error)
        return Outcome(opportunity_id, TAKEN, f"Salesforce could not be asked now: {message} It is tried again.", later=True)
    return take_deal(settings, deal, known, source=source, now=now, deadline=deadline)


def take_deal(
    settings: ProvisioningSettings, deal: Deal, known: Mapping[str, Provision], *, source: str, now: datetime,
    deadline: float | None = None,
) -> Outcome:  # fmt: skip
    """The same for a deal that was just read."""
    contract = known.get(Provision.Slot.CONTRACT)
    if contract is not None and contract.state in GRANTED:
        if deal.is_won:
            flags.lower_flag(contract, now=now)
        return outcome_of(contract, fresh=False)
    choice = judging.choose(settings, deal, now=now)
    if choice is None:
        return Outcome(deal.id, NOTHING, judging.why_not(settings, deal))
    before = known.get(choice.slot)
    if before is None:
        provision, made = steps.start(settings, deal, choice, source=source, now=now, deadline=deadline)
        return outcome_of(provision, fresh=made)
    if before.state in GRANTED:
        return outcome_of(before, fresh=False)
    if before.state == State.SKIPPED:
        flags.look_again([before.pk], now=now)
    moved = steps.advance(before, now=now, deadline=deadline, deal=deal, settings=settings)
    return outcome_of(before, fresh=moved)


def _gone(known: Mapping[str, Provision], opportunity_id: str) -> Outcome:
    for provision in known.values():
        return outcome_of(provision, fresh=False)
    return Outcome(opportunity_id, NOT_FOUND, "There is no such opportunity, or the integration user cannot see it.")


def outcome_of(provision: Provision, *, fresh: bool) -> Outcome:
    """What a provision says to a caller; `fresh`: this call did it."""
    if provision.state in GRANTED:
        status = DONE if fresh else ALREADY_DONE
        message = "" if fresh else "This deal was provisioned before; nothing was done again."
        if fresh and provision.state == State.INCOMPLETE:
            message = "Entitlements work now; the ids are written into Salesforce next."
    else:
        status, message = WORDS[State(provision.state)], provision.sentence
    later = provision.state in (State.WAITING, State.RUNNING)
    return Outcome(provision.opportunity_id, status, message, provision.pk, provision.result, later)
