"""What the pages of the catalogue show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from integrations.access import Refusal
from provisioning.catalogue import archiving, finding, holders
from provisioning.catalogue.contents import Contents, Difference, Line, differences, line_words, mismatches, price_words
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product

DRAFT, SOLD, ARCHIVED = "draft", "sold", "archived"
STATES = {SOLD: "On sale", DRAFT: "Draft", ARCHIVED: "Archived"}
MOST_COMPARED = 6


@dataclass(frozen=True)
class OfferCard:
    """A plan or add-on in a list."""

    offer: Offer
    state: str
    version: OfferVersion | None
    contents: Contents
    customers: int
    has_draft: bool

    @property
    def price(self) -> str:
        """Its price in words."""
        return price_words(self.contents)

    @property
    def gives(self) -> list[str]:
        """What it gives in short."""
        return [f"{line.name}: {line_words(line)}" for line in self.contents.lines]


@dataclass
class Shelf:
    """A product with what is sold of it."""

    product: Product
    plans: list[OfferCard] = field(default_factory=list)
    add_ons: list[OfferCard] = field(default_factory=list)

    @property
    def customers(self) -> int:
        """Running subscriptions; each has one plan."""
        return sum(card.customers for card in self.plans)


def shelves(*, text: str = "", archived: bool = False, product: Product | None = None, now: datetime) -> list[Shelf]:
    """Products with their plans and add-ons. `text` searches names and ids of all three; archived ones only when asked for."""
    products = Product.objects.all() if product is None else Product.objects.filter(pk=product.pk)
    offers = Offer.objects.select_related("product").filter(product__in=products).order_by("name", "key")
    if not archived:
        offers = offers.filter(archived_at=None)
        products = products if product is not None else products.filter(archived_at=None)
    if text := text.replace("\0", "").strip():
        fits = Q(name__icontains=text) | Q(key__icontains=text)
        by_product = Product.objects.filter(fits)
        offers = offers.filter(fits | Q(product__in=by_product))
        products = products.filter(Q(pk__in=by_product) | Q(pk__in=offers.values("product")))
    found = {each.pk: Shelf(each) for each in products}
    for card in cards_of(list(offers), now=now):
        if shelf := found.get(card.offer.product_id):
            (shelf.plans if card.offer.kind == Offer.Kind.PLAN else shelf.add_ons).append(card)
    return list(found.values())


def cards_of(offers: Sequence[Offer], *, now: datetime) -> list[OfferCard]:
    """Each offer as it is sold (as its draft while it is not), cheapest first."""
    latest = finding.latest_of_all(offers)
    drafts = {each.offer_id: each for each in finding.versions_with_contents().filter(published_at=None, offer__in=offers)}
    counts = holders.count_holders(offers, now=now)
    owners = dict(OfferVersion.objects.filter(pk__in=counts).values_list("pk", "offer_id"))
    customers: dict[int, int] = {}
    for version, n in counts.items():
        customers[owners[version]] = customers.get(owners[version], 0) + n
    cards = [_card(each, latest.get(each.pk), drafts.get(each.pk), customers.get(each.pk, 0)) for each in offers]
    return sorted(cards, key=lambda card: (card.contents.price is None, card.contents.price or 0, card.offer.name.casefold()))


def _card(offer: Offer, sold: OfferVersion | None, draft: OfferVersion | None, customers: int) -> OfferCard:
    version = sold or draft
    contents = finding.contents_of(version) if version else Contents()
    return OfferCard(offer, state_of(offer, sold), version, contents, customers, draft is not None)


def state_of(offer: Offer, sold: OfferVersion | None) -> str:
    """On sale, a draft, or archived (also by its product)."""
    if offer.archived_at is not None or offer.product.archived_at is not None:
        return ARCHIVED
    return SOLD if sold is not None else DRAFT


@dataclass(frozen=True)
class VersionCard:
    """A published version on the page of its offer."""

    version: OfferVersion
    contents: Contents
    customers: int
    changes: list[Difference]
    is_latest: bool

    @property
    def lines(self) -> list[tuple[Line, str]]:
        """What it gives, in words."""
        return [(line, line_words(line)) for line in self.contents.lines]

    @property
    def price(self) -> str:
        """Its price in words."""
        return price_words(self.contents)


@dataclass(frozen=True)
class OfferPage:
    """Everything about one plan or add-on."""

    offer: Offer
    state: str
    versions: list[VersionCard]
    draft: OfferVersion | None
    draft_contents: Contents | None
    draft_changes: list[Difference]
    notes: list[str]

    @property
    def latest(self) -> VersionCard | None:
        """What is sold now."""
        return self.versions[0] if self.versions else None

    @property
    def behind(self) -> int:
        """Customers on versions before the latest."""
        return sum(each.customers for each in self.versions[1:])


def read_offer(offer: Offer, *, now: datetime) -> OfferPage:
    """One plan or add-on with its versions, newest first."""
    versions = list(finding.published().filter(offer=offer).order_by("number"))
    counts = holders.count_holders([offer], now=now)
    cards: list[VersionCard] = []
    before: Contents | None = None
    for version in versions:
        contents = finding.contents_of(version)
        changes = differences(before, contents) if before is not None else []
        cards.append(VersionCard(version, contents, counts.get(version.pk, 0), changes, version is versions[-1]))
        before = contents
    draft = finding.versions_with_contents().filter(offer=offer, published_at=None).first()
    inside = finding.contents_of(draft) if draft is not None else None
    changes = differences(before, inside) if inside is not None else []
    notes = notes_on(offer, inside or before or Contents())
    return OfferPage(offer, state_of(offer, versions[-1] if versions else None), cards[::-1], draft, inside, changes, notes)


def notes_on(offer: Offer, contents: Contents) -> list[str]:
    """What may surprise: windows that do not fit between plans and add-ons of the product."""
    others = Offer.objects.filter(product=offer.product_id, archived_at=None).exclude(kind=offer.kind)
    found = []
    for version in finding.latest_of_all(others.select_related("product")).values():
        other = finding.contents_of(version)
        pair = (contents, other) if offer.kind == Offer.Kind.PLAN else (other, contents)
        found += [f"{version.offer.name}: {words}" for words in mismatches(*pair)]
    return found


def version_numbered(offer: Offer, number: str) -> OfferVersion:
    """The version with that number, or the draft (`draft`); Refusal `no_version`."""
    found = finding.versions_with_contents().filter(offer=offer)
    if number == DRAFT:
        version = found.filter(published_at=None).first()
    else:
        version = found.filter(number=int(number)).first() if number.isdecimal() and len(number) < 9 else None
    if version is None or (number == "0"):
        raise Refusal("no_version", f"{offer.key} has no version {number[:20]}.")
    return version


@dataclass(frozen=True)
class FeatureCard:
    """A feature in the list."""

    feature: Feature
    offers: int


def features(*, text: str = "", kind: str = "", archived: bool = False) -> list[FeatureCard]:
    """Features with the number of plans and add-ons on sale that give them."""
    found = Feature.objects.all()
    if not archived:
        found = found.filter(archived_at=None)
    if kind:
        found = found.filter(kind=kind.replace("\0", ""))
    if text := text.replace("\0", "").strip():
        found = found.filter(Q(name__icontains=text) | Q(key__icontains=text) | Q(event_name__icontains=text))
    counts: dict[int, set[int]] = {}
    latest = {each.pk for each in finding.latest_of_all(Offer.objects.filter(archived_at=None)).values()}
    for feature, offer in OfferEntitlement.objects.filter(version__in=latest).values_list("feature", "version__offer"):
        counts.setdefault(feature, set()).add(offer)
    return [FeatureCard(each, len(counts.get(each.pk, ()))) for each in found]


def uses_of_feature(feature: Feature) -> list[tuple[Offer, str]]:
    """Plans and add-ons that give a feature now, each with what it gives of it."""
    offers = list(archiving.offers_with(feature).select_related("product"))
    latest = finding.latest_of_all(offers)
    found = []
    for offer in offers:
        version = latest.get(offer.pk)
        line = finding.contents_of(version).line(feature.key) if version is not None else None
        found.append((offer, line_words(line) if line is not None else "in its draft"))
    return found


def comparable(product: Product, wanted: Sequence[str], *, now: datetime) -> tuple[list[OfferCard], list[OfferCard]]:
    """Plans of a product for a table side by side: the chosen ones (by default all, at most six), and all there are."""
    offers = Offer.objects.select_related("product").filter(product=product, kind=Offer.Kind.PLAN, archived_at=None)
    every = cards_of(list(offers), now=now)
    chosen = [card for card in every if card.offer.key in wanted] or every
    return chosen[:MOST_COMPARED], every
