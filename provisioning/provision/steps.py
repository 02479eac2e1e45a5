"""The five steps of a provision (ST-29 to ST-33): compile, callout, customer, subscription, write-back; each recorded and
restartable by itself (ST-D10).

Steps that need only the database run in one transaction, so that a new deal costs one commit and whoever comes at the same
moment waits for it and reads its result. HTTP calls stand between transactions, never inside. What a killed worker had begun is
taken up by the next one: its lease ends, the recorded steps say what is done (R-186).
"""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError, transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Customer
from integrations.sync import retrying
from provisioning.connection import is_working, settings_of, take_in_hand
from provisioning.intent.deal import Deal
from provisioning.intent.result import Intent, Problems
from provisioning.models import Provision, ProvisioningSettings, ProvisionStep
from provisioning.provision import alarms, applying, claims, customers, judging, outward, places
from provisioning.provision.claims import LostClaim
from provisioning.provision.turns import (
    CALLOUT,
    COMPILE,
    CUSTOMER,
    FINISHED,
    NAMES,
    SUBSCRIPTION,
    WRITE_BACK,
    Done,
    State,
    Work,
    columns_of,
    finish,
    load_steps,
    new_steps,
    save_steps,
    set_columns,
    settle,
    wait_after,
)  # fmt: skip

log = structlog.get_logger(__name__)
QUIET = (State.DONE, State.INCOMPLETE, State.SKIPPED)
MOST_FAILURES = 5  # of our own doing; then a person must look
BLOCKED_WAITS = (10, 10, 10, 10, 10, 10, 60)  # minutes between looks at a deal that needs a person


# --- entrances ---------------------------------------------------------------------------------------------------------------


def start(
    settings: ProvisioningSettings, deal: Deal, choice: "judging.Choice", *, source: str, now: datetime,
    deadline: float | None = None,
) -> tuple[Provision, bool]:  # fmt: skip
    """Provision a deal that was just read, and whether this call was the one that did it (R-180, R-181)."""
    org = settings.org
    facts = {**places.facts_of(deal), "changed_at": deal.modified_at}

    def write() -> tuple[Work | None, Provision, bool]:
        provision, made = claims.open_provision(
            org, deal.id, slot=choice.slot, kind=choice.kind, source=source, now=now, facts=facts, working=True
        )
        if not made:
            return None, provision, False
        provision.org = org
        work = Work(provision, settings, now, deadline, deal, choice, new_steps(provision))
        return work, provision, _store(work)

    work, provision, goes_on = retrying.in_transaction(write)
    if work is None:
        return provision, False
    if goes_on:
        _perform(work)
    if provision.state not in QUIET:  # a deal that is new and went well has no alert to end
        alarms.tell(provision, now=now)
    return provision, True


def advance(
    provision: Provision, *, now: datetime, deadline: float | None = None, deal: Deal | None = None,
    settings: ProvisioningSettings | None = None,
) -> bool:  # fmt: skip
    """Go on with a provision from its recorded step; False when somebody else is at it, or nothing is to be done."""
    settings = settings or settings_of(provision.org)
    take_in_hand(settings)
    if not is_working(settings.org, settings) or not claims.claim(provision, now=now):
        provision.refresh_from_db()
        return False
    provision.org = settings.org
    _perform(Work(provision, settings, now, deadline, deal, steps=load_steps(provision)))
    alarms.tell(provision, now=now)
    return True


def resume(provision: Provision, *, step: str = "", actor: Person | None, now: datetime) -> None:
    """Try again at the step where it stands, or at `step` (ST-D9, ST-D10). The worker, or the caller's `advance`, goes on.

    `Refusal` when there is nothing to resume, or when the step lies behind one that created something.
    """
    with transaction.atomic():
        provision = Provision.objects.select_for_update().get(pk=provision.pk)
        if _is_held(provision, now):
            raise Refusal("at_work", "This deal is being worked on right now.")
        if provision.state == State.DONE:
            raise Refusal("done", "Nothing is left to do for this deal.")
        steps = load_steps(provision)
        at = step or next((name for name in NAMES if steps[name].state not in FINISHED), "")
        if at not in NAMES:
            raise Refusal("no_step", f"There is no step {at or 'left'}; the steps are {', '.join(NAMES)}.")
        _check_resumable(steps, at)
        for name in NAMES[NAMES.index(at) :]:
            if steps[name].pk is not None:
                ProvisionStep.objects.filter(pk=steps[name].pk).update(state=Done.WAITING, reason_code="", sentence="")
        state = State.INCOMPLETE if at == WRITE_BACK else State.WAITING
        Provision.objects.filter(pk=provision.pk).update(
            state=state, not_before=now, attempts=0, claimed_until=None, finished_at=None, reason_code="", sentence=""
        )
        audit.record("provision.resumed", actor=actor, target=f"provision {provision.pk}", after={"step": at})


