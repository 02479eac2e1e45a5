"""Merged records: the journal, and where a loser's id leads to now (R-049).

Salesforce marks a loser as deleted and names the record that it became. That record may itself lose a later merge, so the
journal keeps each step and `follow` walks the chain when it is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from integrations.models import RecordMerge, Run, SalesforceOrg
from integrations.salesforce.ids import to_18

ALSO_READ = {"Lead": ("IsConverted", "ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId")}
"""Fields that tell what a record became, to be read whenever the object is (where they exist)."""
LONGEST_CHAIN = 50
BATCH = 500


# --- deciding (pure) ---------------------------------------------------------------------------------------------------


def ends_of(steps: Mapping[str, str], ids: Iterable[str]) -> dict[str, str]:
    """The last record of the chain that begins at each id; an id that is in no chain, or in a circle, is left out."""
    ends: dict[str, str] = {}
    for first in ids:
        seen, here = {first}, first
        while here in steps and len(seen) <= LONGEST_CHAIN:
            here = steps[here]
            if here in seen:  # records that became each other: nobody knows which is left
                break
            seen.add(here)
        else:
            if here != first and here not in steps:
                ends[first] = here
    return ends


# --- the journal -------------------------------------------------------------------------------------------------------


def follow(org: SalesforceOrg, ids: Iterable[str]) -> dict[str, str]:
    """Which record each merged-away id has become, over all steps; ids (18 characters) that were never merged are left out."""
    asked = list(dict.fromkeys(to_18(each) for each in ids))
    return ends_of(_steps_from(org, asked), asked)


def losers_of(org: SalesforceOrg, winner: str) -> list[str]:
    """Every record that became `winner`, over all steps, oldest merge first."""
    found: dict[str, None] = {}
    level = [to_18(winner)]
    for _ in range(LONGEST_CHAIN):
        rows = RecordMerge.objects.filter(org=org, winner__in=level).order_by("seen_at", "id")
        level = [each for each in rows.values_list("loser", flat=True) if each not in found and each != winner]
        if not level:
            break
        found |= dict.fromkeys(level)
    return list(found)


def note(org: SalesforceOrg, object_: str, pairs: Sequence[tuple[str, str]], *, run: Run | None, now: datetime) -> int:
    """Write down that each (loser, winner) was merged; how many were news. Saying it again changes nothing.

    A loser that was restored and then lost to another record has its newest winner in the journal.
    """
    wanted = {to_18(loser): to_18(winner) for loser, winner in pairs if loser != winner}
    known: dict[str, str] = {}
    for batch in _batches(list(wanted)):
        known |= dict(RecordMerge.objects.filter(org=org, loser__in=batch).values_list("loser", "winner"))
    news = {loser: winner for loser, winner in wanted.items() if known.get(loser) != winner}
    RecordMerge.objects.bulk_create(
        [RecordMerge(org=org, object=object_, loser=loser, winner=news[loser], seen_at=now, run=run) for loser in news],
        batch_size=BATCH,
        update_conflicts=True,
        unique_fields=["org", "loser"],
        update_fields=["object", "winner", "seen_at", "run"],
    )
    return len(news)


def forget(org: SalesforceOrg, ids: Iterable[str]) -> int:
    """Losers that somebody took out of the recycle bin stand for themselves again; how many there were."""
    gone = 0
    for batch in _batches(list(ids)):
        gone += RecordMerge.objects.filter(org=org, loser__in=batch).delete()[0]
    return gone


def _steps_from(org: SalesforceOrg, ids: Sequence[str]) -> dict[str, str]:
    """Every step of the chains that begin at `ids`, one round of questions a step."""
    steps: dict[str, str] = {}
    level = list(ids)
    for _ in range(LONGEST_CHAIN):
        found: dict[str, str] = {}
        for batch in _batches(level):
            found |= dict(RecordMerge.objects.filter(org=org, loser__in=batch).values_list("loser", "winner"))
        steps |= found
        level = [winner for winner in dict.fromkeys(found.values()) if winner not in steps]
        if not level:
            break
    return steps


def _batches(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
