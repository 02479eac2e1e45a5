"""Who has which version of a plan or add-on now: counts for the pages, and the subscriptions themselves."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from provisioning.models import Offer, OfferVersion, Subscription, Term, TermAddOn


def is_over(now: datetime, prefix: str = "") -> Q:
    """Subscriptions that ended; `prefix` leads to the subscription, such as subscription__."""
    names = ("ends_at__lte", "cancelled_at__lte", "trial_ends_at__lte")
    ended, cancelled, trial = (Q(**{f"{prefix}{name}": now}) for name in names)
    return ended | cancelled | (trial & Q(**{f"{prefix}converted_at": None}))


def running(*, now: datetime) -> QuerySet[Subscription]:
    """Subscriptions that run or will run, each with the id of its term in force as `term_now` (the first before the start)."""
    own = Term.objects.filter(subscription=OuterRef("pk"))
    current = own.filter(effective_at__lte=now).order_by("-effective_at", "-id").values("pk")[:1]
    first = own.order_by("effective_at", "-id").values("pk")[:1]
    return Subscription.objects.exclude(is_over(now)).annotate(term_now=Coalesce(Subquery(current), Subquery(first)))


def holders_of(offer: Offer, *, now: datetime, versions: Sequence[int] | None = None) -> QuerySet[Subscription]:
    """Running subscriptions that have a version of the offer (one of `versions`), oldest first."""
    mine = OfferVersion.objects.filter(offer=offer)
    if versions is not None:
        mine = mine.filter(pk__in=list(versions))
    if offer.kind == Offer.Kind.PLAN:
        terms = Term.objects.filter(plan__in=mine).values("pk")
    else:
        terms = TermAddOn.objects.filter(version__in=mine).values("term")
    found = running(now=now).filter(product=offer.product_id, term_now__in=terms)
    return found.select_related("customer").order_by("pk")


def count_holders(offers: Sequence[Offer], *, now: datetime) -> dict[int, int]:
    """How many running subscriptions have each version of these offers, by version; versions that nobody has are missing.

    Terms in force are those that no later one took the place of: many times quicker than finding each subscription's own.
    """
    versions = OfferVersion.objects.filter(offer__in=[each.pk for each in offers]).values("pk")
    plans = _in_force(Term.objects.filter(plan__in=versions), now).values_list("plan")
    add_ons = _in_force(TermAddOn.objects.filter(version__in=versions), now, "term__").values_list("version")
    first = running(now=now).filter(starts_at__gt=now).values("term_now")
    coming = Term.objects.filter(plan__in=versions, pk__in=first).values_list("plan")
    coming_add_ons = TermAddOn.objects.filter(version__in=versions, term__in=first).values_list("version")
    counts: Counter[int] = Counter()
    for found in (plans, add_ons, coming, coming_add_ons):
        counts.update(dict(found.order_by().annotate(n=Count("pk"))))
    return dict(counts)


def _in_force(rows: Any, now: datetime, prefix: str = "") -> Any:
    """Terms (or, by `prefix`, what hangs on terms) that hold now, of subscriptions that have begun and are not over."""
    at, pk, owner = f"{prefix}effective_at", f"{prefix}pk" if prefix else "pk", f"{prefix}subscription"
    after = Q(effective_at__gt=OuterRef(at)) | Q(effective_at=OuterRef(at), pk__gt=OuterRef(pk))
    later = Term.objects.filter(after, subscription=OuterRef(owner), effective_at__lte=now)
    begun = {f"{at}__lte": now, f"{owner}__starts_at__lte": now}
    return rows.filter(~is_over(now, f"{owner}__"), ~Exists(later), **begun)
