"""Moving customers from one version of a plan or add-on to another, because a person asked for it: publishing never does.

First a preview of who would change and how, then the same for the chosen ones.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations import audit
from integrations.access import Person, Refusal
from provisioning.catalogue import finding, holders
from provisioning.catalogue.contents import LESS, Contents, Difference, differences
from provisioning.models import OfferVersion, Subscription
from provisioning.subscriptions import changes

MOST_MOVED = 500  # subscriptions in one go: a page must answer; the rest follows with the next press
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
    """What became of a move: how many moved, and why others did not."""

    moved: int
    left: int = 0
    refused: tuple[tuple[str, str], ...] = ()


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


def move_subscriptions(
    version: OfferVersion, subscriptions: Iterable[Subscription] | None = None, *, effective_at: datetime | None = None,
    actor: Person | None, now: datetime, versions: Sequence[int] | None = None,
) -> Moved:  # fmt: skip
    """Give these subscriptions (without: all that have another version, or one of `versions`) this version of the offer.

    From `effective_at` on, by default at once. At most `MOST_MOVED` at a time; `left` says how many remain. One that cannot be
    moved is refused by itself, with its reason. Moving twice changes nothing more.
    """
    _check(version)
    others = OfferVersion.objects.filter(offer=version.offer_id).exclude(pk=version.pk)
    if versions is not None:
        others = others.filter(pk__in=list(versions))
    waiting = holders.holders_of(version.offer, now=now, versions=others.values_list("pk", flat=True))  # type: ignore[arg-type]
    if subscriptions is not None:
        waiting = waiting.filter(pk__in=[each.pk for each in subscriptions])
    chosen = list(waiting[:MOST_MOVED])
    left = max(0, waiting.count() - len(chosen))
    moved, refused = 0, []
    for each in chosen:
        try:
            changes.change_plan_version(each, version=version, effective_at=effective_at or now, actor=actor, now=now)
            moved += 1
        except Refusal as refusal:
            refused.append((each.key, refusal.message))
    after = {"version": version.number, "moved": moved, "refused": len(refused), "left": left}
    audit.record("catalogue.moved", actor=actor, target=version.offer.key, after=after)
    return Moved(moved, left, tuple(refused))


def _check(version: OfferVersion) -> None:
    if version.published_at is None:
        raise Refusal("draft", "Customers can only have published versions. Publish the draft first.")
