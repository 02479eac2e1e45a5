"""Finding things of the catalogue by their ids, and what they give."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Prefetch, QuerySet

from provisioning.catalogue import checking
from provisioning.catalogue.checking import KnownFeature
from provisioning.catalogue.contents import Contents, Line
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product

Entry = Product | Feature | Offer
OfferVersions = QuerySet[OfferVersion]
Offers = QuerySet[Offer]
MODELS: dict[str, type[Product] | type[Feature] | type[Offer]] = {
    checking.PRODUCT: Product,
    checking.FEATURE: Feature,
    checking.PLAN: Offer,
    checking.ADDON: Offer,
}


@dataclass(frozen=True, slots=True)
class Known:
    """Ids that a deal may name now: those with a published version (features: all that there are), and those that may not.

    `refused` says why for the others: drafts that were never published, and archived entries.
    """

    plans: dict[str, str] = field(default_factory=dict)
    add_ons: dict[str, str] = field(default_factory=dict)
    features: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def of_kind(self, kind: str) -> dict[str, str]:
        """Names of what may be sold, by id; `kind` is plan, addon or feature."""
        return {checking.PLAN: self.plans, checking.ADDON: self.add_ons, checking.FEATURE: self.features}[kind]

    @property
    def everything(self) -> dict[str, str]:
        """All ids that may be named."""
        return {**self.plans, **self.add_ons, **self.features}


def by_key(kind: str, key: str) -> Entry | None:
    """The product, feature, plan or add-on with that id, archived ones too."""
    if "\0" in key or len(key) > checking.LONGEST_KEY:
        return None
    model = MODELS[kind]
    found = model._default_manager.filter(key=key)
    return (found.filter(kind=kind) if model is Offer else found).first()


def latest(key: str) -> OfferVersion | None:
    """The version in which a plan or add-on is sold now; None for drafts, archived offers and unknown ids."""
    if "\0" in key:
        return None
    versions = published().filter(offer__key=key, offer__archived_at=None, offer__product__archived_at=None)
    return versions.order_by("-number").first()


def published_of(offer: Offer) -> OfferVersion | None:
    """The latest published version of an offer, archived or not."""
    return published().filter(offer=offer).order_by("-number").first()


def draft_of(offer: Offer) -> OfferVersion | None:
    """What is being worked on, None when nothing is."""
    return OfferVersion.objects.filter(offer=offer, published_at=None).first()


def published() -> OfferVersions:
    """Published versions with what they give."""
    return versions_with_contents().exclude(published_at=None)


def versions_with_contents() -> OfferVersions:
    """Versions with offer, product and features in three queries however many they are."""
    lines = OfferEntitlement.objects.select_related("feature").order_by("feature__key")
    return OfferVersion.objects.select_related("offer__product").prefetch_related(Prefetch("entitlements", lines))


def contents_of(version: OfferVersion) -> Contents:
    """What a version gives; read it through `versions_with_contents` when there are many."""
    lines = sorted(version.entitlements.all(), key=lambda each: each.feature.key)
    return Contents(
        version.per_seat, version.trial_days, version.price, version.currency, version.period_months,
        tuple(_line(each) for each in lines),
    )  # fmt: skip


def _line(given: OfferEntitlement) -> Line:
    feature = given.feature
    return Line(feature.key, feature.name, feature.kind, feature.unit, given.limit, given.per_seat, given.unlimited, given.soft,
                given.reset)  # fmt: skip


def known_features() -> dict[str, KnownFeature]:
    """Every feature by id, as versions refer to it."""
    rows = Feature.objects.values_list("key", "name", "kind", "unit", "archived_at")
    return {key: KnownFeature(key, name, kind, unit, at is not None) for key, name, kind, unit, at in rows}


def known_ids() -> Known:
    """What deals and Salesforce products may name, and why not the rest; three queries."""
    known = Known()
    live = OfferVersion.objects.exclude(published_at=None).values_list("offer", flat=True)
    sold = set(live)
    for offer in Offer.objects.select_related("product"):
        if offer.archived_at or offer.product.archived_at:
            known.refused[offer.key] = "is archived; restore it, or name another one"
        elif offer.pk not in sold:
            known.refused[offer.key] = "is a draft; publish it first"
        else:
            known.of_kind(offer.kind)[offer.key] = offer.name
    for key, name, at in Feature.objects.values_list("key", "name", "archived_at"):
        if at is None:
            known.features[key] = name
        else:
            known.refused[key] = "is archived; restore it, or name another one"
    return known


def latest_of_all(offers: Iterable[Offer]) -> dict[int, OfferVersion]:
    """The latest published version of each offer that has one."""
    found: dict[int, OfferVersion] = {}
    wanted: Sequence[int] = [each.pk for each in offers]
    for version in published().filter(offer__in=wanted).order_by("number"):
        found[version.offer_id] = version
    return found
