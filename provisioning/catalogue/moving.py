"""Moving customers from one version of a plan or add-on to another, because a person asked for it: publishing never does.

First a preview of who would change and how, then the same for the chosen ones, in a run (`move_job`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import QuerySet

from integrations.access import Person, Refusal
from provisioning.catalogue import finding, holders
from provisioning.catalogue.contents import LESS, Contents, Difference, differences
from provisioning.models import OfferVersion, Subscription
from provisioning.subscriptions import changes

BATCH = 25  # subscriptions of one transaction
SHOWN = 100


@dataclass(frozen=True)
class Group:
    """Customers on one version, and what the move changes for each of them."""

    version: OfferVersion
    count: int
    changes: list[Difference]
    subscriptions: list[Subscription] = field(default_factory=list)

    @property
    def loses(self) -> bool:
        """Whether somebody would get less of something."""
        return any(each.tone == LESS for each in self.changes)


@dataclass(frozen=True)
class Moved:
    """What became of some subscriptions: each with why it was not moved, "" when it was. `left`: there are further ones."""

    rows: tuple[tuple[Subscription, str], ...] = ()
    left: bool = False

    @property
    def moved(self) -> int:
        """How many have the version now."""
        return sum(not why for _, why in self.rows)

    @property
    def refused(self) -> list[tuple[str, str]]:
        """Those that could not be moved, with the reason."""
        return [(row.key, why) for row, why in self.rows if why]


def preview_move(version: OfferVersion, *, now: datetime) -> list[Group]:
    """Who has other versions of the offer, by version, and what would change for them; oldest version first."""
    _check(version)
    target = finding.contents_of(version)
    others = finding.published().filter(offer=version.offer_id).exclude(pk=version.pk).order_by("number")
    groups = []
    for other in others:
        found = holders.holders_of(version.offer, now=now, versions=[other.pk])
        if count := found.count():
            changed = differences(finding.contents_of(other) if other else Contents(), target)
            groups.append(Group(other, count, changed, list(found[:SHOWN])))
    return groups


def waiting_for(
    version: OfferVersion, *, versions: Sequence[int] | None = None, keys: Sequence[str] | None = None, now: datetime
) -> QuerySet[Subscription]:
    """Subscriptions that have another version of the offer (one of `versions`; only those with `keys`), oldest first."""
    _check(version)
    others = OfferVersion.objects.filter(offer=version.offer_id).exclude(pk=version.pk)
    if versions is not None:
        others = others.filter(pk__in=list(versions))
    found = holders.holders_of(version.offer, now=now, versions=others.values_list("pk", flat=True))  # type: ignore[arg-type]
    return found if keys is None else found.filter(key__in=list(keys))


def move_subscriptions(
    version: OfferVersion, waiting: QuerySet[Subscription] | None = None, *, after: int = 0, most: int = BATCH,
    effective_at: datetime | None = None, actor: Person | None, now: datetime,
) -> Moved:  # fmt: skip
    """Give at most `most` of those that wait (without: all that have another version) this version of the offer.

    From `effective_at` on, by default at once. `after` is the number of the last one that was looked at. One that cannot be
    moved is refused by itself, with its reason. Moving twice changes nothing more.
    """
    rows = waiting_for(version, now=now) if waiting is None else waiting
    found = list(rows.filter(pk__gt=after)[: most + 1])
    told = []
    for each in found[:most]:
        try:
            changes.change_plan_version(each, version=version, effective_at=effective_at or now, actor=actor, now=now)
            told.append((each, ""))
        except Refusal as refusal:
            told.append((each, refusal.message))
    return Moved(tuple(told), len(found) > most)


def _check(version: OfferVersion) -> None:
    if version.published_at is None:
        raise Refusal("draft", "Customers can only have published versions. Publish the draft first.")
