"""One object after the other, each on its own: what goes wrong with one does not stop the others (I-10)."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from integrations.lake.engine import EngineError
from integrations.lake.types import SchemaError
from integrations.models import MirrorObject, Run
from integrations.orgs.budget import may_spend
from integrations.salesforce.describe import ObjectInfo
from integrations.salesforce.errors import (
    AuthError,
    InvalidField,
    InvalidType,
    LimitReached,
    NotFound,
    SalesforceError,
    UpstreamUnavailable,
)
from integrations.sync.endings import Defer, RunStopped
from integrations.sync.mirror import drift
from integrations.sync.mirror.describing import describe_object, forget_description
from integrations.sync.mirror.pulling import ObjectFailed
from integrations.sync.mirror.session import DOMAIN
from integrations.sync.mirror.sweeping import Round

log = structlog.get_logger(__name__)
READERS = ("mirror.read", "mirror.backfill")
LOOK_AGAIN, PATIENCE = timedelta(minutes=2), timedelta(hours=2)
FEW_CALLS = 10  # what one object usually costs
Work = Callable[[Round, MirrorObject, ObjectInfo], None]


def go_round(going: Round, mirrors: list[MirrorObject], work: Work, *, now: datetime) -> None:
    """Do `work` on each object that this run has not done yet, with its describe of now.

    Waits while a read of the connection is going on, so that nobody compares with half of it. Raises what concerns the whole
    connection: the login, the allowance, an org that does not answer.
    """
    for mirror in mirrors:
        if mirror.name in going.done:
            continue
        _wait_for_reads(going, now)
        _check_allowance(going, now)
        going.begin(mirror.name)
        try:
            _try(going, mirror, work, now)
        except ObjectFailed as problem:
            going.recorder.object(mirror.name).failed(mirror.name, problem.code, problem.sentence)
        except (AuthError, LimitReached, UpstreamUnavailable, RunStopped, Defer, DatabaseError, InterfaceError):
            raise
        except (NotFound, InvalidType) as error:
            drift.hide_object(going.recorder, mirror, error, now=now)
        except (SalesforceError, SchemaError, EngineError) as error:
            code = getattr(error, "code", "") or type(error).__name__
            going.recorder.object(mirror.name).failed(mirror.name, code, str(error))
        except Exception as error:  # whatever it is, the other objects go on (I-10)
            log.exception("mirror.object_failed", object=mirror.name, org=mirror.org_id)
            sentence = f"Something unexpected happened ({type(error).__name__}); the log has the details."
            going.recorder.object(mirror.name).failed(mirror.name, "unexpected", sentence)
        going.finish()


def _try(going: Round, mirror: MirrorObject, work: Work, now: datetime) -> None:
    """Once, and once more when the describe that we had was out of date (R-057)."""
    try:
        work(going, mirror, _describe(going, mirror, now))
    except InvalidField:
        forget_description(mirror.org, mirror.name)
        going.forget_sweep()
        work(going, mirror, _describe(going, mirror, now))


def _describe(going: Round, mirror: MirrorObject, now: datetime) -> ObjectInfo:
    info = describe_object(mirror.org, going.client, mirror.name)
    drift.check_shape(going.recorder, mirror, info, now=now)
    return info


def _wait_for_reads(going: Round, now: datetime) -> None:
    """A read that has begun goes first, for two hours at most: comparing beside it costs calls, but is never wrong."""
    if timezone.now() - going.began >= PATIENCE:
        return
    reads = Run.objects.filter(job__in=READERS, org=going.client.org, state__in=Run.ACTIVE, started_at__isnull=False)
    if reads.exists():
        going.session.save()
        going.recorder.wait(until=timezone.now() + LOOK_AGAIN, sentence="Waits until the read of the mirror has ended.")


def _check_allowance(going: Round, now: datetime) -> None:
    if not may_spend(going.client.org, calls=FEW_CALLS, domain=DOMAIN, now=timezone.now()):
        raise going.session.later("api_limit", "Our share of Salesforce's API allowance is used up.")
