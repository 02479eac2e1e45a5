"""Changing the catalogue. A published version never changes, and publishing another one alters nobody (ST-03).

Every verb writes the audit trail, and tells all problems at once (`CatalogueProblems`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from integrations import audit
from integrations.access import Person, Refusal
from provisioning.catalogue import checking, finding
from provisioning.catalogue.checking import CatalogueProblems, Problem
from provisioning.catalogue.contents import Contents, differences, is_same
from provisioning.catalogue.waking import catalogue_changed
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product, PromotionalGrant, TermOverride

MOST_TRIES = 100  # numbers behind the id of a copy


def save_product(
    key: str, *, name: str, description: str = "", actor: Person | None, now: datetime, must_be_new: bool = False
) -> Product:
    """Make a product or change its words."""
    words = {"name": name, "description": description}
    problems = [*checking.check_key(checking.PRODUCT, key), *checking.check_words(**words)]
    with transaction.atomic():
        product = Product.objects.select_for_update().filter(key=key).first() if not problems else None
        _stop(problems, taken=product is not None and must_be_new, key=key)
        return _save(product or Product(key=key, created_at=now), words, actor=actor, now=now)


def save_feature(
    key: str, *, name: str, kind: str, description: str = "", unit: str = "", event_name: str = "", actor: Person | None,
    now: datetime, must_be_new: bool = False,
) -> Feature:  # fmt: skip
    """Make a feature or change it. What kind it is stays once anybody could have it."""
    words = {"name": name, "description": description}
    own = {"kind": kind, "unit": unit, "event_name": event_name}
    problems = [*checking.check_key(checking.FEATURE, key), *checking.check_words(**words), *checking.check_feature(**own)]
    with transaction.atomic():
        feature = Feature.objects.select_for_update().filter(key=key).first() if not problems else None
        if feature is not None and feature.kind != kind and is_given(feature):
            text = f"{key} is {feature.kind} in plans, add-ons or grants, so its kind stays. Make a new feature instead."
            problems.append(Problem("kind", text))
        _stop(problems, taken=feature is not None and must_be_new, key=key)
        return _save(feature or Feature(key=key, created_at=now), {**words, **own}, actor=actor, now=now)


def is_given(feature: Feature) -> bool:
    """Whether a version, a subscription or a grant names the feature."""
    named = {"feature": feature}
    return (
        OfferEntitlement.objects.filter(**named).exists()
        or TermOverride.objects.filter(**named).exists()
        or PromotionalGrant.objects.filter(**named).exists()
    )


def save_offer(
    key: str, *, kind: str, product: Product | str, name: str, description: str = "", actor: Person | None, now: datetime,
    must_be_new: bool = False,
) -> Offer:  # fmt: skip
    """Make a plan or add-on, or change its words; `kind` is plan or addon. Kind and product stay for good."""
    if kind not in (checking.PLAN, checking.ADDON):
        raise CatalogueProblems([Problem("kind", "is plan or addon.")])
    words = {"name": name, "description": description}
    problems = [*checking.check_key(kind, key), *checking.check_words(**words)]
    with transaction.atomic():
        owner = product if isinstance(product, Product) else finding.by_key(checking.PRODUCT, str(product))
        if not isinstance(owner, Product):
            problems.append(Problem("product", f"There is no product {str(product)[:80]!r}; make it first."))
        offer = Offer.objects.select_for_update().filter(key=key).first() if not problems else None
        if offer is not None and isinstance(owner, Product) and offer.product_id != owner.pk:
            problems.append(Problem("product", f"{key} belongs to {offer.product.key}; an offer never changes its product."))
        if offer is None and isinstance(owner, Product) and owner.archived_at is not None:
            problems.append(Problem("product", f"{owner.key} is archived; restore it first."))
        _stop(problems, taken=offer is not None and must_be_new, key=key)
        assert isinstance(owner, Product)
        made = offer or Offer(key=key, kind=kind, product=owner, created_at=now)
        return _save(made, words, actor=actor, now=now)


def _stop(problems: Sequence[Problem], *, taken: bool, key: str) -> None:
    if taken:
        problems = [*problems, Problem("key", f"The id {key} is taken.")]
    if problems:
        raise CatalogueProblems(problems)


def _save(entry: Any, values: Mapping[str, str], *, actor: Person | None, now: datetime) -> Any:
    """Write what differs, with its audit entry; nothing when nothing does."""
    fresh = entry.pk is None
    values = {name: value.strip() for name, value in values.items()}
    before = {name: getattr(entry, name) for name, value in values.items() if getattr(entry, name) != value and not fresh}
    if not fresh and not before:
        return entry
    for name, value in values.items():
        setattr(entry, name, value)
    entry.updated_at = now
    try:
        with transaction.atomic():
            entry.save()
    except IntegrityError:  # somebody made it at the same time
        raise CatalogueProblems([Problem("key", f"The id {entry.key} is taken.")]) from None
    after = {name: values[name] for name in before} if before else values
    audit.record(f"catalogue.{entry._meta.model_name}", actor=actor, target=entry.key, before=before, after=after)
    catalogue_changed(now=now, everybody=isinstance(entry, Feature))  # answers name features, so what is remembered must go
    return entry


# --- versions ---------------------------------------------------------------------------------------------------------------


def save_draft(
    offer: Offer, *, per_seat: bool = False, trial_days: int | None = None, price: Any = None, currency: str = "",
    period_months: int | None = None, entitlements: Sequence[Mapping[str, Any]] = (), note: str = "", actor: Person | None,
    now: datetime, seen: datetime | None = None,
) -> OfferVersion:  # fmt: skip
    """Make the draft of an offer, or write over it. Nobody gets anything of it before it is published.

    `entitlements`: {feature, limit, per_seat, unlimited, soft, reset} each. `seen`: when the draft that the person looked at
    was saved; Refusal `changed_meanwhile` when somebody saved another one since.
    """
    given = {"per_seat": per_seat, "trial_days": trial_days, "price": price, "currency": currency,
             "period_months": period_months, "entitlements": entitlements}  # fmt: skip
    with transaction.atomic():
        offer = lock(offer)
        contents = read_contents(offer, given, note=note)
        draft = finding.draft_of(offer)
        if seen is not None and (draft is None or draft.updated_at != seen):
            raise Refusal("changed_meanwhile", "Somebody saved or published this draft meanwhile. Load the page again.")
        draft = draft or OfferVersion(offer=offer, created_at=now)
        write_version(draft, contents, note=note, now=now)
        audit.record("catalogue.draft", actor=actor, target=offer.key, after=as_given(contents, note))
    return draft


def lock(offer: Offer) -> Offer:
    """The offer as it is now, for whoever changes its versions; one at a time."""
    return Offer.objects.select_for_update(of=("self",)).select_related("product").get(pk=offer.pk)


def read_contents(offer: Offer, given: Mapping[str, Any], *, note: str = "") -> Contents:
    """What a version of this offer would give; `CatalogueProblems` with everything that is wrong."""
    current = finding.published_of(offer)
    kept = frozenset(each.feature for each in finding.contents_of(current).lines) if current else frozenset[str]()
    contents, problems = checking.check_contents(offer.kind, given, finding.known_features(), kept=kept)
    if not isinstance(note, str) or len(note) > checking.LONGEST_NOTE or "\0" in note:
        problems.append(Problem("note", f"is a text of at most {checking.LONGEST_NOTE} characters."))
    if problems:
        raise CatalogueProblems(problems)
    return contents


def write_version(version: OfferVersion, contents: Contents, *, note: str, now: datetime) -> None:
    """Store what an unpublished version gives."""
    assert version.published_at is None or version.pk is None, "a published version never changes"
    version.per_seat, version.trial_days, version.price = contents.per_seat, contents.trial_days, contents.price
    version.currency, version.period_months = contents.currency, contents.period_months
    version.note, version.updated_at = note.strip(), now
    version.save()
    OfferEntitlement.objects.filter(version=version).delete()
    ids = dict(Feature.objects.filter(key__in=[each.feature for each in contents.lines]).values_list("key", "pk"))
    OfferEntitlement.objects.bulk_create(
        OfferEntitlement(
            version=version, feature_id=ids[each.feature], limit=each.limit, per_seat=each.per_seat, unlimited=each.unlimited,
            soft=each.soft, reset=each.reset,
        )
        for each in contents.lines
    )  # fmt: skip


def publish(version: OfferVersion, *, actor: Person | None, now: datetime) -> OfferVersion:
    """Sell the offer as the draft says from now on. Customers keep the version that they have.

    Refusals: `published_already`, `archived`, `nothing_new` when it gives exactly what the latest version gives.
    """
    with transaction.atomic():
        offer = lock(version.offer)
        draft = finding.versions_with_contents().get(pk=version.pk)
        if draft.published_at is not None:
            raise Refusal("published_already", f"This is version {draft.number} already; start a new draft to change it.")
        if offer.archived_at is not None or offer.product.archived_at is not None:
            raise Refusal("archived", f"{offer.key} is archived; restore it first.")
        contents, current = finding.contents_of(draft), finding.published_of(offer)
        if current is not None and is_same(finding.contents_of(current), contents):
            raise Refusal("nothing_new", f"The draft gives exactly what version {current.number} gives. Change or discard it.")
        read_contents(offer, as_given(contents, draft.note), note=draft.note)  # features may be archived since
        draft.number = next_number(offer)
        draft.published_at, draft.updated_at, draft.published_by = now, now, known_person(actor)
        draft.save(update_fields=["number", "published_at", "published_by", "updated_at"])
        words = [each.words for each in differences(finding.contents_of(current) if current else None, contents)]
        after = {"version": draft.number, "note": draft.note, "changes": words[:50]}
        audit.record("catalogue.published", actor=actor, target=offer.key, after=after)
        catalogue_changed(now=now)
    return draft


def next_number(offer: Offer) -> int:
    """The number that the next published version gets; call it under `lock`."""
    return 1 + (OfferVersion.objects.filter(offer=offer).aggregate(most=Max("number"))["most"] or 0)


def known_person(actor: Person | None) -> Any:
    """`actor` when it is somebody who is stored."""
    return actor if actor is not None and actor.is_authenticated and actor.pk else None


def discard(version: OfferVersion, *, actor: Person | None, now: datetime) -> None:
    """Throw a draft away. Refusal `published_already`."""
    with transaction.atomic():
        offer = lock(version.offer)
        draft = OfferVersion.objects.filter(pk=version.pk).first()
        if draft is None:
            return
        if draft.published_at is not None:
            raise Refusal("published_already", f"Version {draft.number} is published; it stays as it was sold.")
        before = as_given(finding.contents_of(draft), draft.note)
        draft.delete()
        audit.record("catalogue.draft_discarded", actor=actor, target=offer.key, before=before)


def start_draft(offer: Offer, *, actor: Person | None, now: datetime) -> OfferVersion:
    """The draft of an offer; made from its latest version when there is none."""
    with transaction.atomic():
        offer = lock(offer)
        draft = finding.draft_of(offer)
        if draft is not None:
            return draft
        current = finding.published_of(offer)
        draft = OfferVersion(offer=offer, created_at=now)
        write_version(draft, finding.contents_of(current) if current else Contents(), note="", now=now)
        audit.record("catalogue.draft", actor=actor, target=offer.key, after={"from": current.number if current else None})
        return draft


def duplicate(
    offer: Offer, *, key: str = "", name: str = "", actor: Person | None, now: datetime, version: OfferVersion | None = None
) -> Offer:
    """A new plan or add-on whose draft gives what this one gives (by default its latest state); without `key` one is made."""
    source = version or finding.draft_of(offer) or finding.published_of(offer)
    with transaction.atomic():
        made = save_offer(
            key or _free_key(offer.key), kind=offer.kind, product=offer.product, name=name or f"Copy of {offer.name}"[:255],
            description=offer.description, actor=actor, now=now, must_be_new=True,
        )  # fmt: skip
        contents = finding.contents_of(source) if source else Contents()
        archived = set(Feature.objects.exclude(archived_at=None).values_list("key", flat=True))
        kept = replace(contents, lines=tuple(each for each in contents.lines if each.feature not in archived))
        write_version(OfferVersion(offer=made, created_at=now), kept, note="", now=now)
    return made


def _free_key(key: str) -> str:
    taken = set(Offer.objects.filter(key__startswith=key[:100]).values_list("key", flat=True))
    names = (f"{key[:100]}-copy{f'-{n}' if n > 1 else ''}" for n in range(1, MOST_TRIES))
    return next((each for each in names if each not in taken), "")


def as_given(contents: Contents, note: str = "") -> dict[str, Any]:
    """A version as plain values: what `save_draft` takes, the API shows and the audit keeps. Numbers are texts."""
    return {
        "per_seat": contents.per_seat, "trial_days": contents.trial_days,
        "price": None if contents.price is None else f"{contents.price:f}", "currency": contents.currency,
        "period_months": contents.period_months, "note": note,
        "entitlements": [
            {"feature": each.feature, "limit": None if each.limit is None else f"{each.limit:f}", "per_seat": each.per_seat,
             "unlimited": each.unlimited, "soft": each.soft, "reset": each.reset}
            for each in contents.lines
        ],
    }  # fmt: skip
