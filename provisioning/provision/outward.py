"""The steps with HTTP: reading the deal, and the callout to the application (ST-35). They stand between transactions."""

from datetime import timedelta

import structlog
from django.db import DatabaseError, InterfaceError

from integrations.orgs.states import NotConnected
from integrations.salesforce.errors import AuthError, LimitReached, NotFound, SalesforceError
from integrations.sync import retrying
from provisioning.intent.deal import Deal
from provisioning.intent.result import FROM_CALLOUT, Intent
from provisioning.provision import callout, claims, customers, judging
from provisioning.provision.turns import CALLOUT, COMPILE, FINISHED, Done, State, Work, save_steps, settle_alone, wait_after

log = structlog.get_logger(__name__)
MOST_TRIES = 200  # while Salesforce cannot be read: more than a day
CONNECTION_WAIT, LIMIT_WAIT = timedelta(minutes=5), timedelta(minutes=15)


def read(work: Work) -> bool:
    """The deal as it stands in Salesforce now."""
    try:
        work.deal = judging.read_deal(work.settings, work.provision.opportunity_id)
        return True
    except NotFound:
        work.begin(COMPILE)
        sentence = "The opportunity is deleted, or the integration user cannot see it."
        work.end(COMPILE, Done.SKIPPED, code="not_found", sentence=sentence)
        settle_alone(work, State.SKIPPED, code="not_found", sentence=sentence)
    except (NotConnected, AuthError) as error:
        _postpone(work, getattr(error, "code", "") or "not_connected", str(error), CONNECTION_WAIT)
    except LimitReached as error:
        _postpone(work, "api_limit", error.message, LIMIT_WAIT)
    except SalesforceError as error:
        _postpone(work, error.code or "not_read", f"Salesforce could not be read: {error.message}", None)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:
        log.exception("provision.not_read", provision=work.provision.pk)
        _postpone(work, "not_read", f"The deal could not be read ({type(error).__name__}); it is tried again.", None)
    return False


def _postpone(work: Work, code: str, sentence: str, wait: timedelta | None) -> None:
    step = work.begin(COMPILE)
    work.end(COMPILE, Done.FAILED, code=code, sentence=sentence)
    if step.attempts >= MOST_TRIES:
        settle_alone(work, State.STOPPED, code=code, sentence=sentence)
        return
    settle_alone(work, State.WAITING, code=code, sentence=sentence, not_before=work.now + (wait or wait_after(step.attempts)))


def has_callout(work: Work) -> bool:
    return callout.is_set(work.provision.automation) and work.steps[CALLOUT].state not in FINISHED


def call_out(work: Work) -> bool:
    """ST-35, between steps 2 and 3: create the application's own resources. If that fails, nothing else is created (ST-D9)."""
    provision = work.provision
    work.begin(CALLOUT)
    try:
        answer = callout.send(provision, deal=work.deal or Deal.from_dict(provision.facts))
    except callout.CalloutFailed as failed:
        sentence = f"{failed.message} Nothing was created after it."
        work.end(CALLOUT, Done.FAILED, code=failed.code, sentence=sentence)
        settle_alone(work, State.STOPPED, code=failed.code, sentence=sentence)
        return False
    intent = Intent.from_dict(provision.intent)
    if intent.customer_source == FROM_CALLOUT and not answer.customer_id:
        sentence = "The callout's answer has no customer id where the automation looks. Nothing was created after it."
        work.end(CALLOUT, Done.FAILED, code="no_customer_id", sentence=sentence)
        settle_alone(work, State.STOPPED, code="no_customer_id", sentence=sentence)
        return False
    work.end(CALLOUT, status=answer.status, tries=answer.tries)
    provision.result = {**provision.result, "callout": answer.as_dict()}
    if answer.customer_id and customers.find_customer(answer.customer_id) != customers.find_customer(intent.customer_id):
        work.end(COMPILE, Done.WAITING)  # it is another customer, who may have subscriptions: judge the deal for that one

    def keep() -> None:
        claims.settle(provision, result=provision.result, claimed_until=work.now + claims.LEASE)
        save_steps(work)

    retrying.in_transaction(keep)
    return True


def give_back(work: Work) -> None:
    """The deadline has come: the worker goes on at once."""
    settle_alone(work, State.WAITING, not_before=work.now)
