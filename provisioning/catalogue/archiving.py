"""Taking things out of the catalogue and back. Archived entries stay where they are used; they are no longer sold."""

from datetime import datetime

from django.db import transaction
from django.db.models import F, Max, Q

from integrations import audit
from integrations.access import Person, Refusal
from provisioning.catalogue import finding
from provisioning.catalogue.waking import catalogue_changed
from provisioning.models import Feature, Offer, OfferEntitlement, Product

Entry = finding.Entry
SHOWN = 3


def archive(entry: Entry, *, actor: Person | None, now: datetime) -> None:
    """Stop selling it. Refusal `in_use` names what must be archived or changed first.

    A product must have no plans and add-ons on sale, a feature must be in none; subscriptions keep everything they have.
    """
    with transaction.atomic():
        entry = type(entry)._default_manager.select_for_update(of=("self",)).get(pk=entry.pk)
        if entry.archived_at is not None:
            return
        if users := uses_of(entry):
            more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
            cure = "Archive them first." if isinstance(entry, Product) else "Take it out of them first."
            raise Refusal("in_use", f"{entry.key} is in use by {', '.join(users[:SHOWN])}{more}. {cure}")
        _set(entry, now, action="archived", actor=actor, now=now)


def restore(entry: Entry, *, actor: Person | None, now: datetime) -> None:
    """Offer it again. Refusal `archived` for a plan or add-on whose product is archived."""
    with transaction.atomic():
        entry = type(entry)._default_manager.select_for_update(of=("self",)).get(pk=entry.pk)
        if entry.archived_at is None:
            return
        if isinstance(entry, Offer) and entry.product.archived_at is not None:
            raise Refusal("archived", f"Its product {entry.product.key} is archived; restore that first.")
        _set(entry, None, action="restored", actor=actor, now=now)


def _set(entry: Entry, at: datetime | None, *, action: str, actor: Person | None, now: datetime) -> None:
    entry.archived_at, entry.updated_at = at, now
    entry.save(update_fields=["archived_at", "updated_at"])
    audit.record(f"catalogue.{action}", actor=actor, target=entry.key)
    catalogue_changed(now=now, everybody=isinstance(entry, Feature))


def uses_of(entry: Entry) -> list[str]:
    """Ids of what on sale needs the entry; plans and add-ons are needed by nothing of the catalogue."""
    if isinstance(entry, Product):
        return list(Offer.objects.filter(product=entry, archived_at=None).order_by("key").values_list("key", flat=True))
    if isinstance(entry, Feature):
        return list(offers_with(entry).filter(archived_at=None).order_by("key").values_list("key", flat=True))
    return []


def offers_with(feature: Feature) -> finding.Offers:
    """Plans and add-ons that give a feature in their latest published version or in their draft."""
    ranked = OfferEntitlement.objects.filter(feature=feature).annotate(
        newest=Max("version__offer__versions__number")
    )  # fmt: skip
    current = ranked.filter(Q(version__published_at=None) | Q(version__number=F("newest")))
    return Offer.objects.filter(pk__in=current.values("version__offer"))