def _is_held(provision: Provision, now: datetime) -> bool:
    return provision.claimed_until is not None and provision.claimed_until > now


def _check_resumable(steps: dict[str, ProvisionStep], at: str) -> None:
    """Going back behind the subscription would grant twice what was granted once."""
    if steps[SUBSCRIPTION].state == Done.DONE and at != WRITE_BACK:
        raise Refusal("subscription_stands", "The subscription stands already; only the write-back can be tried again.")
    for name in NAMES[: NAMES.index(at)]:
        if steps[name].state not in FINISHED:
            raise Refusal("step_before", f"The step “{name}” comes first and is not done.")


# --- one turn ----------------------------------------------------------------------------------------------------------------


def _perform(work: Work) -> None:
    """Steps until all are done, one fails, or the deadline comes. Never raises for what the deal or Salesforce did."""
    try:
        while (name := work.next_step()) is not None:
            if name == COMPILE and work.deal is None and not outward.read(work):
                return
            if name == CALLOUT and outward.has_callout(work):
                if work.is_late():
                    outward.give_back(work)
                    return
                if not outward.call_out(work):
                    return
            elif not retrying.in_transaction(lambda: _store(work)):
                return
    except LostClaim:
        work.provision.refresh_from_db()


def _store(work: Work) -> bool:
    """The steps that need only the database, as far as they go; whether steps follow. Runs inside a transaction.

    Works on copies first, because the transaction may be tried again.
    """
    turn = copy.copy(work)
    turn.provision, turn.steps = copy.copy(work.provision), {name: copy.copy(step) for name, step in work.steps.items()}
    turn.touched = set(work.touched)
    goes_on = _store_steps(turn)
    save_steps(turn)
    vars(work.provision).update(vars(turn.provision))
    work.steps, work.touched = turn.steps, turn.touched
    return goes_on


def _store_steps(work: Work) -> bool:
    """Whether the turn goes on with an HTTP step; otherwise the provision was settled."""
    while (name := work.next_step()) is not None:
        if name == CALLOUT and outward.has_callout(work):
            claims.settle(work.provision, **columns_of(work.provision), claimed_until=work.now + claims.LEASE)
            return True
        if not DATABASE_STEPS[name](work):
            return False
    finish(work)
    return False


def _compile(work: Work) -> bool:
    """Step 2: what the deal asks for. Nothing is created when anything stands against it (ST-D4)."""
    work.begin(COMPILE)
    return _guarded(work, COMPILE, lambda: _judge(work), writes=False)


def _judge(work: Work) -> bool:
    provision, deal = work.provision, work.deal
    assert deal is not None
    choice = work.choice or judging.choose(work.settings, deal, now=work.now)
    facts = {**places.facts_of(deal), "facts": deal.as_dict(), "changed_at": deal.modified_at or provision.changed_at}
    set_columns(provision, facts)
    if choice is None:
        sentence = judging.why_not(work.settings, deal)
        work.end(COMPILE, Done.SKIPPED, code="no_automation", sentence=sentence)
        settle(work, State.SKIPPED, code="no_automation", sentence=sentence, fields=facts)
        return False
    provision.automation = choice.automation
    rule = {"automation_id": choice.automation.pk, "automation_version": choice.automation.version, "kind": choice.kind}
    named = str(provision.result.get("callout", {}).get("customer_id") or "")
    verdict = judging.compile_deal(work.settings, deal, choice, named=named, now=work.now)
    if isinstance(verdict, Problems):
        work.end(COMPILE, Done.FAILED, code=verdict.reason_code, sentence=verdict.sentence)
        minutes = BLOCKED_WAITS[min(work.steps[COMPILE].attempts, len(BLOCKED_WAITS)) - 1]
        settle(
            work, State.BLOCKED, code=verdict.reason_code, sentence=verdict.sentence,
            not_before=work.now + timedelta(minutes=minutes), fields={**facts, **rule, "problems": verdict.as_list()},
        )  # fmt: skip
        return False
    if not verdict.subscriptions:
        sentence = " ".join(verdict.notes) or "The deal asks for nothing that is not there already."
        work.end(COMPILE, sentence=sentence)
        settle(work, State.SKIPPED, code="nothing_to_do", sentence=sentence, fields={**facts, **rule, "problems": []})
        return False
    set_columns(provision, {**rule, "intent": verdict.as_dict(), "problems": []})
    work.end(COMPILE, sentence=" ".join(verdict.notes))
    if not outward.has_callout(work):
        work.end(CALLOUT, Done.SKIPPED)
    return True


