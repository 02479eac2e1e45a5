"""Links follow what happens to records in Salesforce: merges move them, deletions suspend them, a restore revives them.

Registered with the mirror, which may say the same thing twice. Nothing of ours is deleted (PX-D15); a deletion of very many
linked records waits for a person's yes (I-11).
"""

from collections.abc import Sequence
from datetime import datetime

from integrations import alerts
from integrations.lake.engine import open_engine
from integrations.models import Entity, GuardRequest, RecordLink, Run, SalesforceOrg
from integrations.orgs.states import page_of
from integrations.sync import guard
from integrations.sync.matching import link_store
from integrations.sync.matching.cascade import FOLDER
from integrations.sync.mirror import hooks
from integrations.sync.mirror import tables as mirror

DOMAIN = "matching"
WORDS = {Entity.CUSTOMER: "customers", Entity.END_USER: "end users"}


def register_hooks() -> None:
    """Let the mirror tell us."""
    hooks.register(DOMAIN, on_merged=on_merged, on_deleted=on_deleted, on_revived=on_revived)


def on_merged(org: SalesforceOrg, object_: str, pairs: Sequence[tuple[str, str]], /, *, run: Run, now: datetime) -> None:
    """Links of the losers lead to the survivors; the journal says so (R-049)."""
    if link_store.move_links(org, object_, pairs, run=run, now=now):
        _tell(org, now=now)


def on_deleted(org: SalesforceOrg, object_: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Links to deleted records are suspended, with an alert; many at once only after a yes."""
    for entity in _entities(org, object_):
        active = RecordLink.objects.filter(org=org, entity=entity, state=RecordLink.State.ACTIVE).count()
        few = len(ids) < hooks.BATCH and not _is_asked(org, object_)
        if few and not guard.needs_yes(link_store.count_links(org, object_, ids), active):
            link_store.suspend_links(org, object_, ids, run=run, now=now)
        else:
            settle_gone(org, entity, object_, run=run, now=now)
    _tell(org, now=now)


def on_revived(org: SalesforceOrg, object_: str, ids: Sequence[str], /, *, run: Run, now: datetime) -> None:
    """Links to restored records are active again (R-048)."""
    if link_store.revive_links(org, object_, ids, run=run, now=now):
        _tell(org, now=now)


def settle_gone(org: SalesforceOrg, entity: str, object_: str, *, run: Run | None, now: datetime) -> bool:
    """Suspend every active link to a record that the mirror knows as deleted; False when that waits for a yes."""
    links = link_store.link_table(org, entity, active=True)
    with open_engine() as engine:
        engine.bind("links", links)
        engine.bind("records", mirror.live(org, object_, ["Id", "IsDeleted"], include_removed=True))
        gone = [each for _, each in engine.rows(engine.sql(f"{FOLDER}/gone.sql"))]
    allowed = guard.ask(
        org, subject=_subject(object_), effect="unlink", rows=len(gone), of_rows=links.num_rows,
        digest=guard.digest_of(gone), examples=sorted(gone)[: guard.EXAMPLES], run=run, now=now,
    )  # fmt: skip
    if allowed:
        link_store.suspend_links(org, object_, gone, run=run, now=now)
    return allowed


def settle_allowed(org: SalesforceOrg, entity: str, object_: str, *, run: Run | None, now: datetime) -> None:
    """Do what a person has allowed since: called at the beginning of each match."""
    if _is_asked(org, object_):
        settle_gone(org, entity, object_, run=run, now=now)
        _tell(org, now=now)


def _entities(org: SalesforceOrg, object_: str) -> list[str]:
    links = RecordLink.objects.filter(org=org, object__iexact=object_).order_by()
    return sorted(links.values_list("entity", flat=True).distinct())


def _subject(object_: str) -> str:
    return f"links/{object_} deleted"[:120]


def _is_asked(org: SalesforceOrg, object_: str) -> bool:
    """Whether a person was asked about deletions of that object; afterwards the question stays on record for a week."""
    return GuardRequest.objects.filter(org=org, subject=_subject(object_), effect="unlink").exists()


def _tell(org: SalesforceOrg, *, now: datetime) -> None:
    """One alert while links are suspended, anew when their number changes; its end when none is."""
    for entity in (Entity.CUSTOMER, Entity.END_USER):
        key = f"links:{org.pk}:{entity}"
        suspended = RecordLink.objects.filter(org=org, entity=entity, state=RecordLink.State.SUSPENDED).count()
        if not suspended:
            alerts.recover_alert(key, now=now, note="No link is suspended any more.")
            continue
        alerts.raise_alert(
            key, code=str(suspended), org=org, severity="warning", url=page_of(org), now=now,
            title=f"{org}: {suspended:,} {WORDS[entity]} are linked to deleted records",
            body="Their links are suspended and nothing is sent for them. They are linked again when a rule finds another "
            "record, when somebody links one, or when the record is restored in Salesforce.",
        )  # fmt: skip
