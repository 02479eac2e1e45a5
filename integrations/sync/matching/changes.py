"""What changed since the last match, so that a run looks only at that: new files of the lake, new entries of the journal.

After a compaction nobody can tell new rows from old ones; then everything is looked at once, which is slower and no less right.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.db.models import Count, Max

from integrations.lake import reading
from integrations.lake.reading import Relation
from integrations.models import Entity, LakeTable, LinkEvent, MatchState, RecordMerge, Run, SalesforceOrg
from integrations.sync.mapping.body import RULES_OF
from integrations.sync.matching import spine
from integrations.sync.mirror import merges
from integrations.sync.mirror import tables as mirror

MIRROR, OURS, USERS = "mirror", "ours", "users"
OWN_EVENTS, OWN_LAST = "own_events", "own_last"
"""Beside them in the state: how many entries of the journal the match itself made, and the last of them."""


@dataclass(frozen=True)
class Source:
    """One table as it is now: the relation of its newest rows, and the number of its last file."""

    table: LakeTable
    relation: Relation
    last: int

    def since(self, seen: int | None) -> Relation | None:
        """The newest rows among the files after `seen`, removed ones too. None: it cannot be told which rows are new."""
        if seen is None or any(each.number > seen + 1 for each in self.relation.bases):
            return None
        # a base right after `seen` holds nothing but what was seen: no other file was registered in between
        new = tuple(each for each in self.relation.deltas if each.number > seen)
        return replace(self.relation, bases=(), deltas=new, include_removed=True)


def source_of(table: LakeTable, columns: Iterable[str], *, include_removed: bool = False) -> Source:
    """A snapshot of a table with these columns."""
    wanted = list(dict.fromkeys(columns))
    relation = reading.newest(table, columns=wanted, include_removed=include_removed)
    return Source(table, relation, max((each.number for each in relation.files), default=0))


def mirrored(org: SalesforceOrg, object_: str) -> LakeTable | None:
    """The mirror's table of an object, None before its first read."""
    known = mirror.mirror_of(org, object_)
    return known.table if known is not None else None


def our_source(entity: str, columns: Iterable[str]) -> Source:
    """Our records with `id` and these columns."""
    return source_of(spine.spine_table(entity), ["id", *columns])


def user_source(columns: Iterable[str]) -> Source:
    """End users with what the rule about recent users needs."""
    return source_of(spine.spine_table(Entity.END_USER), ["id", "customer_id", "last_seen_at", *columns])


def survivors(org: SalesforceOrg, object_: str) -> dict[str, str]:
    """Which record each merged record of the object is now."""
    steps = dict(RecordMerge.objects.filter(org=org, object__iexact=object_).values_list("loser", "winner"))
    return merges.ends_of(steps, steps)


def state_of(org: SalesforceOrg, entity: str) -> MatchState | None:
    """How far matching has come."""
    return MatchState.objects.filter(org=org, entity=entity).first()


def last_event(org: SalesforceOrg) -> int:
    """The newest entry of the link journal."""
    return LinkEvent.objects.filter(org=org).aggregate(last=Max("id"))["last"] or 0


def own_events(org: SalesforceOrg, entity: str, run: Run, *, after: int) -> dict[str, int]:
    """What a match adds to its state, so that the next one need not read its entries one by one."""
    events = LinkEvent.objects.filter(org=org, entity=entity, id__gt=after, run=run, rule__in=RULES_OF[entity]).order_by()
    found = events.aggregate(n=Count("id"), last=Max("id"))
    return {OWN_EVENTS: found["n"], OWN_LAST: found["last"] or after}


def events_after(org: SalesforceOrg, state: MatchState) -> int:
    """The entry after which somebody else's can be: when the match made all up to its last, there is none among them. Looked
    at now, not when the match ended, because an entry with an earlier number may be committed later."""
    last = state.seen.get(OWN_LAST, 0)
    if last <= state.last_event:
        return state.last_event
    own = state.seen.get(OWN_EVENTS)
    if own == last - state.last_event:  # it took every number there is
        return last
    between = LinkEvent.objects.filter(org=org, id__gt=state.last_event, id__lte=last).count()
    return last if between == own else state.last_event


def touched_since(org: SalesforceOrg, entity: str, state: MatchState) -> list[int]:
    """Records whose link was changed by somebody or something else since that match."""
    key = "customer_id" if entity == Entity.CUSTOMER else "end_user_id"
    events = LinkEvent.objects.filter(org=org, entity=entity, id__gt=events_after(org, state)).order_by()
    if state.run_id is not None:
        events = events.exclude(run=state.run_id, rule__in=RULES_OF[entity])
    return list(events.values_list(key, flat=True).distinct())