def _skip_callout(work: Work) -> bool:
    work.end(CALLOUT, Done.SKIPPED)
    return True


def _customer(work: Work) -> bool:
    """Step 3 (ST-31): the customer, found or made, linked with the account."""
    provision, intent = work.provision, Intent.from_dict(work.provision.intent)
    ids = provision.result.get("callout", {})
    external_id = str(ids.get("customer_id") or intent.customer_id)

    def write() -> None:
        customer, made = customers.ensure_customer(external_id, name=intent.customer_name, now=work.now)
        is_free = made and work.deal is not None and not work.deal.linked_customer_id
        note = customers.link_account(
            customer, org=provision.org, account_id=provision.account_id, is_free=is_free, now=work.now
        )
        provision.customer = customer
        provision.result = {**provision.result, **places.customer_result(customer)}
        work.end(CUSTOMER, sentence=note, created=made, source=intent.customer_source)

    return _try(work, CUSTOMER, write)


def _subscription(work: Work) -> bool:
    """Step 4 (ST-32): every subscription that the deal asks for, all of them or none."""
    provision, intent = work.provision, Intent.from_dict(work.provision.intent)

    def write() -> None:
        customer = provision.customer or Customer.objects.get(pk=provision.customer_id)
        made = applying.apply_intent(intent, customer=customer, provision=provision, now=work.now)
        provision.result = {**provision.result, **places.subscription_result(made)}
        work.end(SUBSCRIPTION, actions={each.key: step.action for each, step in zip(made, intent.subscriptions, strict=True)})

    return _try(work, SUBSCRIPTION, write)


def _write_back(work: Work) -> bool:
    """Step 5 is done apart from the others, in batches: it can fail without touching what was granted (R-188)."""
    if not places.wants_write_back(work.settings, work.provision):
        work.end(WRITE_BACK, Done.SKIPPED)
        return True
    settle(work, State.INCOMPLETE, not_before=work.now, fields=columns_of(work.provision))
    return False


DATABASE_STEPS: dict[str, Callable[[Work], bool]] = {
    COMPILE: _compile, CALLOUT: _skip_callout, CUSTOMER: _customer, SUBSCRIPTION: _subscription, WRITE_BACK: _write_back,
}  # fmt: skip


def _try(work: Work, name: str, write: Callable[[], None]) -> bool:
    """A step in a savepoint of its own: what fails leaves the steps before it (R-186)."""
    work.begin(name)

    def done() -> bool:
        write()
        return True

    return _guarded(work, name, done)


def _guarded(work: Work, name: str, write: Callable[[], bool], *, writes: bool = True) -> bool:
    """`write`, in a savepoint if it writes; whatever goes wrong in it stays with this deal (I-10)."""
    try:
        with transaction.atomic() if writes else nullcontext():
            return write()
    except applying.Outdated as outdated:
        _look_again(work, name, outdated)
    except Refusal as refusal:
        work.end(name, Done.FAILED, code=refusal.code, sentence=refusal.message)
        settle(work, State.STOPPED, code=refusal.code, sentence=refusal.message, fields=columns_of(work.provision))
    except Exception as error:
        if isinstance(error, InterfaceError | LostClaim) or (
            isinstance(error, DatabaseError) and (not writes or retrying.is_conflict(error) or retrying.is_away(error))
        ):
            raise  # without a savepoint the transaction is broken as well
        log.exception("provision.step_failed", step=name, provision=work.provision.pk)
        _fail(work, name, "step_failed", f"The step “{name}” failed ({type(error).__name__}); it is tried again.")
    return False


def _look_again(work: Work, name: str, outdated: "applying.Outdated") -> None:
    """Another deal changed the customer's subscriptions in between: judge this one anew on what is there now."""
    work.end(name, Done.WAITING, code=outdated.code, sentence=outdated.message)
    work.end(COMPILE, Done.WAITING)
    gives_up = work.steps[name].attempts >= MOST_FAILURES
    state = State.STOPPED if gives_up else State.WAITING
    settle(work, state, code=outdated.code, sentence=outdated.message, not_before=None if gives_up else work.now,
           fields=columns_of(work.provision))  # fmt: skip


def _fail(work: Work, name: str, code: str, sentence: str) -> None:
    """A failure that may pass: tried again after a wait, a few times."""
    work.end(name, Done.FAILED, code=code, sentence=sentence)
    tries = work.steps[name].attempts
    if tries >= MOST_FAILURES:
        told = f"{sentence} It failed {tries} times; resume it once the cause is gone."
        settle(work, State.STOPPED, code=code, sentence=told, fields=columns_of(work.provision))
        return
    fields = columns_of(work.provision)
    settle(work, State.WAITING, code=code, sentence=sentence, not_before=work.now + wait_after(tries), fields=fields)
